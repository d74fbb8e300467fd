"""CPU and memory of the machine and of each role's processes, once per second.

It tells busy from waiting: a target that stands still while its CPU is low waits for itself. It
reads the operating system only and asks nothing of the target. Processes that die between two
readings lose their last interval; those that appear count from their first reading on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import psutil

from harness.probes.cgroup import read_throttled_s, throttle_files
from harness.probes.readings import ReadingLog

INTERVAL_S = 1.0

PidsOfRoles = Callable[[], Mapping[str, Sequence[int]]]


class RoleUse(NamedTuple):
    """What the processes of one role used: cores busy since the last reading, bytes, how many."""

    cores: float
    rss_bytes: int
    process_count: int


class HostProbe:
    """Reads until stopped; `work` runs in the thread that `harness.probes.start` gives it."""

    name = "host"

    def __init__(self, pids_of_roles: PidsOfRoles, *, interval_s: float = INTERVAL_S) -> None:
        self._pids_of_roles = pids_of_roles
        self._interval_s = interval_s
        self._meter = RoleMeter()

    def work(self, log: ReadingLog, stop: threading.Event) -> None:
        """Add readings once per interval until *stop* is set."""
        log.add(time.monotonic_ns(), "host", "cpu_count", psutil.cpu_count() or 1, "count")
        before = psutil.cpu_times()._asdict()
        throttles = throttle_files()
        throttled_s = read_throttled_s(throttles)
        own_s, read_ns = time.process_time(), time.monotonic_ns()
        self._meter.read(self._pids_of_roles(), read_ns)
        due_s = time.monotonic() + self._interval_s
        while not stop.wait(max(0.0, due_s - time.monotonic())):
            due_s = max(due_s + self._interval_s, time.monotonic())
            now_ns = time.monotonic_ns()
            after = psutil.cpu_times()._asdict()
            for name, share in _machine_shares(before, after).items():
                log.add(now_ns, "host", name, share, "share")
            before = after
            if throttles:
                throttled_s, throttled_before_s = read_throttled_s(throttles), throttled_s
                share = (throttled_s - throttled_before_s) * 1e9 / max(1, now_ns - read_ns)
                log.add(now_ns, "host", "cpu_throttled", max(0.0, share), "share")
            log.add(now_ns, "host", "memory_used", psutil.virtual_memory().percent / 100, "share")
            for role, use in self._meter.read(self._pids_of_roles(), now_ns).items():
                log.add(now_ns, role, "cpu_share", use.cores, "cores")
                log.add(now_ns, role, "memory_rss", use.rss_bytes, "bytes")
                log.add(now_ns, role, "processes", use.process_count, "count")
            # The harness itself, without its children: supervision, probes and progress.
            own_s, own_before_s = time.process_time(), own_s
            cores = (own_s - own_before_s) * 1e9 / max(1, now_ns - read_ns)
            log.add(now_ns, "harness", "cpu_share", cores, "cores")
            read_ns = now_ns
            log.flush()


class RoleMeter:
    """CPU time of each role since the last reading, children included."""

    def __init__(self) -> None:
        self._cpu_s: dict[tuple[int, float], float] = {}
        self._read_ns = 0

    def read(self, pids_of_roles: Mapping[str, Sequence[int]], now_ns: int) -> dict[str, RoleUse]:
        """Return the use of each role since the last call; the first call answers zero cores."""
        elapsed_s = (now_ns - self._read_ns) / 1e9
        is_first, self._read_ns = self._read_ns == 0, now_ns
        cpu_s_now: dict[tuple[int, float], float] = {}
        uses = {}
        for role, pids in pids_of_roles.items():
            used_s, rss_bytes, process_count = 0.0, 0, 0
            for process in _with_children(pids):
                with suppress(psutil.Error), process.oneshot():
                    key = (process.pid, process.create_time())
                    times = process.cpu_times()
                    cpu_s_now[key] = times.user + times.system
                    used_s += cpu_s_now[key] - self._cpu_s.get(key, cpu_s_now[key])
                    rss_bytes += process.memory_info().rss
                    process_count += 1
            cores = 0.0 if is_first or elapsed_s <= 0 else used_s / elapsed_s
            uses[role] = RoleUse(cores, rss_bytes, process_count)
        self._cpu_s = cpu_s_now
        return uses


def _with_children(pids: Sequence[int]) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            found[pid] = process
            found.update((child.pid, child) for child in process.children(recursive=True))
    return list(found.values())


def _machine_shares(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    spent = {name: after[name] - before[name] for name in after}
    # Linux counts the time of guests in `user` too.
    total_s = sum(s for name, s in spent.items() if not name.startswith("guest"))
    if total_s <= 0:
        return {}
    idle_s = spent["idle"] + spent.get("iowait", 0.0)
    return {
        "cpu_share": min(1.0, max(0.0, 1.0 - idle_s / total_s)),
        # Time in which the machine under this machine gave its cores to others.
        "cpu_steal": max(0.0, spent.get("steal", 0.0)) / total_s,
    }
