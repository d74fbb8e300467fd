"""Files of back-dated books: what they hold, what is written down of them, how they are settled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
import orjson
import pytest

from contracts.records import OPERATION_DTYPE, Failure, Outcome
from harness.calibration.truth_log import read_log
from harness.unsettled import unsettled_files
from reference_app.back_dated import BackDated, Target
from reference_app.kinds import read_catalogue
from reference_app.sheet import ROWS_MAX, rows_of
from scenarios.demand import ACTIVITY_BY_NAME, WHALE_DOCUMENTS
from scenarios.dialects.interface import Answer
from scenarios.dialects.reference import ReferenceDialect
from scenarios.dialects.reference_sheet import sheet
from scenarios.engine.recorder import OperationLog
from scenarios.engine.submissions import Submissions
from scenarios.journeys.backlog import (
    BLOCK,
    VARIANTS,
    months_of_backlog,
    paper_records,
    papers_of_block,
    reference_of_block,
)
from scenarios.journeys.catalogue import begin
from scenarios.journeys.forms import BackDatedBooks, MoneyKind, altered
from scenarios.journeys.vocabulary import BusinessDay, Crew, Reply, Step, Visit
from scenarios.outcomes import Ending

UNIT = 1100002
KEY = (0x0123456789AB4DEF, 0x8123456789ABCDEF)
KEY_UUID = UUID(int=KEY[0] << 64 | KEY[1])
DIALECT = ReferenceDialect()
MONTHS = months_of_backlog("2026-04-01")
READER = BackDated(read_catalogue())
TARGET = Target(
    unit=UNIT, key=KEY_UUID, account=1, first_period=202510, last_period=202609
)  # fmt: skip
TAKEN_IN = Reply(
    Outcome.OK, Failure.NONE, status=202, location="/units/1/imports/x", settled=Outcome.INDEFINITE
)
DONE = Reply(Outcome.OK, Failure.NONE, status=200, settled=Outcome.OK)
REFUSED = DONE._replace(settled=Outcome.REFUSED)
WORKING = DONE._replace(settled=Outcome.INDEFINITE)
SHED = Reply(Outcome.REFUSED, Failure.SHED, status=503)


def books(documents: int = 2148, variant: int = 0, *, is_sound: bool = True) -> BackDatedBooks:
    return BackDatedBooks(
        months=MONTHS, documents=documents, variant=variant, mark="0a0b0c0d", is_sound=is_sound
    )


def upload(form: BackDatedBooks | None = None, operation: str = "upload_books") -> Step:
    return Step(operation, account=1, unit=UNIT, form=form or books(3), key=KEY)


@pytest.mark.parametrize(
    ("date", "months"),
    [
        ("2026-04-01", ("2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03")),
        ("2025-12-01", ("2025-10", "2025-11")),
        ("2026-09-30", ("2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03")),
    ],
)
def test_the_backlog_is_the_months_of_the_fiscal_year_that_have_passed(
    date: str, months: tuple[str, ...]
) -> None:
    assert months_of_backlog(date) == months


@pytest.mark.parametrize("variant", range(VARIANTS))
@pytest.mark.parametrize("documents", [1, 7, BLOCK, 2148])
def test_the_ledger_reads_from_a_file_exactly_what_the_history_says_of_it(
    variant: int, documents: int
) -> None:
    form = books(documents, variant)

    reading = READER.read(rows_of(sheet(form)), TARGET)
    records = paper_records(form, KEY)

    assert reading.problem_count == 0, reading.problems
    kinds = [kind.value for kind in MoneyKind]
    said = [
        (int(r["key_high"]) << 64 | int(r["key_low"]), kinds[r["kind"]], int(r["period"]),
         int(r["gross_satang"]))
        for r in records
    ]  # fmt: skip
    read = [
        (p.key.int, p.kind, p.period, round(float(p.gross) * 100))
        for p in (document.posting for document in reading.documents)
    ]
    assert said == read
    assert len({key for key, *_ in said}) == documents


def test_budget_and_cash_move_as_the_ledgers_own_lines_say() -> None:
    form = books(BLOCK)

    records = paper_records(form, KEY)
    postings = [d.posting for d in READER.read(rows_of(sheet(form)), TARGET).documents]

    cash = sum(
        round((float(debit) - float(credit)) * 100)
        for posting in postings
        for account, debit, credit in zip(
            posting.accounts or (), posting.debits or (), posting.credits or (), strict=True
        )
        if account in (1110101, 1110201)
    )
    used = sum(float(d.need) for d in READER.read(rows_of(sheet(form)), TARGET).documents
               if d.posting.kind != "budget_transfer")  # fmt: skip
    assert int(records["cash_delta_satang"].sum()) == cash
    assert int(records["budget_delta_satang"].sum()) == round(used * 100)


def test_the_key_of_a_paper_is_the_uuid_of_its_reference_within_the_file() -> None:
    records = paper_records(books(BLOCK + 2), KEY)

    for row, reference in ((0, "0a0b0c0d-000000"), (BLOCK + 1, "0a0b0c0d-001001")):
        key = int(records["key_high"][row]) << 64 | int(records["key_low"][row])
        assert UUID(int=key) == uuid5(KEY_UUID, reference)
    assert reference_of_block(books(), 1) == "0a0b0c0d-001"


@pytest.mark.parametrize("variant", range(VARIANTS))
@pytest.mark.parametrize("documents", [1, 50, BLOCK + 1])
def test_a_malformed_file_has_one_wrong_row_at_its_end(variant: int, documents: int) -> None:
    form = books(documents, variant, is_sound=False)

    reading = READER.read(rows_of(sheet(form)), TARGET)

    assert reading.problem_count == 1
    assert reading.problems[0]["code"] == "rule"
    assert len(reading.documents) == documents - 1
    assert paper_records(form, KEY).size == documents


def test_the_whale_fills_the_rows_that_a_file_may_have() -> None:
    rows = sheet(books(WHALE_DOCUMENTS)).count(b"\n")

    assert 0.99 * ROWS_MAX < rows <= ROWS_MAX + 1


def test_a_block_holds_every_kind_in_every_month() -> None:
    papers = papers_of_block(0, MONTHS)

    seen = {(type(paper), paper.date[:7]) for paper in papers}
    assert len(seen) == 6 * len(MONTHS)


def test_the_same_visit_hands_in_the_same_bytes_and_another_visit_others() -> None:
    first, again = (DIALECT.request(upload(books(40)), "T").body for _ in range(2))
    other = DIALECT.request(upload(replace(books(40), mark="ffffffff")), "T").body

    assert first == again != other


def visit(documents: int = 20) -> Visit:
    return Visit(
        session=3, unit=UNIT, navigation=0, documents=documents, day=BusinessDay.of("2026-04-01"),
        crew=Crew(first=14, visitor=11, clerk=11, checker=12, approver=13, director=14), seed=5,
        key_seed=9,
    )  # fmt: skip


def test_whoever_handed_in_a_file_looks_until_it_is_settled() -> None:
    planned = len(ACTIVITY_BY_NAME["import_backlog"].operations)
    journey = begin("import_backlog", visit())
    step = next(journey)
    assert (step.operation, step.account) == ("upload_books", 14)
    step = journey.send(TAKEN_IN)
    looks = []
    for number in range(planned + 3):
        looks.append(step)
        try:
            step = journey.send(DONE if number == planned + 2 else WORKING)
        except StopIteration:
            break

    assert len(looks) == planned + 3
    assert {look.operation for look in looks} == {"view_import"}
    assert [look.is_extra for look in looks] == [False] * (planned - 1) + [True] * 4
    assert all(look.settles is not None and look.settles.key for look in looks)


def answered(status: int, body: object, *headers: str) -> Answer:
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{line}\r\n" for line in headers)
    return Answer(Ending.ANSWERED, status, head.encode(), orjson.dumps(body))


def test_an_upload_is_multipart_with_the_key_of_the_file() -> None:
    request = DIALECT.request(upload(), "TOKEN")

    headers = dict(request.headers)
    assert (request.method, request.target) == ("POST", f"/units/{UNIT}/imports")
    assert headers["Idempotency-Key"] == str(KEY_UUID)
    assert headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert sheet(books(3)) in request.body


def test_what_was_taken_in_is_acknowledged_and_not_settled() -> None:
    location = f"Location: /units/{UNIT}/imports/{KEY_UUID}"

    reply = DIALECT.reply(upload(), answered(202, {}, location))
    lost = DIALECT.reply(upload(), answered(202, {}))
    shed = DIALECT.reply(upload(), answered(503, {}, "Retry-After: 1"))

    assert reply.is_ok
    assert reply.settled is Outcome.INDEFINITE
    assert lost.failure is Failure.WRONG_ANSWER
    assert (shed.outcome, shed.failure, shed.settled) == (Outcome.REFUSED, Failure.SHED, None)


@pytest.mark.parametrize(
    ("operation", "state", "posted", "is_sound", "settled", "is_right"),
    [
        ("view_import", "checking", 0, True, Outcome.INDEFINITE, True),
        ("view_import", "posting", 2, True, Outcome.INDEFINITE, True),
        ("view_import", "done", 3, True, Outcome.OK, True),
        ("view_import", "done", 2, True, Outcome.OK, False),
        ("view_import", "refused", 0, True, Outcome.REFUSED, False),
        ("view_import", "refused", 0, False, Outcome.REFUSED, True),
        ("view_import", "fallen over", 0, True, None, False),
        ("view_refused_import", "refused", 0, False, Outcome.REFUSED, True),
        ("view_refused_import", "done", 3, False, Outcome.OK, False),
        ("view_refused_import", "posting", 1, False, Outcome.INDEFINITE, False),
    ],
)
def test_the_state_of_an_import_settles_its_file(
    operation: str, state: str, posted: int, is_sound: bool, settled: Outcome, is_right: bool
) -> None:
    handed_in = upload(books(3, is_sound=is_sound))
    look = Step(operation, 1, UNIT, location="http://x/units/1/imports/2", settles=handed_in)

    reply = DIALECT.reply(
        look, answered(200, {"unit": UNIT, "state": state, "documents_posted": posted})
    )

    assert DIALECT.request(look, "").target == "/units/1/imports/2"
    assert reply.settled is settled
    assert reply.is_ok is is_right


class Clock:
    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        self.time_ns += 1
        return self.time_ns


class Desk:
    """Hands one file in and reads the history back."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "operations.log"
        self.log = OperationLog(self.path, process_index=0)
        self.submissions = Submissions(self.log, Clock())  # type: ignore[arg-type]
        self.step = upload()

    def open(self, attempt: int = 0, *, is_replay: bool = False):
        return self.submissions.open(self.step, session=8, attempt=attempt, is_replay=is_replay)

    def last_outcomes(self) -> tuple[Outcome, ...]:
        """Return the last word on the file and on each of its three papers."""
        _, records = read_log(self.path, OPERATION_DTYPE)
        is_file = (records["key_high"] == KEY[0]) & (records["key_low"] == KEY[1])
        assert set(records["session"].tolist()) == {8}
        papers = records[~is_file]
        assert papers.size % 3 == 0
        assert np.unique(papers["key_low"]).size == 3
        return tuple(Outcome(o) for o in (records[is_file]["outcome"][-1], *papers["outcome"][-3:]))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def all_are(outcome: Outcome) -> tuple[Outcome, ...]:
    return (outcome,) * 4


