"""The month end of the whole country as a locustfile.

    locust -f scenarios/month_end.py --host http://127.0.0.1:8080
    locust -f scenarios/month_end.py --host URL --headless -t 2m --monthend-scale 0.05
    locust -f scenarios/month_end.py --host URL --processes 2

Each process drives its share of the units from one engine (`scenarios.engine`); the one Locust user
only stands for it. Started by the harness with --monthend-load it carries out that order; by itself
it takes the --monthend options and writes its logs into runs/locust-<time>-<process>/.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import gevent
from locust import User, events, task
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import bucket_response_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.load_process import LoadProcess, run_folder_name
from scenarios.engine.order import BadLoadOrder, LoadOrder, read_order
from scenarios.engine.web_ui import StatsFeed
from scenarios.levels import LEVELS

EXIT_BAD_SETUP: Final = 3
EXIT_DEFECT: Final = 2
STOP_WAIT_S: Final = 15.0
FINISHED_MESSAGE: Final = "monthend_finished"

log = logging.getLogger("monthend")


@events.init_command_line_parser.add_listener
def add_options(parser: Any, **_: Any) -> None:
    """Add the options of a run without a harness."""
    group = parser.add_argument_group("monthend")
    group.add_argument(
        "--monthend-load",
        default="",
        metavar="LOAD.json",
        help="order of the harness; the other --monthend options do not count then",
    )
    group.add_argument(
        "--monthend-level",
        default="L2",
        choices=sorted(LEVELS),
        help="load level (default L2, the month end)",
    )
    group.add_argument(
        "--monthend-demand",
        default="base",
        choices=("low", "base", "high"),
        help="case of the demand estimate",
    )
    group.add_argument(
        "--monthend-composition",
        default="A",
        choices=("A", "B", "C"),
        help="composition of the population",
    )
    group.add_argument(
        "--monthend-scale",
        default=0.01,
        type=float,
        help="share of the units, above 0 to 1 (default 0.01); rates per unit stay",
    )
    group.add_argument(
        "--monthend-duration",
        default=120.0,
        type=float,
        help="seconds of load (default 120); shorter runs think less",
    )
    group.add_argument("--monthend-seed", default=1, type=int, help="the same seed, the same plan")
    group.add_argument(
        "--monthend-sessions",
        default="",
        metavar="CSV",
        help="tokens of people already signed in (account,token)",
    )
    group.add_argument("--monthend-dialect", default="reference", help="kind of system")
    group.add_argument("--monthend-out", default="", metavar="DIR", help="folder for the logs")
    group.add_argument(
        "--monthend-key-salt",
        default=0,
        type=int,
        help="new idempotency keys for a target that saw this seed before",
    )


class Load:
    """The load of this process, from Locust's test_start to its test_stop."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._process: LoadProcess | None = None
        self._greenlet: Any = None

    def start(self) -> None:
        """Begin in a greenlet of its own; a wrong order ends Locust with status 3."""
        try:
            order = self._order()
            feed = None
            if not self._environment.parsed_options.monthend_load:
                feed = StatsFeed(self._environment.stats, bucket_response_time).add
            host = self._environment.host or ""
            self._process = LoadProcess(order, host=host, on_samples=feed)
        except BadLoadOrder as error:
            self._end(error, EXIT_BAD_SETUP)
            return
        self._greenlet = gevent.spawn(self._run, self._process)

    def wait(self) -> None:
        """Wait until the load is over; greenlets that are stopped meanwhile just end."""
        if self._greenlet is not None:
            self._greenlet.join()

    def stop(self) -> None:
        """Stop arrivals, let answers come in for a moment, see the logs closed."""
        if self._process is not None and self._greenlet is not None:
            self._process.stop()
            self._greenlet.join(timeout=STOP_WAIT_S)

    def _order(self) -> LoadOrder:
        options = self._environment.parsed_options
        if options.monthend_load:
            return read_order(Path(options.monthend_load))
        folder = run_folder_name(time.strftime("%Y%m%d-%H%M%S"))
        index, count = _share_of_worker(self._environment)
        return LoadOrder(
            out_dir=Path(options.monthend_out) if options.monthend_out else folder,
            seed=options.monthend_seed,
            composition=options.monthend_composition,
            scale=options.monthend_scale,
            level=options.monthend_level,
            demand=options.monthend_demand,
            duration_s=options.monthend_duration,
            dialect=options.monthend_dialect,
            sessions_csv=options.monthend_sessions,
            key_salt=options.monthend_key_salt,
            process_index=index,
            process_count=count,
        )

    def _run(self, process: LoadProcess) -> None:
        try:
            process.run()
        except BadLoadOrder as error:
            self._end(error, EXIT_BAD_SETUP)
        except (Exception, gevent.GreenletExit) as error:
            log.exception("the load ended by a defect")
            self._end(error, EXIT_DEFECT)
        else:
            log.info("the load is over; logs in %s", process.order.out_dir)
            self._end(None, 0)

    def _end(self, error: BaseException | None, status: int) -> None:
        environment = self._environment
        if error is not None:
            log.error("%s", error)
        environment.process_exit_code = max(environment.process_exit_code or 0, status)
        runner = environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(FINISHED_MESSAGE, {"status": status})
        elif environment.parsed_options.headless or status == EXIT_BAD_SETUP:
            gevent.spawn(runner.quit)
        else:
            gevent.spawn(runner.stop)


