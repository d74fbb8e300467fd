"""Probe readings of a run folder as a table: only the probe and the names that a figure shows.

Samples are read by `harness.measurements`, with the same rule of latency that the verdict follows.
A missing file is no error, a broken one is refused with its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.records import READING_COLUMNS
from harness.failures import BadSetup

# 72 h at one row per second of 64 subjects; a file with more is not one probe's readings.
READINGS_MAX: Final = 20_000_000


def read_readings(folder: Path, probe: str, names: tuple[str, ...]) -> pd.DataFrame | None:
    """Read the rows of one probe with one of *names*; None when the probe left no file."""
    path = folder / f"{probe}.parquet"
    if not path.exists():
        return None
    try:
        with pq.ParquetFile(path) as file:
            lacking = set(READING_COLUMNS) - set(file.schema_arrow.names)
            if lacking:
                raise _broken(path, f"column {min(lacking)} is missing")
            if file.metadata.num_rows > READINGS_MAX:
                raise _broken(path, f"it has more than {READINGS_MAX} rows")
            table = file.read(columns=["at_ns", "subject", "name", "value", "unit"])
        chosen = table.filter(pc.is_in(table["name"], pa.array(names)))
        frame: pd.DataFrame = chosen.to_pandas()
        frame["subject"] = frame["subject"].astype(str)
        frame["name"] = frame["name"].astype(str)
        frame["unit"] = frame["unit"].astype(str)
        frame["at_ns"] = frame["at_ns"].astype("int64")
        frame["value"] = frame["value"].astype("float64")
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise _broken(path, str(error)) from error
    return frame.dropna()


def _broken(path: Path, reason: str) -> BadSetup:
    return BadSetup(
        what=f"the file is broken: {' '.join(reason.split())[:200]}",
        where=str(path),
        mend="take an unbroken copy of the run folder",
    )
