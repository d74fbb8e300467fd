"""What each command does, step by step; `harness.cli` reads the words and turns errors into lines.

A command returns the exit status. The report is built by a process of its own: `harness` never
imports `reports`.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from contracts.reading import ContractError, read_contract
from contracts.records import Bottleneck
from contracts.terms import EXIT_STATUS, Contract, Verdict
from harness.announcement import announce, exit_status, read_verdict
from harness.calibration.course import calibrate as run_calibration
from harness.calibration.course import extent_of
from harness.calibration.record import Standing
from harness.calibration.store import check_place, keep
from harness.calibration.table import calibration_lines
from harness.connections import connections_of
from harness.diagnosis.explain import explain as explain_run
from harness.diagnosis.profiling import profile as profile_run
from harness.diagnosis.summary import explanation_lines, profile_lines
from harness.experiment import run_experiment
from harness.failures import BadSetup, BrokenExperiment
from harness.interrupts import listening
from harness.load_alone import work_for_master
from harness.load_command import apprenticeship_of, load_and_show, load_words, mastership_of
from harness.manifests import is_carried_out
from harness.options import BUSINESS_DATE, DEFAULT_CONTRACT, DURATION_S, Options
from harness.own_plan_text import own_plan_text
from harness.plan import describe_plan
from harness.plan_text import render_plan
from harness.preparation import prepare
from harness.processes import run_to_end, start_child
from harness.progress import Display
from harness.recording import record
from harness.run_folder import RunFolder
from harness.sealing import seal
from harness.targets.embedded import EmbeddedOptions, start_embedded
from harness.try_dialect import try_dialect
from harness.verdict import judge
from harness.workload_from_log import workload_from_log
from scenarios.arrivals import LoadPlan
from scenarios.population import build_population
from scenarios.scenario import NotAScenario, chosen

REPORT_LIMIT_S: Final = 120.0
PROFILE_S: Final = 60.0
_DEFECT: Final = re.compile(r"[A-Z][0-9]+(:[0-9]*\.?[0-9]+)?")


def accept(arguments: argparse.Namespace) -> int:
    """Load, record, judge, report."""
    display = Display()
    folder = record(_options(arguments, "L2"), display, run_experiment)
    try:
        return _judge_and_show(folder, display, arguments.lang)
    except BadSetup as error:  # load was sent: status 3 would say that it was not
        raise BrokenExperiment(what=error.what, where=error.where, mend=error.mend) from error


def plan(arguments: argparse.Namespace) -> int:
    """Say what would run and what would not be tested; nothing is started or written."""
    options = _options(arguments, "L2")
    preparation = prepare(options)
    if not isinstance(preparation.plan, LoadPlan):
        print(own_plan_text(preparation, options, arguments.lang))
        return 0
    described = describe_plan(
        contract=preparation.contract,
        population=preparation.population,
        plan=preparation.plan,
        seed=options.seed,
        fault_names=preparation.fault_names,
        left_out=preparation.left_out,
        connections=connections_of(options),
    )
    print(render_plan(described, arguments.lang))
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Load and record; the verdict is left to `judge`."""
    display = Display()
    folder = record(_options(arguments, "L2"), display, run_experiment)
    print(folder.path)
    return 0 if is_carried_out(folder.read_manifest()) else EXIT_STATUS[Verdict.INCONCLUSIVE]


def judge_again(arguments: argparse.Namespace) -> int:
    """Judge a run folder from its files alone."""
    folder = RunFolder(arguments.run)
    folder.read_manifest()
    return _judge_and_show(folder, Display(), arguments.lang, with_report=False)


def report(arguments: argparse.Namespace) -> int:
    """Write the report page of a judged run."""
    folder = RunFolder(arguments.run)
    folder.read_manifest()
    _build_report(folder, arguments.lang)
    print(folder.report)
    return 0


def profile(arguments: argparse.Namespace) -> int:
    """Run an ordinary day without faults and show where its time went."""
    display = Display()
    options = replace(_options(arguments, "L1", PROFILE_S), faults=arguments.faults or "none")
    folder, found = profile_run(
        lambda profiler: record(options, display, partial(run_experiment, attendants=(profiler,))),
        level=options.level,
        duration_s=options.duration_s,
    )
    print(*profile_lines(found), sep="\n")
    display.step("writing the report")
    seal(folder)
    _build_report(folder, arguments.lang)
    print(folder.report)
    return 0


def load(arguments: argparse.Namespace) -> int:
    """Load a running target from here, or as master or worker of several machines."""
    if arguments.worker:
        return work_for_master(apprenticeship_of(arguments))
    options = _options(load_words(arguments), "L2")
    return load_and_show(options, mastership_of(arguments))


def explain(arguments: argparse.Namespace) -> int:
    """Name the place where work queued in a recorded run, or say that none can be named."""
    folder = RunFolder(arguments.run)
    folder.read_manifest()
    print(*explanation_lines(explain_run(folder)), sep="\n")
    return 0


