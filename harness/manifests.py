"""Fills a run's manifest: once before the first request, and again when the load has ended.

The first says `load_lost`, so that a harness killed in mid-run leaves an honest folder behind.
"""

from __future__ import annotations

import datetime
from dataclasses import asdict, replace
from pathlib import Path

from contracts.records import Phase
from harness.calibration.store import last_calibration
from harness.counterpart import counterpart_of
from harness.machine import machine_facts, this_machine, versions
from harness.options import Options
from harness.preparation import AnyPlan, Preparation
from harness.run_folder import Manifest
from harness.targets import Target
from scenarios.arrivals import LoadPlan


def first_manifest(
    options: Options, preparation: Preparation, target: Target, path: Path
) -> Manifest:
    """Return what is known before the load begins, for the run folder at *path*."""
    contract, plan, population = preparation.contract, preparation.plan, preparation.population
    beside, units_planned = None, 0
    if isinstance(plan, LoadPlan):
        beside = counterpart_of(plan, population, seed=options.seed)
        units_planned = plan.units_planned
    calibration, _ = last_calibration(options.out, this_machine())
    return Manifest(
        run_id=path.name,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=options.command,
        versions=versions(),
        machine=machine_facts(path),
        seed=options.seed,
        scale=options.scale,
        scenario=plan.scenario,
        level=options.level,
        retries=options.retries,
        history_months=options.history_months,
        demand=plan.demand,
        composition=population.composition,
        duration_s=options.duration_s,
        think_scale=plan.think_scale,
        business_date=preparation.scenario.business_date,
        workers=target.worker_count,
        contract_id=contract.id,
        contract_sha256=contract.sha256,
        population_units=len(population.units),
        population_accounts=population.account_count,
        population_sha256=population.sha256,
        plan_sha256=plan.sha256,
        planned_sessions=plan.sessions,
        units_planned=units_planned,
        planned_in_progress_max=plan.sessions_in_progress_max,
        counterpart=asdict(beside) if beside else None,
        planned_requests=plan.planned_requests,
        planned_by_operation=dict(plan.planned_by_operation),
        planned_by_activity=dict(plan.planned_by_activity),
        planned_per_s=plan.planned_per_s,
        target_kind=target.kind,
        target_url=target.url,
        fingerprint=target.fingerprint(),
        load_kind=options.load_kind.value,
        load_source=dict(preparation.own_load.source) if preparation.own_load else {},
        faults_requested=preparation.fault_names,
        dialect=options.dialect,
        connections=options.connections,
        network=options.network,
        left_out=tuple(one.activity for one in preparation.left_out),
        calibration=calibration.content() if calibration else None,
        ended="load_lost",
        end_reason="the harness did not live to see the end of the load",
    )


def phases_from(plan: AnyPlan, t0_ns: int) -> tuple[Phase, ...]:
    """Return the plan's phases on the machine's clock."""
    return tuple(
        Phase(
            name=phase.name,
            started_ns=t0_ns + int(phase.start_s * 1e9),
            ended_ns=t0_ns + int(phase.end_s * 1e9),
            is_measured=phase.is_measured,
        )
        for phase in plan.phases
    )


def phases_until(phases: tuple[Phase, ...], ended_ns: int) -> tuple[Phase, ...]:
    """Cut *phases* where the load ended early; what never began is left out, but for the first."""
    return tuple(
        replace(phase, ended_ns=max(phase.started_ns, min(phase.ended_ns, ended_ns)))
        for number, phase in enumerate(phases)
        if phase.started_ns < ended_ns or number == 0
    )


def is_carried_out(manifest: Manifest) -> bool:
    """Say whether the load went as planned: to its end, and by all who began it."""
    is_whole = all(
        not process.get("is_lost") and process.get("is_collected", 1)
        for process in manifest.load_processes
    )
    return manifest.ended == "completed" and is_whole
