"""Locust's own statistics, fed once a second from the recorded samples.

Firing Locust's request event for its own listener costs as much as the request itself, so whole
seconds are added to its entries at once. This is for eyes only: Locust rounds its percentiles,
mixes operations and forgets planned times; verdicts come from the run folder.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from contracts.records import Failure
from contracts.terms import OperationKind


class StatsFeed:
    """Adds samples to *stats*, a `locust.stats.RequestStats`; *bucket* is its rounding function."""

    def __init__(self, stats: Any, bucket: Any) -> None:
        self._stats = stats
        self._bucket = bucket

    def add(
        self, samples: npt.NDArray[np.void], operations: Sequence[tuple[str, OperationKind]]
    ) -> None:
        """Add what was recorded since the last call; requests that were never sent are left out."""
        sent = samples[samples["sent_ns"] > 0]
        for operation in np.unique(sent["operation"]).tolist():
            chosen = sent[sent["operation"] == operation]
            name, kind = operations[operation]
            self._add_to(self._stats.get(name, kind.value), chosen)
            self._add_errors(name, kind.value, chosen)
        if len(sent):
            self._add_to(self._stats.total, sent)

    def _add_to(self, entry: Any, samples: npt.NDArray[np.void]) -> None:
        now_s = time.time()
        second = int(now_s)
        if (
            entry.use_response_times_cache
            and entry.last_request_timestamp
            and second > int(entry.last_request_timestamp)
        ):
            # Locust's "current" percentiles are differences between these copies.
            entry._cache_response_times(second - 1)
        latencies_ms = (samples["done_ns"] - samples["planned_ns"]) / 1e6
        rounded, counts = np.unique(latencies_ms.astype(np.int64), return_counts=True)
        for latency_ms, count in zip(rounded.tolist(), counts.tolist(), strict=True):
            entry.response_times[self._bucket(latency_ms)] += count
        failed = int(np.count_nonzero(_is_error(samples)))
        entry.num_requests += len(samples)
        entry.num_failures += failed
        entry.num_reqs_per_sec[second] += len(samples)
        if failed:
            entry.num_fail_per_sec[second] += failed
        entry.last_request_timestamp = now_s
        entry.total_response_time += float(latencies_ms.sum())
        entry.max_response_time = max(entry.max_response_time, float(latencies_ms.max()))
        smallest_ms = float(latencies_ms.min())
        if entry.min_response_time is None or smallest_ms < entry.min_response_time:
            entry.min_response_time = smallest_ms
        entry.total_content_length += int(samples["bytes_in"].sum())

    def _add_errors(self, name: str, kind: str, samples: npt.NDArray[np.void]) -> None:
        failed = samples[_is_error(samples)]
        pairs, counts = np.unique(failed[["failure", "status"]], return_counts=True)
        for (failure, status), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            text = f"{Failure(failure).name} {status}" if status else Failure(failure).name
            # Locust counts one occurrence per call; the rest are added to the entry it made.
            before = self._stats.total.num_failures, self._stats.get(name, kind).num_failures
            self._stats.log_error(kind, name, text)
            self._stats.total.num_failures, self._stats.get(name, kind).num_failures = before
            for error in self._stats.errors.values():
                if error.name == name and error.method == kind and str(error.error) == text:
                    error.occurrences += count - 1


def _is_error(samples: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    failure = samples["failure"]
    return (failure != int(Failure.NONE)) & (failure != int(Failure.EXPECTED_REFUSAL))
