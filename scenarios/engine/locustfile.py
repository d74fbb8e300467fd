"""What every locustfile of this project is made of: its options, its one user, Locust's events.

Each process drives its share of the units from one engine; the one Locust user only stands for it.
Started by the harness with --monthend-load it carries out that order; by itself it takes the
--monthend options and writes its logs into runs/locust-<time>-<process>/.
"""

from __future__ import annotations

import logging
import os
import signal
from typing import Any, Final

import gevent
from locust import User, events, task
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import bucket_response_time

from scenarios.engine.load_process import LoadProcess
from scenarios.engine.options import add_options, order_from
from scenarios.engine.order import BadLoadOrder
from scenarios.engine.web_ui import StatsFeed

EXIT_BAD_SETUP: Final = 3
EXIT_DEFECT: Final = 2
STOP_WAIT_S: Final = 15.0
FINISHED_MESSAGE: Final = "monthend_finished"

log = logging.getLogger("monthend")


class CountryUser(User):
    """Stands for the whole fleet of this process."""

    abstract = True
    fixed_count = 1

    @task
    def drive_all_units(self) -> None:
        """Wait for the load; when it is over there is nothing more to do."""
        load: Load | None = getattr(self.environment, "monthend", None)
        if load is not None:
            load.wait()
        gevent.sleep(1)


def country_user(scenario: str) -> type[User]:
    """Return the user that a locustfile shows to Locust, and have *scenario* driven at its start.

    To be called once in a process, where the locustfile is imported.
    """
    events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser))
    events.init.add_listener(_prepare)
    events.test_start.add_listener(lambda environment, **_: _start(environment, scenario))
    events.test_stopping.add_listener(_stop)
    name = "".join(word.capitalize() for word in scenario.split("_"))
    return type(f"{name}User", (CountryUser,), {"abstract": False})


class Load:
    """The load of this process, from Locust's test_start to its test_stop."""

    def __init__(self, environment: Any, scenario: str) -> None:
        self._environment = environment
        self._scenario = scenario
        self._process: LoadProcess | None = None
        self._greenlet: Any = None

    def start(self) -> None:
        """Begin in a greenlet of its own; a wrong order ends Locust with status 3."""
        environment = self._environment
        options = environment.parsed_options
        try:
            share = _share_of_worker(environment)
            order = order_from(options, scenario=self._scenario, share=share)
            feed = None
            if not options.monthend_load:
                feed = StatsFeed(environment.stats, bucket_response_time).add
            self._process = LoadProcess(order, host=environment.host or "", on_samples=feed)
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


def _prepare(environment: Any, **_: Any) -> None:
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


def _start(environment: Any, scenario: str) -> None:
    """Begin the load on this process; a master only deals out the shares."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        # Custom options travel to the workers with the order to start.
        workers = sorted(client.id for client in runner.clients.all)
        shares = {worker: [index, len(workers)] for index, worker in enumerate(workers)}
        environment.parsed_options.monthend_shares = shares
        return
    _soften_interrupts()
    environment.monthend = Load(environment, scenario)
    environment.monthend.start()


def _soften_interrupts() -> None:
    """Have Ctrl-C end the load the way SIGTERM does: between two steps, not in the middle of one.

    Python raises KeyboardInterrupt wherever it happens to be, and a session in the middle of a step
    would then be in no list any more: its requests would be missing from the record.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        gevent.signal_handler(signal.SIGINT, os.kill, os.getpid(), signal.SIGTERM)


def _stop(environment: Any, **_: Any) -> None:
    """Stop before Locust kills its users: answers under way still count."""
    load: Load | None = getattr(environment, "monthend", None)
    if load is not None:
        load.stop()


def _share_of_worker(environment: Any) -> tuple[int, int]:
    if not isinstance(environment.runner, WorkerRunner):
        return 0, 1
    index, count = environment.parsed_options.monthend_shares[environment.runner.client_id]
    return int(index), int(count)
