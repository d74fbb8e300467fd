"""Room on disk, looked at before any load: a run that fills the disk half-way proves nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from contracts.records import OPERATION_DTYPE, SAMPLE_DTYPE
from harness.failures import BadSetup
from harness.preparation import Preparation

# The append-only log and the sealed file lie side by side until the log is deleted; a fifth of all
# requests move money, and each of those is written twice, before the send and after the answer.
_SAMPLE_BYTES: Final = 2 * SAMPLE_DTYPE.itemsize
_MONEY_BYTES: Final = 2 * 2 * OPERATION_DTYPE.itemsize
_MONEY_SHARE: Final = 0.2
# Measured 2026-11: 90 bytes of Parquet per unit, read twice; ten times that for a busy one.
_UNIT_BYTES: Final = 2 * 10 * 90
_MARGIN_BYTES: Final = 64 << 20

# PostgreSQL: an empty cluster with its first log files, then data and log per unit and request.
_DATABASE_BYTES: Final = 256 << 20
_DATABASE_UNIT_BYTES: Final = 64 << 10
_DATABASE_MONEY_BYTES: Final = 16 << 10


def run_bytes(preparation: Preparation) -> int:
    """Bytes that the run folder will take, rounded up generously."""
    requests, units = preparation.plan.planned_requests, len(preparation.population.units)
    per_request = _SAMPLE_BYTES + _MONEY_SHARE * _MONEY_BYTES
    return _MARGIN_BYTES + int(requests * per_request) + units * _UNIT_BYTES


def database_bytes(preparation: Preparation) -> int:
    """Bytes that the embedded target's database will take, rounded up generously."""
    requests, units = preparation.plan.planned_requests, len(preparation.population.units)
    money = int(requests * _MONEY_SHARE)
    return _DATABASE_BYTES + units * _DATABASE_UNIT_BYTES + money * _DATABASE_MONEY_BYTES


def check_room(folder: Path, needed_bytes: int, *, mend: str) -> None:
    """Raise `BadSetup` when *folder*'s disk has less than *needed_bytes* left."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise BadSetup(
            what=f"its free room cannot be read: {error.strerror}", where=str(folder), mend=mend
        ) from error
    if free < needed_bytes:
        raise BadSetup(
            what=f"the disk has {free / 1e6:,.0f} MB left and this needs {needed_bytes / 1e6:,.0f}",
            where=str(folder),
            mend=mend,
        )