def test_papers_are_open_before_the_file_is_sent(desk: Desk) -> None:
    desk.open()

    assert desk.last_outcomes() == all_are(Outcome.OPEN)


def test_papers_stay_open_until_a_look_says_that_they_were_done(desk: Desk) -> None:
    desk.submissions.close(desk.open(), TAKEN_IN, 10)
    desk.submissions.settle(desk.step, WORKING, 20)
    before = desk.last_outcomes()
    desk.submissions.settle(desk.step, DONE, 30)

    assert before == (Outcome.INDEFINITE, *(Outcome.OPEN,) * 3)
    assert desk.last_outcomes() == all_are(Outcome.OK)


def test_a_file_that_was_refused_later_has_refused_papers(desk: Desk) -> None:
    desk.submissions.close(desk.open(), TAKEN_IN, 10)
    desk.submissions.settle(desk.step, REFUSED, 30)

    assert desk.last_outcomes() == all_are(Outcome.REFUSED)


def test_a_file_that_was_shed_at_once_has_refused_papers_until_it_is_sent_again(
    desk: Desk,
) -> None:
    desk.submissions.close(desk.open(), SHED, 10)
    shed = desk.last_outcomes()
    again = desk.open(1)
    sent_again = desk.last_outcomes()
    desk.submissions.close(again, TAKEN_IN, 20)
    desk.submissions.settle(desk.step, DONE, 30)

    assert shed == all_are(Outcome.REFUSED)
    assert sent_again == all_are(Outcome.OPEN)
    assert desk.last_outcomes() == all_are(Outcome.OK)


