"""The work of a month as data, and the arithmetic from one SAO's month to the busiest minute.

Nobody has published a load figure of the system this models; every number here is an estimate of
the monthend design (2026), kept as data so that a real access log can replace it. One SAO (a
subdistrict administrative organisation, the commonest unit) is the unit of demand; a unit's
`weight` says how many SAOs it is worth. The `Activity` table is the single source of what a journey
requests: journeys must make exactly these requests, and a test compares.

Inferred, because the published sums allow nothing else:
- the sums 3,063 / 6,122 / 11,264 requests per SAO-month come out only with 3 / 5 / 6 *active*
  accounts per SAO; the 4 / 5 / 8 of `ACCOUNTS` are the accounts that exist;
- a document is a receipt, a disbursement request, a payment, a commitment, an advance, a voucher or
  a transfer (196 / 358 / 615); checks and approvals make none. One `advance` journey asks for an
  advance, draws it and clears it, because a clearing needs an advance of its own;
- the peak minute is 1.6 times the mean of the peak hour; the reopening day is a closed model whose
  rate is bounded by people, so it has no day factor.

This module does no I/O and draws nothing: drawing is `scenarios.arrivals`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts.terms import OperationKind
from scenarios.chance import uniform_of


class Demand(StrEnum):
    """How much work a month brings: the three cases of every estimate."""

    LOW = "low"
    BASE = "base"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Range:
    """One estimated number in its three cases."""

    low: float
    base: float
    high: float

    def of(self, demand: Demand | str) -> float:
        """Return the number for *demand*."""
        match Demand(demand):
            case Demand.LOW:
                return self.low
            case Demand.BASE:
                return self.base
            case Demand.HIGH:
                return self.high


WORKING_DAYS_PER_MONTH: Final = 21
OFFICE_HOURS_PER_DAY: Final = 7
PEAK_MINUTE_FACTOR: Final = 1.6
# Mean pause of a person between two requests; 32,322 people at 45 % duty and 20 s make 727 req/s,
# which agrees with the 721 req/s of the open model.
THINK_S: Final = 20.0
# A person scans a code and confirms on the phone: 10 to 40 s (facts/domain.md §6.1), drawn here
# from half to one and a half times the mean.
HUMAN_DELAY_S: Final = 25.0
# Six months of an SAO's documents, by the estimate of 358 a month (facts/domain.md §4.5), and the
# one file of about 200,000 rows that a run sends as well.
BACKLOG_DOCUMENTS_PER_SAO: Final = 2148
WHALE_DOCUMENTS: Final = 168_000
NAVIGATION_SHARE: Final = Range(0.10, 0.20, 0.30)  # requests that lead nowhere, per useful request
ACCOUNTS_ACTIVE_PER_SAO: Final = Range(3, 5, 6)
SESSIONS_PER_ACCOUNT_DAY: Final = Range(1.2, 1.5, 2.0)

# Every operation that a target answers. `authorize_at_provider` is answered by the identity
# provider: it is recorded, and is in no activity's count of requests.
OPERATIONS: Final[dict[str, OperationKind]] = {
    "start_login": OperationKind.LOGIN,
    "authorize_at_provider": OperationKind.PROVIDER,
    "finish_login": OperationKind.LOGIN,
    "view_me": OperationKind.READ,
    "view_overview": OperationKind.READ,
    "view_periods": OperationKind.READ,
    "view_worklist": OperationKind.READ,
    "view_chart_of_accounts": OperationKind.READ,
    "view_budget": OperationKind.READ,
    "find_payees": OperationKind.READ,
    "list_documents": OperationKind.READ,
    "view_document": OperationKind.READ,
    "find_document_by_key": OperationKind.READ,
    "report_daily_cash": OperationKind.REPORT,
    "report_trial_balance": OperationKind.REPORT,
    "report_receipts_payments": OperationKind.REPORT,
    "report_budget_execution": OperationKind.REPORT,
    "view_closing_status": OperationKind.REPORT,
    "create_receipt": OperationKind.POST,
    "create_disbursement_request": OperationKind.POST,
    "check_disbursement_request": OperationKind.POST,
    "approve_disbursement_request": OperationKind.POST,
    "pay_disbursement_request": OperationKind.POST,
    "create_commitment": OperationKind.POST,
    "create_advance_request": OperationKind.POST,
    "pay_advance_request": OperationKind.POST,
    "clear_advance": OperationKind.POST,
    "create_journal_voucher": OperationKind.POST,
    "create_budget_transfer": OperationKind.POST,
    "close_period": OperationKind.POST,
    "upload_books": OperationKind.IMPORT,
    "upload_malformed_books": OperationKind.IMPORT,
    "view_import": OperationKind.READ,
    "view_refused_import": OperationKind.READ,
    "post_into_closed_period": OperationKind.PROBE,
    "read_other_unit": OperationKind.PROBE,
    "post_to_other_unit": OperationKind.PROBE,
    "spend_over_budget": OperationKind.PROBE,
    "submit_unbalanced_voucher": OperationKind.PROBE,
    "submit_wrong_year": OperationKind.PROBE,
}

# What people open when they look around; a session's seed says where it begins in this ring.
NAVIGATION: Final = ("view_overview", "view_worklist", "list_documents", "view_budget")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One thing a person comes to do, as a fixed sequence of requests.

    `variants` are sequences of equal length of which the session's seed picks one; most activities
    have one. `per_sao_month` counts how often an SAO does it in a month; all zero when it is paid
    out of the navigation overhead. `is_burst`: the page makes its requests by itself, without
    anybody thinking in between. `human_delay_s` is the mean time that a person takes at the
    identity provider, between the first request and the second. `role` is who begins; `each` stands
    for every account in turn, which the session's seed names.
    """

    name: str
    role: str
    per_sao_month: Range
    variants: tuple[tuple[str, ...], ...]
    documents: int = 0  # documents made, as the estimate counts them
    is_burst: bool = False
    human_delay_s: float = 0.0

    @property
    def requests(self) -> int:
        """Number of requests to the target, navigation not counted."""
        return len(self.variants[0])

    @property
    def operations(self) -> tuple[str, ...]:
        """The first variant: the only one for most activities."""
        return self.variants[0]

    def operations_for(self, seed: int) -> tuple[str, ...]:
        """Return the sequence that a session with *seed* makes."""
        return self.variants[seed % len(self.variants)]

    def think_s(self, step: int) -> float:
        """Mean pause before request *step* of this activity's own requests, before scaling."""
        if self.is_burst:
            return self.human_delay_s if step == 1 else 0.0
        return 0.0 if step == 0 else THINK_S

    @property
    def is_sign_in(self) -> bool:
        """Whether it begins at the identity provider."""
        return self.operations[0] == "start_login"


