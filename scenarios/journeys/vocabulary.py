"""The vocabulary of a journey: Step (what a person does next), Reply (what came of it), Visit.

A journey is a generator that yields Steps and is sent Replies; it does no I/O, reads no clock and
draws all its randomness from the visit's own seed, so the same seed plans the same documents. The
engine is the only thing that waits; it thinks between steps as `scenarios.demand` says.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from contracts.records import Failure, Outcome
from scenarios.chance import mix
from scenarios.journeys.forms import Form

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15
_DOCUMENTS: Final = 0xD0C5


class Draw:
    """A stream of random numbers in one integer: random.Random would hold 2.5 KB for each visit."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        # Not the session's own stream: that one already sets the pace of the person.
        self._state = mix(seed ^ _DOCUMENTS)

    def bits(self) -> int:
        """Return the next 64 random bits."""
        self._state = (self._state + _GAMMA) & _MASK
        return mix(self._state)

    def below(self, count: int) -> int:
        """Return an integer from 0 to *count* - 1."""
        return self.bits() % count

    def share(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        return (self.bits() >> 11) / 9007199254740992.0

    def amount_satang(self, typical_satang: int) -> int:
        """Return an amount around *typical_satang*, within a factor of eight either way."""
        return max(1, int(typical_satang * 2.0 ** (3.0 * (self.share() + self.share() - 1.0))))


class Step(NamedTuple):
    """One request of a journey, in no system's wording (a tuple: made for every request).

    `unit` is whose books are asked for, `account` who asks. `key` is the two halves of the
    idempotency key of a write, None for a read. `expects_refusal` marks a probe that a right ledger
    refuses. `location` is an address an earlier reply named, or what its form must send back
    (sign-in only), `pid` the 13-digit number the person gives the identity provider. `is_extra`
    marks a step outside the plan, such as another try to sign in, which falls due `after_s` seconds
    after the answer before it. `settles` is the write whose fate this read may
    tell.
    """

    operation: str
    account: int
    unit: int
    form: Form | None = None
    key: tuple[int, int] | None = None
    document: int = 0
    period: str = ""
    expects_refusal: bool = False
    location: str = ""
    pid: str = ""
    is_extra: bool = False
    after_s: float = 0.0
    settles: Step | None = None


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Reply(NamedTuple):
    """What came of a step, as the dialect read it. `number` is -1 when none was given.

    `settled` says what became of a write that takes longer than its answer: INDEFINITE in the
    answer that only takes it in, OK or REFUSED once a later read tells.
    """

    outcome: Outcome
    failure: Failure
    status: int = 0
    document: int = 0
    number: int = -1
    location: str = ""
    token: str = ""
    retry_after_s: float | None = None
    values: Mapping[str, Any] = _NOTHING
    settled: Outcome | None = None

    @property
    def is_ok(self) -> bool:
        """Acknowledged, with the right content."""
        return self.outcome is Outcome.OK and self.failure is Failure.NONE


Journey = Generator[Step, Reply, None]


class Crew(NamedTuple):
    """Accounts that act in one unit; who prepares a paper never checks, approves or pays it."""

    first: int  # who arrives, and looks around before the journey begins
    visitor: int  # any of the unit's people
    clerk: int
    checker: int
    approver: int
    director: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessDay:
    """The day on which the papers are dated; periods are YYYY-MM."""

    date: str
    period: str
    closing_period: str  # the month that may be closed on this day: the one before

    @classmethod
    def of(cls, date: str) -> BusinessDay:
        """Return the day *date* (ISO)."""
        return cls(date=date, period=date[:7], closing_period=period_before(date[:7]))


class Visit:
    """One arrival as its journey sees it: who, where, on which day, with which randomness.

    `stranger_unit` is a unit in whose books the unit's clerk may neither read nor write
    and `pid` what the visitor gives the identity provider, `documents` how many papers the file
    holds that is handed in; each only for visits that need it.
    """

    __slots__ = (
        "_key_count",
        "_key_seed",
        "crew",
        "day",
        "documents",
        "draw",
        "navigation",
        "pid",
        "seed",
        "session",
        "stranger_unit",
        "unit",
    )  # fmt: skip

    def __init__(
        self,
        *,
        session: int,
        unit: int,
        navigation: int,
        crew: Crew,
        pid: str = "",
        stranger_unit: int = 0,
        documents: int = 0,
        day: BusinessDay,
        seed: int,
        key_seed: int,
    ) -> None:
        self.session = session
        self.unit = unit
        self.navigation = navigation
        self.crew = crew
        self.pid = pid
        self.stranger_unit = stranger_unit
        self.documents = documents
        self.day = day
        self.draw = Draw(seed)
        self.seed = seed
        self._key_seed = mix(key_seed ^ mix(session + 1))
        self._key_count = 0

    def new_key(self) -> tuple[int, int]:
        """Return the next idempotency key: 128 bits in the shape of a version 4 UUID."""
        self._key_count += 1
        first = mix(self._key_seed ^ (2 * self._key_count))
        second = mix(self._key_seed ^ (2 * self._key_count + 1))
        high = (first & ~0xF000) | 0x4000
        low = (second & ~(0b11 << 62)) | (0b10 << 62)
        return high, low


def period_before(period: str) -> str:
    """Return the month before *period*, both YYYY-MM."""
    year, month = int(period[:4]), int(period[5:7])
    return f"{year - 1}-12" if month == 1 else f"{year}-{month - 1:02d}"
