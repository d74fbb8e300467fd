"""What anybody signed in may do: look around in the books of a unit, and sign in.

Every role is a Person with the acts of that role added. Methods return Steps; nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from scenarios.journeys.forms import Form
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
    """Sign in through the identity provider; returns the reply with the token, or why not."""
    start = yield person.look("start_login")
    if not start.is_ok:
        return start
    authorized = yield Step(
        operation="authorize_at_provider",
        account=person.account,
        unit=person.unit,
        location=start.location,
        pid=pid,
    )
    if not authorized.is_ok:
        return authorized
    return (
        yield Step(
            operation="finish_login",
            account=person.account,
            unit=person.unit,
            location=authorized.location,
        )
    )
