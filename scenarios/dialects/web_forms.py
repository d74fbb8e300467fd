"""The worked example: an accounting system of the older kind, all pages and forms.

People sign in through its own form and are known by a cookie; every form carries a hidden token
against forgery and, as a guard against double clicks, a hidden number used once; a form that was
taken leads on to the page of the paper; a form that was not comes back with a red line, with
status 200. Dates are of the Buddhist era, pages are compressed. It has no budget transfers and no
dashboard for provinces, so those are not in the table and are left out of the plan; its books
cannot be read from outside. The system itself, in small, is `tests/fakes/web_form_system.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from scenarios.dialects.tables import (
    Call,
    Find,
    TableDialect,
    buddhist,
    in_address,
    in_text,
)
from scenarios.journeys.vocabulary import Step

PAPER: Final = in_address(r"/papers/(\d+)$")
NUMBER: Final = in_text(r"เลขที่ <b>(\d+)</b>")
UNIT: Final = "หน่วยงาน {unit}<"
SECRET: Final = "lab-only"  # every account of a system under test has it; never a real one


def _new_paper(kind: str, fields: Any) -> Call:
    return Call(
        method="POST", path=f"/unit/{{unit}}/new/{kind}", fields=fields, follow=1,
        document=PAPER, number=NUMBER,
    )  # fmt: skip


def _on_paper(act: str, fields: Any = lambda _: {}) -> Call:
    return Call(
        method="POST", path=f"/unit/{{unit}}/papers/{{document}}/{act}", fields=fields, follow=1,
        document=PAPER, number=NUMBER,
    )  # fmt: skip


def _page(path: str, **more: Any) -> Call:
    return Call(path=f"/unit/{{unit}}/{path}", shows=UNIT, **more)


def _baht(satang: int) -> str:
    return f"{satang // 100:,}.{satang % 100:02d}"


def _receipt(step: Step) -> Mapping[str, str]:
    form: Any = step.form
    lines = {f"line{i}": f"{account}={_baht(s)}" for i, (account, s) in enumerate(form.lines)}
    return {"date": buddhist(form.date), "from": form.payer, "via": form.channel, **lines}


def _budgeted(step: Step) -> Mapping[str, str]:
    form: Any = step.form
    return {
        "date": buddhist(form.date),
        "budget": form.budget_line,
        "to": form.payee,
        "amount": _baht(form.amount_satang),
        "tax": _baht(getattr(form, "withholding_tax_satang", 0)),
    }


def _dated_amount(step: Step) -> Mapping[str, str]:
    form: Any = step.form
    return {"date": buddhist(form.date), "amount": _baht(form.amount_satang)}


def _voucher(step: Step) -> Mapping[str, str]:
    form: Any = step.form
    lines = {
        f"line{i}": f"{account}={_baht(debit)}/{_baht(credit)}"
        for i, (account, debit, credit) in enumerate(form.lines)
    }
    return {"date": buddhist(form.date), "about": form.description, **lines}


def _payment(step: Step) -> Mapping[str, str]:
    form: Any = step.form
    return {"date": buddhist(form.date), "how": form.method}


def _month_to_close(step: Step) -> Mapping[str, str]:
    form: Any = step.form
    return {"month": buddhist(form.period)}


def _credentials(step: Step) -> Mapping[str, str]:
    return {"user": f"u{step.account}", "secret": SECRET, "_forgery": step.location}


class WebFormsDialect(TableDialect):
    """Speaks the pages of the example system."""

    health_path = "/signin"
    body = "form"
    is_browsing = True
    headers: ClassVar[tuple[tuple[str, str], ...]] = (("Accept-Language", "th"),)
    key_header = ""
    key_field = "_once"
    token_header = ("", "")
    token_field = "_forgery"
    refused: ClassVar[Find | None] = in_text(r'<p class="red">([^<]+)')
    signed_out: ClassVar[Find | None] = in_address(r"/signin\?back=")
    calls: ClassVar[Mapping[str, Call]] = {
        "start_login": Call(path="/signin", location=in_text(r'name="_forgery" value="(\w+)"')),
        "finish_login": Call(
            method="POST", path="/signin", fields=_credentials, follow=1,
            token=in_text(r'name="_forgery" value="(\w+)"'), shows="u{account}<",
        ),
        "view_me": Call(path="/me", shows="u{account}<"),
        "view_overview": _page("desk"),
        "view_worklist": _page("inbox"),
        "view_periods": _page("calendar"),
        "view_chart_of_accounts": Call(path="/chart", shows="1110101"),
        "view_budget": _page("budget"),
        "find_payees": _page("payees"),
        "list_documents": _page("papers", document=in_text(r'/papers/(\d+)"')),
        "view_document": Call(path="/unit/{unit}/papers/{document}", shows='id="paper-{document}"'),
        "report_daily_cash": _page("print/cash?day={buddhist}"),
        "report_trial_balance": _page("print/balance?month={buddhist}"),
        "report_receipts_payments": _page("print/movements?month={buddhist}"),
        "report_budget_execution": _page("print/budget?month={buddhist}"),
        "create_receipt": _new_paper("receipt", _receipt),
        "create_disbursement_request": _new_paper("request", _budgeted),
        "check_disbursement_request": _on_paper("check"),
        "approve_disbursement_request": _on_paper("approve"),
        "pay_disbursement_request": _on_paper("pay", _payment),
        "create_commitment": _new_paper("order", _budgeted),
        "create_advance_request": _new_paper("advance", _dated_amount),
        "pay_advance_request": _on_paper("pay", _payment),
        "clear_advance": _on_paper("clear", _dated_amount),
        "create_journal_voucher": _new_paper("voucher", _voucher),
        "close_period": Call(
            method="POST", path="/unit/{unit}/calendar", fields=_month_to_close, follow=1,
            shows=UNIT,
        ),
        "post_into_closed_period": _new_paper("receipt", _receipt),
        "read_other_unit": _page("desk"),
        "post_to_other_unit": _new_paper("receipt", _receipt),
        "submit_unbalanced_voucher": _new_paper("voucher", _voucher),
        "submit_wrong_year": _new_paper("receipt", _receipt),
        "spend_over_budget": _new_paper("request", _budgeted),
    }  # fmt: skip
