"""The fleet in virtual time: nothing planned is lost, and people repeat themselves as they do."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.records import Failure, Outcome
from scenarios.engine.timetable import GATHER_NS, RELEASED_MAX
from scenarios.journeys.repeats import PATIENT, Manners
from scenarios.outcomes import Ending
from tests.fakes.virtual_fleet import OPERATIONS, Fate, Script, ScriptBook, VirtualRun

RELOADS = Manners(patience_s=5.0, reload_share=1.0, reloads_max=3, has_budget=False)
CLICKS_TWICE = Manners(double_click_share=1.0)
PROVIDER = [name for name, _ in OPERATIONS].index("authorize")


@pytest.fixture
def run(tmp_path):
    def drive(scripts, fates=(), *, manners=PATIENT, stop_s=float("inf")):
        book = ScriptBook(scripts, manners=manners)
        return VirtualRun(tmp_path, book, itertools.chain(fates, itertools.repeat(Fate())),
                          stop_s=stop_s)  # fmt: skip

    return drive


def rows(samples, *columns):
    return samples[list(columns)].tolist()


def test_each_planned_request_is_due_when_the_answer_before_it_came_and_the_pause_is_over(run):
    script = Script([("read", 0.0), ("read", 20.0), ("read", 20.0)], start_s=1.0)

    samples = run([script], [Fate(after_s=2.0), Fate(after_s=3.0)]).samples

    assert (samples["planned_ns"] / 1e9).tolist() == [1.0, 23.0, 46.0]
    assert (samples["sent_ns"] == samples["planned_ns"]).all()
    assert rows(samples, "step", "attempt") == [(0, 0), (1, 0), (2, 0)]


def test_what_is_due_close_together_goes_out_together_and_hardly_late(run):
    scripts = [Script([("read", 0.0)], start_s=1.0 + number * 0.00003) for number in range(40)]

    samples = run(scripts, itertools.repeat(Fate(after_s=0.7))).samples

    late_ns = samples["sent_ns"] - samples["planned_ns"]
    assert 0 <= late_ns.min() < late_ns.max() <= GATHER_NS
    assert len(set(samples["sent_ns"].tolist())) < 15


def test_a_process_that_fell_behind_reads_answers_between_the_requests_it_owes(run):
    scripts = [Script([("read", 0.0)]) for _ in range(1_000)]

    made = run(scripts, itertools.repeat(Fate(after_s=0.0)))

    assert (made.samples["failure"] == Failure.NONE).sum() == 1_000
    assert made.switchboard.in_flight_max <= 2 * RELEASED_MAX


def test_who_loses_patience_asks_again_under_the_same_key(run):
    never = Fate(ending=Ending.TIMED_OUT)

    made = run([Script([("post", 0.0)], account=7)], [*[Fate()] * 3, never, never], manners=RELOADS)

    posts = made.samples[made.samples["operation"] == 1]
    waited_s = (posts["done_ns"] - posts["sent_ns"]) / 1e9
    assert rows(posts, "outcome", "failure") == [
        (Outcome.INDEFINITE, Failure.TIMEOUT), (Outcome.INDEFINITE, Failure.TIMEOUT), (0, 0)
    ]  # fmt: skip
    assert waited_s.tolist() == [5.0, 5.0, 0.01]
    assert posts["attempt"].tolist() == [0, 4, 5]
    assert len(set(made.operations["key_low"].tolist())) == 1
    assert made.operations["attempt"].tolist() == [0, 0, 1, 1, 2, 2]
    assert ((posts["sent_ns"][1:] - posts["done_ns"][:-1]) / 1e9 <= 0.3).all()


def test_who_has_reloaded_three_times_waits_as_long_as_it_takes(run):
    never = Fate(ending=Ending.TIMED_OUT)

    made = run([Script([("read", 0.0)], account=7)], [*[Fate()] * 3, *[never] * 9], manners=RELOADS)

    reads = made.samples[made.samples["operation"] == 0]
    assert ((reads["done_ns"] - reads["sent_ns"]) / 1e9).tolist() == [5.0, 5.0, 5.0, 10.0]


@pytest.mark.parametrize(("has_budget", "retries"), [(True, 20), (False, 100)])
def test_the_budget_holds_reloads_back_only_where_there_is_one(run, has_budget, retries):
    manners = replace(RELOADS, reloads_max=1, has_budget=has_budget)
    scripts = [Script([("read", 0.0)], start_s=number / 10, account=7) for number in range(100)]
    fates = [Fate(), Fate(), Fate(), *[Fate(status=500)] * 1_000]

    samples = run(scripts, fates, manners=manners).samples

    reads = samples[samples["operation"] == 0]
    assert (reads["attempt"] == 0).sum() == 100
    assert abs((reads["attempt"] > 0).sum() - retries) <= 1


@pytest.mark.parametrize("first_s", [0.01, 1.0])
def test_a_double_click_goes_out_without_waiting_and_both_are_recorded(run, first_s):
    script = Script([("post", 0.0), ("read", 0.0)])

    made = run([script], [Fate(after_s=first_s), Fate(after_s=0.5)], manners=CLICKS_TWICE)

    first, twin = np.sort(made.samples[made.samples["operation"] == 1], order="attempt")
    read = made.samples[made.samples["operation"] == 0][0]
    assert 0.15e9 <= twin["sent_ns"] - first["sent_ns"] <= 0.3e9
    assert (first["attempt"], twin["attempt"]) == (0, 1)
    assert read["planned_ns"] == max(first["done_ns"], twin["done_ns"])
    assert set(made.samples["failure"].tolist()) == {Failure.NONE}
    opened = made.operations[made.operations["outcome"] == Outcome.OPEN]
    assert rows(opened, "attempt", "replay") == [(0, 0), (1, 1)]


@pytest.mark.parametrize("first_s", [0.01, 1.0])
def test_two_documents_for_one_double_click_are_a_wrong_answer_to_the_later(run, first_s):
    fates = [Fate(after_s=first_s, document=7), Fate(after_s=0.1, document=8)]

    samples = run([Script([("post", 0.0)])], fates, manners=CLICKS_TWICE).samples

    assert samples["failure"].tolist() == [Failure.NONE, Failure.WRONG_ANSWER]


def test_a_second_click_that_meets_the_first_under_way_is_refused_as_it_should_be(run):
    fates = [Fate(after_s=1.0), Fate(status=409)]

    samples = run([Script([("post", 0.0)])], fates, manners=CLICKS_TWICE).samples

    assert samples["failure"].tolist() == [Failure.EXPECTED_REFUSAL, Failure.NONE]


def test_a_load_stopped_between_the_two_clicks_still_records_what_was_planned(run):
    script = Script([("post", 0.0), ("read", 0.0)])

    samples = run([script], manners=CLICKS_TWICE, stop_s=0.1).samples

    assert rows(samples, "step", "attempt", "failure") == [
        (0, 0, Failure.NONE), (1, 0, Failure.NOT_SENT)
    ]  # fmt: skip


def test_a_step_outside_the_plan_is_no_planned_request_and_waits_its_own_time(run):
    script = Script([("read", 0.0), ("extra", 7.0), ("read", 20.0)])

    samples = run([script], [Fate(after_s=1.0)]).samples

    assert rows(samples, "step", "attempt") == [(0, 0), (0, 1), (1, 0)]
    assert samples["planned_ns"][1] == 8e9


def test_the_pause_of_a_sign_in_comes_after_the_provider(run):
    script = Script([("start_login", 0.0), ("authorize", 0.0), ("finish_login", 30.0)])

    samples = run([script], [Fate(after_s=1.0), Fate(after_s=2.0)]).samples

    assert (samples["planned_ns"] / 1e9).tolist() == [0.0, 1.0, 33.0]


def test_the_provider_may_take_longer_than_a_person_waits_for_the_target(run):
    script = Script([("start_login", 0.0), ("authorize", 0.0), ("finish_login", 0.0)])

    samples = run([script], [Fate(), Fate(after_s=40.0)], manners=RELOADS).samples

    assert samples["failure"].tolist() == [Failure.NONE] * 3


def test_a_defect_of_ours_ends_the_load(run):
    book_error = RuntimeError("a defect")

    def broken(step, answer):
        raise book_error

    made = run([Script([("read", 0.0)], start_s=float(n)) for n in range(3)])
    made.fleet._dialect.reply = broken
    made.fleet._guarded(lambda: made.fleet._dialect.reply(None, None))

    assert made.fleet.failure is book_error


FATES = st.builds(
    Fate,
    status=st.sampled_from([200, 200, 200, 201, 302, 401, 404, 408, 409, 422, 429, 500, 503]),
    after_s=st.sampled_from([0.0, 0.01, 0.2, 0.7, 6.0, 30.0]),
    ending=st.sampled_from([Ending.ANSWERED] * 6 + list(Ending)),
    document=st.integers(1, 2),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "post", "post", "probe", "start_login", "authorize", "extra"]),
        st.sampled_from([0.0, 0.1, 20.0]),
    ),
    min_size=1,
    max_size=5,
).map(lambda steps: [("read", 0.0), *steps])
SCRIPTS = st.lists(
    st.builds(
        Script,
        steps=STEPS,
        start_s=st.floats(0.0, 5.0),
        account=st.sampled_from([0, 7, 8]),
        gives_up=st.booleans(),
    ),
    max_size=6,
)
MANNERS = st.builds(
    Manners,
    patience_s=st.sampled_from([0.0, 5.0]),
    reload_share=st.sampled_from([0.0, 0.5, 1.0]),
    reloads_max=st.sampled_from([0, 3]),
    has_budget=st.booleans(),
    double_click_share=st.sampled_from([0.0, 1.0]),
)


@given(
    scripts=SCRIPTS,
    fates=st.lists(FATES, max_size=60),
    manners=MANNERS,
    stop_s=st.one_of(st.just(float("inf")), st.floats(0.0, 1.0), st.floats(0.0, 80.0)),
)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_each_planned_request_is_one_sample_and_nothing_is_lost(
    tmp_path_factory, scripts, fates, manners, stop_s
):
    book = ScriptBook(scripts, manners=manners)

    made = VirtualRun(tmp_path_factory.mktemp("run"), book,
                      itertools.chain(fates, itertools.repeat(Fate())), stop_s=stop_s)  # fmt: skip

    assert made.fleet.failure is None
    samples, sent = made.samples, made.switchboard.sent
    planned = samples[samples["attempt"] == 0]
    assert Counter(rows(planned, "session", "step", "operation")) == Counter(
        (row, step, [name for name, _ in OPERATIONS].index(wanted.operation))
        for row in range(len(book.scripts))
        for step, wanted in enumerate(book.planned_steps(row))
    )
    assert len(set(rows(samples, "session", "step", "attempt"))) == len(samples)
    assert (samples["failure"] != Failure.NOT_SENT).sum() == len(sent)
    assert made.fleet.counters.open_sessions == made.fleet.in_flight == 0
    assert (samples["sent_ns"] >= samples["planned_ns"])[samples["sent_ns"] > 0].all()
    assert made.switchboard.most_at_once <= (2 if manners.double_click_share else 1)
    attempts = Counter(rows(made.operations, "key_high", "key_low", "attempt"))
    assert set(attempts.values()) <= {2}, "an attempt is written before and after, and only once"
