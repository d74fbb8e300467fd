"""CPU time that a quota withheld from us: `cpu.stat` of the control groups this process is in.

Any group on the way up may have a quota, and whoever waits for one waits for all, so the largest
counts. Versions 1 and 2 of the interface name and scale it differently. A system without control
groups has no files, which is no quota.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")
_DEPTH_MAX: Final = 32
# Name of the counter and its units per second: version 2 counts microseconds, 1 nanoseconds.
_COUNTERS: Final = {"throttled_usec": 1e6, "throttled_time": 1e9}


def throttle_files(*, root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> tuple[Path, ...]:
    """Return the `cpu.stat` files of our own groups, the innermost first; none where unknown."""
    try:
        lines = membership.read_text().splitlines()[:_DEPTH_MAX]
    except OSError:
        return ()
    found: list[Path] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            mounts = (root, root / "unified")
        elif "cpu" in controllers.split(","):
            mounts = (root / controllers, root / "cpu")
        else:
            continue
        for mount in mounts:
            group = mount / path.lstrip("/")
            groups = [group, *group.parents][:_DEPTH_MAX]
            found += [one / "cpu.stat" for one in groups if one.is_relative_to(mount)]
    return tuple(dict.fromkeys(path for path in found if path.is_file()))


def read_throttled_s(files: Sequence[Path]) -> float:
    """Return for how long the strictest of these groups was stopped by its quota so far, s."""
    stopped_s = [0.0]
    for path in files:
        with suppress(OSError, ValueError):
            for line in path.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name in _COUNTERS:
                    stopped_s.append(int(value) / _COUNTERS[name])
    return max(stopped_s)
