"""What was planned, session by session: the other half of the proof that it was offered.

Written into the run folder before the first request, `plan/sessions.parquet` with one row per
session and `plan/seconds.parquet` with the requests of each second and kind as they fall due when
the target answers at once. Columns stand in `contracts.records`. Nothing is drawn here: the rows
are those of the plan that the load processes drive.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import PLAN_SECONDS_COLUMNS, PLAN_SESSIONS_COLUMNS
from contracts.terms import OperationKind
from harness.columns import TIME_NS_MAX, EvidenceMissing, Int32, Int64
from harness.run_folder import RunFolder
from scenarios.playbook import Playbook

# Walking through more than these would hold the start of the run up for half a minute.
REQUESTS_WALKED_MAX: Final = 2_000_000
SESSIONS_MAX: Final = 50_000_000
SECONDS_MAX: Final = 700_000  # of a week and its drain
_KINDS: Final = tuple(OperationKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLoad:
    """One entry per session, `session` being its number; `start_ns` counts from t0.

    `activity` indexes `activities`. `per_s` has shape (kinds of `OperationKind`, seconds), or no
    seconds at all where the plan was too long to be walked through.
    """

    session: Int32
    start_ns: Int64
    requests: Int32
    activity: npt.NDArray[np.int16]
    activities: tuple[str, ...]
    per_s: Int64


def planned_load(
    playbook: Playbook, *, activities: Sequence[str], activity: npt.NDArray[np.int16]
) -> PlannedLoad:
    """Walk through the whole plan. *playbook* drives all its sessions, by number.

    *activity* says for each session what its person does, as an index into *activities*.
    """
    kind_of = {name: _KINDS.index(kind) for name, kind in playbook.operations}
    start_ns = np.array(playbook.start_ns, dtype=np.int64)
    requests = np.zeros(start_ns.size, dtype=np.int32)
    seconds: list[int] = []
    kinds: list[int] = []
    for row, due_ns in enumerate(start_ns.tolist()):
        steps = playbook.planned_steps(row)
        requests[row] = len(steps)
        if len(seconds) > REQUESTS_WALKED_MAX:
            continue
        for place, step in enumerate(steps):
            due_ns += int(step.pause_s * 1e9) if place else 0
            seconds.append(due_ns // 1_000_000_000)
            kinds.append(kind_of[step.operation])
    is_whole = len(seconds) <= REQUESTS_WALKED_MAX
    return PlannedLoad(
        session=np.arange(start_ns.size, dtype=np.int32),
        start_ns=start_ns,
        requests=requests,
        activity=activity,
        activities=tuple(activities),
        per_s=_per_second(np.array(seconds), np.array(kinds)) if is_whole else _no_seconds(),
    )


def write_planned_load(folder: RunFolder, planned: PlannedLoad) -> None:
    """Write both files, each as one step."""
    names = pa.array(planned.activities or ("",), pa.string())
    kinds, seconds = np.nonzero(planned.per_s)
    folder.plan.mkdir(exist_ok=True)
    _write(folder.plan / "sessions.parquet", PLAN_SESSIONS_COLUMNS, (
        planned.session, planned.start_ns, planned.requests,
        pa.DictionaryArray.from_arrays(planned.activity, names),
    ))  # fmt: skip
    _write(folder.plan / "seconds.parquet", PLAN_SECONDS_COLUMNS, (
        seconds.astype(np.int32), pa.array([_KINDS[kind].value for kind in kinds], pa.string()),
        planned.per_s[kinds, seconds],
    ))  # fmt: skip


def read_planned_load(folder: RunFolder) -> PlannedLoad | None:
    """Read what was planned; None for a run that left no plan. Raises `EvidenceMissing`."""
    sessions, seconds = folder.plan / "sessions.parquet", folder.plan / "seconds.parquet"
    if not sessions.exists():
        return None
    table = _read(sessions, PLAN_SESSIONS_COLUMNS, SESSIONS_MAX)
    names = table["activity"].cast(pa.string()).combine_chunks().dictionary_encode()
    return PlannedLoad(
        session=_integers(table, "session", np.int32, sessions),
        start_ns=_integers(table, "start_ns", np.int64, sessions),
        requests=_integers(table, "requests", np.int32, sessions),
        activity=names.indices.to_numpy(zero_copy_only=False).astype(np.int16),
        activities=tuple(str(name) for name in names.dictionary.to_pylist()),
        per_s=_read_seconds(seconds) if seconds.exists() else _no_seconds(),
    )


def _read_seconds(path: Path) -> Int64:
    table = _read(path, PLAN_SECONDS_COLUMNS, SECONDS_MAX * len(_KINDS))
    second = _integers(table, "second", np.int32, path)
    requests = _integers(table, "requests", np.int64, path)
    names = [str(name) for name in table["kind"].to_pylist()]
    if not set(names) <= {kind.value for kind in _KINDS} or second.max(initial=0) >= SECONDS_MAX:
        raise _broken(path)
    kinds = np.array([_KINDS.index(OperationKind(name)) for name in names], dtype=np.int64)
    per_s = np.zeros((len(_KINDS), int(second.max(initial=-1)) + 1), dtype=np.int64)
    np.add.at(per_s, (kinds, second), requests)
    return per_s


def _per_second(second: Int64, kind: Int64) -> Int64:
    if not second.size:
        return _no_seconds()
    per_s = np.zeros((len(_KINDS), int(second.max()) + 1), dtype=np.int64)
    np.add.at(per_s, (kind, second), 1)
    return per_s


def _no_seconds() -> Int64:
    return np.zeros((len(_KINDS), 0), dtype=np.int64)


def _write(path: Path, names: Sequence[str], columns: Sequence[Any]) -> None:
    temporary = path.with_suffix(".new")
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), temporary, compression="zstd")
    os.replace(temporary, path)


def _read(path: Path, names: Sequence[str], rows_max: int) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > rows_max:
                raise _broken(path)
            table = file.read(columns=list(names))
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _broken(path) from error
    if table.column_names != list(names) or any(column.null_count for column in table.columns):
        raise _broken(path)
    return table


def _integers(table: pa.Table, name: str, dtype: Any, path: Path) -> npt.NDArray[Any]:
    column = table[name]
    if not pa.types.is_integer(column.type):
        raise _broken(path)
    values = column.to_numpy()
    if values.size and not (values.min() >= 0 and values.max() < min(TIME_NS_MAX, 2**62)):
        raise _broken(path)
    return values.astype(dtype)


def _broken(path: Path) -> EvidenceMissing:
    name = f"plan/{path.stem}"
    return EvidenceMissing(en=f"{name} cannot be read", th=f"อ่าน {name} ไม่ได้")
