"""What a profile found, as types and as `profile.json` in the run folder. Reports read it from
there.

Every list says over which time and how many requests it was counted, and what is missing and why:
an empty list without a reason does not exist. Seconds are seconds of all recorded workers together.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from contracts.records import Bottleneck
from harness.failures import BadSetup
from harness.run_folder import RunFolder

PROFILE_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HotPath:
    """One function of the target, over all its lines. `place` is its hottest `file:line`.

    `self_*`: samples in which it was the innermost frame; `total_*`: in which it was anywhere.
    `is_own` is False for frames of Python and of installed libraries.
    `*_per_request` are samples per completed request (comparable between builds at unlike load).
    """

    function: str
    place: str
    self_samples: int
    total_samples: int
    self_s: float
    total_s: float
    self_share: float
    total_share: float
    total_samples_per_request: float | None
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HotStatement:
    """One statement by its call site, the comment at its head. `share` is of all SQL time."""

    call_site: str
    query: str
    calls: int
    total_ms: float
    mean_ms: float
    rows: int
    blocks: int
    share: float
    calls_per_request: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedPlace:
    """Sessions that waited for a lock, by the call site that held it at the root.

    `share` is of all samples of all blocked sessions; `sessions_mean` the mean number that waited
    behind this root over the whole time; `victims` call sites with their samples, most first.
    """

    root: str
    root_state: str
    samples: int
    share: float
    sessions_mean: float
    victims: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWorker:
    """One recording of one worker, used or not."""

    worker: str
    pid: int
    is_with_idle: bool
    file: str
    samples: int
    errors: int
    refused_because: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """All that was found. Counts are None when their source is missing; `missing` says why.

    `loop_occupancy` is the share of the event loops' time in which they ran somebody's code,
    `running_share` the share of that in which the thread ran rather than waited, and
    `cpu_cores_per_worker` what a worker used meanwhile. `paths` without waiting stacks,
    `paths_with_idle` with them (minus those that wait for events).
    """

    version: int
    duration_s: float
    rate_hz: int
    completed_requests: int
    loop_occupancy: float | None
    running_share: float | None
    cpu_cores_per_worker: float | None
    broken_lines: int
    paths: tuple[HotPath, ...]
    paths_with_idle: tuple[HotPath, ...]
    statements: tuple[HotStatement, ...]
    blocked: tuple[BlockedPlace, ...]
    bottlenecks: tuple[Bottleneck, ...]
    recordings: tuple[RecordedWorker, ...]
    missing: tuple[str, ...]


def profile_path(folder: RunFolder) -> Path:
    """Return where the profile of a run stands."""
    return folder.profile / "profile.json"


def write_profile(path: Path, profile: Profile) -> None:
    """Write *profile* as JSON in one step."""
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.write_bytes(orjson.dumps(asdict(profile), option=orjson.OPT_INDENT_2))
    os.replace(temporary, path)


def read_profile(path: Path) -> Profile | None:
    """Read `profile.json`; None when the run was not profiled. Raises `BadSetup` when broken."""
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError as error:
        raise _broken(path, f"it is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("version") != PROFILE_VERSION:
        raise _broken(path, f"it is not a profile of version {PROFILE_VERSION}")
    try:
        return _profile_of(content)
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error


def _profile_of(content: dict[str, Any]) -> Profile:
    return Profile(
        **{
            **content,
            "paths": tuple(HotPath(**row) for row in content["paths"]),
            "paths_with_idle": tuple(HotPath(**row) for row in content["paths_with_idle"]),
            "statements": tuple(HotStatement(**row) for row in content["statements"]),
            "blocked": tuple(
                BlockedPlace(
                    **{**row, "victims": tuple((str(v), int(n)) for v, n in row["victims"])}
                )
                for row in content["blocked"]
            ),
            "bottlenecks": tuple(Bottleneck(**row) for row in content["bottlenecks"]),
            "recordings": tuple(RecordedWorker(**row) for row in content["recordings"]),
            "missing": tuple(content["missing"]),
        }
    )


def _broken(path: Path, what: str) -> BadSetup:
    return BadSetup(what=what, where=str(path), mend="profile again, or take an unbroken copy")
