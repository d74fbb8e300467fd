"""One experiment: the phases in their order, on one screen. Records everything, judges nothing.

A failure before the load is `BadSetup` and leaves no run behind. From the first request on nothing
is thrown away: whatever ends the load early (a signal, a lost target, a lost load process, a full
disk) goes into the manifest, and the judge has the last word.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from contracts.records import LoadKind
from harness.connections import connections_of
from harness.consolidated_reads import Consolidation, consolidating, members_of, period_of
from harness.failures import BadSetup, BrokenExperiment
from harness.faults.catalogue import parse_faults
from harness.faults.fault import Fault
from harness.faults.schedule import FaultRunner, plan_faults
from harness.final_reads import read_auditor_token, read_books
from harness.foreign_load import start_foreign_load
from harness.interrupts import Interrupts
from harness.load import Load, start_load
from harness.manifests import first_manifest, phases_from, phases_until
from harness.options import FISCAL_YEAR, Options
from harness.planned_load import planned_load, write_planned_load
from harness.preparation import FAULTS_PHASE, Preparation
from harness.probes.start import start_probes
from harness.progress import Display
from harness.run_folder import Manifest, RunFolder
from harness.targets import Target
from harness.targets.embedded import EmbeddedOptions, start_embedded
from harness.targets.remote import remote_target
from harness.targets.web import web_target
from harness.unsettled import await_settled, unsettled_files
from harness.warm_up import warm_up
from scenarios.arrivals import LoadPlan
from scenarios.country_playbook import country_playbook
from scenarios.playbook import Playbook
from scenarios.shares import Share
from scenarios.workload_plan import WorkloadPlan
from scenarios.workload_playbook import workload_playbook

SETTLE_LIMIT_S: Final = 30.0
SETTLE_S: Final = 1.0  # what was sent just before the end is answered or given up by then
# Longer than any fault of the catalogue keeps the service away; a target that answers nothing well
# for this long will not begin to.
SILENCE_LIMIT_S: Final = 45.0
DISK_FREE_BYTES_MIN: Final = 16 << 20
WATCH_S: Final = 0.1


class Attendant(Protocol):
    """Somebody who wants to be there while the load is on: a profiler."""

    def load_started(self, target: Target, folder: RunFolder, t0_ns: int) -> None:
        """Called once t0 is fixed."""

    def load_ended(self) -> None:
        """Called after the load, whatever ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What every phase needs."""

    options: Options
    preparation: Preparation
    folder: RunFolder
    display: Display
    interrupts: Interrupts


def run_experiment(scene: Scene, *, attendants: Sequence[Attendant] = ()) -> None:
    """Carry out one experiment into the scene's folder. Raises `BadSetup` before any load."""
    folder, display, preparation = scene.folder, scene.display, scene.preparation
    with ExitStack() as stack:
        target = provision(scene)
        stack.callback(target.stop)
        if scene.options.is_embedded:
            stack.callback(display.step, "stopping the target")
        faults = parse_faults(",".join(preparation.fault_names) or "none", target)
        read_all_books(scene, target, "before")
        load = start_any_load(scene, target)
        stack.callback(load.stop)
        record_plan(scene)
        warm_up_target(scene, target)
        load.await_ready(preparation.plan)
        manifest = first_manifest(scene.options, preparation, target, folder.path)
        with scene.interrupts.gently():
            manifest = begin_load(scene, load, manifest)
            ending = carry_load(scene, target, load, manifest, faults, attendants)
            manifest = conclude(manifest, load, ending, folder)
        look_afterwards(scene, target, manifest)


def provision(scene: Scene) -> Target:
    """Start the embedded target, or look whether the named one is there. Raises `BadSetup`."""
    options, say = scene.options, scene.display.step
    if options.is_embedded:
        return start_embedded(
            EmbeddedOptions(
                population=scene.preparation.population,
                business_date=scene.preparation.scenario.business_date,
                has_backlog=scene.preparation.scenario.has_backlog,
                workers=options.worker_count,
                logs=scene.folder.logs,
                defects=options.defects,
                history_months=options.history_months,
                port=options.port,
            ),
            say=say,
        )
    dialect = scene.preparation.dialect
    target = remote_target(
        options.target,
        sessions_csv=options.sessions,
        health_path=dialect.health_path,
        version_path=dialect.version_path,
    )
    if options.is_own_load:
        target = web_target(options.target)
    say(f"asking {target.url} whether it is there")
    target.check_alive()
    return target


