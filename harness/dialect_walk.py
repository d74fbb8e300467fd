"""One walk through everything a dialect can say, each operation once, reads and writes.

Follows the journeys of the load itself, so that what works here works there: a document that one
step makes is the one that the next step opens. Sends nothing by itself (*carry* does) and prints
nothing; each operation becomes a `Trial` that says what was understood, or what is wrong and how
to mend it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.records import Failure, Outcome
from contracts.terms import OperationKind
from scenarios.demand import ACTIVITIES, OPERATIONS, Activity
from scenarios.dialects.interface import Answer, Dialect, Request
from scenarios.journeys.casting import Casting
from scenarios.journeys.catalogue import begin
from scenarios.journeys.person import Person, sign_in
from scenarios.journeys.vocabulary import BusinessDay, Reply, Step, Visit
from scenarios.population import Population
from scenarios.spoken import lacking

STEPS_MAX: Final = 200  # of one journey: a longer one is a defect of ours
# A system that is busy is asked again for about a minute.
BUSY_TRIES_MAX: Final = 20
BUSY_WAIT_S_MAX: Final = 3.0
POLL_S: Final = 0.5
BACKLOG_DOCUMENTS: Final = 100
EXCERPT_CHARACTERS: Final = 120
# Where a system has no activity for it: asked for with the key of the first posting.
BY_KEY: Final = "find_document_by_key"
AGAIN: Final = "the same key again"
_SIGN_IN: Final = ("start_login", "authorize_at_provider", "finish_login")
# What closes a month comes last: after it nothing can be posted there.
_CLOSING: Final = "close_period"

Carry = Callable[[Request, int], Awaitable[tuple[Answer, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One operation as it was tried. `wrong` is "" when all is well; `mend` says what to do."""

    operation: str
    asked: str
    status: int
    took_ms: float
    understood: str
    wrong: str = ""
    mend: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the system and the dialect understood each other."""
        return not self.wrong


class Walk:
    """Walks once and tells *tried* of each operation. Tokens won are added to *tokens*.

    `wrong` names the operations that the system and the dialect did not agree on. *has_backlog*:
    also hand in books of the months before, which must be open then.
    """

    def __init__(
        self,
        dialect: Dialect,
        carry: Carry,
        *,
        population: Population,
        unit: int,
        date: str,
        key_seed: int,
        tokens: dict[int, str],
        tried: Callable[[Trial], None],
        has_backlog: bool = False,
    ) -> None:
        self._dialect = dialect
        self._carry = carry
        self._casting = Casting(population)
        self._unit = unit
        self._day = BusinessDay.of(date)
        self._key_seed = key_seed
        self._tokens = tokens
        self._tried = tried
        self._has_backlog = has_backlog
        self._seen: set[str] = set()
        self._visits = 0
        self._first_paper: tuple[Step, Reply] | None = None
        self.wrong: dict[str, None] = {}  # operations, in order

    async def run(self) -> tuple[str, ...]:
        """Try all operations that the dialect speaks; returns those that were never reached."""
        spoken = self._dialect.operations
        for activity in sorted(ACTIVITIES, key=_lateness):
            if lacking(activity, spoken):
                continue
            if not self._has_backlog and is_backlog(activity):
                continue
            for seed in range(len(activity.variants)):
                if set(activity.operations_for(seed)) - self._seen:
                    await self._visit(activity, seed)
        await self._repeat_the_first_paper()
        return tuple(sorted(spoken - self._seen))

    # One visit.

    async def _visit(self, activity: Activity, seed: int) -> None:
        visit = self._visit_of(activity, seed)
        journey = begin(activity.name, visit)
        step = next(journey)
        for _ in range(STEPS_MAX):
            reply = await self._step(visit, step)
            if reply is None:
                journey.close()
                return
            try:
                step = journey.send(reply)
            except StopIteration:
                return
            if reply.settled is Outcome.INDEFINITE:
                await asyncio.sleep(POLL_S)  # a file is read behind the people at work

    def _visit_of(self, activity: Activity, seed: int) -> Visit:
        is_provincial = activity.role == "provincial_viewer"
        unit = self._unit // 100_000 * 100_000 if is_provincial else self._unit
        crew = self._casting.crew(activity, unit, seed)
        self._visits += 1
        return Visit(
            session=self._visits,
            unit=unit,
            navigation=0,
            crew=crew,
            pid=self._casting.pid(crew.visitor),
            stranger_unit=self._casting.stranger_unit(crew.clerk, seed),
            day=self._day,
            seed=seed,
            key_seed=self._key_seed,
            documents=BACKLOG_DOCUMENTS,
        )

    async def _step(self, visit: Visit, step: Step) -> Reply | None:
        """Carry one step out, signed in; None when its person cannot sign in."""
        is_signing_in = step.operation in _SIGN_IN
        for _ in range(2):
            is_known = is_signing_in or bool(self._tokens.get(step.account))
            if not is_known and not await self._sign_in(visit, step.account):
                return None
            reply = await self._ask_patiently(step)
            if is_signing_in or reply.status != 401:
                break
            self._tokens.pop(step.account, None)  # it had run out: once more
        return reply

    async def _sign_in(self, visit: Visit, account: int) -> bool:
        if _SIGN_IN[0] not in self._dialect.operations:
            self._note(
                Trial(
                    operation=_SIGN_IN[0], asked=f"account {account}", status=0, took_ms=0.0,
                    understood="", wrong="it has no token, and the dialect has no sign-in",
                    mend="name its token in the file of --sessions (account,token; an account is "
                    "1000 times its unit, plus its number), or teach the dialect to sign in",
                )
            )  # fmt: skip
            return False
        signing_in: Generator[Step, Reply, Reply] = sign_in(
            Person(visit, account), self._casting.pid(account)
        )
        step = next(signing_in)
        for _ in range(STEPS_MAX):
            reply = await self._ask(step)
            try:
                step = signing_in.send(reply)
            except StopIteration:
                break
        return bool(self._tokens.get(account))

    # One request.

    async def _ask_patiently(self, step: Step) -> Reply:
        """Ask again where the system says to come back later: one import at a time, say."""
        for _ in range(BUSY_TRIES_MAX):
            reply = await self._ask(step, is_last=False)
            if reply.failure is not Failure.SHED:
                return reply
            await asyncio.sleep(min(reply.retry_after_s or 0.5, BUSY_WAIT_S_MAX))
        return await self._ask(step)

    async def _ask(self, step: Step, *, named: str = "", is_last: bool = True) -> Reply:
        token = "" if step.operation in _SIGN_IN else self._tokens.get(step.account, "")
        try:
            request = self._dialect.request(step, token)
        except Exception as error:
            return self._broken(step, "", f"request() raised {_told(error)}")
        answer, took_ms = await self._carry(request, step.account)
        asked = f"{request.method} {request.target}"
        try:
            reply = self._dialect.reply(step, answer)
        except Exception as error:
            return self._broken(step, asked, f"reply() raised {_told(error)}")
        if reply.failure is Failure.SHED and not is_last:
            return reply
        if reply.token:
            self._tokens[step.account] = reply.token
        if step.key is not None and reply.is_ok and reply.document and not self._first_paper:
            self._first_paper = step, reply
        wrong, mend = _judged(step, answer, reply)
        self._note(
            Trial(
                operation=named or step.operation,
                asked=asked,
                status=answer.status,
                took_ms=took_ms,
                understood=_understood(reply),
                wrong=wrong,
                mend=mend,
            )
        )
        return reply

    def _broken(self, step: Step, asked: str, what: str) -> Reply:
        self._note(
            Trial(
                operation=step.operation, asked=asked, status=0, took_ms=0.0, understood="",
                wrong=what, mend="correct the dialect: no step and no answer may make it raise",
            )
        )  # fmt: skip
        return Reply(Outcome.INDEFINITE, Failure.WRONG_ANSWER)

    def _note(self, trial: Trial) -> None:
        """Tell the first trial of each operation, and the first that went wrong."""
        is_new = trial.operation not in self._seen
        is_new_wrong = not trial.is_ok and trial.operation not in self.wrong
        self._seen.add(trial.operation)
        if is_new_wrong:
            self.wrong[trial.operation] = None
        if is_new or is_new_wrong:
            self._tried(trial)

    async def _repeat_the_first_paper(self) -> None:
        """Hand the first paper in again under its key: it must be the same one."""
        if self._first_paper is None:
            return
        step, first = self._first_paper
        again = await self._ask(step, named=AGAIN)
        self._compare(AGAIN, step, again, first)
        if BY_KEY in self._dialect.operations:
            found = await self._ask(
                Step(BY_KEY, account=step.account, unit=step.unit, key=step.key)
            )
            self._compare(BY_KEY, step, found, first)
        self._seen.discard(AGAIN)

    def _compare(self, operation: str, step: Step, again: Reply, first: Reply) -> None:
        if not again.is_ok or again.document == first.document:
            return
        self._note(
            Trial(
                operation=operation, asked=step.operation, status=again.status, took_ms=0.0,
                understood=_understood(again),
                wrong=f"document {first.document} became {again.document}: it counted twice",
                mend="send the idempotency key where the system looks for it (key_header, "
                "key_field); a system without one cannot keep exactly-once",
            )
        )  # fmt: skip


def is_backlog(activity: Activity) -> bool:
    """Whether it hands in half a year's books: the months before must be open for that."""
    kinds = {OPERATIONS[name] for variant in activity.variants for name in variant}
    return OperationKind.IMPORT in kinds or "view_refused_import" in activity.operations


