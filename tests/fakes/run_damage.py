"""Known damage to a good synthetic run, each with the clauses that must be BREACHED by it.

A damage changes the rows of a `FakeRun` as a wrong ledger or a wrong target would have left them:
with its effects on balances where the defect has them, without where it has not. The named clauses
are all that may be breached: one defect must not be reported as five.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from contracts.records import Failure, Outcome
from tests.fakes.run_folders import (
    LATE_POST,
    OVERSPEND,
    PERIOD,
    POST,
    PRY,
    READ,
    FakeRun,
    sample,
    unanswered,
)
from tests.fakes.small_ledger import BANK, CASH, KINDS, MS, T0, Row, S


class Damage(NamedTuple):
    """What to do to a run, and which clauses are then breached."""

    apply: Callable[[FakeRun], None]
    breached: frozenset[str]


def rebalance(run: FakeRun, document: Row, sign: int) -> None:
    """Add (1) or take away (-1) a document's lines in the target's running balances."""
    unit, period = document["unit"], document["period"]
    for account, debit, credit in document["lines"]:
        rows = [row for row in run.after["trial_balance"]
                if (row["unit"], row["account"]) == (unit, account)]  # fmt: skip
        own = next((row for row in rows if row["period"] == period), None)
        if own is None:
            earlier = [row for row in rows if row["period"] < period]
            opening = earlier[-1]["closing_satang"] if earlier else 0
            own = {"unit": unit, "period": period, "account": account, "opening_satang": opening,
                   "debit_satang": 0, "credit_satang": 0, "closing_satang": opening}  # fmt: skip
            run.after["trial_balance"].append(own)
        own["debit_satang"] += sign * debit
        own["credit_satang"] += sign * credit
        change = sign * (debit - credit)
        own["closing_satang"] += change
        for row in rows:
            if row["period"] > period:
                row["opening_satang"] += change
                row["closing_satang"] += change
        move_cash(run, unit, account, change)


def move_cash(run: FakeRun, unit: int, account: str, change: int) -> None:
    """Change the balance that the target reports for a cash account."""
    if account not in (CASH, BANK):
        return
    for row in run.after["cash_position"]:
        if (row["unit"], row["account"]) == (unit, account):
            row["balance_satang"] += change
            return
    run.after["cash_position"].append({"unit": unit, "account": account, "balance_satang": change})


def stored(run: FakeRun, kind: str, place: int = 0) -> Row:
    """Return a document of *kind* that the run made and that was acknowledged."""
    acknowledged = {row["key"] for row in run.operations if row["outcome"] == Outcome.OK}
    made = [d for d in run.after["documents"] if d["key"] in acknowledged and d["kind"] == kind]
    return made[place]


def answers(run: FakeRun, document: Row) -> list[Row]:
    """Return the acknowledged attempts that made *document*."""
    return [row for row in run.operations
            if row["key"] == document["key"] and row["outcome"] == Outcome.OK]  # fmt: skip


def lose(run: FakeRun) -> None:
    document = stored(run, "journal_voucher")
    run.after["documents"].remove(document)
    rebalance(run, document, -1)


def lose_a_receipt(run: FakeRun) -> None:
    document = stored(run, "receipt", 1)
    run.after["documents"].remove(document)
    rebalance(run, document, -1)


def papers_of(run: FakeRun, told: Outcome) -> list[Row]:
    """Return the documents that the file holds of whose fate *told* was said."""
    place = KINDS.index("books_import")
    file = next(row for row in run.operations if (row["kind"], row["outcome"]) == (place, told))
    keys = {row["key"] for row in run.operations if row["session"] == file["session"]}
    return [document for document in run.after["documents"] if document["key"] in keys]


def half_import(run: FakeRun) -> None:
    for document in papers_of(run, Outcome.INDEFINITE)[-2:]:
        run.after["documents"].remove(document)
        rebalance(run, document, -1)


def lose_of_an_import(run: FakeRun) -> None:
    document = papers_of(run, Outcome.OK)[-1]
    run.after["documents"].remove(document)
    rebalance(run, document, -1)


def import_twice(run: FakeRun) -> None:
    document = papers_of(run, Outcome.OK)[-1]
    run.after["documents"].append(
        document | {"document": 888_888, "number": document["number"] + 1}
    )
    rebalance(run, document, 1)


def slow_import(run: FakeRun) -> None:
    for row in run.operations:
        if row["kind"] == KINDS.index("books_import") and row["outcome"] == Outcome.OK:
            row["completed_ns"] += 1_000 * S


def lose_a_step(run: FakeRun) -> None:
    approval = next(row for row in run.operations if row["outcome"] == Outcome.OK
                    and row["kind"] == KINDS.index("disbursement_approval"))  # fmt: skip
    document = next(d for d in run.after["documents"] if d["document"] == approval["document"])
    if document["status"] == "paid":  # keep the registers in step
        payment = next(d for d in run.after["documents"] if d["kind"] == "payment"
                       and d["unit"] == document["unit"])  # fmt: skip
        run.after["documents"].remove(payment)
        raise AssertionError("the chosen approval was paid: choose another seed")
    document["status"] = "checked"


def post_twice(run: FakeRun) -> None:
    document = stored(run, "journal_voucher")
    again = document | {"document": 999_999, "number": 1 + max(
        d["number"] for d in run.after["documents"]
        if (d["unit"], d["kind"]) == (document["unit"], document["kind"]))}  # fmt: skip
    run.after["documents"].append(again)
    rebalance(run, again, 1)


def post_twice_without_key(run: FakeRun) -> None:
    post_twice(run)
    run.after["documents"][-1]["key"] = 0


def unbalance(run: FakeRun) -> None:
    document = stored(run, "journal_voucher")
    account, debit, credit = document["lines"][0]
    document["lines"][0] = (account, debit + 1, credit)


def unbalance_with_balances(run: FakeRun) -> None:
    document = stored(run, "journal_voucher")
    rebalance(run, document, -1)
    unbalance(run)
    rebalance(run, document, 1)


def drop_a_line(run: FakeRun) -> None:
    document = stored(run, "receipt")
    document["lines"].pop()


def read_foreign_books(run: FakeRun) -> None:
    for row in run.samples:
        if row["operation"] == PRY:
            row |= {"status": 200, "outcome": Outcome.OK, "failure": Failure.WRONG_ANSWER}
            return


def _let_through(run: FakeRun, operation: int, *, period: int, is_closed: bool) -> None:
    closed = {(r["unit"], r["period"]) for r in run.after["periods"] if r["status"] == "closed"}
    row = next(row for row in run.operations
               if row["expected_refusal"] and row["attempt"] == 0 and row["period"] == period
               and row["outcome"] == Outcome.REFUSED and row["budget_line"] < 0
               and ((row["unit"], period) in closed) is is_closed)  # fmt: skip
    number = 1 + max(d["number"] for d in run.after["documents"]
                     if (d["unit"], d["kind"]) == (row["unit"], "receipt")
                     and d["fiscal_year"] == 2569)  # fmt: skip
    row |= {"outcome": Outcome.OK, "status": 201, "number": number}
    document = {
        "unit": row["unit"], "document": 888_888, "kind": "receipt", "number": number,
        "fiscal_year": 2569, "period": period, "date": f"{period // 100}-{period % 100:02d}-28",
        "key": row["key"], "budget_line": "", "status": "posted", "gross": row["gross_satang"],
        "line_count": 2,
        "lines": [(CASH, row["gross_satang"], 0), ("4110101", 0, row["gross_satang"])],
    }  # fmt: skip
    run.after["documents"].append(document)
    rebalance(run, document, 1)
    # A sample bears the unit of the person who asked, an operation that of the books it went to.
    asker = row["unit"] if operation == LATE_POST else 1_000_001
    run.samples.append(sample(row["session"], asker, operation, row["invoked_ns"], took_ns=MS)
                       | {"failure": Failure.WRONG_ANSWER})  # fmt: skip


def write_foreign_books(run: FakeRun) -> None:
    _let_through(run, PRY, period=202512, is_closed=False)


def post_into_period_closed_in_run(run: FakeRun) -> None:
    _let_through(run, LATE_POST, period=202511, is_closed=True)


def post_into_period_closed_before(run: FakeRun) -> None:
    _let_through(run, LATE_POST, period=202510, is_closed=True)


def shed_and_execute(run: FakeRun) -> None:
    document = stored(run, "journal_voucher", -1)
    for row in run.operations:
        if row["key"] == document["key"] and row["outcome"] == Outcome.OK:
            row |= {"outcome": Outcome.REFUSED, "status": 503, "number": -1}


def refuse_and_execute(run: FakeRun) -> None:
    document = stored(run, "journal_voucher", -1)
    for row in run.operations:
        if row["key"] == document["key"] and row["outcome"] == Outcome.OK:
            row |= {"outcome": Outcome.REFUSED, "status": 422, "number": -1}


def skip_a_number(run: FakeRun) -> None:
    document = stored(run, "journal_voucher", -1)
    series = [d for d in run.after["documents"] if (d["unit"], d["kind"]) == (
        document["unit"], "journal_voucher") and d["number"] >= document["number"]]  # fmt: skip
    for later in series:
        for row in answers(run, later):
            row["number"] += 1
        later["number"] += 1


def number_twice(run: FakeRun) -> None:
    document = next(d for d in run.after["documents"]
                    if d["kind"] == "journal_voucher" and d["number"] == 2)  # fmt: skip
    for row in answers(run, document):
        row["number"] = 1
    document["number"] = 1


def overspend(run: FakeRun) -> None:
    document = stored(run, "commitment")
    for row in run.operations:
        if row["key"] == document["key"]:
            row["budget_delta_satang"] += 700_000_000
    budget = _budget_of(run, document)
    budget["committed_satang"] += 700_000_000
    budget["remaining_satang"] -= 700_000_000


def let_an_overspending_through(run: FakeRun) -> None:
    row = next(row for row in run.operations if row["expected_refusal"] and row["budget_line"] >= 0
               and row["outcome"] == Outcome.REFUSED)  # fmt: skip
    number = 1 + sum(
        (d["unit"], d["kind"]) == (row["unit"], "commitment") for d in run.after["documents"]
    )
    row |= {"outcome": Outcome.OK, "status": 201, "number": number}
    document = {
        "unit": row["unit"], "document": 666_666, "kind": "commitment", "number": number,
        "fiscal_year": 2569, "period": 202512, "date": "2025-12-01", "key": row["key"],
        "budget_line": "B05", "status": "posted", "gross": 0, "line_count": 0, "lines": [],
    }  # fmt: skip
    run.after["documents"].append(document)
    budget = _budget_of(run, document)
    budget["committed_satang"] += row["budget_delta_satang"]
    budget["remaining_satang"] -= row["budget_delta_satang"]
    probe = next(row for row in run.samples if row["operation"] == OVERSPEND)
    probe |= {"status": 201, "outcome": Outcome.OK, "failure": Failure.WRONG_ANSWER}


def drift_balances_and_cash(run: FakeRun) -> None:
    row = next(row for row in run.after["trial_balance"]
               if row["period"] == 202512 and row["account"] == BANK)  # fmt: skip
    row["debit_satang"] += 1
    row["closing_satang"] += 1
    move_cash(run, row["unit"], BANK, 1)


def _budget_of(run: FakeRun, document: Row) -> Row:
    place = (document["unit"], document["budget_line"])
    return next(row for row in run.after["budget"] if (row["unit"], row["budget_line"]) == place)


def forget_a_commitment(run: FakeRun) -> None:
    budget = _budget_of(run, stored(run, "commitment"))
    budget["committed_satang"] -= 100
    budget["remaining_satang"] += 100


def wrong_remainder(run: FakeRun) -> None:
    run.after["budget"][3]["remaining_satang"] += 1


def make_budget(run: FakeRun) -> None:
    run.after["budget"][3]["transferred_satang"] += 500
    run.after["budget"][3]["remaining_satang"] += 500


def edit_closed_line(run: FakeRun) -> None:
    document = next(d for d in run.after["documents"] if d["kind"] == "receipt"
                    and d["period"] == 202510)  # fmt: skip
    account, debit, credit = document["lines"][0]
    document["lines"][0] = (account, debit + 5_000, credit)


def delete_a_document(run: FakeRun) -> None:
    document = next(d for d in run.after["documents"] if d["kind"] == "receipt"
                    and d["period"] == 202510)  # fmt: skip
    run.after["documents"].remove(document)


def reopen(run: FakeRun) -> None:
    run.after["periods"][0]["status"] = "open"


def change_closed_balance(run: FakeRun) -> None:
    row = next(row for row in run.after["trial_balance"] if row["period"] == 202510)
    row["debit_satang"] += 10
    row["credit_satang"] += 10


def drift_trial_balance(run: FakeRun) -> None:
    row = next(row for row in run.after["trial_balance"]
               if row["period"] == 202512 and row["account"] == "5110101")  # fmt: skip
    row["debit_satang"] += 1
    row["closing_satang"] += 1


def break_the_chain(run: FakeRun) -> None:
    row = next(row for row in run.after["trial_balance"] if row["period"] == 202512)
    row["opening_satang"] += 100
    row["closing_satang"] += 100


def drift_cash(run: FakeRun) -> None:
    run.after["cash_position"][0]["balance_satang"] -= 1


def forget_that_it_was_paid(run: FakeRun) -> None:
    paid = next(d for d in run.after["documents"] if d["status"] == "paid")
    paid["status"] = "approved"


def phantom(run: FakeRun) -> None:
    document = stored(run, "commitment", -1)
    number = 1 + max(d["number"] for d in run.after["documents"]
                     if (d["unit"], d["kind"]) == (document["unit"], "commitment"))  # fmt: skip
    run.after["documents"].append(document | {"document": 777_777, "key": 1, "number": number})


def store_another_amount(run: FakeRun) -> None:
    document = stored(run, "journal_voucher")
    rebalance(run, document, -1)
    document["gross"] += 100
    document["lines"] = [(account, debit + 100 * (debit > 0), credit + 100 * (credit > 0))
                         for account, debit, credit in document["lines"]]  # fmt: skip
    rebalance(run, document, 1)


def store_on_another_line(run: FakeRun) -> None:
    document = stored(run, "commitment")
    document["budget_line"] = "B12" if document["budget_line"] != "B12" else "B11"


def answer_a_replay_differently(run: FakeRun) -> None:
    replay = next(row for row in run.operations if row["replay"] and row["number"] > 0)
    replay["number"] += 1


def accept_altered(run: FakeRun) -> None:
    row = next(row for row in run.operations if row["expected_refusal"] and row["attempt"] > 0
               and row["outcome"] == Outcome.REFUSED)  # fmt: skip
    row |= {"outcome": Outcome.OK, "status": 201, "number": 1}


def slow_reads(run: FakeRun) -> None:
    for row in [row for row in run.samples if row["operation"] == READ][::9]:
        row["done_ns"] += 2 * S


def silent_posts(run: FakeRun) -> None:
    for row in [row for row in run.samples if row["operation"] == POST][::21]:
        unanswered(row)


def server_errors(run: FakeRun) -> None:
    for row in [row for row in run.samples if row["operation"] == READ][::25]:
        row |= {"status": 500, "outcome": Outcome.INDEFINITE, "failure": Failure.SERVER_ERROR}


def collapse_in_the_peak(run: FakeRun) -> None:
    for row in run.samples:
        if 31 * S <= row["planned_ns"] - T0 < 40 * S and row["operation"] != PRY:
            unanswered(row)


def forget_a_unit(run: FakeRun) -> None:
    for row in run.samples:
        if row["unit"] == run.samples[0]["unit"] and row["operation"] != PRY:
            row |= {"status": 503, "outcome": Outcome.REFUSED, "failure": Failure.SHED}


def slow_unit(run: FakeRun) -> None:
    for row in run.samples:
        if row["unit"] == run.samples[0]["unit"] and row["operation"] != PRY:
            row["done_ns"] += 950 * MS


def _fail_between(run: FakeRun, start_s: int, end_s: int) -> None:
    for row in run.samples:
        if start_s * S <= row["planned_ns"] - T0 < end_s * S:
            unanswered(row, Failure.CONNECTION)


def never_come_back(run: FakeRun) -> None:
    _fail_between(run, 71, 120)


def come_back_late(run: FakeRun) -> None:
    _fail_between(run, 71, 95)


def relapse(run: FakeRun) -> None:
    _fail_between(run, 71, 74)
    _fail_between(run, 84, 120)


def saturate_idle(run: FakeRun) -> None:
    run.host_cpu = [(at, 0.2) for at, _ in run.host_cpu]
    for place, row in enumerate(row for row in run.samples
                                if 30 * S <= row["planned_ns"] - T0 < 60 * S):  # fmt: skip
        if place % 8 >= 5:  # what is beyond 20 a second is answered after the peak
            row["done_ns"] = T0 + 66 * S + place


def flush_nothing(run: FakeRun) -> None:
    fingerprint = dict(run.manifest.fingerprint) | {"fsync": "off"}
    run.manifest = run.manifest.evolve(fingerprint=fingerprint)


def hide_the_version(run: FakeRun) -> None:
    run.manifest = run.manifest.evolve(fingerprint={"name": "fake"})


def leave_out_a_dependant(run: FakeRun) -> None:
    left_out = max(run.parents)
    rows = [row for row in run.after["trial_balance"] if row["unit"] == left_out]

    def without(reports: list[Row], members: list[Row]) -> None:
        for report in reports:
            last = [row for row in rows if row["account"] == report["account"]]
            for name in ("debit", "credit"):
                moved = sum(r[f"{name}_satang"] for r in last if r["period"] == PERIOD)
                report[f"{name}_satang"] -= moved
            if last:
                closing = max(last, key=lambda row: row["period"])["closing_satang"]
                report["closing_satang"] -= closing
                report["opening_satang"] = (
                    report["closing_satang"] - report["debit_satang"] + report["credit_satang"]
                )

    run.spoil_reports = without


def consolidate_to_the_satang(run: FakeRun) -> None:
    def one_off(reports: list[Row], members: list[Row]) -> None:
        reports[-1]["debit_satang"] += 1
        reports[-1]["credit_satang"] += 1

    run.spoil_reports = one_off


def consolidate_twice(run: FakeRun) -> None:
    run.spoil_reports = lambda reports, members: reports.append(dict(reports[0]))


def forget_an_account(run: FakeRun) -> None:
    run.spoil_reports = lambda reports, members: reports.__delitem__(0)


def say_nothing_of_a_parent(run: FakeRun) -> None:
    run.spoil_reports = lambda reports, members: reports.clear()


def _of(apply: Callable[[FakeRun], None], *breached: str) -> Damage:
    return Damage(apply, frozenset(breached))


DAMAGES: Final[dict[str, Damage]] = {
    damage.apply.__name__: damage
    for damage in (
        _of(lose, "I10", "loss"),
        _of(lose_a_receipt, "I10", "loss", "I4"),
        _of(half_import, "I10"),
        _of(lose_of_an_import, "I10", "loss", "I4"),
        _of(import_twice, "I10", "I4"),
        _of(slow_import, "import"),
        _of(post_twice, "I10"),
        _of(post_twice_without_key, "I10"),
        _of(unbalance, "I1"),
        _of(unbalance_with_balances, "I1"),
        _of(drop_a_line, "I1"),
        _of(read_foreign_books, "I9"),
        _of(write_foreign_books, "I9"),
        _of(post_into_period_closed_in_run, "I7"),
        _of(post_into_period_closed_before, "I7"),
        _of(shed_and_execute, "shed"),
        _of(refuse_and_execute, "I10"),
        _of(skip_a_number, "I6"),
        _of(number_twice, "I6"),
        _of(overspend, "I5"),
        _of(let_an_overspending_through, "I5"),
        _of(forget_a_commitment, "I5"),
        _of(wrong_remainder, "I5"),
        _of(make_budget, "I5"),
        _of(edit_closed_line, "I7"),
        _of(delete_a_document, "I7"),
        _of(reopen, "I7"),
        _of(drift_trial_balance, "I2"),
        _of(drift_balances_and_cash, "I2"),
        _of(break_the_chain, "I2"),
        _of(drift_cash, "I3"),
        _of(forget_that_it_was_paid, "I4"),
        _of(phantom, "I10"),
        _of(store_another_amount, "I10"),
        _of(store_on_another_line, "I10"),
        _of(answer_a_replay_differently, "I10"),
        _of(accept_altered, "I10"),
        _of(leave_out_a_dependant, "I11"),
        _of(consolidate_to_the_satang, "I11"),
        _of(consolidate_twice, "I11"),
        _of(forget_an_account, "I11"),
        _of(say_nothing_of_a_parent, "I11"),
        _of(change_closed_balance, "I7", "I2"),
        _of(slow_reads, "latency-read"),
        _of(silent_posts, "latency-post", "errors", "carried"),
        _of(server_errors, "errors", "carried"),
        _of(collapse_in_the_peak, "latency-read", "latency-post", "errors", "carried"),
        _of(forget_a_unit, "participation", "latency-read", "latency-post", "errors", "carried",
            "fairness"),
        _of(slow_unit, "fairness"),
        _of(never_come_back, "recovery"),
        _of(come_back_late, "recovery"),
        _of(relapse, "recovery"),
        _of(saturate_idle, "idle", "latency-read", "latency-post", "carried"),
        _of(flush_nothing, "provenance"),
        _of(hide_the_version, "provenance"),
    )
}  # fmt: skip
