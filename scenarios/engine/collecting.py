"""A worker's logs on their way to the master: read in bounded pieces, checked, put on one clock.

The worker hands out what is asked for; the master writes it down as it came, compares the whole by
its SHA-256, and only then turns it into a log of its own run folder, with all times on its own
clock. What did not come whole is left beside it as it is and said to be so.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import orjson

from contracts.records import OPERATION_DTYPE, SAMPLE_DTYPE
from scenarios.engine.clocks import ClockLine

PIECE_BYTES: Final = 512 * 1024
HEADER_BYTES_MAX: Final = 1 << 20
_RECORDS: Final = 1 << 16
_DTYPES: Final = {"samples": SAMPLE_DTYPE, "operations": OPERATION_DTYPE}
_TIMES: Final = {
    "samples": ("planned_ns", "sent_ns", "first_byte_ns", "done_ns"),
    "operations": ("invoked_ns", "completed_ns"),
}


class LogFile(NamedTuple):
    """One log as its worker has it: `name` like "samples/load-0.log", in its own run folder."""

    name: str
    size: int
    sha256: str


def logs_of(folder: Path, index: int) -> list[LogFile]:
    """Return the logs that load process *index* left in *folder*."""
    names = [f"{kind}/load-{index}.log" for kind in _DTYPES]
    return [_described(folder, name) for name in names if (folder / name).exists()]


def _described(folder: Path, name: str) -> LogFile:
    with (folder / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return LogFile(name, file.tell(), digest)


def read_piece(folder: Path, name: str, offset: int) -> bytes:
    """Return the bytes of the log from *offset*, at most `PIECE_BYTES`. Raises `OSError`."""
    kind, _, file_name = name.partition("/")
    if kind not in _DTYPES or "/" in file_name or ".." in file_name:
        raise FileNotFoundError(f"no log: {name}")
    with (folder / name).open("rb") as file:
        file.seek(offset)
        return file.read(PIECE_BYTES)


class Incoming:
    """One log as it arrives at the master. `add` pieces in order, then `finish`."""

    def __init__(self, log: LogFile, into: Path) -> None:
        kind, _, file_name = log.name.partition("/")
        if kind not in _DTYPES or "/" in file_name or ".." in file_name:
            raise ValueError(f"no log: {log.name}")
        self.log = log
        self._kind = kind
        self._target = into / kind / file_name
        self._part = into / "collected" / f"{kind}-{file_name}.part"
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = self._part.open("wb")
        self._digest = hashlib.sha256()
        self.received = 0

    @property
    def is_whole(self) -> bool:
        """Whether every byte has come, and none is wrong."""
        is_long_enough = self.received == self.log.size
        return is_long_enough and self._digest.hexdigest() == self.log.sha256

    def add(self, piece: bytes) -> None:
        """Write the next piece down."""
        self._file.write(piece)
        self._digest.update(piece)
        self.received += len(piece)

    def close(self) -> None:
        """Leave what has come as it is."""
        self._file.close()

    def finish(self, line: ClockLine) -> None:
        """Put the log into the run folder, its times on the master's clock."""
        self._file.close()
        unfinished = self._target.with_suffix(".new")
        with self._part.open("rb") as source, unfinished.open("wb") as target:
            header: dict[str, Any] = orjson.loads(source.readline(HEADER_BYTES_MAX))
            if header.get("t0_ns"):
                header["t0_ns"] = int(line.on_master(np.array([header["t0_ns"]]))[0])
            target.write(orjson.dumps(header, option=orjson.OPT_APPEND_NEWLINE))
            _shift(source, target, self._kind, line)
        os.replace(unfinished, self._target)
        self._part.unlink()


def _shift(source: BinaryIO, target: BinaryIO, kind: str, line: ClockLine) -> None:
    dtype = _DTYPES[kind]
    while piece := source.read(_RECORDS * dtype.itemsize):
        whole = len(piece) - len(piece) % dtype.itemsize
        records = np.frombuffer(piece[:whole], dtype=dtype).copy()
        for name in _TIMES[kind]:
            records[name] = line.on_master(records[name])
        target.write(records.tobytes() + piece[whole:])
