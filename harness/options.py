"""What a person asked for, checked once: every later step may trust these values.

Each refusal is one line that names the option. Values that only a contract, a dialect or a target
can judge are checked where those are read.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.records import LoadKind
from harness.failures import BadSetup
from harness.processes import PROJECT_ROOT
from scenarios.levels import LEVELS
from scenarios.scenario import RETRIES, SCENARIOS, NotAScenario, Scenario, chosen
from scenarios.workload_plan import RATE_SCALE_MAX

BUSINESS_DATE: Final = "2025-12-01"  # the first working day of the month end under test
FISCAL_YEAR: Final = 2569  # the Buddhist fiscal year of that day: October 2025 to September 2026
HISTORY_MONTH_DAYS: Final = 28  # the fill's months of history have so many
DURATION_S: Final = 180.0
# Ramp, steady, peak and what follows need some seconds each to be told apart.
DURATION_S_MIN: Final = 10.0
DURATION_S_MAX: Final = 7 * 86_400.0
WORKERS_MAX: Final = 256
# Each takes about 120 MB (measured, November 2026); more than one per core gain nothing.
LOAD_PROCESSES_MAX: Final = 64
WORKERS_DEFAULT_MIN: Final = 2  # with one, killing a worker would be killing the service
WORKERS_DEFAULT_MAX: Final = 8  # carries the reopening day many times over; more only cost memory
SEED_MAX: Final = 2**31 - 1
USERS_MAX: Final = 100_000  # of a locustfile: Locust needs about 20 kB and a descriptor for each
DEFAULT_CONTRACT: Final = PROJECT_ROOT / "contracts" / "new_elaas.yaml"
EMBEDDED: Final = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One experiment as asked for. `faults` None leaves the choice to the target's kind.

    `load_processes` drive the load, 1 unless said otherwise: one carries the whole month end on a
    twentieth of a core's time (design.md §7: 50-100 us of CPU per request at 1,153 requests/s), and
    more only take cores from a target on the same machine. `takes_over`: when one of several is
    lost the others take over its share. `defects` seeds faults into the embedded ledger, in its own
    form (`M01:0.5,M02`).
    `history_months` of documents are in every unit's books before the months that are open.
    `connections` are "shared" by all or each person's own as in a "browser"; `network` is "clean",
    or "lossy" for the units that are behind such a line.
    `defects` seeds faults into the embedded ledger, in its own form (`M01:0.5,M02`). `workload` or
    `locustfile` bring a load along instead of the country's; 0 users are as many as the file says.
    """

    command: tuple[str, ...]
    contract: Path = DEFAULT_CONTRACT
    target: str = EMBEDDED
    dialect: str = "reference"
    scenario: str = "month_end"
    level: str = "L2"
    retries: str = ""
    scale: float = 1.0
    duration_s: float = DURATION_S
    seed: int = 1
    faults: str | None = None
    workers: int = 0
    load_processes: int = 1
    takes_over: bool = True
    out: Path = Path("runs")
    sessions: Path | None = None
    defects: str = ""
    history_months: int = 0
    port: int = 0
    connections: str = "shared"
    network: str = "clean"
    workload: Path | None = None
    rate_scale: float = 1.0
    send_writes: bool = False
    locustfile: Path | None = None
    users: int = 0
    spawn_rate: float = 0.0

    def __post_init__(self) -> None:
        self._check_own_load()
        if not 0 < self.scale <= 1:
            raise _refused("--scale", self.scale, "write a share of the units, as in --scale 0.05")
        if not DURATION_S_MIN <= self.duration_s <= DURATION_S_MAX:  # false for nan, too
            raise _refused(
                "--duration", self.duration_s, f"write seconds, at least {DURATION_S_MIN:g}"
            )
        if self.level not in LEVELS:
            raise _refused("--level", self.level, f"write one of {', '.join(LEVELS)}")
        if self.retries not in ("", *RETRIES):
            raise _refused("--retries", self.retries, f"write {' or '.join(RETRIES)}")
        try:
            chosen(self.scenario, self.level)
        except NotAScenario as error:
            raise BadSetup(
                what=str(error), where=f"--scenario {self.scenario}", mend="name another"
            ) from error
        if not 0 <= self.seed <= SEED_MAX:
            raise _refused("--seed", self.seed, f"write an integer from 0 to {SEED_MAX}")
        if not 0 <= self.workers <= WORKERS_MAX:
            raise _refused("--workers", self.workers, f"write a number from 1 to {WORKERS_MAX}")
        if not 1 <= self.load_processes <= LOAD_PROCESSES_MAX:
            raise _refused(
                "--load-processes",
                self.load_processes,
                f"write a number from 1 to {LOAD_PROCESSES_MAX}",
            )
        if not 0 <= self.port <= 65_535:
            raise _refused("--port", self.port, "write a port number, or 0 for any free one")
        for option, value in (
            ("--defect", self.defects), ("--workers", self.workers), ("--port", self.port),
            ("--history", self.history_months),
        ):  # fmt: skip
            if value and not self.is_embedded:
                raise _refused(option, value, "leave it out for a target that is named by a URL")
        if self.sessions and self.is_embedded:
            raise _refused("--sessions", self.sessions, "leave it out for --target embedded")
        most = history_months_max(SCENARIOS[self.scenario])
        if not 0 <= self.history_months <= most:
            raise _refused(
                "--history",
                self.history_months,
                f"write at most {most}: no more months of the fiscal year of scenario "
                f"{self.scenario} are over on {SCENARIOS[self.scenario].business_date}",
            )

    def _check_own_load(self) -> None:
        """A load of the user's own goes to a URL; what belongs to another load is refused."""
        for option, value, at_most in (
            ("--rate-scale", self.rate_scale, RATE_SCALE_MAX),
            ("--users", self.users or 1, USERS_MAX),  # 0: as the file says
            ("--spawn-rate", self.spawn_rate or 1, USERS_MAX),
        ):
            if not 0 < value <= at_most:
                raise _refused(option, value, f"write a number above 0, up to {at_most:g}")
        foreign: list[tuple[str, object, str]] = []
        if self.workload is None:
            with_workload = "it goes with --workload FILE"
            foreign += [("--rate-scale", self.rate_scale != 1, with_workload),
                        ("--send-writes", self.send_writes, with_workload)]  # fmt: skip
        if self.locustfile is None:
            with_locustfile = "it goes with --locustfile FILE"
            foreign += [("--users", self.users, with_locustfile),
                        ("--spawn-rate", self.spawn_rate, with_locustfile)]  # fmt: skip
        if self.is_own_load:
            both = self.workload is not None and self.locustfile
            faults = self.faults if self.faults != "none" else None
            foreign += [
                ("--locustfile", both, "name either it or --workload"),
                ("--target embedded", self.is_embedded, "name the URL of the system to load"),
                ("--scale", self.scale < 1, "a load of your own has no units; see --rate-scale"),
                ("--sessions", self.sessions, "a load of your own signs in by itself"),
                ("--faults", faults, "leave it out for a load of your own"),
            ]
        for option, is_given, mend in foreign:
            if is_given:
                raise BadSetup(what="it does not belong here", where=option, mend=mend)

    @property
    def load_kind(self) -> LoadKind:
        """Whose load it is."""
        if self.workload is not None:
            return LoadKind.WORKLOAD
        return LoadKind.LOCUSTFILE if self.locustfile is not None else LoadKind.COUNTRY

    @property
    def is_own_load(self) -> bool:
        """Whether the load is brought along instead of the country's."""
        return self.load_kind is not LoadKind.COUNTRY

    @property
    def is_embedded(self) -> bool:
        """Whether the target is the reference ledger that is started here."""
        return self.target == EMBEDDED

    @property
    def worker_count(self) -> int:
        """Application workers of the embedded target: one per core unless said otherwise."""
        cores = len(os.sched_getaffinity(0))
        return self.workers or min(max(WORKERS_DEFAULT_MIN, cores), WORKERS_DEFAULT_MAX)


def history_months_max(scenario: Scenario) -> int:
    """Return how many months of the fiscal year are over, or nearly; none in a backlog."""
    _, month, day = scenario.business_date.split("-")
    return 0 if scenario.has_backlog else (int(month) - 10) % 12 + (int(day) >= HISTORY_MONTH_DAYS)


def _refused(option: str, value: object, mend: str) -> BadSetup:
    shown = f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)
    return BadSetup(what="this value cannot be used", where=f"{option} {shown}", mend=mend)
