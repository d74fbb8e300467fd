"""The calibration from start to end: what can the engine do here, and how wrong is it then.

    stairs   one load that climbs until the generator is late: the highest true rate
    mix      every kind of delay at a tenth, a half and nine tenths of that rate
    stall    plain requests at the same rates, while the server stands still now and then

Takes a known time (`Extent`). What it finds is a `Calibration`; it judges nothing.
"""

from __future__ import annotations

import datetime
import math
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from harness.calibration.comparison import Stretch, rows_of, summed
from harness.calibration.delays import Kind
from harness.calibration.drive import Drive, Driven, drive, figures_between
from harness.calibration.joining import Joined, join
from harness.calibration.record import LATENESS_P99_MS_MAX, Calibration, LoadFigures, Row
from harness.calibration.stairs import Stairs, highest_rate, lateness_p99_ms, stairs
from harness.failures import BadSetup, BrokenExperiment
from harness.machine import engine_sha256, this_machine

SHARES: Final = (0.1, 0.5, 0.9)
# Mostly plain, so that there is a rate to speak of; the rare kinds still come by the hundred.
MIX: Final = {
    Kind.PLAIN: 40.0, Kind.CONSTANT: 10.0, Kind.EXPONENTIAL: 10.0, Kind.LOGNORMAL: 10.0,
    Kind.BIMODAL: 10.0, Kind.SHED: 4.0, Kind.UNAVAILABLE: 4.0, Kind.DRIP: 4.0,
    Kind.RESET_BEFORE: 4.0, Kind.RESET_AFTER: 4.0,
}  # fmt: skip
SEED: Final = 1
FIRST_STEP_PER_S: Final = 1_000.0
# Above it a second core would be needed for the server, and no ledger of one country asks for it.
LAST_STEP_PER_S: Final = 40_000.0
# So late in a report of one second, no higher step can be on time.
HOPELESS_MS: Final = 20 * LATENESS_P99_MS_MAX
# A stretch holds at least one whole interval between two reports of a second; an hour is plenty.
STRETCH_S_MIN: Final = 2.0
STRETCH_S_MAX: Final = 3_600.0
# A rate found while climbing is held for some seconds before it counts; else a lower one is tried.
CONFIRMATIONS_MAX: Final = 4
CONFIRMATION_STEP: Final = 0.85
# Connections that a stall may take: descriptors that we may have, less what else needs some, and
# the ports of one address (Linux's default range holds 28,232).
DESCRIPTORS_RESERVED: Final = 512
PORTS_MAX: Final = 27_000
STALL_MARGIN: Final = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long the parts take, s. `stretch_s`: at each rate of the mix; stalls come half-way."""

    is_quick: bool
    step_s: float
    step_factor: float
    confirm_s: float
    stretch_s: float
    stall_s: float
    stall_every_s: float

    @property
    def duration_s(self) -> float:
        """Length of the loads that are compared."""
        return len(SHARES) * (self.stretch_s + self.stall_every_s)


# Full: what the promise names (a stall of 2 s every 20 s). Quick: the same in half a minute.
FULL: Final = Extent(
    is_quick=False, step_s=1.5, step_factor=1.15, confirm_s=5.0, stretch_s=15.0, stall_s=2.0,
    stall_every_s=20.0,
)  # fmt: skip
QUICK: Final = Extent(
    is_quick=True, step_s=0.5, step_factor=1.35, confirm_s=1.5, stretch_s=2.5, stall_s=0.4,
    stall_every_s=2.0,
)  # fmt: skip


def extent_of(*, is_quick: bool, duration_s: float | None) -> Extent:
    """Return the extent; *duration_s*: seconds at each rate of the mix instead of the usual.

    Raises `BadSetup`.
    """
    extent = QUICK if is_quick else FULL
    if duration_s is None:
        return extent
    if not STRETCH_S_MIN <= duration_s <= STRETCH_S_MAX:  # false for nan, too
        raise BadSetup(
            what="this value cannot be used",
            where=f"--duration {duration_s:g}",
            mend=f"write seconds at each rate, {STRETCH_S_MIN:g} to {STRETCH_S_MAX:g}",
        )
    return replace(extent, stretch_s=duration_s)


def calibrate(extent: Extent, place: Path, say: Callable[[str], None]) -> Calibration:
    """Calibrate this machine; *place* is an empty folder for logs, *say* takes lines for people.

    Raises `BadSetup` before any load, `BrokenExperiment` when the experiment could not be finished.
    """
    before = _CpuTimes.now()
    say("looking for the highest rate that is on time")
    rate = find_rate(extent, MIX, place, say)
    say(f"{rate:,.0f} requests/s; comparing with the truth at {_percents()} of it")
    mixed = _compare(mix_stretches(extent, rate), MIX, extent, place / "mix")
    say("the same while the server stands still now and then")
    stretches = stall_stretches(extent, rate, _descriptors())
    stalled = _compare(stretches, {Kind.PLAIN: 1.0}, extent, place / "stall")
    machine = this_machine()
    return Calibration(
        machine=machine.id,
        about_machine=machine.about,
        engine_sha256=engine_sha256(),
        calibrated_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        is_quick=extent.is_quick,
        duration_s=extent.duration_s,
        rate_max_per_s=round(rate, 1),
        foreign_share=_CpuTimes.now().foreign_share_since(before),
        counts=summed([mixed.joined.counts, stalled.joined.counts]),
        loads=(*mixed.loads, *stalled.loads),
        rows=(*mixed.rows, *stalled.rows),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _CpuTimes:
    """CPU seconds so far: of all cores, idle and busy, and of us with all children that ended."""

    total_s: float
    busy_s: float
    own_s: float

    @classmethod
    def now(cls) -> _CpuTimes:
        cores = psutil.cpu_times()
        # Guests are counted within user, and waiting for a disk is idle.
        total_s = sum(cores) - cores.guest - cores.guest_nice
        own_s = sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        return cls(total_s=total_s, busy_s=total_s - cores.idle - cores.iowait, own_s=own_s)

    def foreign_share_since(self, before: _CpuTimes) -> float:
        """Return the share of all cores that others used, 0 to 1."""
        foreign_s = (self.busy_s - before.busy_s) - (self.own_s - before.own_s)
        share = foreign_s / max(self.total_s - before.total_s, 1e-9)
        return round(min(1.0, max(0.0, share)), 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    joined: Joined
    loads: tuple[LoadFigures, ...]
    rows: tuple[Row, ...]


def _percents() -> str:
    return ", ".join(f"{share:.0%}" for share in SHARES)


def find_rate(
    extent: Extent, mix: Mapping[Kind, float], place: Path, say: Callable[[str], None]
) -> float:
    """Return the highest rate of *mix* that is on time here, requests/s."""
    steps = stairs(
        first_per_s=FIRST_STEP_PER_S,
        factor=extent.step_factor,
        last_per_s=LAST_STEP_PER_S,
        step_s=extent.step_s,
    )
    rate = _carried(steps, mix, place / "stairs")
    if not rate:
        # The comparison will say how bad it is; nothing slower is worth a calibration.
        say(f"not even {FIRST_STEP_PER_S:,.0f} requests/s are on time here")
        return FIRST_STEP_PER_S
    for number in range(CONFIRMATIONS_MAX):
        flat = Stairs(rates_per_s=(rate,), step_s=extent.confirm_s)
        is_on_time = _carried(flat, mix, place / f"flat-{number}") > 0
        how = "on time" if is_on_time else "late"
        say(f"{rate:,.0f} requests/s for {extent.confirm_s:g} s: {how}")
        if is_on_time:
            break
        rate *= CONFIRMATION_STEP
    return rate


def _carried(steps: Stairs, mix: Mapping[Kind, float], folder: Path) -> float:
    driven = drive(_climb(steps, mix), folder, late_ms_max=HOPELESS_MS)
    joined = join(driven.samples, driven.truth, driven.start_ns, t0_ns=driven.t0_ns)
    return highest_rate(steps, joined, driven.start_ns)


def _climb(steps: Stairs, mix: Mapping[Kind, float]) -> Drive:
    requests = tuple(rate * steps.step_s for rate in steps.rates_per_s)
    return Drive(mix=mix, requests=requests, bin_s=steps.step_s, seed=SEED)


def mix_stretches(extent: Extent, rate_per_s: float) -> list[Stretch]:
    """Return the stretches of the mix, *rate_per_s* being the highest rate."""
    return _stretches([share * rate_per_s for share in SHARES], rate_per_s, extent.stretch_s)


def stall_stretches(extent: Extent, rate_per_s: float, descriptors: int) -> list[Stretch]:
    """Return the stretches of the stall, slower where *descriptors* or ports would not reach."""
    connections = min(descriptors - DESCRIPTORS_RESERVED, PORTS_MAX)
    limit = connections / (extent.stall_s * STALL_MARGIN)
    rates = [min(share * rate_per_s, limit) for share in SHARES]
    return [
        replace(stretch, is_stalled=True)
        for stretch in _stretches(rates, rate_per_s, extent.stall_every_s)
    ]


def _descriptors() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return PORTS_MAX + DESCRIPTORS_RESERVED if hard == resource.RLIM_INFINITY else hard


def _stretches(rates: Sequence[float], rate_max: float, length_s: float) -> list[Stretch]:
    edges_ns = [int(number * length_s * 1e9) for number in range(len(rates) + 1)]
    return [
        Stretch(share=round(rate / rate_max, 3), rate_per_s=rate, from_ns=begin, to_ns=end)
        for rate, (begin, end) in zip(rates, pairwise(edges_ns), strict=True)
    ]


def _compare(
    stretches: Sequence[Stretch], mix: Mapping[Kind, float], extent: Extent, folder: Path
) -> _Compared:
    is_stalled = stretches[0].is_stalled
    length_s = extent.stall_every_s if is_stalled else extent.stretch_s
    driven = drive(
        Drive(
            mix=mix,
            requests=tuple(stretch.rate_per_s * length_s for stretch in stretches),
            bin_s=length_s,
            seed=SEED,
            stall_s=extent.stall_s if is_stalled else 0.0,
            stall_every_s=extent.stall_every_s,
        ),
        folder,
    )
    joined = join(
        driven.samples,
        driven.truth,
        driven.start_ns,
        t0_ns=driven.t0_ns,
        resent_told=driven.progress[-1]["resent"] if driven.progress else 0,
    )
    loads = [_figures(stretch, driven, joined) for stretch in stretches]
    return _Compared(joined=joined, loads=tuple(loads), rows=rows_of(joined, stretches))


def _figures(stretch: Stretch, driven: Driven, joined: Joined) -> LoadFigures:
    inside = stretch.holds(joined.planned_ns)
    if not inside.any():
        raise BrokenExperiment(
            what=f"no request was answered at {stretch.rate_per_s:,.0f} requests/s",
            where="calibration",
            mend="stop what else runs on this machine, and calibrate again",
        )
    lateness_ns, t0_ns = joined.lateness_ns[inside], driven.t0_ns
    cpu_us, cpu_share, memory_bytes, connections = figures_between(
        driven.progress, t0_ns + stretch.from_ns, t0_ns + stretch.to_ns
    )
    return LoadFigures(
        label="stall" if stretch.is_stalled else "mix",
        share=stretch.share,
        rate_per_s=round(stretch.rate_per_s, 1),
        lateness_ms_p50=round(float(np.median(lateness_ns)) / 1e6, 4),
        lateness_ms_p99=round(lateness_p99_ms(lateness_ns), 4),
        lateness_ms_max=round(float(lateness_ns.max()) / 1e6, 4),
        cpu_us_per_request=round(cpu_us, 2) if math.isfinite(cpu_us) else 0.0,
        cpu_share=round(cpu_share, 4) if math.isfinite(cpu_share) else 0.0,
        memory_bytes=memory_bytes,
        connections_max=connections,
        truth_doubt_ms_p99=round(lateness_p99_ms(joined.doubt_ns[inside]), 4),
    )
