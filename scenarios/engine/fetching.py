"""The master fetches the workers' logs at the end, piece by piece over Locust's own channel.

A piece is asked for when the one before has come, so no queue grows however slow the network is;
one that does not come is asked for again, a bounded number of times.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

import gevent

from scenarios.engine import messages
from scenarios.engine.collecting import Incoming, LogFile
from scenarios.engine.worker_record import WorkerRecord

PIECE_LIMIT_S: Final = 5.0
PIECE_TRIES: Final = 4
POLL_S: Final = 0.002

log = logging.getLogger("monthend")


class Fetching:
    """Puts the logs of all workers into *into*; *send* is (worker, message, data)."""

    def __init__(
        self, into: Path, send: Callable[[WorkerRecord, str, dict[str, Any]], None]
    ) -> None:
        self._into = into
        self._send = send
        self._arrived: dict[tuple[str, str], list[tuple[int, bytes]]] = {}

    def take(self, piece: Mapping[str, Any]) -> None:
        """Take a piece that a worker sent; one that nobody waits for is dropped."""
        arrived = self._arrived.get((str(piece["from"]), str(piece["name"])))
        if arrived is not None:
            arrived.append((int(piece["offset"]), bytes(piece["content"])))

    def collect(self, worker: WorkerRecord) -> None:
        """Fetch the logs of *worker*; what does not come whole stays where it is."""
        try:
            logs = [LogFile(*one) for one in (worker.done or {}).get("files", ())]
            fetched = [self._fetch(worker, one) for one in logs]
            worker.is_collected = bool(fetched) and all(fetched)
        except (OSError, ValueError, TypeError) as error:
            log.error("the logs of worker %d cannot be kept: %s", worker.index, error)
        if not worker.is_collected:
            where = (worker.planned or {}).get("where", "")
            log.error("the logs of worker %d were not collected; they lie in %s",
                      worker.index, where)  # fmt: skip

    def _fetch(self, worker: WorkerRecord, one: LogFile) -> bool:
        incoming = Incoming(one, self._into)
        arrived = self._arrived[worker.id, one.name] = []
        try:
            while incoming.received < one.size:
                piece = self._piece(worker, one.name, incoming.received, arrived)
                if not piece:
                    break
                incoming.add(piece)
            if incoming.is_whole:
                incoming.finish(worker.line)
            return incoming.is_whole
        finally:
            incoming.close()
            del self._arrived[worker.id, one.name]

    def _piece(
        self, worker: WorkerRecord, name: str, offset: int, arrived: list[tuple[int, bytes]]
    ) -> bytes:
        for _ in range(PIECE_TRIES):
            self._send(worker, messages.ASK_PIECE, {"name": name, "offset": offset})
            limit_ns = monotonic_ns() + int(PIECE_LIMIT_S * 1e9)
            while monotonic_ns() < limit_ns:
                while arrived:
                    at, content = arrived.pop(0)
                    if at == offset:
                        return content
                gevent.sleep(POLL_S)
        return b""
