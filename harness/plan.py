"""What a run would do, before anything is started: from the population to requests a second.

The chain of arithmetic is laid open step by step, so that a reader who doubts the load can say
which step is wrong. What would not be tested is said before the run, not found out after it. It
draws nothing, starts nothing and prints nothing (`harness.plan_text` renders it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from contracts.records import OPERATION_DTYPE, SAMPLE_DTYPE
from contracts.terms import Bilingual, Clause, Contract, OperationKind, Quantity
from harness.connections import Connections
from harness.counterpart import Counterpart, counterpart_of, in_numbers
from harness.plan_arithmetic import Step, steps_of
from harness.scenario_gaps import left_out_by
from scenarios.arrivals import LoadPlan
from scenarios.demand import OPERATIONS
from scenarios.levels import LEVELS, PEAK_S_MIN, Level, PlannedPhase
from scenarios.population import Population, UnitType, units_national
from scenarios.scenario import SCENARIOS, Scenario
from scenarios.spoken import LeftOut

# The generator's budget of CPU per request (design budget; what it really took is in every run).
GENERATOR_CPU_US_PER_REQUEST: Final = 100.0
# Each money operation leaves two rows: one before it is sent, one when it completes.
_ROWS_PER_MONEY_OPERATION: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRow:
    """Units of one type and the work they stand for."""

    type: str
    units: int
    accounts: int
    sao_equivalents: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRow:
    """One activity: `per_sao_month` as the demand has it, `sessions` as this run plans it."""

    name: str
    requests: int
    per_sao_month: float
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """Planned requests of one operation."""

    name: str
    kind: OperationKind
    requests: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the run takes. Set-up, settling, final reads and judging come on top of the load."""

    load_s: float
    sessions: int
    requests: int
    sessions_in_progress_max: int
    connections_needed: int  # at once, if the target stands still until the client gives up
    connections_allowed: int  # of all load processes together, on this machine
    generator_cores: float  # cores busy with generating in the peak, by the budget per request
    evidence_bytes: int  # raw samples and operations, before compression


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A clause that this run would leave without an answer, and why."""

    clause: str
    title: Bilingual
    reason: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDescription:
    """Everything that `monthend plan` says, as values.

    `not_tested` are clauses that the run does not put to the test; `doubts` are clauses or
    circumstances for which it would be too short, too small or incomplete. `beside` holds the
    plan's own numbers and its counterpart's; nothing for a scenario without one.
    `left_out` are activities that the dialect cannot speak.
    """

    contract: Contract
    scenario: Scenario
    level: Level
    beside: tuple[Counterpart, ...]
    population: Population
    plan: LoadPlan
    seed: int
    faults: tuple[str, ...]
    steps: tuple[Step, ...]
    types: tuple[TypeRow, ...]
    activities: tuple[ActivityRow, ...]
    operations: tuple[OperationRow, ...]
    phases: tuple[PlannedPhase, ...]
    cost: Cost
    not_tested: tuple[Gap, ...]
    doubts: tuple[Gap, ...]
    left_out: tuple[LeftOut, ...]


def describe_plan(
    *,
    contract: Contract,
    population: Population,
    plan: LoadPlan,
    seed: int,
    fault_names: Sequence[str] = (),
    left_out: Sequence[LeftOut] = (),
    connections: Connections,
) -> PlanDescription:
    """Lay the experiment open. All arguments are those that the run itself would use."""
    level = LEVELS[plan.level]
    other = counterpart_of(plan, population, seed=seed)
    return PlanDescription(
        contract=contract,
        scenario=SCENARIOS[plan.scenario],
        level=level,
        beside=(in_numbers(plan), other) if other else (),
        population=population,
        plan=plan,
        seed=seed,
        faults=tuple(fault_names),
        steps=steps_of(plan, population),
        types=_types(population),
        activities=_activities(plan),
        operations=_operations(plan),
        phases=plan.phases,
        cost=_cost(plan, connections),
        not_tested=tuple(
            Gap(clause=clause.id, title=clause.title, reason=reason)
            for clause in contract.clauses
            if (reason := _why_not_tested(clause, plan, fault_names)) is not None
        ),
        doubts=(
            *_circumstances(contract, level, population, plan),
            *_short_of_connections(plan, connections),
            *(
                Gap(clause=clause.id, title=clause.title, reason=reason)
                for clause in contract.clauses
                if _why_not_tested(clause, plan, fault_names) is None
                and (reason := _why_in_doubt(clause, plan, population)) is not None
            ),
        ),
        left_out=tuple(left_out),
    )


def _types(population: Population) -> tuple[TypeRow, ...]:
    rows = []
    for kind in UnitType:
        units = [unit for unit in population.units if unit.type is kind]
        if units:
            rows.append(
                TypeRow(
                    type=kind.value,
                    units=len(units),
                    accounts=sum(unit.accounts for unit in units),
                    sao_equivalents=sum(unit.weight for unit in units),
                )
            )
    return tuple(rows)


def _activities(plan: LoadPlan) -> tuple[ActivityRow, ...]:
    return tuple(
        ActivityRow(
            name=activity.name,
            requests=activity.requests,
            per_sao_month=activity.per_sao_month.of(plan.demand),
            sessions=plan.planned_by_activity.get(activity.name, 0),
        )
        for activity in plan.activities
    )


def _operations(plan: LoadPlan) -> tuple[OperationRow, ...]:
    ranked = sorted(plan.planned_by_operation.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        OperationRow(
            name=name,
            kind=OPERATIONS[name],
            requests=count,
            share=count / max(1, plan.planned_requests),
        )
        for name, count in ranked
    )


def _short_of_connections(plan: LoadPlan, connections: Connections) -> tuple[Gap, ...]:
    if (reason := connections.shortage(plan)) is None:
        return ()
    return (Gap(clause="", title=Bilingual(th="", en=""), reason=reason),)


def _cost(plan: LoadPlan, connections: Connections) -> Cost:
    peak_req_s = max(phase.rate_req_s for phase in plan.phases)
    money = sum(
        count
        for name, count in plan.planned_by_operation.items()
        if OPERATIONS[name] in (OperationKind.POST, OperationKind.PROBE)
    )
    return Cost(
        load_s=plan.duration_s,
        sessions=plan.sessions,
        requests=plan.planned_requests,
        sessions_in_progress_max=plan.sessions_in_progress_max,
        connections_needed=connections.needed(plan),
        connections_allowed=connections.allowed,
        generator_cores=peak_req_s * GENERATOR_CPU_US_PER_REQUEST / 1e6,
        evidence_bytes=plan.planned_requests * SAMPLE_DTYPE.itemsize
        + money * _ROWS_PER_MONEY_OPERATION * OPERATION_DTYPE.itemsize,
    )


def _requests_per_session(plan: LoadPlan) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    own = np.array([activity.requests for activity in plan.activities], dtype=np.int64)
    return own[plan.activity] + plan.navigation


def _why_not_tested(clause: Clause, plan: LoadPlan, fault_names: Sequence[str]) -> Bilingual | None:
    """Return why the run leaves *clause* out; None when it is put to the test."""
    if clause.not_measured_because is not None:
        return clause.not_measured_because
    if plan.level not in clause.levels:
        levels = ", ".join(clause.levels)
        return Bilingual(
            th=f"ใช้กับระดับ {levels} การทดสอบนี้เป็นระดับ {plan.level}",
            en=f"applies at {levels}; this run is {plan.level}",
        )
    if (reason := left_out_by(plan.scenario, clause)) is not None:
        return reason
    if clause.quantity is Quantity.IMPORT_RATE and "upload_books" not in plan.planned_by_operation:
        return Bilingual(
            th="ไม่มีการส่งไฟล์บัญชีย้อนหลังในการทดสอบนี้",
            en="the run hands in no file of back-dated books",
        )
    if clause.quantity is Quantity.RECOVERY and clause.selector not in fault_names:
        return Bilingual(
            th=f"ไม่มีการจำลองเหตุขัดข้อง {clause.selector} ในการทดสอบนี้",
            en=f"the run does not inject {clause.selector}",
        )
    return None


def _why_in_doubt(clause: Clause, plan: LoadPlan, population: Population) -> Bilingual | None:
    """Return why the run is too short or too small to answer *clause*; None when it is not."""
    match clause.quantity:
        case Quantity.CARRIED_SHARE:
            return _short_peak(plan)
        case Quantity.PARTICIPATION:
            return _idle_units(plan, population)
        case Quantity.LATENCY | Quantity.ERROR_SHARE | Quantity.FAIRNESS:
            return _few_samples(clause, plan)
        case _:
            return None


def _short_peak(plan: LoadPlan) -> Bilingual | None:
    peak_s = max((phase.length_s for phase in plan.phases if phase.name == "peak"), default=0.0)
    if peak_s >= PEAK_S_MIN:
        return None
    return Bilingual(
        th=f"ช่วงภาระงานสูงสุดยาวเพียง {peak_s:.0f} วินาที ไม่ครบหนึ่งนาที",
        en=f"the peak lasts {peak_s:.0f} s, less than its minute",
    )


def _idle_units(plan: LoadPlan, population: Population) -> Bilingual | None:
    idle = len(population.units) - plan.units_planned
    if idle == 0:
        return None
    return Bilingual(
        th=f"การทดสอบสั้นหรือเบาเกินไป หน่วยบัญชี {idle:,} หน่วยไม่มีคำขอเลย",
        en=f"the run is too short or too light: {idle:,} units have no request at all",
    )


def _few_samples(clause: Clause, plan: LoadPlan) -> Bilingual | None:
    expected = _samples_expected(clause, plan)
    if expected >= clause.samples_min:
        return None
    return Bilingual(
        th=f"คาดว่ามี {expected:,} ตัวอย่าง ต้องมีอย่างน้อย {clause.samples_min:,}",
        en=f"{expected:,} samples expected, at least {clause.samples_min:,} needed",
    )


def _samples_expected(clause: Clause, plan: LoadPlan) -> int:
    measured = sum(phase.requests for phase in plan.phases if phase.is_measured)
    share = measured / max(1e-9, sum(phase.requests for phase in plan.phases))
    if clause.quantity is Quantity.LATENCY:
        count = sum(
            requests
            for name, requests in plan.planned_by_operation.items()
            if OPERATIONS[name] == clause.selector
        )
        return int(count * share)
    if clause.quantity is Quantity.FAIRNESS:
        by_unit = np.bincount(plan.unit_row, weights=_requests_per_session(plan))
        return int(np.count_nonzero(by_unit * share >= clause.parameter("samples_per_unit_min")))
    return int(plan.planned_requests * share)


def _circumstances(
    contract: Contract, level: Level, population: Population, plan: LoadPlan
) -> tuple[Gap, ...]:
    """What is less than the contract's load, whatever a clause says."""
    gaps: list[Bilingual] = []
    if population.scale < 1:
        gaps.append(
            Bilingual(
                th=f"ย่อส่วนเหลือ {population.scale:g} ของจำนวนหน่วย เป็นหลักฐานประกอบ มิใช่การตรวจรับ",
                en=f"scaled to {population.scale:g} of the units: evidence, not acceptance",
            )
        )
    national = units_national(population.composition)
    if national != contract.workload.units:
        gaps.append(
            Bilingual(
                th=f"สัญญาระบุ {contract.workload.units:,} หน่วย แต่องค์ประกอบ {population.composition} "
                f"มี {national:,} หน่วย",
                en=f"the contract declares {contract.workload.units:,} units, composition "
                f"{population.composition} has {national:,}",
            )
        )
    compression = plan.think_scale * SCENARIOS[plan.scenario].intensity
    if compression < 1:
        gaps.append(
            Bilingual(
                th=f"หนึ่งชั่วโมงย่อเหลือ {plan.duration_s:.0f} วินาที อัตราคำขอเป็นของจริง แต่จำนวนผู้ใช้พร้อมกัน"
                f"เหลือประมาณ {compression:.0%}",
                en=f"an hour in {plan.duration_s:.0f} s: rates are real, but about "
                f"{compression:.0%} of the people are in the system at once",
            )
        )
    nothing = Bilingual(th="", en="")
    return tuple(Gap(clause="", title=nothing, reason=reason) for reason in gaps)