class MonthEndUser(User):
    """Stands for the whole fleet of this process."""

    fixed_count = 1

    @task
    def drive_all_units(self) -> None:
        """Wait for the load; when it is over there is nothing more to do."""
        load: Load | None = getattr(self.environment, "monthend", None)
        if load is not None:
            load.wait()
        gevent.sleep(1)


@events.init.add_listener
def prepare(environment: Any, **_: Any) -> None:
    """Have the master end the test when every worker is done."""
    finished: set[str] = set()

    def on_finished(environment: Any, msg: Any, **_: Any) -> None:
        finished.add(msg.node_id)
        status = int(msg.data.get("status", EXIT_DEFECT))
        environment.process_exit_code = max(environment.process_exit_code or 0, status)
        if len(finished) >= len(environment.runner.clients.all):
            finished.clear()
            headless = environment.parsed_options.headless
            gevent.spawn(environment.runner.quit if headless else environment.runner.stop)

    if isinstance(environment.runner, MasterRunner):
        environment.runner.register_message(FINISHED_MESSAGE, on_finished)


@events.test_start.add_listener
def start_load(environment: Any, **_: Any) -> None:
    """Begin the load on this process; a master only deals out the shares."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        # Custom options travel to the workers with the order to start.
        workers = sorted(client.id for client in runner.clients.all)
        shares = {worker: [index, len(workers)] for index, worker in enumerate(workers)}
        environment.parsed_options.monthend_shares = shares
        return
    _soften_interrupts()
    environment.monthend = Load(environment)
    environment.monthend.start()


def _soften_interrupts() -> None:
    """Have Ctrl-C end the load the way SIGTERM does: between two steps, not in the middle of one.

    Python raises KeyboardInterrupt wherever it happens to be, and a session in the middle of a step
    would then be in no list any more: its requests would be missing from the record.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        gevent.signal_handler(signal.SIGINT, os.kill, os.getpid(), signal.SIGTERM)


@events.test_stopping.add_listener
def stop_load(environment: Any, **_: Any) -> None:
    """Stop before Locust kills its users: answers under way still count."""
    load: Load | None = getattr(environment, "monthend", None)
    if load is not None:
        load.stop()


def _share_of_worker(environment: Any) -> tuple[int, int]:
    if not isinstance(environment.runner, WorkerRunner):
        return 0, 1
    index, count = environment.parsed_options.monthend_shares[environment.runner.client_id]
    return int(index), int(count)