def record_plan(scene: Scene) -> None:
    """Write down which session is to begin when, while the load processes get ready."""
    plan, population = scene.preparation.plan, scene.preparation.population
    playbook: Playbook
    if isinstance(plan, LoadPlan):
        playbook = country_playbook(
            plan,
            population,
            share=Share(),
            business_date=scene.preparation.scenario.business_date,
            seed=scene.options.seed,
        )
        names, activity = tuple(activity.name for activity in plan.activities), plan.activity
    elif isinstance(plan, WorkloadPlan):
        playbook = workload_playbook(plan, share=Share())
        names, activity = ("visit",), np.zeros(plan.sessions, dtype=np.int16)
    else:
        return  # a locustfile has no plan
    write_planned_load(scene.folder, planned_load(playbook, activities=names, activity=activity))
    if shortage := connections_of(scene.options).shortage(plan):
        scene.display.warn(shortage.en)


def start_any_load(scene: Scene, target: Target) -> Load:
    """Start the country's load, a replay, or the user's own locustfile."""
    options, preparation = scene.options, scene.preparation
    if preparation.own_load is not None and options.load_kind is LoadKind.LOCUSTFILE:
        return start_foreign_load(options, preparation.own_load, target, scene.folder)
    return start_load(options, preparation, target, scene.folder)


def warm_up_target(scene: Scene, target: Target) -> None:
    """Read lightly for a few seconds, where there is somebody signed in to read."""
    if target.sessions_csv is not None:
        scene.display.step("warming up")
        warm_up(
            url=target.url,
            dialect=scene.preparation.dialect,
            sessions_csv=target.sessions_csv,
        )


def begin_load(scene: Scene, load: Load, manifest: Manifest) -> Manifest:
    """Fix t0, tell the load processes, and write the manifest before the first request."""
    plan = scene.preparation.plan
    t0_ns = load.begin()
    manifest = manifest.evolve(t0_ns=t0_ns, phases=phases_from(plan, t0_ns))
    scene.folder.write_manifest(manifest)
    what = f"{plan.planned_requests:,} requests of {plan.sessions:,} people"
    if not plan.sessions:
        what = f"{scene.options.locustfile}"
    scene.display.step(f"load: {what} over {scene.options.duration_s:g} s")
    return manifest


def carry_load(
    scene: Scene,
    target: Target,
    load: Load,
    manifest: Manifest,
    faults: Sequence[Fault],
    attendants: Sequence[Attendant],
) -> Ending:
    """Watch the load to its end, with faults, probes and attendants around it; all are stopped."""
    runner: FaultRunner | None = None
    with ExitStack() as stack:
        for attendant in attendants:
            attendant.load_started(target, scene.folder, load.t0_ns)
            stack.callback(attendant.load_ended)
        probes = start_probes(target, scene.folder, load_pids=lambda: load.pids)
        stack.callback(probes.stop)
        if faults:
            phase = next(phase for phase in manifest.phases if phase.name == FAULTS_PHASE)
            planned = plan_faults(faults, started_ns=phase.started_ns, ended_ns=phase.ended_ns)
            runner = FaultRunner(target, planned, scene.folder)
            stack.callback(runner.stop)
            runner.start()
        ending = watch(scene, target, load)
        load.stop()
    for problem in runner.problems if runner else ():
        scene.display.warn(problem)
    for report in probes.stop():
        if not report.is_complete:
            scene.display.warn(f"the {report.probe} probe is not complete: {report.reason}")
    return ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the load ended, in the manifest's words."""

    ended: str
    reason: str
    at_ns: int


def watch(scene: Scene, target: Target, load: Load) -> Ending:
    """Look until the load is over or cannot go on. Bounded by the load's own limit."""
    answered, answered_ns = 0, time.monotonic_ns()
    while load.is_running:
        now_ns = time.monotonic_ns()
        if scene.interrupts.is_asked:
            return _ended("interrupted", f"{scene.interrupts.name} was received")
        if lost := target.lost_because():
            return _ended("target_lost", lost)
        try:
            for sentence in load.listen():
                scene.display.warn(sentence)
        except BrokenExperiment as error:
            return _ended("load_lost", str(error))
        if shutil.disk_usage(scene.folder.path).free < DISK_FREE_BYTES_MIN:
            return _ended("load_lost", f"{scene.folder.path}: the disk is full")
        if load.answered_well != answered or now_ns < load.t0_ns:
            answered, answered_ns = load.answered_well, now_ns
        if now_ns - answered_ns > SILENCE_LIMIT_S * 1e9 and load.has_sent:
            return _ended("target_lost", f"no request went well for {SILENCE_LIMIT_S:g} s")
        scene.display.pulse(load.pulse(scene.preparation.plan))
        time.sleep(WATCH_S)
    try:
        for sentence in load.listen():
            scene.display.warn(sentence)
    except BrokenExperiment as error:
        return _ended("load_lost", str(error))
    if not load.has_finished:
        return _ended("load_lost", "a load process ended without saying that it had finished")
    return _ended("completed", "")


