"""What anybody signed in may do: look around in the books of a unit, and sign in.

Every role is a Person with the acts of that role added. Methods return Steps; nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from contracts.records import Failure
from scenarios.demand import pace_of
from scenarios.journeys.forms import Form
from scenarios.journeys.repeats import RETRY_AFTER_S_MAX
from scenarios.journeys.vocabulary import Reply, Step, Visit

# Names typed into the payee search and onto forms: shops of the kind a municipality buys from.
PAYEES: Final = (
    "ร้านเจริญพาณิชย์",
    "หจก. สยามการโยธา",
    "บริษัท ไทยวัสดุภัณฑ์ จำกัด",
    "ร้านศึกษาภัณฑ์",
    "การไฟฟ้าส่วนภูมิภาค",
    "การประปาส่วนภูมิภาค",
    "สหกรณ์การเกษตร",
    "อู่ช่างสมชาย",
)
# A sign-in that fails is begun anew after about 5 s, then after about 10, then given up for now
# [estimated]: the provider's failures of 2025 lasted hours, and nobody taps at a phone that long.
SIGN_IN_TRIES_MAX: Final = 3
SIGN_IN_AGAIN_S: Final = 5.0
_PASSING: Final = frozenset(
    (Failure.SHED, Failure.SERVER_ERROR, Failure.TIMEOUT, Failure.CONNECTION)
)


class Person:
    """One account at work in the books of one unit."""

    __slots__ = ("account", "unit", "visit")

    def __init__(self, visit: Visit, account: int) -> None:
        self.visit = visit
        self.account = account
        self.unit = visit.unit

    def look(self, operation: str) -> Step:
        """Open the page *operation*: any read that needs nothing but the unit."""
        return Step(operation=operation, account=self.account, unit=self.unit)

    def view_overview(self) -> Step:
        """Open the unit's front page."""
        return self.look("view_overview")

    def view_worklist(self) -> Step:
        """Open the list of papers that wait for somebody."""
        return self.look("view_worklist")

    def view_periods(self) -> Step:
        """See which months are open."""
        return self.look("view_periods")

    def view_chart_of_accounts(self) -> Step:
        """Open the chart of accounts."""
        return self.look("view_chart_of_accounts")

    def view_budget(self) -> Step:
        """See what is left on each budget line."""
        return self.look("view_budget")

    def list_documents(self) -> Step:
        """List the unit's documents."""
        return self.look("list_documents")

    def view_me(self) -> Step:
        """Ask who one is."""
        return self.look("view_me")

    def find_payees(self) -> Step:
        """Search the payees by a word."""
        return self.look("find_payees")

    def view_document(self, document: int) -> Step:
        """Open one document."""
        return Step(
            operation="view_document", account=self.account, unit=self.unit, document=document
        )

    def report(self, operation: str, period: str) -> Step:
        """Ask for the report *operation* of *period* (YYYY-MM), or of a day (YYYY-MM-DD)."""
        return Step(operation=operation, account=self.account, unit=self.unit, period=period)

    def hand_in(
        self, operation: str, form: Form, *, document: int = 0, expects_refusal: bool = False
    ) -> Step:
        """Hand in *form* under a key of its own; *document* is the paper it belongs to."""
        return Step(
            operation=operation,
            account=self.account,
            unit=self.unit,
            form=form,
            key=self.visit.new_key(),
            document=document,
            expects_refusal=expects_refusal,
        )


def sign_in(person: Person, pid: str) -> Generator[Step, Reply, Reply]:
    """Sign in through the identity provider; returns the reply with the token, or why not.

    A system that names no address of a provider has a sign-in of its own: its form follows at once.
    Who fails for a passing reason begins anew a little later, up to `SIGN_IN_TRIES_MAX` times; the
    requests of another try are outside the plan. People who are signed in never notice.
    """
    reply = yield person.look("start_login")
    has_finished = False
    for attempt in range(1, SIGN_IN_TRIES_MAX + 1):
        if reply.is_ok and reply.location.startswith(("http://", "https://")):
            reply = yield _at_provider(person, pid, reply.location)
        if reply.is_ok:
            finish = person.look("finish_login")._replace(location=reply.location, pid=pid)
            reply = yield finish._replace(is_extra=has_finished)
            has_finished = True
        if reply.is_ok or reply.failure not in _PASSING or attempt == SIGN_IN_TRIES_MAX:
            break
        wait_s = SIGN_IN_AGAIN_S * attempt * pace_of(person.visit.seed, attempt)
        asked_s = min(reply.retry_after_s or 0.0, RETRY_AFTER_S_MAX)
        again = person.look("start_login")
        reply = yield again._replace(is_extra=True, after_s=max(wait_s, asked_s))
    return reply


def _at_provider(person: Person, pid: str, location: str) -> Step:
    return person.look("authorize_at_provider")._replace(location=location, pid=pid)