_NONE: Final = Range(0, 0, 0)


def _logins_per_sao_month() -> Range:
    def logins(demand: Demand) -> float:
        per_day = ACCOUNTS_ACTIVE_PER_SAO.of(demand) * SESSIONS_PER_ACCOUNT_DAY.of(demand)
        return per_day * WORKING_DAYS_PER_MONTH

    return Range(logins(Demand.LOW), logins(Demand.BASE), logins(Demand.HIGH))


_LOGIN: Final = (
    "start_login", "finish_login", "view_me", "view_overview", "view_periods", "view_worklist",
)  # fmt: skip
_PAY_SUPPLIER: Final = (
    # The clerk prepares the request: 10.
    "view_overview", "view_worklist", "find_payees", "view_chart_of_accounts", "view_budget",
    "list_documents", "find_payees", "view_budget", "create_disbursement_request", "view_document",
    # The checker, then the approver: 8.
    "view_worklist", "view_document", "view_budget", "check_disbursement_request",
    "view_worklist", "view_document", "approve_disbursement_request", "view_document",
    # The director pays: 6.
    "view_worklist", "view_document", "view_budget", "pay_disbursement_request",
    "view_document", "list_documents",
)  # fmt: skip

ACTIVITIES: Final[tuple[Activity, ...]] = (
    Activity(
        name="receipt", role="clerk", per_sao_month=Range(40, 80, 150), documents=1,
        variants=(("view_chart_of_accounts", "list_documents", "create_receipt", "view_document",
                   "view_overview"),),
    ),
    Activity(
        name="pay_supplier", role="clerk", per_sao_month=Range(60, 100, 160), documents=2,
        variants=(_PAY_SUPPLIER,),
    ),
    Activity(
        name="commitment", role="clerk", per_sao_month=Range(20, 40, 70), documents=1,
        variants=(("view_worklist", "view_budget", "find_payees", "list_documents", "view_budget",
                   "create_commitment", "view_document", "view_budget"),),
    ),
    Activity(
        name="advance", role="clerk", per_sao_month=Range(4, 8, 15), documents=1,
        variants=(("view_worklist", "find_payees", "create_advance_request",
                   "view_document", "pay_advance_request",
                   "list_documents", "clear_advance", "view_document"),),
    ),
    Activity(
        name="journal_voucher", role="clerk", per_sao_month=Range(10, 25, 50), documents=1,
        variants=(("view_periods", "view_chart_of_accounts", "list_documents",
                   "create_journal_voucher", "view_document", "view_overview"),),
    ),
    Activity(
        name="budget_transfer", role="clerk", per_sao_month=Range(2, 5, 10), documents=1,
        variants=(("view_budget", "view_periods", "list_documents", "view_budget", "view_overview",
                   "create_budget_transfer", "view_document", "view_budget"),),
    ),
    Activity(
        name="daily_cash", role="clerk", per_sao_month=Range(21, 21, 21),
        variants=(("view_overview", "report_daily_cash", "list_documents"),),
    ),
    Activity(
        name="enquiry", role="clerk", per_sao_month=Range(150, 300, 600),
        variants=(("list_documents", "view_document"),),
    ),
    Activity(
        name="report", role="clerk", per_sao_month=Range(30, 60, 120),
        variants=(("view_periods", "report_trial_balance"),
                  ("view_periods", "report_receipts_payments"),
                  ("view_periods", "report_budget_execution")),
    ),
    Activity(
        name="login", role="any", per_sao_month=_logins_per_sao_month(), is_burst=True,
        variants=(_LOGIN,),
    ),
    Activity(
        name="browse", role="any", per_sao_month=_NONE,
        variants=tuple((operation,) for operation in NAVIGATION),
    ),
    Activity(
        name="month_close", role="director", per_sao_month=_NONE,
        variants=(("view_overview", "view_periods", "view_worklist", "list_documents",
                   "view_budget", "report_trial_balance", "close_period", "view_periods",
                   "post_into_closed_period"),),
    ),
    Activity(
        name="provincial_refresh", role="provincial_viewer", per_sao_month=_NONE,
        variants=(("view_me", "view_closing_status", "view_closing_status",
                   "view_closing_status"),),
    ),
    Activity(
        name="curious", role="any", per_sao_month=_NONE,
        variants=(("read_other_unit",), ("post_to_other_unit",)),
    ),
    Activity(
        name="overspend", role="clerk", per_sao_month=_NONE, variants=(("spend_over_budget",),),
    ),
    # What only some scenarios plan.
    Activity(
        name="import_backlog", role="director", per_sao_month=_NONE,
        documents=BACKLOG_DOCUMENTS_PER_SAO,
        variants=(("upload_books", *("view_import",) * 10),),
    ),
    Activity(
        name="import_whale", role="director", per_sao_month=_NONE,
        variants=(("upload_books", *("view_import",) * 10),),
    ),
    Activity(
        name="import_malformed", role="director", per_sao_month=_NONE,
        variants=(("upload_malformed_books", *("view_import",) * 9, "view_refused_import"),),
    ),
    Activity(
        name="morning_login", role="each", per_sao_month=_NONE, is_burst=True,
        human_delay_s=HUMAN_DELAY_S, variants=(_LOGIN,),
    ),
    Activity(
        name="enrol", role="each", per_sao_month=_NONE, is_burst=True,
        human_delay_s=HUMAN_DELAY_S,
        variants=(("start_login", "finish_login", "view_me", "view_overview"),),
    ),
    Activity(
        name="month_reports", role="clerk", per_sao_month=_NONE,
        variants=(("view_periods", "report_trial_balance", "report_receipts_payments",
                   "report_budget_execution", "report_daily_cash"),),
    ),
    Activity(
        name="year_close", role="director", per_sao_month=_NONE,
        variants=(("view_overview", "view_periods", "view_worklist", "report_trial_balance",
                   "close_period", "report_trial_balance", "report_receipts_payments",
                   "report_budget_execution", "close_period", "view_periods",
                   "post_into_closed_period"),),
    ),
    Activity(
        name="mistaken_paper", role="clerk", per_sao_month=_NONE,
        variants=(("view_chart_of_accounts", "list_documents", "submit_unbalanced_voucher",
                   "create_journal_voucher", "view_document"),
                  ("view_chart_of_accounts", "list_documents", "submit_wrong_year",
                   "create_receipt", "view_document")),
    ),
    Activity(
        name="abandoned_form", role="clerk", per_sao_month=_NONE,
        variants=(("view_chart_of_accounts", "view_budget", "find_payees"),),
    ),
)  # fmt: skip
ACTIVITY_BY_NAME: Final[dict[str, Activity]] = {activity.name: activity for activity in ACTIVITIES}


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request of a session: `think_s` is the pause before it, not yet scaled to the run."""

    operation: str
    think_s: float


def pace_of(seed: int, step: int) -> float:
    """Return how slowly this session's person takes pause *step*: 0.5 to 1.5, mean 1.

    Equal pauses would keep sessions in step for ever after one stall of the target, and each echo
    would look like a burst of arrivals that nobody planned.
    """
    return 0.5 + uniform_of(seed, step)


def navigation_operations(seed: int, count: int) -> tuple[str, ...]:
    """Return the *count* looks around that a session with *seed* makes before its own requests."""
    return tuple(NAVIGATION[(seed + step) % len(NAVIGATION)] for step in range(count))


def requests_of(activity: Activity, *, seed: int, navigation: int) -> tuple[PlannedRequest, ...]:
    """Return all requests of one session in order: first *navigation* looks around, then its own.

    Step numbers run through both. A burst activity has no navigation.
    """
    operations = navigation_operations(seed, navigation) + activity.operations_for(seed)
    return tuple(
        PlannedRequest(
            operation,
            activity.think_s(step) * pace_of(seed, step),
        )
        for step, operation in enumerate(operations)
    )


def useful_requests_per_sao_month(demand: Demand | str) -> float:
    """Requests of one SAO in a month without navigation."""
    return sum(a.requests * a.per_sao_month.of(demand) for a in ACTIVITIES)


def requests_per_sao_month(demand: Demand | str) -> float:
    """Requests of one SAO in a month, navigation included: 3,063 / 6,122 / 11,264."""
    return useful_requests_per_sao_month(demand) * (1 + NAVIGATION_SHARE.of(demand))


def documents_per_sao_month(demand: Demand | str) -> float:
    """Documents that one SAO posts in a month: 196 / 358 / 615."""
    return sum(a.documents * a.per_sao_month.of(demand) for a in ACTIVITIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayProfile:
    """A kind of day: its work as a multiple of the mean day, and its busiest hour's share of it."""

    name: str
    day_factor: Range
    peak_hour_share: Range


