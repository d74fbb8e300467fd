"""The plan of a workload: counts that are exact, rates as asked, the same on every machine."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.dialects.interface import Answer
from scenarios.dialects.replay import ReplayDialect
from scenarios.journeys.vocabulary import Step
from scenarios.outcomes import Ending
from scenarios.shares import Share
from scenarios.workload_plan import WorkloadPlan, WorkloadTooLarge, plan_workload
from scenarios.workload_playbook import workload_playbook
from tests.fakes.workloads import constant, read, shop


def played(plan: WorkloadPlan, processes: int = 1) -> tuple[list[float], Counter[str]]:
    """Play every session as the fleet would against a target that answers at once."""
    due_s: list[float] = []
    asked: Counter[str] = Counter()
    for index in range(processes):
        playbook = workload_playbook(plan, share=Share().split(processes)[index])
        assert all(a <= b for a, b in pairwise(playbook.start_ns))
        for row, start_ns in enumerate(playbook.start_ns):
            opening = playbook.begin(row)
            at_s, steps = start_ns / 1e9, 0
            for step in opening.journey:
                at_s += playbook.pause_s(row, steps) if steps else 0.0
                steps += 1
                due_s.append(at_s)
                asked[step.operation] += 1
            assert steps == opening.planned == len(playbook.planned_steps(row))
    return due_s, asked


@settings(max_examples=25)
@given(
    st.integers(0, 2**31 - 1), st.floats(1, 90), st.sampled_from([1, 3]),
    st.sampled_from([{"sessions_per_s": 7}, {"requests_per_s": 30, "spacing": "random"},
                     {"bin_s": 10, "sessions": [0, 30, 5, 60, 2]},
                     {"bin_s": 7.5, "sessions": [9.5, 3.2], "spacing": "even"}]),
    st.booleans(),
)  # fmt: skip
def test_what_is_played_is_what_was_planned(
    seed: int, duration_s: float, processes: int, arrivals: dict[str, object], writes: bool
) -> None:
    plan = plan_workload(
        read(shop(arrivals=arrivals)), duration_s=duration_s, seed=seed, send_writes=writes
    )

    due_s, asked = played(plan, processes)

    assert dict(asked) == dict(plan.planned_by_operation)
    assert len(due_s) == plan.planned_requests == sum(plan.planned_per_s)
    assert all(0 <= at_s < duration_s + 1e-6 for at_s in due_s)
    per_s = np.bincount(np.array(due_s, dtype=np.int64), minlength=len(plan.planned_per_s))
    moved = np.abs(np.cumsum(per_s[: len(plan.planned_per_s)]) - np.cumsum(plan.planned_per_s))
    assert moved.max(initial=0) <= 2  # a step that falls due on a second's edge


def test_the_same_arguments_give_the_same_plan_and_others_another() -> None:
    workload = read(shop())

    def name(**changes: object) -> str:
        arguments = {"duration_s": 20.0, "seed": 1, "rate_scale": 1.0, **changes}
        return plan_workload(workload, **arguments).sha256  # type: ignore[arg-type]

    assert name() == name()
    assert len({name(), name(seed=2), name(duration_s=21.0), name(rate_scale=1.1),
                name(send_writes=True)}) == 5  # fmt: skip
    # Fixed on purpose: another machine, another numpy must come to the same plan.
    assert name() == "14506b7cdd1ce664c4a90963d9bf841e95c870fbf50d17644b2b22a555230547"


@pytest.mark.parametrize("requests_per_session", [1, 10, 100])
def test_a_rate_of_requests_holds_from_the_first_second_on(requests_per_session: int) -> None:
    again = [{"to": "get", "think_s": [0.25]}]
    content = constant(200, next={"get": again}, requests_max=requests_per_session)

    plan = plan_workload(read(content), duration_s=20, seed=5)

    assert plan.planned_requests == pytest.approx(4_000, abs=requests_per_session)
    assert min(plan.planned_per_s) >= 190
    assert max(plan.planned_per_s) <= 210
    assert plan.sessions == pytest.approx(4_000 / requests_per_session, rel=0.2, abs=80)


def test_a_rate_scale_multiplies_the_sessions() -> None:
    workload = read(constant(50))

    plan = plan_workload(workload, duration_s=10, seed=1, rate_scale=3.5)

    assert plan.planned_requests == 1_750
    assert plan.planned_per_s == (175,) * 10


def test_operations_come_in_their_proportions() -> None:
    plan = plan_workload(read(constant(2_000, mix={"a": 7, "b": 2, "c": 1})), duration_s=30, seed=9)

    shares = {name: count / 60_000 for name, count in plan.planned_by_operation.items()}

    assert plan.planned_requests == 60_000
    # Four standard deviations of a binomial share.
    assert shares == pytest.approx({"a": 0.7, "b": 0.2, "c": 0.1}, abs=4 * (0.21 / 60_000) ** 0.5)


def test_examples_are_asked_for_by_their_weights() -> None:
    plan = plan_workload(read(shop(arrivals={"sessions_per_s": 400})), duration_s=30, seed=2)

    steps = [step for row in range(plan.sessions) for step in plan.steps_of(row)]
    examples = Counter(step.example for step in steps if step.operation == 1)

    assert examples[0] / examples.total() == pytest.approx(0.75, abs=0.02)


def test_the_busiest_stretch_of_the_bins_is_replayed() -> None:
    arrivals = {"bin_s": 60, "sessions": [10] * 30 + [100] * 2 + [10] * 30}

    plan = plan_workload(read({**constant(1), "arrivals": arrivals}), duration_s=120, seed=1)

    assert plan.window_s == 30 * 60
    assert plan.planned_requests == 200
    assert plan.phases[-1].end_s == 120


def test_bins_shorter_than_the_run_begin_again() -> None:
    arrivals = {"bin_s": 5, "sessions": [10, 20]}

    plan = plan_workload(read({**constant(1), "arrivals": arrivals}), duration_s=35, seed=1)

    by_bin = np.add.reduceat(plan.planned_per_s, np.arange(0, 35, 5)).tolist()
    assert by_bin == [10, 20, 10, 20, 10, 20, 10]


def test_writes_are_left_out_and_counted_unless_asked_for() -> None:
    workload = read(shop())

    without = plan_workload(workload, duration_s=60, seed=4)
    with_writes = plan_workload(workload, duration_s=60, seed=4, send_writes=True)

    assert "order" not in without.planned_by_operation
    assert without.left_out == {"order": with_writes.planned_by_operation["order"]}
    assert with_writes.left_out == {}
    assert without.planned_requests + without.left_out["order"] == with_writes.planned_requests


@settings(max_examples=30)
@given(st.floats(1, 4_000))
def test_phases_cover_the_run_and_hold_a_peak(duration_s: float) -> None:
    plan = plan_workload(read(constant(2)), duration_s=duration_s, seed=1)

    assert plan.phases[0].start_s == 0
    assert plan.phases[-1].end_s == duration_s
    assert all(a.end_s == b.start_s for a, b in pairwise(plan.phases))
    assert "peak" in [phase.name for phase in plan.phases]
    assert [phase.name for phase in plan.phases if not phase.is_measured] in ([], ["warm_up"])


def test_a_plan_that_would_not_fit_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(WorkloadTooLarge, match="at most 50,000,000"):
        plan_workload(read(constant(1e6)), duration_s=86_400, seed=1)
    with pytest.raises(ValueError, match="no plan lasts"):
        plan_workload(read(constant(1)), duration_s=float("nan"), seed=1)


def test_the_dialect_sends_the_example_and_the_status_decides() -> None:
    content = shop()
    content["operations"][1]["expected"] = [200, 404]
    dialect = ReplayDialect(read(content))

    request = dialect.request(Step("article", 0, 0, document=1), "")
    order = dialect.request(Step("order", 0, 0), "")

    def failure(operation: str, status: int, head: bytes = b"") -> str:
        answer = Answer(Ending.ANSWERED, status, head)
        return dialect.reply(Step(operation, 0, 0), answer).failure.name

    assert (request.method, request.target) == ("GET", "/article/2")
    assert (order.method, order.body) == ("POST", b"{}")
    assert failure("article", 404) == failure("front", 302) == "NONE"
    assert failure("front", 404) == failure("article", 302) == "UNEXPECTED_STATUS"
    assert failure("front", 500) == "SERVER_ERROR"
    assert failure("front", 503, b"HTTP/1.1 503 X\r\nRetry-After: 1\r\n\r\n") == "SHED"


def test_a_target_may_hold_the_number_of_the_session_that_asks() -> None:
    content = constant(10)
    content["operations"][0]["targets"] = [{"target": "/item/{session}?again={session}"}]
    plan = plan_workload(read(content), duration_s=5, seed=1)
    playbook = workload_playbook(plan, share=Share().split(2)[1])
    dialect = ReplayDialect(plan.workload)

    asked = [dialect.request(next(playbook.begin(row).journey), "").target for row in range(3)]

    assert asked == [f"/item/{number}?again={number}" for number in (1, 3, 5)]
