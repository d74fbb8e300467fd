"""What a load process is to do, by its order: drawn anew in each process, the same in all.

An hour of the whole country takes one process 1 s of CPU to plan, and 35 MB to keep beside the
70 MB of a process without it (measured, November 2026): not enough to share it by file.
"""

from __future__ import annotations

from pathlib import Path

from scenarios.arrivals import plan_load
from scenarios.country_playbook import country_playbook
from scenarios.dialects import load_dialect
from scenarios.dialects.interface import Dialect
from scenarios.dialects.replay import ReplayDialect
from scenarios.engine.order import BadLoadOrder, LoadOrder
from scenarios.playbook import Playbook
from scenarios.population import build_population
from scenarios.scenario import SCENARIOS, manners_of
from scenarios.spoken import spoken_part
from scenarios.workload import BadWorkload, read_workload
from scenarios.workload_plan import WorkloadTooLarge, plan_workload
from scenarios.workload_playbook import workload_playbook


def planned(order: LoadOrder) -> tuple[Playbook, Dialect, str]:
    """Return what this process's sessions do, in whose words, and the whole plan's SHA-256.

    Raises `BadLoadOrder`.
    """
    if order.workload:
        return _planned_replay(order)
    population = build_population(composition=order.composition, scale=order.scale)
    plan = plan_load(
        population,
        level=order.level,
        scenario=order.scenario,
        demand=order.demand,
        duration_s=order.duration_s,
        seed=order.seed,
        has_faults=order.has_faults,
    )
    dialect = load_dialect(order.dialect)
    plan = spoken_part(plan, dialect.operations)
    playbook = country_playbook(
        plan,
        population,
        share=order.share,
        business_date=order.business_date,
        seed=order.seed,
        key_salt=order.key_salt,
        manners=manners_of(SCENARIOS[order.scenario], order.retries),
    )
    return playbook, dialect, plan.sha256


def _planned_replay(order: LoadOrder) -> tuple[Playbook, Dialect, str]:
    try:
        workload = read_workload(Path(order.workload))
        plan = plan_workload(
            workload,
            duration_s=order.duration_s,
            rate_scale=order.rate_scale,
            seed=order.seed,
            send_writes=order.send_writes,
        )
    except BadWorkload as error:
        raise BadLoadOrder(what=error.what, where=error.where, mend=error.mend) from error
    except WorkloadTooLarge as error:
        raise BadLoadOrder(
            what=str(error), where=order.workload, mend="lower the rate or the duration"
        ) from error
    return workload_playbook(plan, share=order.share), ReplayDialect(workload), plan.sha256
