"""Where calibrations are kept: one file per machine, the last one counts.

A file that cannot be read is treated as none, in one line.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import orjson

from harness.calibration.record import Calibration, calibration_of
from harness.failures import BadSetup, BrokenExperiment
from harness.machine import Machine
from scenarios.strict_json import BadJson, parse_strictly, read_bounded

FOLDER: Final = "calibrations"
FILE_BYTES_MAX: Final = 1 << 20


def path_of(out: Path, machine: str) -> Path:
    """Return where the calibration of *machine* lies under the folder *out* of all runs."""
    return out / FOLDER / f"{machine}.json"


def check_place(out: Path) -> None:
    """Raise `BadSetup` when no calibration can be kept under *out*."""
    folder = out / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _not_kept(folder, error) from error


def keep(calibration: Calibration, out: Path) -> Path:
    """Write *calibration* in place of an earlier one, in one step.

    Raises `BrokenExperiment`: load was sent already.
    """
    path = path_of(out, calibration.machine)
    temporary = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(orjson.dumps(calibration.content(), option=orjson.OPT_INDENT_2))
        os.replace(temporary, path)
    except OSError as error:
        why = _not_kept(path, error)
        raise BrokenExperiment(what=why.what, where=why.where, mend=why.mend) from error
    return path


def _not_kept(path: Path, error: OSError) -> BadSetup:
    return BadSetup(
        what=f"the calibration cannot be kept: {error.strerror}",
        where=str(path),
        mend="name a place with room and permission with --out DIR",
    )


def last_calibration(out: Path, machine: Machine) -> tuple[Calibration | None, str]:
    """Return the last calibration of *machine*, and a line where its file cannot be used."""
    path = path_of(out, machine.id)
    if not path.exists():
        return None, ""
    try:
        content = read_bounded(path, FILE_BYTES_MAX)
        found = calibration_of(parse_strictly(content, str(path)))
    except (BadJson, OSError) as error:
        return None, f"the last calibration is not used: {error}"
    if found.machine != machine.id:
        return None, f"the last calibration is not used: {path} is of machine {found.machine}"
    return found, ""