def _ended(ended: str, reason: str) -> Ending:
    return Ending(ended=ended, reason=reason, at_ns=time.monotonic_ns())


def conclude(manifest: Manifest, load: Load, ending: Ending, folder: RunFolder) -> Manifest:
    """Write down how the load ended."""
    manifest = manifest.evolve(
        ended=ending.ended,
        end_reason=ending.reason,
        phases=phases_until(manifest.phases, ending.at_ns),
        load_processes=load.facts(),
    )
    folder.write_manifest(manifest)
    return manifest


def look_afterwards(scene: Scene, target: Target, manifest: Manifest) -> None:
    """Let the target settle and read the books, unless the run ended too early for that."""
    try:
        if manifest.ended != "interrupted":
            manifest = settle(scene, target, manifest)
        unread_because = ""
        if manifest.ended in ("interrupted", "target_lost"):
            unread_because = f"the run ended early ({manifest.end_reason})"
        read_all_books(scene, target, "after", unread_because=unread_because)
    except KeyboardInterrupt as error:
        reason = f"{error} was received before the books were read"
        scene.folder.write_manifest(manifest.evolve(ended="interrupted", end_reason=reason))
        raise


def settle(scene: Scene, target: Target, manifest: Manifest) -> Manifest:
    """Wait until the target answers again and what was under way is done."""
    scene.display.step("letting the target settle")
    limit = time.monotonic() + SETTLE_LIMIT_S
    while True:
        time.sleep(SETTLE_S)
        try:
            target.check_alive()
            break
        except BadSetup as error:
            if time.monotonic() > limit:
                manifest = manifest.evolve(ended="target_lost", end_reason=str(error))
                scene.folder.write_manifest(manifest)
                return manifest
    await_imports(scene, target)
    return manifest


def await_imports(scene: Scene, target: Target) -> None:
    """Wait for files of back-dated books that are still being taken in."""
    files = unsettled_files(scene.folder.operations)
    token = read_auditor_token(target.sessions_csv)
    if not files or not token:
        return
    scene.display.step(f"waiting for {len(files)} imports to be done")
    left = await_settled(files, url=target.url, token=token, dialect=scene.preparation.dialect)
    if left:
        scene.display.warn(f"{len(left)} imports stopped before they were done")


def read_all_books(scene: Scene, target: Target, when: str, *, unread_because: str = "") -> None:
    """Read the books of all units. What is not even tried is left out: that is no one's breach."""
    if scene.options.is_own_load:
        return
    population = scene.preparation.population
    token = read_auditor_token(target.sessions_csv)
    reason = unread_because or ("" if token else "nobody with the auditor's role is signed in")
    if not scene.preparation.dialect.has_books:
        reason = f"the dialect {scene.options.dialect} cannot read books"
    if reason:
        scene.display.warn(f"the books {when} the load are not read: {reason}")
        return
    scene.display.step(f"reading the books {when} the load")
    consolidation = _consolidation(scene, target, token or "") if when == "after" else None
    if consolidation is not None:
        consolidation.begin()
    into = scene.folder.books_before if when == "before" else scene.folder.books_after
    report = read_books(
        url=target.url,
        token=token or "",
        dialect=scene.preparation.dialect,
        population=population,
        fiscal_year=FISCAL_YEAR,
        into=into,
        history_months=scene.options.history_months,
    )
    if report.incomplete_count:
        scene.display.warn(
            f"the books of {report.incomplete_count:,} of {report.unit_count:,} units could not "
            f"be read whole {when} the load: {report.first_reason}"
        )
    if consolidation is not None:
        unread, reason = consolidation.conclude(into)
        if unread:
            scene.display.warn(f"{unread:,} consolidated reports could not be read: {reason}")


def _consolidation(scene: Scene, target: Target, token: str) -> Consolidation | None:
    dialect = consolidating(scene.preparation.dialect)
    if dialect is None or not members_of(scene.preparation.population):
        return None
    return Consolidation(
        url=target.url,
        token=token,
        dialect=dialect,
        population=scene.preparation.population,
        period=period_of(scene.preparation.scenario.business_date),
    )