def _lateness(activity: Activity) -> int:
    return max(operations.count(_CLOSING) for operations in activity.variants)


def _understood(reply: Reply) -> str:
    parts = []
    if reply.failure is Failure.EXPECTED_REFUSAL:
        parts.append("refused, as it must be")
    if reply.document:
        parts.append(f"document {reply.document}")
    if reply.number > 0:
        parts.append(f"number {reply.number}")
    if reply.token:
        parts.append(f"token {reply.token[:8]}...")
    if reply.location:
        parts.append(f"location {reply.location[:60]}")
    return ", ".join(parts)


def _judged(step: Step, answer: Answer, reply: Reply) -> tuple[str, str]:
    """Return what is wrong and how to mend it, both "" when nothing is."""
    said = _excerpt(answer)
    match reply.failure:
        case Failure.NONE | Failure.EXPECTED_REFUSAL:
            return "", ""
        case Failure.WRONG_ANSWER if step.expects_refusal:
            return (
                "the system let through what it must refuse",
                "if it did refuse, teach the dialect how it says so (refusals, refused); else it "
                "is a finding",
            )
        case Failure.WRONG_ANSWER:
            return (
                f"the status is right, the content is not what the dialect looks for; {said}",
                "see what it takes as proof (shows, document, number, token)",
            )
        case Failure.SHED:
            return "the system is busy", "try again when it is not"
        case Failure.SERVER_ERROR:
            return f"the system failed; {said}", "see the system's own log"
        case Failure.CONNECTION | Failure.TIMEOUT:
            return f"no whole answer ({answer.ending.value})", "see the system's own log"
        case _ if answer.status == 401 or reply.status == 401:
            return f"it takes us for signed out; {said}", "see where the token or cookie travels"
    kind = OPERATIONS[step.operation]
    rights = ", or the rights of this account" if kind is not OperationKind.LOGIN else ""
    return (
        f"{answer.status} is not what the dialect expects; {said}",
        f"correct the path, the fields, or `expected`{rights}",
    )


def _excerpt(answer: Answer) -> str:
    text = " ".join(answer.body[:2000].decode("utf-8", "replace").split())
    shown = "".join(c if c.isprintable() else "?" for c in text[:EXCERPT_CHARACTERS])
    return f"it begins: {shown}" if shown else "it is empty"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def left_out_lines(dialect: Dialect) -> Sequence[str]:
    """Say which activities the dialect cannot take part in, one line each."""
    return [
        f"{activity.name} (lacks {', '.join(missing)})"
        for activity in ACTIVITIES
        if (missing := lacking(activity, dialect.operations))
    ]
