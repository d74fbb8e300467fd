"""Room on disk, looked at before any load: a run that fills the disk half-way proves nothing."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Final

from contracts.records import OPERATION_DTYPE, SAMPLE_DTYPE
from harness.failures import BadSetup
from harness.preparation import Preparation
from scenarios.population import Population
from scenarios.units import SIZES

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
# A month of history of an SAO: 1,436 lines at 240 bytes with their share of documents and indexes
# (measured November 2026); then PostgreSQL's log, of which it may keep a little more than allowed.
_HISTORY_SAO_BYTES: Final = 1_436 * 240
_HISTORY_LOG_BYTES: Final = 3 << 30
_HISTORY_SAO_READ_BYTES: Final = 1_436 * 2 * 15  # and in the books, which are read twice


def run_bytes(preparation: Preparation, months: int = 0) -> int:
    """Bytes that the run folder with *months* of history will take, rounded up generously."""
    requests, units = preparation.plan.planned_requests, len(preparation.population.units)
    per_request = _SAMPLE_BYTES + _MONEY_SHARE * _MONEY_BYTES
    history = int(_sao_months(preparation.population, months) * _HISTORY_SAO_READ_BYTES)
    return _MARGIN_BYTES + int(requests * per_request) + units * _UNIT_BYTES + history


def database_bytes(preparation: Preparation, months: int = 0) -> int:
    """Bytes that the embedded target's database with *months* of history will take, rounded up."""
    requests, units = preparation.plan.planned_requests, len(preparation.population.units)
    money = int(requests * _MONEY_SHARE)
    load_bytes = units * _DATABASE_UNIT_BYTES + money * _DATABASE_MONEY_BYTES
    return _DATABASE_BYTES + load_bytes + history_bytes(preparation.population, months)


def history_bytes(population: Population, months: int) -> int:
    """Bytes that *months* of history of these units will take in the database, and on its way."""
    data_bytes = int(_sao_months(population, months) * _HISTORY_SAO_BYTES)
    return data_bytes + min(_HISTORY_LOG_BYTES, 2 * data_bytes)


def _sao_months(population: Population, months: int) -> float:
    return months * math.fsum(SIZES[unit.type].weight for unit in population.units)


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