def test_a_second_click_that_was_shed_refuses_nothing(desk: Desk) -> None:
    first, second = desk.open(), desk.open(1, is_replay=True)
    desk.submissions.close(second, SHED, 10)
    between = desk.last_outcomes()[1:]
    desk.submissions.close(first, TAKEN_IN, 20)
    desk.submissions.settle(desk.step, DONE, 30)

    assert between == (Outcome.OPEN,) * 3
    assert desk.last_outcomes()[1:] == (Outcome.OK,) * 3


def test_a_file_whose_answer_was_lost_is_never_taken_for_refused(desk: Desk) -> None:
    lost = Reply(Outcome.INDEFINITE, Failure.TIMEOUT)
    desk.submissions.close(desk.open(), lost, 10)
    desk.submissions.close(desk.open(1), SHED, 20)

    assert desk.last_outcomes()[1:] == (Outcome.OPEN,) * 3


def test_a_file_carries_no_amount_to_alter() -> None:
    assert altered(books()) is None


def test_the_files_that_nobody_saw_the_end_of_are_found_in_the_logs(tmp_path: Path) -> None:
    def left(*ends: Reply) -> set[tuple[int, int]]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        desk = Desk(folder)
        submission = desk.open()
        if ends:
            desk.submissions.close(submission, ends[0], 10)
        for end in ends[1:]:
            desk.submissions.settle(desk.step, end, 20)
        return {file.key for file in unsettled_files(folder)}

    assert left() == {KEY}
    assert left(TAKEN_IN) == {KEY}
    assert left(TAKEN_IN, WORKING) == {KEY}
    assert left(TAKEN_IN, DONE) == set()
    assert left(TAKEN_IN, REFUSED) == set()
    assert left(SHED) == set()
