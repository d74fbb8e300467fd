"""Locust's request event for those who listen to it, fired once a second from what was recorded.

Locust's own listener only counts, and is fed in bulk (`scenarios.engine.web_ui`); firing the event
for each request would cost as much as the request. So it is fired for other listeners only, and
only where there are any: plugins that write to a database, a log or a monitoring system.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from contracts.records import Failure
from contracts.terms import OperationKind


class RequestFailed(Exception):
    """What the event carries as its exception: the failure's name and the HTTP status."""


class RequestEvents:
    """Fires for the listeners of *hook* that are not Locust's own; *make_hook* makes an empty one.

    Latency counts from when the request was due; there is no response object to hand over.
    """

    def __init__(self, hook: Any, make_hook: Callable[[], Any]) -> None:
        self._hook = hook
        self._others = make_hook()

    @property
    def is_listened_to(self) -> bool:
        """Whether anybody but Locust listens."""
        return bool(self._foreign())

    def add(
        self, samples: npt.NDArray[np.void], operations: Sequence[tuple[str, OperationKind]]
    ) -> None:
        """Fire for every request that was sent, in the order of their ends."""
        self._others._handlers = self._foreign()
        if not self._others._handlers:
            return
        sent = samples[samples["sent_ns"] > 0]
        wall_s = time.time() - time.monotonic()
        for sample in sent[np.argsort(sent["done_ns"], kind="stable")]:
            name, kind = operations[sample["operation"]]
            self._others.fire(
                request_type=kind.value,
                name=name,
                response_time=(int(sample["done_ns"]) - int(sample["planned_ns"])) / 1e6,
                response_length=int(sample["bytes_in"]),
                response=None,
                context={"unit": int(sample["unit"]), "session": int(sample["session"])},
                exception=_exception(sample),
                start_time=int(sample["planned_ns"]) / 1e9 + wall_s,
                url=None,
            )

    def _foreign(self) -> list[Any]:
        handlers = list(self._hook._handlers)
        return [one for one in handlers if not one.__module__.startswith("locust.")]


def _exception(sample: np.void) -> RequestFailed | None:
    failure = Failure(sample["failure"])
    if failure in (Failure.NONE, Failure.EXPECTED_REFUSAL):
        return None
    return RequestFailed(f"{failure.name} {int(sample['status']) or ''}".strip())
