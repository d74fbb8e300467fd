"""One probe's readings on disk: a line at a time while the run is on, a Parquet file at its end.

The lines survive the death of the harness; the Parquet file has the columns of `contracts.records`.
A closed log ends with a row named `ended` or `died`, so that a file cut short cannot pass for a
whole one. Volume is bounded: readings past the limit are counted, never written, and the count is
written at the end. Nothing is averaged here.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import READING_COLUMNS

# Two orders of magnitude above an eight-minute run with both probes (measured 2026-11: 90 rows/s).
ROWS_MAX: Final = 5_000_000
SUBJECT_CHARACTERS_MAX: Final = 240

_FIELDS: Final[list[tuple[str, pa.DataType]]] = [
    ("at_ns", pa.int64()),
    ("probe", pa.string()),
    ("subject", pa.string()),
    ("name", pa.string()),
    ("value", pa.float64()),
    ("unit", pa.string()),
]
READING_SCHEMA: Final = pa.schema(_FIELDS)
assert tuple(READING_SCHEMA.names) == READING_COLUMNS


class Reading(NamedTuple):
    """One row of a probe's time series; `at_ns` is ns of CLOCK_MONOTONIC."""

    at_ns: int
    probe: str
    subject: str
    name: str
    value: float
    unit: str


class ReadingLog:
    """Append-only file of one probe's readings. Used by the probe's own thread; closed by any."""

    def __init__(self, folder: Path, probe: str, *, rows_max: int = ROWS_MAX) -> None:
        self.probe = probe
        self._lines = folder / f"{probe}.jsonl"
        self._sealed = folder / f"{probe}.parquet"
        self._rows_max = rows_max
        self._row_count = 0
        self._dropped_count = 0
        self._lock = threading.Lock()
        self._file = self._lines.open("wb", buffering=1 << 16)

    @property
    def row_count(self) -> int:
        """Rows written so far."""
        return self._row_count

    def add(self, at_ns: int, subject: str, name: str, value: float, unit: str) -> None:
        """Append one reading; beyond the limit it is counted as dropped. Ignored once closed."""
        with self._lock:
            if self._file.closed:
                return
            if self._row_count >= self._rows_max:
                self._dropped_count += 1
                return
            self._write(at_ns, subject, name, value, unit)

    def flush(self) -> None:
        """Hand what was added to the operating system: it then survives our own death."""
        with self._lock:
            if not self._file.closed:
                self._file.flush()

    def close(self, *, died_because: str | None) -> None:
        """Write the last row, then seal the lines into Parquet. May be called again.

        *died_because* is None when the probe worked to its end.
        """
        with self._lock:
            if self._file.closed:
                return
            now_ns = time.monotonic_ns()
            if self._dropped_count:
                self._write(now_ns, self.probe, "dropped", self._dropped_count, "count")
            if died_because is None:
                self._write(now_ns, self.probe, "ended", 1.0, "count")
            else:
                self._write(now_ns, died_because, "died", 1.0, "count")
            self._file.close()
        self._seal()

    def _write(self, at_ns: int, subject: str, name: str, value: float, unit: str) -> None:
        row = (at_ns, self.probe, subject[:SUBJECT_CHARACTERS_MAX], name, float(value), unit)
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self._row_count += 1

    def _seal(self) -> None:
        rows, _ = _read_lines(self._lines)
        temporary = self._sealed.with_suffix(".new")
        columns = {name: [row[index] for row in rows] for index, name in enumerate(READING_COLUMNS)}
        pq.write_table(pa.table(columns, schema=READING_SCHEMA), temporary, compression="zstd")
        os.replace(temporary, self._sealed)
        self._lines.unlink()


class ProbeReadings(NamedTuple):
    """What one probe left: its rows in order, and why they may not be the whole (None: whole)."""

    rows: tuple[Reading, ...]
    incomplete_because: str | None


def read_readings(folder: Path, probe: str) -> ProbeReadings:
    """Read *probe*'s file from a readings folder, sealed or as lines after a crash.

    A missing file is no error: no rows, and the reason.
    """
    sealed, lines = folder / f"{probe}.parquet", folder / f"{probe}.jsonl"
    broken_count = 0
    if sealed.exists():
        try:
            table = pq.read_table(sealed, schema=READING_SCHEMA)
        except (pa.ArrowException, OSError) as error:
            return ProbeReadings((), f"{sealed.name} cannot be read: {error}")
        columns = [table.column(name).to_pylist() for name in READING_COLUMNS]
        rows = tuple(map(Reading, *columns))
    elif lines.exists():
        rows, broken_count = _read_lines(lines)
    else:
        return ProbeReadings((), f"the {probe} probe left no readings")
    if broken_count:
        return ProbeReadings(rows, f"{broken_count} line(s) of {lines.name} are broken")
    last = rows[-1] if rows else None
    if last is None or last.name not in ("ended", "died"):
        return ProbeReadings(rows, f"the {probe} probe was cut off")
    if last.name == "died":
        return ProbeReadings(rows, f"the {probe} probe died: {last.subject}")
    return ProbeReadings(rows, None)


def _read_lines(path: Path) -> tuple[tuple[Reading, ...], int]:
    rows: list[Reading] = []
    broken_count = 0
    with path.open("rb") as file:
        for line in file:
            try:
                at_ns, probe, subject, name, value, unit = orjson.loads(line)
                rows.append(
                    Reading(
                        int(at_ns), str(probe), str(subject), str(name), float(value), str(unit)
                    )
                )
            except (ValueError, TypeError):
                broken_count += 1
    return tuple(rows), broken_count
