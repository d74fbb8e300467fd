"""Logs of a load process into Parquet, whatever became of the process.

A log is one line of JSON and then records of fixed width (`contracts.records`). A process that was
killed leaves a last record cut short: what is whole is kept, and the file says that it was broken.
A log without a header that can be read proves nothing about its records: it is left where it is,
and the judge finds evidence missing. Memory is bounded; a log goes only when its Parquet is whole.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import FORMAT_VERSION, OPERATION_DTYPE, SAMPLE_DTYPE
from harness.failures import BrokenExperiment
from harness.run_folder import RunFolder

HEADER_BYTES_MAX: Final = 1 << 20
CHUNK_RECORDS: Final = 1 << 18
HEADER: Final = b"header"
BROKEN: Final = b"broken"
NOT_A_COLUMN: Final = "padding"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedLog:
    """What became of one log. `broken_because` is empty for a whole one."""

    log: str
    record_count: int
    broken_because: str


def seal(folder: RunFolder) -> tuple[SealedLog, ...]:
    """Seal every log of samples and operations. May be repeated. Raises `BrokenExperiment` when the
    Parquet files cannot be written."""
    sealed = []
    for place, dtype in ((folder.samples, SAMPLE_DTYPE), (folder.operations, OPERATION_DTYPE)):
        for log in sorted(place.glob("*.log")):
            try:
                sealed.append(_seal_log(log, dtype))
            except OSError as error:
                raise BrokenExperiment(
                    what=f"the log cannot be sealed: {error.strerror or error}",
                    where=str(log),
                    mend="make room on the disk; the log is still there",
                ) from error
    return tuple(sealed)


def broken_logs(folder: RunFolder) -> tuple[str, ...]:
    """Name the logs that were not whole: sealed ones that say so, and those never sealed."""
    broken = []
    for place in (folder.samples, folder.operations):
        for path in sorted(place.glob("*.parquet")):
            try:
                metadata = pq.read_schema(path).metadata or {}
            except (pa.ArrowException, OSError, ValueError):
                continue  # who needs the rows finds them unreadable
            if metadata.get(BROKEN):
                broken.append(f"{place.name}/{path.stem}")
        broken += [f"{place.name}/{path.stem}" for path in sorted(place.glob("*.log"))]
    return tuple(broken)


def _seal_log(log: Path, dtype: np.dtype[Any]) -> SealedLog:
    name = f"{log.parent.name}/{log.stem}"
    target = log.with_suffix(".parquet")
    with log.open("rb") as file:
        header = file.readline(HEADER_BYTES_MAX)
        doubt = _doubt_about(header)
        if doubt:
            return SealedLog(log=name, record_count=0, broken_because=doubt)
        length = os.fstat(file.fileno()).st_size - file.tell()
        count, cut_off = divmod(length, dtype.itemsize)
        broken = f"its last record lacks {dtype.itemsize - cut_off} bytes" if cut_off else ""
        temporary = target.with_suffix(".new")
        written = _write(file, temporary, dtype, count, header=header.rstrip(), broken=broken)
    os.replace(temporary, target)
    log.unlink()
    return SealedLog(log=name, record_count=written, broken_because=broken)


def _doubt_about(header: bytes) -> str:
    """Say why this line is no header of ours; empty when it is."""
    if not header.endswith(b"\n"):
        return "it has no whole header"
    try:
        content = orjson.loads(header)
    except orjson.JSONDecodeError:
        return "its header is not JSON"
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        return f"its format version is {version!r}, this release seals {FORMAT_VERSION}"
    return ""


def _write(
    file: BinaryIO,
    target: Path,
    dtype: np.dtype[Any],
    count: int,
    *,
    header: bytes,
    broken: str,
) -> int:
    names = [name for name in dtype.names or () if name != NOT_A_COLUMN]
    metadata: dict[bytes | str, bytes | str] = {HEADER: header}
    if broken:
        metadata[BROKEN] = broken
    schema = pa.schema(
        [(name, pa.from_numpy_dtype(dtype[name])) for name in names], metadata=metadata
    )
    written = 0
    with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=False) as writer:
        while written < count:
            records: npt.NDArray[Any] = np.frombuffer(
                file.read(min(CHUNK_RECORDS, count - written) * dtype.itemsize), dtype=dtype
            )
            if not records.size:
                break  # the log shrank under our hands: what was there is sealed
            columns = [pa.array(np.ascontiguousarray(records[name])) for name in names]
            writer.write_table(pa.table(columns, schema=schema))
            written += int(records.size)
    return written
