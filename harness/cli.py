"""The command line: reads the words, and hands them over. Scripts depend on it (design.md §6).

Imports nothing heavy until a command is chosen, so that a package that is missing becomes one line.
Exit status: 0 MET, 1 BREACHED, 2 INCONCLUSIVE, 3 bad set-up found before any load.
"""

from __future__ import annotations

import argparse
import os
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

EXIT_BAD_SETUP: Final = 3
EXIT_INCONCLUSIVE: Final = 2
OUR_PACKAGES: Final = ("contracts", "scenarios", "harness", "reports", "reference_app")


class _Parser(argparse.ArgumentParser):
    """Answers wrong words with one line and status 3, because 2 means INCONCLUSIVE here."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(EXIT_BAD_SETUP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    words = tuple(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    arguments.words = words
    try:
        if getattr(arguments, "ca", None):
            _trust(arguments.ca)
        from harness.commands import COMMANDS
        from harness.failures import BadSetup, BrokenExperiment

        try:
            return COMMANDS[arguments.command](arguments)
        except BadSetup as error:
            return _say(str(error), EXIT_BAD_SETUP)
        except BrokenExperiment as error:
            return _say(str(error), EXIT_INCONCLUSIVE)
    except ImportError as error:
        package = (error.name or "?").partition(".")[0]
        if package in OUR_PACKAGES:
            raise
        is_there = not isinstance(error, ModuleNotFoundError)
        how = f"cannot be imported ({error.msg})" if is_there else "is missing"
        return _say(f"package {package} {how}: run make setup", EXIT_BAD_SETUP)
    except BrokenPipeError:
        # The reader of our output went away (`monthend plan | head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_INCONCLUSIVE
    except OSError as error:
        # A disk that filled up or a folder that went away in mid-run: nothing else gets here.
        where = error.filename or arguments.command
        return _say(f"{where}: {error.strerror or error}; make room and repeat", EXIT_INCONCLUSIVE)
    except KeyboardInterrupt:
        return _say("interrupted", EXIT_INCONCLUSIVE)


def _trust(path: Path) -> None:
    """Have every TLS context of this run, and of its processes, trust the certificates in *path*.

    OpenSSL reads the variable when a context is made, so this comes before anything makes one.
    """
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        why = "no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise SystemExit(
            _say(f"--ca {path}: {why}; name a file of certificates in PEM form", EXIT_BAD_SETUP)
        ) from error
    os.environ["SSL_CERT_FILE"] = str(path.resolve())


def _say(line: str, status: int) -> int:
    print(f"monthend: {' '.join(line.split())}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="monthend",
        description="Puts the country's month end on a ledger and judges it by its contract.",
        epilog="example: monthend accept --scale 0.05 --duration 60",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_experiments(commands)
    _add_others(commands)
    _add_workload(commands)
    return parser


def _add(
    commands: argparse._SubParsersAction[_Parser], name: str, *, does: str, example: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=does, description=f"{does[0].upper()}{does[1:]}.", epilog=f"example: {example}"
    )


def _add_experiments(commands: argparse._SubParsersAction[_Parser]) -> None:
    accept = _add(commands, "accept", does="load the target, break it on purpose, judge it",
                  example="monthend accept --scale 0.05 --duration 60")  # fmt: skip
    plan = _add(commands, "plan", does="say what would run and what would not be tested; no load",
                example="monthend plan --level L2 --scale 0.1")  # fmt: skip
    run = _add(commands, "run", does="load and record only; judge later with `monthend judge`",
               example="monthend run --scale 0.05 --duration 60 --out runs")  # fmt: skip
    profile = _add(commands, "profile", does="flame graphs, hot paths and hot SQL under load",
                   example="monthend profile --target embedded --scale 0.1")  # fmt: skip
    for command in (accept, plan, run, profile):
        _add_experiment_options(command)
    for command in (accept, run, profile):
        _add_target_options(command)
        _add_load_options(command)
    _add_history(plan)
    load = _add(commands, "load", does="the load alone, here or over several machines; no judge",
                example="monthend load --target http://127.0.0.1:8080 --workers 2")  # fmt: skip
    _add_experiment_options(load)
    _add_distribution_options(load)
    target = _add(commands, "target", does="start only the embedded target and keep it up",
                  example="monthend target --scale 0.05 --workers 2 --port 8080")  # fmt: skip
    target.add_argument("--scale", type=float, default=1.0, help="share of the units (0, 1]")
    _add_target_options(target)


def _add_experiment_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--contract", type=Path, metavar="FILE", help="contract to judge by")
    add("--target", default="embedded", metavar="embedded|URL", help="system under test")
    add("--dialect", default="reference", metavar="NAME",
        help="kind of system: a built-in name, a module or a file (./ours.py)")  # fmt: skip
    add("--scenario", default="", metavar="NAME",
        help="what day it is: month_end, year_end, reopening, login_rush, flash_crowd, enrolment, "
        "report_storm, rota, backlog_import, soak (default: by the level)")  # fmt: skip
    add("--level", metavar="LEVEL",
        help="load level, L0 to L6 (default: the scenario's own; L2; profile: L1)")  # fmt: skip
    add("--retries", default="", metavar="budget|storm",
        help="everybody reloads what is slow or fails, within a budget or not "
        "(default: as the scenario has it)")  # fmt: skip
    add("--scale", type=float, default=1.0, help="share of the units, never of their rate (0, 1]")
    add(
        "--duration",
        type=float,
        metavar="SECONDS",
        help="length of the load (default: 180; profile: 60)",
    )
    add("--seed", type=int, default=1, metavar="N", help="the same seed plans the same run")
    add("--faults", metavar="all|none|NAME,..",
        help="what to break (default: all for embedded, none for a URL)")  # fmt: skip
    add("--sessions", type=Path, metavar="FILE",
        help="account,token rows of people signed in, for a URL")  # fmt: skip
    add("--connections", choices=("shared", "browser"), default="shared",
        help="as few as serve everybody, or each person's own (default: shared)")  # fmt: skip
    add("--network", choices=("clean", "lossy"), default="clean",
        help="lossy: one unit in ten is behind a bad line; clauses on time stay open")  # fmt: skip
    _add_ca(command)
    _add_own_load_options(command)
    add("--out", type=Path, default=Path("runs"), metavar="DIR", help="where run folders go")
    add("--lang", choices=("th", "en"), default=_language(), help="language of the verdict")


def _add_ca(command: argparse.ArgumentParser) -> None:
    command.add_argument("--ca", type=Path, metavar="FILE",
                         help="certificates (PEM) to trust, for a lab's own target")  # fmt: skip


def _add_own_load_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("a load of your own, instead of the country's").add_argument
    add("--workload", type=Path, metavar="FILE",
        help="replay this workload (see workload-from-log) on --target URL")  # fmt: skip
    add("--rate-scale", type=float, default=1.0, metavar="X",
        help="begin X times as many sessions of the workload")  # fmt: skip
    add("--send-writes", action="store_true",
        help="send the workload's POST, PUT, PATCH and DELETE requests too")  # fmt: skip
    add("--locustfile", type=Path, metavar="FILE",
        help="run this Locust file, unchanged, on --target URL")  # fmt: skip
    add("--users", type=int, default=0, metavar="N",
        help="users of the locustfile (default: as Locust decides)")  # fmt: skip
    add("--spawn-rate", type=float, default=0.0, metavar="R",
        help="users of the locustfile to begin per second (default: 1)")  # fmt: skip


def _add_target_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--workers", type=int, default=0, metavar="N", help="application processes (default: cores)"
    )
    add("--defect", action="append", default=[], metavar="ID[:DOSE]",
        help="seed a defect into the embedded ledger; may be repeated")  # fmt: skip
    add("--port", type=int, default=0, metavar="PORT", help="port of the embedded target")
    _add_history(command)


def _add_history(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--history", type=int, default=0, metavar="MONTHS",
        help="fill the embedded ledger with the documents of so many months (default: 0)",
    )  # fmt: skip


def _add_load_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--load-processes", type=int, default=1, metavar="N",
        help="processes of the load, each with its share of the units (default: 1)")  # fmt: skip
    add("--no-takeover", action="store_true",
        help="when one of several load processes is lost, leave its share undriven")  # fmt: skip


def _add_distribution_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--workers", type=int, default=1, metavar="N",
        help="processes that drive the load here (default: 1)")  # fmt: skip
    add("--no-takeover", action="store_true",
        help="when one is lost, leave its share undriven")  # fmt: skip
    role = command.add_mutually_exclusive_group()
    role.add_argument("--master", action="store_true",
                      help="lead workers on other machines; drive nothing here")  # fmt: skip
    role.add_argument("--worker", action="store_true",
                      help="drive what a master deals out; it brings all else")  # fmt: skip
    add("--expect-workers", type=int, default=1, metavar="N",
        help="master: begin when so many workers are there (default: 1)")  # fmt: skip
    add("--bind", default="*", metavar="HOST", help="master: address to listen on (default: all)")
    add("--port", type=int, default=5557, metavar="PORT", help="master: its port (default: 5557)")
    add("--web-port", type=int, default=0, metavar="PORT",
        help="master: show Locust's web UI there while the load is on")  # fmt: skip
    add("--master-host", default="127.0.0.1", metavar="HOST", help="worker: where the master is")
    add("--master-port", type=int, default=5557, metavar="PORT", help="worker: the master's port")
    add("--wait", type=float, default=300.0, metavar="SECONDS",
        help="how long master and workers wait for each other (default: 300)")  # fmt: skip


def _add_others(commands: argparse._SubParsersAction[_Parser]) -> None:
    _add_try_dialect(commands)
    judge = _add(commands, "judge", does="judge a run folder again, alone, without a target",
                 example="monthend judge runs/20251201T083000Z-1a2b3c")  # fmt: skip
    report = _add(commands, "report", does="write the report page of a judged run",
                  example="monthend report runs/20251201T083000Z-1a2b3c --lang th")  # fmt: skip
    explain = _add(commands, "explain", does="name the place where work queued in a run",
                   example="monthend explain runs/20251201T083000Z-1a2b3c")  # fmt: skip
    calibrate = _add(commands, "calibrate", does="say how wrong the load generator is here",
                     example="monthend calibrate --quick")  # fmt: skip
    calibrate.add_argument("--quick", action="store_true", help="half a minute instead of three")
    calibrate.add_argument("--duration", type=float, metavar="SECONDS",
                           help="at each of the three rates (default 15; quick: 2.5)")  # fmt: skip
    calibrate.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR",
                           help="where runs and calibrations go")  # fmt: skip
    for command in (judge, report, explain):
        command.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    for command in (judge, report):
        command.add_argument("--lang", choices=("th", "en"), default=_language(),
                             help="language")  # fmt: skip


def _add_workload(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(commands, "workload-from-log", does="turn access logs into a workload to replay",
                   example="monthend workload-from-log access.log* -o workload.json")  # fmt: skip
    add = command.add_argument
    add("logs", nargs="+", type=Path, metavar="ACCESS_LOG",
        help="combined or JSON lines, plain or gzip, rotated files in any order")  # fmt: skip
    add("-o", "--out", type=Path, default=Path("workload.json"), metavar="FILE",
        help="where the workload goes (default: workload.json)")  # fmt: skip
    add("--force", action="store_true", help="replace the file if it is there")
    add("--duration-unit", choices=("s", "ms", "us"), default="us",
        help="unit of request times without a point (default: us, Apache's %%D)")  # fmt: skip
    add("--times-are", choices=("auto", "start", "end"), default="auto",
        help="whether a line's time is the request's start (Apache) or end (nginx)")  # fmt: skip


def _add_try_dialect(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(
        commands,
        "try-dialect",
        does="walk through a dialect's operations, one by one",
        example="monthend try-dialect --dialect ./ours.py --target http://127.0.0.1:8080",
    )
    add = command.add_argument
    add("--dialect", required=True, metavar="NAME", help="a built-in name, a module or a file")
    add("--target", required=True, metavar="URL", help="system that it is for")
    add("--sessions", type=Path, metavar="FILE", help="account,token rows of people signed in")
    add("--account", type=int, metavar="N", help="work in the unit of this account")
    add("--date", default="2025-12-01", metavar="DAY", help="day on the papers (an open period)")
    add("--composition", choices=("A", "B", "C"), default="A", help="composition of the population")
    add("--backlog", action="store_true",
        help="also hand in books of the months before (which must be open)")  # fmt: skip
    _add_ca(command)


def _language() -> str:
    said = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "th" if said.lower().startswith("th") else "en"


if __name__ == "__main__":
    sys.exit(main())
