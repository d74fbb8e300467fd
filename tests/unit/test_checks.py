"""The checks about time, one rule at a time, on samples written by hand."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.records import Failure, FaultEvent, Outcome
from contracts.terms import Clause, Limit, Quantity, Unit, Verdict
from harness.checks.answer import Answer, baht
from harness.checks.carried import judge_carried_share, judge_participation
from harness.checks.errors import judge_error_share
from harness.checks.fairness import judge_fairness
from harness.checks.idle_saturation import judge_idle_saturation
from harness.checks.latency import judge_latency
from harness.checks.money import power_of
from harness.checks.percentiles import interval_ranks, nearest_rank, percentile_of
from harness.checks.recorded import Recorded
from harness.checks.recovery import first_lasting, judge_recovery
from harness.measurements import NEVER_NS
from tests.fakes.judge_contract import clause
from tests.fakes.run_folders import PRY, READ, FakeRun, good_run, sample, unanswered, write_samples
from tests.fakes.small_ledger import MS, T0, Row, S

P95_READ = clause("p95", Quantity.LATENCY, Limit(unit=Unit.MS, at_most=1000), "read",
                  percentile=95.0)  # fmt: skip
STEADY = T0 + 10 * S
PEAK = T0 + 30 * S


@pytest.fixture
def run() -> FakeRun:
    return good_run(1, operations=5)


def recorded(run: FakeRun, tmp_path: Path) -> Recorded:
    return Recorded(folder=run.write(tmp_path / "run"), manifest=run.manifest)


def of_samples(run: FakeRun, rows: list[Row], tmp_path: Path) -> Recorded:
    run.samples = rows
    return recorded(run, tmp_path)


def reads(latencies_ms: list[int], *, unit: int = 1_000_001, session: int = 0) -> list[Row]:
    return [
        sample(session + place, unit, READ, STEADY + place * MS, took_ns=latency * MS - MS // 2)
        for place, latency in enumerate(latencies_ms)
    ]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300), st.floats(0.1, 100.0))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_percentile_is_the_smallest_value_that_enough_requests_did_not_exceed(
    values: list[int], percentile: float
) -> None:
    found = percentile_of(np.array(values, dtype=np.int64), percentile)
    at_or_below = sum(value <= found.value_ns for value in values)
    below = sum(value < found.value_ns for value in values)

    assert found.value_ns in values
    assert at_or_below / len(values) >= percentile / 100 - 1e-9
    assert below / len(values) < percentile / 100 + 1e-9
    assert found.low_ns <= found.value_ns <= found.high_ns


@pytest.mark.parametrize(
    ("count", "percentile", "rank"),
    [(1, 50, 1), (100, 95, 95), (100, 95.5, 96), (1000, 99.9, 999), (10, 100, 10), (10, 0.001, 1),
     (3, 66.7, 3), (20, 95, 19)],
)  # fmt: skip
def test_nearest_ranks(count: int, percentile: float, rank: int) -> None:
    assert nearest_rank(count, percentile) == rank


@pytest.mark.parametrize(
    ("count", "share", "ranks"),
    # Conover, Practical Nonparametric Statistics, table of the binomial; R: qbinom.
    [(100, 0.5, (40, 61)), (59, 0.95, (52, 60)), (20, 0.5, (6, 15)), (10, 0.99, (9, 11))],
)
def test_order_statistics_that_hold_a_quantile(
    count: int, share: float, ranks: tuple[int, int]
) -> None:
    assert interval_ranks(count, share) == ranks


def test_the_approximation_for_many_samples_is_the_exact_interval_within_a_rank() -> None:
    exact = interval_ranks(100_000, 0.95)
    near = interval_ranks(100_001, 0.95)

    assert abs(exact[0] - near[0]) <= 2
    assert abs(exact[1] - near[1]) <= 2


def test_the_interval_covers_the_quantile_as_often_as_it_says() -> None:
    """2,000 times 200 uniform values: the true p90 lies inside 95 % of the intervals or more."""
    source = np.random.default_rng(11)
    low, high = interval_ranks(200, 0.9)
    values = np.sort(source.random((2000, 200)), axis=1)
    inside = (values[:, low - 1] <= 0.9) & (values[:, high - 1] >= 0.9)

    assert inside.mean() >= 0.94


def test_never_is_larger_than_any_latency() -> None:
    found = percentile_of(np.array([NEVER_NS, 5, 7], dtype=np.int64), 99.0)

    assert math.isinf(found.value_ns)


@pytest.mark.parametrize(
    ("later", "verdict"),
    [(("done_ns",), Verdict.BREACHED),
     (("sent_ns", "first_byte_ns", "done_ns"), Verdict.INCONCLUSIVE)],
)  # fmt: skip
def test_latency_counts_from_the_planned_time(
    later: tuple[str, ...], verdict: Verdict, run: FakeRun, tmp_path: Path
) -> None:
    """What was sent late is not hidden either, but it is no breach: the sending is not theirs."""
    rows = reads([10] * 100)
    for row in rows[80:]:
        for name in later:
            row[name] += 3 * S

    answer = judge_latency(P95_READ, of_samples(run, rows, tmp_path))

    assert answer.verdict == verdict
    assert answer.value == pytest.approx(3010, abs=1)


@pytest.mark.parametrize("failure", [Failure.SHED, Failure.SERVER_ERROR, Failure.TIMEOUT,
                                     Failure.CONNECTION, Failure.UNEXPECTED_STATUS,
                                     Failure.WRONG_ANSWER])  # fmt: skip
def test_a_quick_failure_is_no_quick_answer(failure: Failure, run: FakeRun, tmp_path: Path) -> None:
    rows = reads([10] * 100)
    for row in rows[:6]:
        row |= {"failure": failure, "outcome": Outcome.REFUSED}

    answer = judge_latency(P95_READ, of_samples(run, rows, tmp_path))

    assert answer.verdict == Verdict.BREACHED
    assert answer.value == math.inf


def test_a_request_whose_retry_was_answered_was_answered_late(run: FakeRun, tmp_path: Path) -> None:
    rows = reads([10] * 10)
    for row in list(rows):
        row |= {"failure": Failure.SHED, "outcome": Outcome.REFUSED, "status": 503}
        retry = sample(row["session"], row["unit"], READ, row["planned_ns"] + 700 * MS,
                       took_ns=50 * MS) | {"attempt": 1}  # fmt: skip
        rows.append(retry)

    answer = judge_latency(P95_READ, of_samples(run, rows, tmp_path))

    assert answer.value == pytest.approx(750.5)
    assert answer.sample_count == 10


def test_a_replay_does_not_make_an_unanswered_request_answered(
    run: FakeRun, tmp_path: Path
) -> None:
    """Attempts of another operation of the same step (an extra sign-in) answer another question."""
    rows = reads([10] * 10)
    for row in list(rows):
        unanswered(row)
        rows.append(row | {"operation": 3, "attempt": 1, "failure": Failure.NONE,
                           "outcome": Outcome.OK})  # fmt: skip

    assert judge_latency(P95_READ, of_samples(run, rows, tmp_path)).value == math.inf


def not_sent(row: Row) -> Row:
    return row | {"sent_ns": 0, "first_byte_ns": 0, "done_ns": 0, "status": 0,
                  "outcome": Outcome.REFUSED, "failure": Failure.NOT_SENT}  # fmt: skip


def test_steps_that_a_failure_made_impossible_weigh_on_the_percentile(
    run: FakeRun, tmp_path: Path
) -> None:
    rows = reads([10] * 90)
    failed = unanswered(sample(500, 1_000_001, READ, STEADY, took_ns=MS))
    dropped = [not_sent(sample(500, 1_000_001, READ, STEADY + step * MS, took_ns=MS, step=step))
               for step in range(1, 10)]  # fmt: skip

    answer = judge_latency(P95_READ, of_samples(run, [*rows, failed, *dropped], tmp_path))

    assert answer.value == math.inf
    assert answer.sample_count == 100


def test_a_dropped_step_without_a_time_stands_where_its_session_stood(
    run: FakeRun, tmp_path: Path
) -> None:
    failed = unanswered(sample(500, 1_000_001, READ, STEADY, took_ns=MS))
    dropped = not_sent(sample(500, 1_000_001, READ, STEADY, took_ns=MS, step=1)) | {"planned_ns": 0}

    samples = of_samples(run, [failed, dropped], tmp_path).measurements

    assert samples.planned_ns[1] == failed["done_ns"]


def test_what_the_generator_did_not_offer_is_not_charged(run: FakeRun, tmp_path: Path) -> None:
    rows = reads([10] * 90)
    idle = [not_sent(row) for row in reads([10] * 10, session=900)]

    answer = judge_latency(P95_READ, of_samples(run, rows + idle, tmp_path))

    assert answer.verdict == Verdict.MET
    assert answer.sample_count == 90


def test_probes_and_unmeasured_phases_are_not_charged(run: FakeRun, tmp_path: Path) -> None:
    rows = reads([10] * 20)
    slow = [sample(99, 1_000_001, READ, T0 + S, took_ns=9 * S),
            sample(98, 1_000_001, READ, T0 + 70 * S, took_ns=9 * S)]  # fmt: skip
    probe = sample(97, 1_000_001, PRY, STEADY, took_ns=9 * S)

    answer = judge_latency(P95_READ, of_samples(run, [*rows, *slow, probe], tmp_path))

    assert (answer.verdict, answer.sample_count) == (Verdict.MET, 20)


def test_an_interval_that_straddles_the_limit_is_said(run: FakeRun, tmp_path: Path) -> None:
    rows = reads([10] * 96 + [2000] * 4)

    answer = judge_latency(P95_READ, of_samples(run, rows, tmp_path))

    assert answer.verdict == Verdict.MET
    assert "straddles the limit" in answer.reason.en


def test_a_percentile_clause_about_a_kind_that_did_not_run_is_open(
    run: FakeRun, tmp_path: Path
) -> None:
    about_export = clause("x", Quantity.LATENCY, P95_READ.limit, "export", percentile=95.0)

    answer = judge_latency(about_export, of_samples(run, reads([10] * 100), tmp_path))

    assert (answer.verdict, answer.sample_count) == (Verdict.INCONCLUSIVE, 0)


ERRORS = clause("errors", Quantity.ERROR_SHARE, Limit(unit=Unit.SHARE, at_most=0.01))


def test_an_error_counts_although_its_retry_succeeded(run: FakeRun, tmp_path: Path) -> None:
    rows = reads([10] * 99)
    failed = sample(200, 1_000_001, READ, STEADY, took_ns=MS)
    retry = failed | {"attempt": 1}
    failed |= {"failure": Failure.SERVER_ERROR, "outcome": Outcome.INDEFINITE, "status": 500}

    answer = judge_error_share(ERRORS, of_samples(run, [*rows, failed, retry], tmp_path))

    assert answer.value == pytest.approx(1 / 101)
    assert "server error 1" in answer.reason.en


def test_steps_never_sent_are_said_and_not_counted_twice(run: FakeRun, tmp_path: Path) -> None:
    rows = reads([10] * 199)
    failed = unanswered(sample(500, 1_000_001, READ, STEADY, took_ns=MS))
    dropped = [not_sent(sample(500, 1_000_001, READ, STEADY, took_ns=MS, step=step))
               for step in range(1, 9)]  # fmt: skip

    answer = judge_error_share(ERRORS, of_samples(run, [*rows, failed, *dropped], tmp_path))

    assert answer.value == pytest.approx(1 / 200)
    assert "8 later steps" in answer.reason.en


def test_a_probe_that_was_let_through_is_named_by_its_invariant_only(
    run: FakeRun, tmp_path: Path
) -> None:
    probes = [sample(place, 1_000_001, PRY, STEADY, took_ns=MS)
              | {"failure": Failure.WRONG_ANSWER} for place in range(5)]  # fmt: skip
    timed_out = [unanswered(sample(9, 1_000_001, PRY, STEADY, took_ns=MS))]

    answer = judge_error_share(ERRORS, of_samples(run, probes + timed_out, tmp_path))

    assert answer.value == pytest.approx(1 / 6)


CARRIED = clause("carried", Quantity.CARRIED_SHARE, Limit(unit=Unit.SHARE, at_least=0.99))


def peak_reads(count: int, *, took_ns: int = MS) -> list[Row]:
    return [sample(place, 1_000_001, READ, PEAK + place * 30 * S // count, took_ns=took_ns)
            for place in range(count)]  # fmt: skip


@pytest.mark.parametrize(
    ("due", "answered", "verdict"),
    [
        (960, 960, Verdict.MET),
        (930, 930, Verdict.MET),  # the shift of long sessions
        (960, 940, Verdict.BREACHED),
        (500, 500, Verdict.BREACHED),  # held up: the plan is the measure
        (1100, 1100, Verdict.MET),
    ],
)
def test_the_plan_is_the_measure_of_the_peak(
    due: int, answered: int, verdict: Verdict, run: FakeRun, tmp_path: Path
) -> None:
    rows = peak_reads(due)
    for row in rows[answered:]:
        unanswered(row)

    assert judge_carried_share(CARRIED, of_samples(run, rows, tmp_path)).verdict == verdict


def test_an_answer_long_after_the_peak_was_not_carried_in_it(run: FakeRun, tmp_path: Path) -> None:
    answer = judge_carried_share(
        CARRIED, of_samples(run, peak_reads(960, took_ns=20 * S), tmp_path)
    )

    assert answer.verdict == Verdict.BREACHED
    assert answer.value == pytest.approx(0.5, abs=0.02)


def test_a_run_without_a_peak_says_nothing_about_it(run: FakeRun, tmp_path: Path) -> None:
    run.manifest = run.manifest.evolve(phases=run.manifest.phases[:2])

    assert judge_carried_share(CARRIED, recorded(run, tmp_path)).verdict == Verdict.INCONCLUSIVE


def test_a_plan_without_requests_in_the_peak_is_no_measure(run: FakeRun, tmp_path: Path) -> None:
    run.manifest = run.manifest.evolve(planned_per_s=(0,) * 120)

    assert judge_carried_share(CARRIED, recorded(run, tmp_path)).verdict == Verdict.INCONCLUSIVE


def test_units_that_were_never_asked_are_not_the_targets_fault(
    run: FakeRun, tmp_path: Path
) -> None:
    everybody = clause("all", Quantity.PARTICIPATION, Limit(unit=Unit.SHARE, at_least=1.0))
    run.samples = [row for row in run.samples if row["unit"] != 1_000_003]

    answer = judge_participation(everybody, recorded(run, tmp_path))

    assert answer.verdict == Verdict.INCONCLUSIVE
    assert "1 units asked nothing, or only while faults were on" in answer.reason.en


@pytest.mark.parametrize(
    ("asked_at_ns", "verdict"),
    [(T0 + 71 * S, Verdict.INCONCLUSIVE), (STEADY, Verdict.BREACHED)],
)
def test_a_unit_left_out_counts_unless_it_asked_only_while_faults_were_on(
    run: FakeRun, tmp_path: Path, asked_at_ns: int, verdict: Verdict
) -> None:
    everybody = clause("all", Quantity.PARTICIPATION, Limit(unit=Unit.SHARE, at_least=1.0))
    run.samples = [row for row in run.samples if row["unit"] != 1_000_003]
    row = sample(10**6, 1_000_003, READ, asked_at_ns, took_ns=MS)
    run.samples.append(unanswered(row, Failure.SHED))

    assert judge_participation(everybody, recorded(run, tmp_path)).verdict == verdict


def test_a_provincial_office_is_no_unit(run: FakeRun, tmp_path: Path) -> None:
    run.manifest = run.manifest.evolve(population_units=9)
    run.samples.append(sample(10**6, 1_000_000, READ, STEADY, took_ns=MS))
    everybody = clause("all", Quantity.PARTICIPATION, Limit(unit=Unit.SHARE, at_least=1.0))

    assert judge_participation(everybody, recorded(run, tmp_path)).value == pytest.approx(8 / 9)


FAIRNESS = clause("fair", Quantity.FAIRNESS, Limit(unit=Unit.RATIO, at_most=3.0), "all",
                  unnoticed_below_ms=300.0, worst_share=0.25, samples_per_unit_min=2.0)  # fmt: skip


def units_with(latencies_ms: list[int], *, each: int = 3) -> list[Row]:
    rows = []
    for place, latency in enumerate(latencies_ms):
        rows += reads([latency] * each, unit=1_000_001 + place, session=100 * place)
    return rows


@pytest.mark.parametrize(
    ("latencies_ms", "value"),
    [
        ([100, 100, 100, 100], 1.0),
        ([500, 500, 500, 5000], 1.0),  # one unit in four is the worst quarter itself
        ([500, 500, 500, 500, 5000, 5000, 5000, 500], 10.0),
        ([5, 5, 5, 5, 200, 200, 200, 5], 1.0),  # nobody notices
        ([5, 5, 5, 5, 400, 400, 400, 5], 80.0),
    ],
)
def test_the_worst_units_are_held_against_the_median(
    latencies_ms: list[int], value: float, run: FakeRun, tmp_path: Path
) -> None:
    answer = judge_fairness(FAIRNESS, of_samples(run, units_with(latencies_ms), tmp_path))

    assert answer.value == pytest.approx(value)


def test_units_with_too_few_requests_do_not_speak(run: FakeRun, tmp_path: Path) -> None:
    rows = units_with([100] * 5) + units_with([9000] * 5, each=1)[-5:]
    for place, row in enumerate(rows[-5:]):
        row["unit"] = 1_000_100 + place

    answer = judge_fairness(FAIRNESS, of_samples(run, rows, tmp_path))

    assert (answer.value, answer.sample_count) == (1.0, 5)


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_a_units_p95_is_its_own_nearest_rank(seed: int) -> None:
    from harness.checks.fairness import _p95_of_units

    chance = random.Random(seed)
    units = np.array([chance.randrange(1, 5) for _ in range(200)], dtype=np.int32)
    latency = np.array([chance.choice([NEVER_NS, chance.randrange(10**9)]) for _ in range(200)])

    slowest, counts = _p95_of_units(units, latency)

    for place, unit in enumerate(sorted(set(units.tolist()))):
        own = np.sort(latency[units == unit])
        expected = int(own[nearest_rank(own.size, 95.0) - 1])
        assert counts[place] == own.size
        assert slowest[place] == ((1 << 39) - 1 if expected == NEVER_NS else expected // 1000)


G, B, E = (True, False), (False, False), (False, True)  # good, bad, nothing due


@pytest.mark.parametrize(
    ("windows", "needed", "window"),
    [
        ([G] * 5, 3, 0),
        ([G, G], 3, None),
        ([B, B, G, G, G], 3, 2),
        ([G, B, G, G, G], 3, 2),  # good before the fault took hold
        ([G, G, G, G, B, B, G, G, G], 3, 6),
        ([B, G, G, B, G, G, G], 3, 4),
        ([B, G, E, G, G], 3, 1),  # a window without requests breaks nothing
        ([E, B, E, G, G, G, E], 3, 3),
        ([B, G, G, G, B, G, G], 3, 1),  # one bad window is no relapse
        ([B, G, G, G, B, B, B, G, G, G], 3, 7),
        ([B, G, G, G, B, B, B], 3, None),
        ([B] * 9, 3, None),
        ([E] * 4, 2, None),
        ([], 1, None),
    ],
)
def test_service_is_back_when_it_stays(
    windows: list[tuple[bool, bool]], needed: int, window: int | None
) -> None:
    is_back = np.array([good for good, _ in windows], dtype=np.bool_)
    is_empty = np.array([empty for _, empty in windows], dtype=np.bool_)

    assert first_lasting(is_back, is_empty, needed) == window


def recovery(limit_s: float, **parameters: float) -> Clause:
    return clause("back", Quantity.RECOVERY, Limit(unit=Unit.S, at_most=limit_s), "worker_kill",
                  **parameters)  # fmt: skip


def fail_between(run: FakeRun, start_s: int, end_s: int) -> None:
    for row in run.samples:
        if start_s * S <= row["planned_ns"] - T0 < end_s * S:
            unanswered(row, Failure.CONNECTION)


def recovered(run: FakeRun, tmp_path: Path, limit_s: float = 20) -> Answer:
    return judge_recovery(recovery(limit_s), recorded(run, tmp_path))


def test_recovery_is_measured_from_the_injection(run: FakeRun, tmp_path: Path) -> None:
    fail_between(run, 71, 79)

    answer = recovered(run, tmp_path)

    assert (answer.verdict, answer.value) == (Verdict.MET, 9.0)


def test_a_fault_without_any_effect_proves_nothing(run: FakeRun, tmp_path: Path) -> None:
    run.faults = [FaultEvent(name="worker_kill", target="w", injected_ns=T0 + 70 * S,
                             healed_ns=T0 + 71 * S, detail="signal sent")]  # fmt: skip

    answer = recovered(run, tmp_path)

    assert answer.verdict == Verdict.INCONCLUSIVE
    assert "no effect" in answer.reason.en


def test_a_fault_that_was_not_healed_is_read(run: FakeRun, tmp_path: Path) -> None:
    run.faults = [FaultEvent(name="worker_kill", target="w", injected_ns=T0 + 70 * S, healed_ns=0,
                             detail="died after 1 ms; not healed")]  # fmt: skip
    fail_between(run, 71, 120)

    assert recovered(run, tmp_path).verdict == Verdict.BREACHED


def test_a_victim_that_was_seen_dead_is_an_effect(run: FakeRun, tmp_path: Path) -> None:
    assert recovered(run, tmp_path).value == 0.0


def test_a_run_that_ends_too_early_cannot_tell(run: FakeRun, tmp_path: Path) -> None:
    fail_between(run, 71, 120)

    answer = recovered(run, tmp_path, limit_s=60)

    assert answer.verdict == Verdict.INCONCLUSIVE
    assert "too early to tell" in answer.reason.en


def test_answers_that_hang_are_no_service(run: FakeRun, tmp_path: Path) -> None:
    for row in run.samples:
        if 71 * S <= row["planned_ns"] - T0 < 100 * S:
            row["done_ns"] += 10 * S

    assert recovered(run, tmp_path).verdict == Verdict.BREACHED


def test_steps_given_up_do_not_keep_an_old_failure_alive(run: FakeRun, tmp_path: Path) -> None:
    fail_between(run, 71, 73)
    failed = [row["session"] for row in run.samples if row["failure"] == Failure.CONNECTION]
    run.samples += [
        not_sent(sample(session, 1_000_001, READ, T0 + second * S, took_ns=MS, step=50 + second))
        for session in failed for second in range(75, 110)
    ]  # fmt: skip

    assert recovered(run, tmp_path).value == 3.0


def test_a_service_that_was_down_before_cannot_come_back(run: FakeRun, tmp_path: Path) -> None:
    fail_between(run, 40, 80)

    assert recovered(run, tmp_path).verdict == Verdict.INCONCLUSIVE


def test_the_level_before_a_fault_close_behind_another_is_that_before_both(
    run: FakeRun, tmp_path: Path
) -> None:
    first = run.faults[0]
    run.faults.append(
        FaultEvent(name="database_restart", target="db", detail="died after 3 ms",
                   injected_ns=first.healed_ns + MS, healed_ns=T0 + 75 * S)
    )  # fmt: skip
    fail_between(run, 72, 76)
    about_database = clause("db", Quantity.RECOVERY, Limit(unit=Unit.S, at_most=60),
                            "database_restart")  # fmt: skip

    answer = judge_recovery(about_database, recorded(run, tmp_path))

    assert (answer.verdict, answer.value) == (Verdict.MET, 4.0)


def test_a_fault_that_was_asked_for_and_never_came_is_open(run: FakeRun, tmp_path: Path) -> None:
    run.faults = []

    assert recovered(run, tmp_path).verdict == Verdict.INCONCLUSIVE


def test_a_fault_that_nobody_asked_for_is_not_tested(run: FakeRun, tmp_path: Path) -> None:
    run.faults = []
    run.manifest = run.manifest.evolve(faults_requested=())

    assert recovered(run, tmp_path).verdict == Verdict.NOT_TESTED


IDLE = clause("idle", Quantity.IDLE_SATURATION, Limit(unit=Unit.COUNT, at_most=0))


@pytest.mark.parametrize(("cpu", "verdict"), [(0.2, Verdict.BREACHED), (0.9, Verdict.MET)])
def test_saturation_is_idle_only_when_the_machine_is(
    cpu: float, verdict: Verdict, run: FakeRun, tmp_path: Path
) -> None:
    run.host_cpu = [(at, cpu) for at, _ in run.host_cpu]
    fail_between(run, 30, 60)

    assert judge_idle_saturation(IDLE, recorded(run, tmp_path)).verdict == verdict


@pytest.mark.parametrize(
    ("name", "verdict"), [("step_2", Verdict.BREACHED), ("drain", Verdict.INCONCLUSIVE)]
)
def test_saturation_is_looked_for_in_the_steps_of_a_climb(
    name: str, verdict: Verdict, run: FakeRun, tmp_path: Path
) -> None:
    run.host_cpu = [(at, 0.2) for at, _ in run.host_cpu]
    fail_between(run, 30, 60)
    phases = tuple(replace(p, name=name, is_measured=False) for p in run.manifest.phases)
    run.manifest = run.manifest.evolve(phases=phases)

    assert judge_idle_saturation(IDLE, recorded(run, tmp_path)).verdict == verdict


def test_a_gap_in_the_cpu_readings_leaves_the_rule_open(run: FakeRun, tmp_path: Path) -> None:
    run.host_cpu = [(at, share) for at, share in run.host_cpu if not 35 < (at - T0) / S < 50]

    answer = judge_idle_saturation(IDLE, recorded(run, tmp_path))

    assert answer.verdict == Verdict.INCONCLUSIVE


def test_a_level_load_does_not_try_the_rule(run: FakeRun, tmp_path: Path) -> None:
    run.manifest = run.manifest.evolve(planned_per_s=(20,) * 120)

    answer = judge_idle_saturation(IDLE, recorded(run, tmp_path))

    assert answer.verdict == Verdict.INCONCLUSIVE
    assert "never rose" in answer.reason.en


def test_samples_of_several_processes_are_judged_together(run: FakeRun, tmp_path: Path) -> None:
    folder = run.write(tmp_path / "run")
    half = len(run.samples) // 2
    write_samples(folder.samples / "load-0.parquet", run.samples[:half])
    others = [row | {"operation": 0} for row in run.samples[half:] if row["operation"] == READ]
    write_samples(folder.samples / "load-1.parquet", others,
                  operations=[{"name": "view_worklist", "kind": "read"}])  # fmt: skip

    together = Recorded(folder=folder, manifest=run.manifest).measurements

    assert together.row_count == half + len(others)
    read_count = int(np.count_nonzero(together.operation == READ))
    assert read_count == sum(row["operation"] == READ for row in run.samples)


def test_amounts_are_written_as_baht() -> None:
    assert [baht(5), baht(-123_456_789), baht(0)] == ["0.05", "-1,234,567.89", "0.00"]


@pytest.mark.parametrize(
    ("count", "samples", "one_in"), [(0, 9102, "3034"), (0, 3, "1"), (0, 2, ""), (1, 9102, "")]
)
def test_what_was_not_found_is_said_with_how_rare_it_may_be(
    count: int, samples: int, one_in: str
) -> None:
    power = power_of(count, samples)

    assert bool(one_in) == bool(power.en) == bool(power.th)
    assert f"one in {one_in} " in power.en if one_in else power.en == ""
