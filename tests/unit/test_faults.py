"""Which faults a target can suffer, when they go, and that none is ever left behind."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from contracts.records import FaultEvent
from harness.failures import BadSetup
from harness.faults.catalogue import FAULTS, parse_fault_names, parse_faults
from harness.faults.fault import FaultTarget, Healing, Injection, NotHealed, NotInjected
from harness.faults.schedule import FaultRunner, PlannedFault, plan_faults
from tests.fakes.fault_target import FakeDatabase, FakeTarget

SECOND_NS = 1_000_000_000


@dataclass
class ScriptedFault:
    """A fault that fails where it is told to and counts what is asked of it."""

    name: str = "scripted"
    slot_s_min: float = 1.0
    hold_s: float = 0.0
    inject_error: Exception | None = None
    heal_error: Exception | None = None
    heal_s: float = 0.0
    healed_with: list[Injection | None] = field(default_factory=list)

    def refusal(self, target: FaultTarget) -> str | None:
        return None

    def inject(self, target: FaultTarget) -> Injection:
        if self.inject_error is not None:
            raise self.inject_error
        return Injection(
            target="worker 1", injected_ns=time.monotonic_ns(), pid=1, process_count=1,
            expected=frozenset(), facts=("pid 1",),
        )  # fmt: skip

    def heal(
        self, target: FaultTarget, injection: Injection | None, *, deadline_ns: int
    ) -> Healing:
        time.sleep(self.heal_s)
        self.healed_with.append(injection)
        if self.heal_error is not None:
            raise self.heal_error
        return Healing(healed_ns=time.monotonic_ns(), facts=("answers",))


@dataclass
class FaultRecord:
    events: list[FaultEvent] = field(default_factory=list)

    def append_fault(self, event: FaultEvent) -> None:
        self.events.append(event)


def due_now(*faults: ScriptedFault) -> list[PlannedFault]:
    now_ns = time.monotonic_ns()
    return [
        PlannedFault(fault=f, inject_ns=now_ns, slot_ended_ns=now_ns + 60 * SECOND_NS)
        for f in faults
    ]


def run_to_end(
    planned: list[PlannedFault], target: FaultTarget | None = None
) -> tuple[FaultRunner, list[FaultEvent]]:
    record = FaultRecord()
    runner = FaultRunner(target or FakeTarget(), planned, record)
    runner.start()
    assert runner.join(10.0)
    return runner, record.events


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("none", ()),
        ("all", tuple(FAULTS)),
        (" ALL ", tuple(FAULTS)),
        ("database_restart", ("database_restart",)),
        ("database_restart, worker_kill,database_restart", ("database_restart", "worker_kill")),
    ],
)
def test_names_are_taken_in_the_order_written_and_once(text: str, names: tuple[str, ...]) -> None:
    assert parse_fault_names(text) == names


@pytest.mark.parametrize(
    "text", ["meteor", "worker_kill,meteor", "all,worker_kill", "", ",,", "none,all"]
)
def test_an_unknown_or_empty_name_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadSetup) as refused:
        parse_fault_names(text)

    assert "\n" not in str(refused.value)
    assert all(name in str(refused.value) for name in FAULTS)


def test_a_target_without_access_to_its_processes_refuses_every_fault_by_name() -> None:
    remote = FakeTarget(app_pids=(), database=None, database_dsn=None)

    for name in FAULTS:
        with pytest.raises(BadSetup) as refused:
            parse_faults(name, remote)
        assert name in str(refused.value)
        assert "\n" not in str(refused.value)
    assert parse_faults("none", remote) == ()


def test_a_target_with_access_gets_its_faults_in_order() -> None:
    target = FakeTarget(
        app_pids=(10, 11),
        database=FakeDatabase(),
        database_dsn="postgresql://x",
        provider_url="http://127.0.0.1:9",
    )

    assert [fault.name for fault in parse_faults("all", target)] == list(FAULTS)


# --- schedule ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length_s", [60.0, 61.5, 72.0, 3600.0])
def test_each_fault_has_room_before_and_after_it(length_s: float) -> None:
    faults = [FAULTS[name]() for name in FAULTS]
    started_ns, ended_ns = 5 * SECOND_NS, int((5 + length_s) * SECOND_NS)

    planned = plan_faults(faults, started_ns=started_ns, ended_ns=ended_ns)

    ends = [p.slot_ended_ns for p in planned]
    starts = [started_ns, *ends[:-1]]
    assert [p.fault.name for p in planned] == [fault.name for fault in faults]
    for start, p, end in zip(starts, planned, ends, strict=True):
        assert start < p.inject_ns < end
        # Nine tenths of the slot remain for the return of the service.
        assert end - p.inject_ns >= 0.89 * (end - start)
        assert (end - start) / SECOND_NS >= p.fault.slot_s_min - 1e-6
    assert abs(ends[-1] - ended_ns) <= len(faults)


def test_a_phase_too_short_for_its_faults_is_bad_setup() -> None:
    faults = [FAULTS[name]() for name in FAULTS]

    with pytest.raises(BadSetup, match="60 s"):
        plan_faults(faults, started_ns=0, ended_ns=59 * SECOND_NS)


def test_no_fault_needs_no_room() -> None:
    assert plan_faults([], started_ns=0, ended_ns=0) == ()


# --- runner --------------------------------------------------------------------------------------


def test_a_fault_is_recorded_with_both_its_times() -> None:
    fault = ScriptedFault(heal_s=0.02)

    runner, events = run_to_end(due_now(fault))

    assert runner.problems == ()
    [event] = events
    assert event.name == "scripted"
    assert event.healed_ns - event.injected_ns >= 0.02 * SECOND_NS
    assert "pid 1" in event.detail
    assert "answers" in event.detail


def test_a_fault_that_does_not_heal_is_recorded_as_not_healed_and_is_a_problem() -> None:
    fault = ScriptedFault(heal_error=NotHealed(what="no answer", where="scripted", mend="look"))

    runner, events = run_to_end(due_now(fault))

    assert events[0].healed_ns == 0
    assert "no answer" in events[0].detail
    assert len(runner.problems) == 1


@pytest.mark.parametrize(
    "error",
    [
        NotInjected(what="alive", where="scripted", mend="repeat"),
        RuntimeError("a bug\nin two lines"),
    ],
)
def test_damage_that_failed_half_way_is_healed_all_the_same(error: Exception) -> None:
    broken, good = ScriptedFault(inject_error=error), ScriptedFault(name="good")

    runner, events = run_to_end(due_now(broken, good))

    assert broken.healed_with == [None]
    assert [event.name for event in events] == ["good"]
    assert len(runner.problems) == 1
    assert "\n" not in runner.problems[0]


def test_stopping_before_a_fault_injects_nothing_and_says_so() -> None:
    later_ns = time.monotonic_ns() + 600 * SECOND_NS
    fault = ScriptedFault()
    record = FaultRecord()
    planned = [PlannedFault(fault=fault, inject_ns=later_ns, slot_ended_ns=later_ns + SECOND_NS)]
    runner = FaultRunner(FakeTarget(), planned, record)
    runner.start()

    runner.stop(5.0)
    runner.stop(5.0)

    assert fault.healed_with == []
    assert record.events == []
    assert len(runner.problems) == 1


def test_stopping_in_the_middle_of_a_fault_waits_for_its_healing() -> None:
    fault = ScriptedFault(heal_s=0.3)
    record = FaultRecord()
    runner = FaultRunner(FakeTarget(), due_now(fault), record)
    runner.start()
    waiting = threading.Event()
    while runner.active is None and not waiting.wait(0.001):
        pass

    runner.stop(5.0)

    assert len(fault.healed_with) == 1
    assert record.events[0].healed_ns > 0


def test_a_fault_whose_time_has_passed_is_not_injected_into_the_next_phase() -> None:
    now_ns = time.monotonic_ns()
    fault = ScriptedFault()
    planned = [
        PlannedFault(fault=fault, inject_ns=now_ns - 9 * SECOND_NS, slot_ended_ns=now_ns - 1)
    ]

    runner, events = run_to_end(planned)

    assert fault.healed_with == []
    assert events == []
    assert "time had passed" in runner.problems[0]


def test_a_worker_that_is_never_replaced_is_not_healed() -> None:
    target = FakeTarget(app_pids=(10,), base_url="http://127.0.0.1:9")
    before = Injection(
        target="app worker 11", injected_ns=1, pid=11, process_count=2,
        expected=frozenset({"worker-0", "worker-1"}), facts=(),
    )  # fmt: skip

    with pytest.raises(NotHealed, match="1 of 2 workers"):
        FAULTS["worker_kill"]().heal(
            target, before, deadline_ns=time.monotonic_ns() + SECOND_NS // 10
        )


def test_a_database_that_does_not_start_is_not_healed_and_says_why() -> None:
    database = FakeDatabase(start_error=OSError("no space left"))
    target = FakeTarget(database=database, database_dsn="postgresql://127.0.0.1:9/x")

    with pytest.raises(NotHealed, match="no space left"):
        FAULTS["database_restart"]().heal(
            target, None, deadline_ns=time.monotonic_ns() + SECOND_NS // 5
        )
    assert database.start_count >= 2


# --- the identity provider -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["provider_outage", "provider_slow"])
def test_a_provider_that_is_not_ours_is_left_alone(name: str) -> None:
    with pytest.raises(BadSetup, match="not ours to break"):
        parse_faults(name, FakeTarget())


def test_damage_lasts_as_long_as_its_fault_says_and_no_longer_than_the_run() -> None:
    fault = ScriptedFault(hold_s=0.3)
    (event,) = run_to_end(due_now(fault))[1]

    assert event.healed_ns - event.injected_ns >= 0.3 * SECOND_NS

    endless = ScriptedFault(hold_s=3600.0)
    runner = FaultRunner(FakeTarget(), due_now(endless), FaultRecord())
    runner.start()
    while runner.active is None:
        time.sleep(0.005)
    runner.stop(5.0)
    assert len(endless.healed_with) == 1
