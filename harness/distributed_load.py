"""The load of workers on other machines, seen from the harness: one master process that sums up.

Locust's master talks to the workers; towards the harness it behaves like one load process that
speaks for all (`harness.load`): ready, begin, progress, finished. What became of each worker it
leaves in `logs/workers.json`, their logs in the run folder.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import orjson

from harness.failures import BadSetup
from harness.load import LOCUSTFILE, Load, LoadProcess, import_path, order_for
from harness.options import Options
from harness.preparation import Preparation
from harness.processes import start_child
from harness.run_folder import RunFolder
from harness.targets import Target

WORKERS_MAX: Final = 256
PORT_DEFAULT: Final = 5557  # Locust's own
WAIT_S: Final = 300.0
# After the load's end the logs are fetched: 10 million samples are 560 MB, over 100 Mbit/s 45 s.
COLLECT_LIMIT_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mastership:
    """How the master is to be reached, and for how many workers it waits."""

    expect_workers: int
    bind: str = "*"
    port: int = PORT_DEFAULT
    web_port: int = 0
    wait_s: float = WAIT_S

    def __post_init__(self) -> None:
        if not 1 <= self.expect_workers <= WORKERS_MAX:
            raise BadSetup(
                what="this value cannot be used",
                where=f"--expect-workers {self.expect_workers}",
                mend=f"write a number from 1 to {WORKERS_MAX}",
            )


@dataclass(slots=True)
class MasterLoad(Load):
    """A load whose only process here is the master."""

    workers_file: Path = Path()

    def facts(self) -> tuple[Mapping[str, str | int | float], ...]:
        """What each worker came to, for the manifest; the master's own facts when it died."""
        try:
            return tuple(orjson.loads(self.workers_file.read_bytes()))
        except (OSError, orjson.JSONDecodeError):
            return tuple(process.facts() for process in self.processes)


def start_master(
    options: Options,
    preparation: Preparation,
    target: Target,
    folder: RunFolder,
    mastership: Mastership,
) -> MasterLoad:
    """Start the master; workers may come at once. Raises `BadSetup` when its port is taken."""
    _check_port(mastership.bind, mastership.port, "--port")
    if mastership.web_port:
        _check_port("*", mastership.web_port, "--web-port")
    order = replace(
        order_for(options, preparation, target, folder),
        process_count=mastership.expect_workers,
    )
    path = folder.logs.resolve() / "master.json"
    path.write_bytes(orjson.dumps(asdict(order)))
    show = (
        ("--autostart", "--autoquit", "0", "--web-port", str(mastership.web_port))
        if mastership.web_port
        else ("--headless",)
    )
    child = start_child(
        (sys.executable, "-m", "locust", "-f", LOCUSTFILE, *show, "--host", target.url,
         "--master", "--master-bind-host", mastership.bind,
         "--master-bind-port", str(mastership.port),
         "--expect-workers", str(mastership.expect_workers), "--monthend-load", str(path)),
        name="master",
        log=folder.logs / "master.log",
        environment=import_path(order.dialect),
    )  # fmt: skip
    master = LoadProcess(0, child, folder.logs / "master.jsonl")
    return MasterLoad(
        order,
        [master],
        ready_limit_s=mastership.wait_s,
        late_limit_s=COLLECT_LIMIT_S,
        workers_file=folder.logs / "workers.json",
    )


def _check_port(host: str, port: int, option: str) -> None:
    """Find out at once what would otherwise be found out by every worker."""
    try:
        with socket.create_server(("" if host == "*" else host, port)):
            return
    except (OSError, OverflowError) as error:
        raise BadSetup(
            what=f"nobody can listen there: {getattr(error, 'strerror', None) or error}",
            where=f"{option} {port}",
            mend="end what holds that port, or name another",
        ) from error