def target(arguments: argparse.Namespace) -> int:
    """Start the embedded target and keep it up until a signal."""
    options = Options(
        command=arguments.words,
        scale=arguments.scale,
        workers=arguments.workers,
        port=arguments.port,
        defects=_defects(arguments.defect),
        history_months=arguments.history,
    )
    display = Display()
    with listening() as interrupts:
        running = start_embedded(
            EmbeddedOptions(
                population=build_population(scale=options.scale),
                business_date=BUSINESS_DATE,
                workers=options.worker_count,
                defects=options.defects,
                history_months=options.history_months,
                port=options.port,
            ),
            say=display.step,
        )
        try:
            print(f"url       {running.url}")
            print(f"provider  {running.provider_url}")
            print(f"database  {running.database_dsn}")
            print(f"sessions  {running.sessions_csv}")
            print("up; Ctrl-C stops it", flush=True)
            with interrupts.gently():
                while not interrupts.is_asked:
                    if lost := running.lost_because():
                        raise BrokenExperiment(
                            what=lost, where="embedded target", mend="read what it wrote"
                        )
                    time.sleep(0.1)
        finally:
            running.stop()
    return 0


def _options(arguments: argparse.Namespace, level: str, duration_s: float = DURATION_S) -> Options:
    try:
        scenario, level = chosen(arguments.scenario, arguments.level or "", default_level=level)
    except NotAScenario as error:
        raise BadSetup(
            what=str(error), where=f"--scenario {arguments.scenario}", mend="name another"
        ) from error
    return Options(
        command=arguments.words,
        contract=arguments.contract or DEFAULT_CONTRACT,
        target=arguments.target,
        dialect=arguments.dialect,
        scenario=scenario,
        level=level,
        retries=arguments.retries,
        scale=arguments.scale,
        duration_s=duration_s if arguments.duration is None else arguments.duration,
        seed=arguments.seed,
        faults=arguments.faults,
        workers=getattr(arguments, "workers", 0),
        load_processes=getattr(arguments, "load_processes", 1),
        takes_over=not getattr(arguments, "no_takeover", False),
        out=arguments.out,
        sessions=arguments.sessions,
        defects=_defects(getattr(arguments, "defect", [])),
        history_months=getattr(arguments, "history", 0),
        port=getattr(arguments, "port", 0),
        connections=arguments.connections,
        network=arguments.network,
        workload=arguments.workload,
        rate_scale=arguments.rate_scale,
        send_writes=arguments.send_writes,
        locustfile=arguments.locustfile,
        users=arguments.users,
        spawn_rate=arguments.spawn_rate,
    )


def _defects(words: Sequence[str]) -> str:
    """Join repeated --defect words into the embedded ledger's own form."""
    for word in words:
        if not _DEFECT.fullmatch(word):
            raise BadSetup(
                what="this is not a defect's id, with or without a dose",
                where=f"--defect {word}",
                mend="write it as in --defect M01:0.01; the ids: python -m reference_app defects",
            )
    return ",".join(words)


def _judge_and_show(
    folder: RunFolder, display: Display, language: str, *, with_report: bool = True
) -> int:
    display.step("judging")
    seal(folder)  # a run whose harness was killed has unsealed logs
    contract = _contract_of(folder)
    judge(folder, contract, bottlenecks=_bottlenecks(folder, display))
    verdict = read_verdict(folder)
    if with_report:
        display.step("writing the report")
        try:
            _build_report(folder, language)
        except BrokenExperiment as error:
            display.warn(str(error))
    display.step("done")
    announce(verdict, contract, language=language, stream=sys.stdout)
    print(f"{folder.path}/")
    if folder.report.exists():
        print(folder.report)
    sys.stdout.flush()
    return exit_status(verdict)


def _bottlenecks(folder: RunFolder, display: Display) -> tuple[Bottleneck, ...]:
    try:
        return explain_run(folder).bottlenecks
    except Exception as error:  # the diagnosis colours no clause, so it may not cost the verdict
        display.warn(f"no diagnosis: {type(error).__name__}: {error}")
        return ()


def _contract_of(folder: RunFolder) -> Contract:
    try:
        return read_contract(folder.contract)
    except (ContractError, OSError) as error:
        raise BadSetup(
            what=f"the run folder's contract cannot be read: {error}",
            where=str(folder.contract),
            mend="take an unbroken copy of the run folder",
        ) from error


def _build_report(folder: RunFolder, language: str) -> None:
    """Build the page in a process of its own, which brings the plotting library."""
    path = folder.path.resolve()
    child = start_child(
        (sys.executable, "-m", "reports.build", str(path), "--lang", language),
        name="report",
        log=path / "logs" / "report.log",
    )
    run_to_end(child, timeout_s=REPORT_LIMIT_S, mend=f"try again with `monthend report {path}`")


def calibrate(arguments: argparse.Namespace) -> int:
    """Say how wrong the load generator is on this machine, and keep it for the verdicts to come."""
    display = Display()
    extent = extent_of(is_quick=arguments.quick, duration_s=arguments.duration)
    check_place(arguments.out)
    with tempfile.TemporaryDirectory(prefix="monthend-calibration-") as place, listening():
        found = run_calibration(extent, Path(place), display.step)
    path = keep(found, arguments.out)
    display.step("done")
    print(*calibration_lines(found), path, sep="\n")
    sys.stdout.flush()
    verdicts = {
        Standing.MET: Verdict.MET,
        Standing.FAILED: Verdict.BREACHED,
        Standing.DISTURBED: Verdict.INCONCLUSIVE,
    }
    return EXIT_STATUS[verdicts[found.standing]]


COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "accept": accept,
    "plan": plan,
    "run": run,
    "judge": judge_again,
    "report": report,
    "calibrate": calibrate,
    "profile": profile,
    "explain": explain,
    "load": load,
    "target": target,
    "workload-from-log": workload_from_log,
    "try-dialect": try_dialect,
}
