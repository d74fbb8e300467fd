"""The temporary folder of an embedded target, removed at its end, and swept when a run was killed.

A folder names its owner (pid and start time). A folder whose owner is gone is a leftover: a server
that still works in it is killed, then the folder goes. Folders of living owners are never touched.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from harness.failures import BadSetup
from harness.processes import is_alive, start_time_ticks

PREFIX: Final = "monthend-"
OWNER_FILE: Final = "owner.json"
# A Unix socket's address holds 107 bytes (unix(7)); `<folder>/db/.s.PGSQL.5432` takes 19 of them.
LONGEST_PATH: Final = 80
SWEEP_KILL_LIMIT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Workplace:
    """One temporary folder that belongs to this process."""

    path: Path

    def remove(self) -> None:
        """Remove the folder with everything in it. Idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)


def make_workplace() -> Workplace:
    """Make a fresh folder and sweep what killed runs left. Raises `BadSetup` when it cannot."""
    root = _root()
    sweep(root)
    try:
        path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=root))
        path.chmod(0o711)  # the database's own user must be able to walk through, not to list
        owner = {"pid": os.getpid(), "started": start_time_ticks(os.getpid())}
        (path / OWNER_FILE).write_bytes(orjson.dumps(owner))
    except OSError as error:
        raise BadSetup(
            what=f"no temporary folder can be made: {error.strerror}",
            where=str(root),
            mend="make room there, or set TMPDIR to a place with room",
        ) from error
    return Workplace(path)


def sweep(root: Path) -> tuple[Path, ...]:
    """Remove the folders whose owner is dead and return them."""
    leftovers = []
    for folder in sorted(root.glob(f"{PREFIX}*-*")):
        if not _is_leftover(folder):
            continue
        _kill_servers_in(folder)
        _free_shared_memory(folder / "db" / "data" / "postmaster.pid")
        shutil.rmtree(folder, ignore_errors=True)
        leftovers.append(folder)
    return tuple(leftovers)


def _root() -> Path:
    root = Path(tempfile.gettempdir())
    if len(str(root)) + len(PREFIX) + 20 > LONGEST_PATH:
        return Path("/tmp")
    return root


def _is_leftover(folder: Path) -> bool:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return False
        owner = orjson.loads((folder / OWNER_FILE).read_bytes())
        pid, started = int(owner["pid"]), int(owner["started"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return False  # not ours, or another run is just making it
    return not (is_alive(pid) and start_time_ticks(pid) == started)


def _kill_servers_in(folder: Path) -> None:
    """Kill processes that work inside *folder*: a frozen server cannot answer its death signal."""
    limit = time.monotonic() + SWEEP_KILL_LIMIT_S
    while (pids := _working_in(folder)) and time.monotonic() < limit:
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _free_shared_memory(postmaster_file: Path) -> None:
    """Remove the 56 bytes by which a killed PostgreSQL server guards its data folder.

    The file's seventh line names them: key, then id. Only if the kernel still knows that key under
    that id; after a restart of the machine the id may be somebody else's.
    """
    try:
        key, number = map(int, postmaster_file.read_text().splitlines()[6].split())
    except (OSError, ValueError, IndexError):
        return  # it stopped in order, or never ran
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.shmget(key, 0, 0) == number:
        libc.shmctl(number, 0, None)  # 0 is IPC_RMID


def _working_in(folder: Path) -> list[int]:
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").readlink().is_relative_to(folder) and is_alive(int(entry.name)):
                    pids.append(int(entry.name))
    return pids
