"""A load that the user brings along: a workload file, or a locustfile; prepared without a country.

What can be wrong with either is found here, before anything is started. A locustfile is compiled
but not run: what it does when it is imported happens in the load process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.records import LoadKind
from harness.closed_plan import ClosedPlan, plan_locustfile
from harness.failures import BadSetup
from harness.options import Options
from scenarios.dialects.interface import Dialect
from scenarios.dialects.replay import ReplayDialect
from scenarios.population import Population
from scenarios.workload import BadWorkload, read_workload
from scenarios.workload_plan import WorkloadPlan, WorkloadTooLarge, plan_workload

LOCUSTFILE_BYTES_MAX: Final = 16 << 20
NO_POPULATION: Final = Population(
    units=(), composition="", seed=0, scale=1.0, sha256="", row_by_unit={}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLoad:
    """The load on paper. *source* goes into the manifest: texts by name."""

    plan: WorkloadPlan | ClosedPlan
    dialect: Dialect
    source: Mapping[str, str]


def prepare_own_load(options: Options) -> OwnLoad:
    """Read what *options* name. Raises `BadSetup`."""
    if options.load_kind is LoadKind.WORKLOAD:
        return _replayed(options)
    return _foreign(options)


def _replayed(options: Options) -> OwnLoad:
    assert options.workload is not None
    try:
        workload = read_workload(options.workload)
        plan = plan_workload(
            workload,
            duration_s=options.duration_s,
            rate_scale=options.rate_scale,
            seed=options.seed,
            send_writes=options.send_writes,
        )
    except BadWorkload as error:
        raise BadSetup(what=error.what, where=error.where, mend=error.mend) from error
    except WorkloadTooLarge as error:
        raise BadSetup(
            what=str(error), where=f"--workload {options.workload}",
            mend="lower --rate-scale or --duration",
        ) from error  # fmt: skip
    if not plan.planned_requests:
        raise BadSetup(
            what="nothing is due in this run"
            + (f": {sum(plan.left_out.values())} writes are left out" if plan.left_out else ""),
            where=f"--workload {options.workload}",
            mend="lengthen the run, raise --rate-scale, or allow writes with --send-writes",
        )
    source = {
        "file": options.workload.name,
        "sha256": workload.sha256,
        "name": workload.name,
        "made_from": workload.source,
        "made_from_sha256": workload.source_sha256,
        "rate_scale": f"{options.rate_scale:g}",
        "writes": "sent" if options.send_writes else "left out",
        "requests_left_out": str(sum(plan.left_out.values())),
    }
    return OwnLoad(plan=plan, dialect=ReplayDialect(workload), source=source)


def _foreign(options: Options) -> OwnLoad:
    path = options.locustfile
    assert path is not None
    content = _read(path)
    try:
        compile(content, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise BadSetup(
            what=f"this is not Python: {getattr(error, 'msg', error)}",
            where=f"--locustfile {path}{f':{line}' if line else ''}",
            mend="correct it there",
        ) from error
    plan = plan_locustfile(
        content, duration_s=options.duration_s, users=options.users, spawn_rate=options.spawn_rate
    )
    source = {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "users": str(options.users or "as the file says"),
        "spawn_rate": f"{options.spawn_rate:g}" if options.spawn_rate else "as the file says",
    }
    # Nothing is asked of the target in the dialect's words but whether it is there.
    return OwnLoad(plan=plan, dialect=ReplayDialect(None), source=source)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LOCUSTFILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadSetup(
            what=f"it cannot be read: {error.strerror}", where=f"--locustfile {path}",
            mend="name a Locust file",
        ) from error  # fmt: skip
    if len(content) > LOCUSTFILE_BYTES_MAX:
        raise BadSetup(what=f"it is larger than {LOCUSTFILE_BYTES_MAX >> 20} MiB",
                       where=f"--locustfile {path}", mend="name a Locust file")  # fmt: skip
    return content
