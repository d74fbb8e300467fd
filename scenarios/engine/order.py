"""What one load process is asked to do: the LOAD.json of the harness, or Locust's own options.

Becomes a `LoadOrder` here, once; anything unknown or out of bounds is refused in one line before
anything is sent.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Final

import orjson

from scenarios.demand import Demand
from scenarios.dialects import BadDialect, load_dialect
from scenarios.levels import LEVELS
from scenarios.networks import NETWORKS
from scenarios.population import Composition
from scenarios.scenario import RETRIES, NotAScenario, chosen
from scenarios.shares import Share
from scenarios.workload_plan import RATE_SCALE_MAX

REQUEST_TIMEOUT_S: Final = 10.0
DRAIN_S: Final = 10.0
DURATION_S_MAX: Final = 7 * 24 * 3600.0
PROCESSES_MAX: Final = 256
CONNECTIONS: Final = ("shared", "browser")


class BadLoadOrder(ValueError):
    """Found before any load was sent. One line: what is wrong, where, how to mend it."""

    def __init__(self, *, what: str, where: str, mend: str) -> None:
        super().__init__(f"{where}: {what}; {mend}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOrder:
    """One process's order. `start_file`, when given, is waited for and holds {"t0_ns": int}.

    `sessions_csv` "" means that nobody has signed in yet. `drain_s` is how long after the plan's
    end sessions in progress may go on. `key_salt` makes idempotency keys new to a target that
    still holds the documents of an earlier run with the same seed. `workload` names a file to be
    replayed instead of the country (`scenarios.workload`): scale, level and demand do not count
    then, `rate_scale` and `send_writes` do. A spare process drives nothing until another is lost;
    `takes_over`: the share of a lost one is dealt to the others.
    `retries` "" leaves the manners to the scenario.
    `connections`: "shared" by all, or each person's own as a "browser" holds them. `network`:
    "clean", or "lossy" for the units that have such a line.
    """

    out_dir: Path
    scenario: str = "month_end"
    retries: str = ""
    seed: int = 1
    composition: str = "A"
    scale: float = 1.0
    level: str = "L2"
    demand: str = "base"
    duration_s: float = 120.0
    has_faults: bool = False
    dialect: str = "reference"
    sessions_csv: str = ""
    process_index: int = 0
    process_count: int = 1
    is_spare: bool = False
    takes_over: bool = True
    business_date: str = "2025-12-01"
    request_timeout_s: float = REQUEST_TIMEOUT_S
    start_file: str = ""
    drain_s: float = DRAIN_S
    key_salt: int = 0
    provider_pid_key: str = ""
    workload: str = ""
    rate_scale: float = 1.0
    send_writes: bool = False
    connections: str = "shared"
    network: str = "clean"

    def __post_init__(self) -> None:
        self._check("level", self.level in LEVELS, f"one of {', '.join(LEVELS)}")
        self._check_scenario()
        self._check("retries", self.retries in ("", *RETRIES), f"one of {', '.join(RETRIES)}")
        self._check("demand", self.demand in list(Demand), f"one of {', '.join(Demand)}")
        self._check("composition", self.composition in list(Composition), "one of A, B, C")
        self._check_dialect()
        self._check("scale", 0 < self.scale <= 1, "above 0 and at most 1")
        self._check("duration_s", 0 < self.duration_s <= DURATION_S_MAX, "up to a week")
        self._check("request_timeout_s", 0 < self.request_timeout_s <= 600, "up to 600 s")
        self._check("drain_s", 0 <= self.drain_s <= 3600, "up to 3600 s")
        self._check("process_count", 0 < self.process_count <= PROCESSES_MAX, "1 to 256")
        index_max = PROCESSES_MAX if self.is_spare else self.process_count
        self._check("process_index", 0 <= self.process_index < index_max, "below count")
        self._check("business_date", _is_date(self.business_date), "a date like 2025-12-01")
        self._check(
            "rate_scale", 0 < self.rate_scale <= RATE_SCALE_MAX, f"up to {RATE_SCALE_MAX:g}"
        )
        self._check("connections", self.connections in CONNECTIONS, "shared or browser")
        self._check("network", self.network in NETWORKS, f"one of {', '.join(NETWORKS)}")
        self._check("seed", -(2**63) <= self.seed < 2**63, "an integer of 64 bits")

    def _check_scenario(self) -> None:
        try:
            chosen(self.scenario, self.level)
        except NotAScenario as error:
            raise BadLoadOrder(
                what=str(error), where="load order", mend="name another scenario or level"
            ) from error

    def _check_dialect(self) -> None:
        try:
            load_dialect(self.dialect)
        except BadDialect as error:
            raise BadLoadOrder(
                what=error.what, where=f"dialect {self.dialect!r}", mend=error.mend
            ) from error

    @property
    def share(self) -> Share | None:
        """What this process drives of the whole; None for a spare."""
        if self.is_spare:
            return None
        return Share(path=((self.process_count, self.process_index),))

    def _check(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise BadLoadOrder(
                what=f"{name} is {getattr(self, name)!r}",
                where="load order",
                mend=f"it must be {wanted}",
            )


def read_order(path: Path) -> LoadOrder:
    """Read LOAD.json. Raises `BadLoadOrder` for what is missing, unknown or of a wrong type."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadLoadOrder(
            what=f"cannot be read: {error}", where=str(path), mend="name a LOAD.json"
        ) from error
    if not isinstance(content, dict):
        raise BadLoadOrder(what="not a JSON object", where=str(path), mend="name a LOAD.json")
    return order_of(content, where=str(path))


def order_of(content: dict[str, Any], *, where: str) -> LoadOrder:
    """Return the order in *content*; numbers, texts and switches must be just that."""
    known = {field.name: field for field in fields(LoadOrder)}
    for name in content.keys() - known.keys():
        raise BadLoadOrder(what=f"unknown key {name!r}", where=where, mend="remove it")
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name not in content or content[name] is None:
            if field.default is MISSING:
                raise BadLoadOrder(what=f"no {name}", where=where, mend="add it")
            continue
        values[name] = _typed(name, field.default, content[name], where)
    return LoadOrder(**values)


def _typed(name: str, default: Any, value: Any, where: str) -> Any:
    if default is MISSING:
        if isinstance(value, str):
            return Path(value)
    elif isinstance(default, bool) or isinstance(value, bool):
        if isinstance(default, bool) and isinstance(value, bool):
            return value
    elif isinstance(default, float):
        if isinstance(value, int | float):
            return float(value)
    elif isinstance(value, type(default)):
        return value
    raise BadLoadOrder(
        what=f"{name} is {value!r}", where=where, mend="give it the type that it has in the manual"
    )


def _is_date(text: str) -> bool:
    year, month, day = text[:4], text[5:7], text[8:]
    is_shaped = len(text) == 10 and text[4] == text[7] == "-" and (year + month + day).isdigit()
    return is_shaped and 1 <= int(month) <= 12 and 1 <= int(day) <= 31
