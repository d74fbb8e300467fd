"""Who tells a load process when to begin and what more to take: the harness by files, or nobody.

A master of Locust's is the third (`scenarios.engine.member`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final, Protocol

import orjson

from scenarios.engine.order import LoadOrder
from scenarios.shares import Share, share_from

# Without a harness the load begins this long after everything is ready.
HEAD_START_NS: Final = 300_000_000
NEVER_NS: Final = 2**62

log = logging.getLogger(__name__)


class Director(Protocol):
    """Asked about once a second; the answers are those of this instant."""

    @property
    def has_fellows(self) -> bool:
        """Whether other processes drive other shares, one of which may have to be taken over."""
        ...

    def t0_ns(self) -> int:
        """Return when the load begins, ns of this machine's CLOCK_MONOTONIC; 0: not yet known."""
        ...

    def take_shares(self) -> Sequence[Share]:
        """Return the shares to take from now on, each once."""
        ...

    def arrivals_until_ns(self) -> int:
        """Return until when new sessions are this process's to begin."""
        ...

    def tell(self, event: Mapping[str, Any]) -> None:
        """Take note of what the process says of itself."""
        ...


class NoDirector:
    """A process alone: it begins as soon as it is ready."""

    has_fellows = False

    def t0_ns(self) -> int:
        """Return an instant shortly after now."""
        return monotonic_ns() + HEAD_START_NS

    def take_shares(self) -> Sequence[Share]:
        """Return nothing: there is nobody to take from."""
        return ()

    def arrivals_until_ns(self) -> int:
        """Return no limit."""
        return NEVER_NS

    def tell(self, event: Mapping[str, Any]) -> None:
        """Nobody listens."""


class FileDirector:
    """The harness of this machine: one start file for all, and a list of shares dealt on.

    `start_file` holds {"t0_ns": int}; beside it, `shares.jsonl` has one line for each share taken
    from a lost process: {"by": index, "path": .., "from_ns": ..}. A lost process of this machine
    is known to be dead, so no arrival can happen twice and none needs a term.
    """

    def __init__(self, start_file: Path, *, process_index: int, process_count: int) -> None:
        self.has_fellows = process_count > 1
        self._start_file = start_file
        self._shares_file = start_file.with_name("shares.jsonl")
        self._index = process_index
        self._read_bytes = 0

    def t0_ns(self) -> int:
        """Return t0 from the start file, 0 while it is not there or half written."""
        try:
            content = orjson.loads(self._start_file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return 0
        t0_ns = content.get("t0_ns") if isinstance(content, dict) else None
        return t0_ns if type(t0_ns) is int and t0_ns > 0 else 0

    def take_shares(self) -> Sequence[Share]:
        """Return the shares given to this process since the last call."""
        if not self.has_fellows:
            return ()
        try:
            with self._shares_file.open("rb") as file:
                file.seek(self._read_bytes)
                whole, newline, _ = file.read().rpartition(b"\n")
        except OSError:
            return ()
        self._read_bytes += len(whole) + len(newline)
        dealt = [orjson.loads(line) for line in whole.splitlines()]
        return [share_from(one) for one in dealt if one["by"] == self._index]

    def arrivals_until_ns(self) -> int:
        """Return no limit."""
        return NEVER_NS

    def tell(self, event: Mapping[str, Any]) -> None:
        """The harness reads the progress file itself."""


def director_of(order: LoadOrder) -> Director:
    """Return who directs a load with *order* that is not part of a master's."""
    if not order.start_file:
        return NoDirector()
    return FileDirector(
        Path(order.start_file),
        process_index=order.process_index,
        process_count=order.process_count,
    )