NORMAL_DAY: Final = DayProfile(
    name="normal_day", day_factor=Range(1.0, 1.0, 1.2), peak_hour_share=Range(0.17, 0.20, 0.22)
)
MONTH_END: Final = DayProfile(
    name="month_end", day_factor=Range(1.6, 2.5, 3.5), peak_hour_share=Range(0.18, 0.22, 0.25)
)
YEAR_END: Final = DayProfile(
    name="year_end", day_factor=Range(2.5, 4, 6), peak_hour_share=Range(0.12, 0.15, 0.18)
)
PROFILES: Final = {profile.name: profile for profile in (NORMAL_DAY, MONTH_END, YEAR_END)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandSteps:
    """Each step from the population to the busiest minute, so that a reader can check the chain."""

    sao_equivalents: float
    requests_per_sao_month: float
    requests_per_month: float
    requests_per_mean_day: float
    office_hours_req_s: float
    requests_per_day: float
    peak_hour_req_s: float
    peak_minute_req_s: float


def demand_steps(
    profile: DayProfile, *, demand: Demand | str, sao_equivalents: float
) -> DemandSteps:
    """Walk from *sao_equivalents* (the sum of the units' weights) to requests per second."""
    per_sao = requests_per_sao_month(demand)
    per_month = per_sao * sao_equivalents
    per_mean_day = per_month / WORKING_DAYS_PER_MONTH
    per_day = per_mean_day * profile.day_factor.of(demand)
    peak_hour = per_day * profile.peak_hour_share.of(demand) / 3600
    return DemandSteps(
        sao_equivalents=sao_equivalents,
        requests_per_sao_month=per_sao,
        requests_per_month=per_month,
        requests_per_mean_day=per_mean_day,
        office_hours_req_s=per_mean_day / (OFFICE_HOURS_PER_DAY * 3600),
        requests_per_day=per_day,
        peak_hour_req_s=peak_hour,
        peak_minute_req_s=peak_hour * PEAK_MINUTE_FACTOR,
    )


# The reopening day: everybody comes at once and types as fast as a person can.
REOPENING_ACTIVE_SHARE: Final = Range(0.50, 0.75, 0.90)
REOPENING_CYCLE_S: Final = Range(25, 15, 10)  # think + response per request
# Reloads after errors multiply the rate by 1.2 to 3; the mildest is taken as planned.
REOPENING_PEAK_FACTOR: Final = 1.2
ACCOUNTS_NATIONAL: Final = Range(52_175, 71_827, 116_296)  # composition A


def reopening_req_s(*, demand: Demand | str, accounts: float) -> float:
    """Requests/s of a reopening day: active sessions / (think + response), bounded by people."""
    return accounts * REOPENING_ACTIVE_SHARE.of(demand) / REOPENING_CYCLE_S.of(demand)
