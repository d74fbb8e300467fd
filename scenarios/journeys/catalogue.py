"""Which journey an activity is: the one registry of journeys.

To add a journey: write it in its role's file, add its row here and its activity in
`scenarios.demand`; the test of this table compares their requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scenarios.demand import navigation_operations
from scenarios.journeys import backlog, clerk, finance_director, newcomer, provincial_office
from scenarios.journeys.person import Person
from scenarios.journeys.vocabulary import Journey, Visit

JOURNEYS: Final[dict[str, Callable[[Visit], Journey]]] = {
    "receipt": clerk.receive_money,
    "pay_supplier": clerk.pay_supplier,
    "commitment": clerk.commit_budget,
    "advance": clerk.lend_and_clear,
    "journal_voucher": clerk.adjust_books,
    "budget_transfer": clerk.move_budget,
    "daily_cash": clerk.count_cash,
    "enquiry": clerk.enquire,
    "report": clerk.print_report,
    "login": clerk.log_in,
    "browse": clerk.browse,
    "month_close": finance_director.close_month,
    "import_backlog": backlog.import_backlog,
    "import_whale": backlog.import_backlog,
    "import_malformed": backlog.import_malformed,
    "provincial_refresh": provincial_office.refresh_dashboard,
    "curious": clerk.pry,
    "overspend": clerk.overspend,
    "morning_login": clerk.log_in,
    "enrol": newcomer.enrol,
    "month_reports": clerk.print_month_reports,
    "year_close": finance_director.close_year,
    "mistaken_paper": newcomer.correct_a_mistake,
    "abandoned_form": newcomer.leave_the_form,
}


def begin(activity: str, visit: Visit) -> Journey:
    """Return the journey of *activity*, after the looks around that the plan gave this visit."""
    journey = JOURNEYS[activity](visit)
    return journey if visit.navigation == 0 else _look_around_first(visit, journey)


def _look_around_first(visit: Visit, journey: Journey) -> Journey:
    person = Person(visit, visit.crew.first)
    for operation in navigation_operations(visit.seed, visit.navigation):
        yield person.look(operation)
    yield from journey
