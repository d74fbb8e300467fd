"""What every locustfile of this project is made of: its options, its one user, Locust's events.

Each process drives its share of the units from one engine; the one Locust user only stands for it.
Started by the harness with --monthend-load it carries out that order; by itself it takes the
--monthend options and writes its logs into runs/locust-<time>-<process>/.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
from collections.abc import Callable
from typing import Any, Final

import gevent
from locust import User, events, task
from locust.event import EventHook
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import bucket_response_time

from scenarios.engine.conductor import Conductor
from scenarios.engine.director import director_of
from scenarios.engine.exact_page import add_exact_page
from scenarios.engine.load_process import LoadProcess, SamplesListener
from scenarios.engine.member import Member
from scenarios.engine.options import add_options, order_from
from scenarios.engine.order import BadLoadOrder
from scenarios.engine.request_events import RequestEvents
from scenarios.engine.tally import Tally
from scenarios.engine.web_ui import StatsFeed

EXIT_BAD_SETUP: Final = 3
EXIT_DEFECT: Final = 2
STOP_WAIT_S: Final = 15.0
# A master's options replace those of its workers when a test starts, but for these: their values
# belong to each machine.
_OWN_OPTIONS: Final = ("monthend_out", "monthend_sessions")
COLLECT_WAIT_S: Final = 120.0  # a master that was stopped still fetches what was recorded

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
    events.init.add_listener(lambda environment, **_: _prepare(environment, scenario))
    events.test_start.add_listener(lambda environment, **_: _start(environment, scenario))
    events.test_stopping.add_listener(_stop)
    events.quitting.add_listener(_settle_status)
    name = "".join(word.capitalize() for word in scenario.split("_"))
    return type(f"{name}User", (CountryUser,), {"abstract": False})


class Load:
    """The load of this process, from Locust's test_start to its test_stop.

    On a master it is that of all workers. *carry_out* returns the exit status.
    """

    def __init__(self, environment: Any, scenario: str) -> None:
        self._environment = environment
        self._scenario = scenario
        self._tally = Tally()
        self._conductor: Conductor | None = None
        self._process: LoadProcess | None = None
        self._greenlet: Any = None
        self.status = EXIT_DEFECT

    def start(self) -> None:
        """Begin in a greenlet of its own; a wrong order ends Locust with status 3."""
        try:
            if isinstance(self._environment.runner, MasterRunner):
                self._conductor = self._conduct()
                carry_out: Callable[[], int] = self._conductor.run
            else:
                self._process = self._drive()
                carry_out = self._process.run
        except BadLoadOrder as error:
            self._end(error, EXIT_BAD_SETUP)
            return
        self._greenlet = gevent.spawn(self._run, carry_out)

    def wait(self) -> None:
        """Wait until the load is over; greenlets that are stopped meanwhile just end."""
        if self._greenlet is not None:
            self._greenlet.join()

    def stop(self) -> None:
        """Stop arrivals, let answers come in for a moment, see the logs closed and collected."""
        if self._greenlet is None or self._greenlet.ready():
            return
        if self._conductor is not None:
            self._conductor.stop()
            self._greenlet.join(timeout=COLLECT_WAIT_S)
        elif self._process is not None:
            self._process.stop()
            self._greenlet.join(timeout=STOP_WAIT_S)

    def tally(self) -> Tally:
        """Return what is known of the latencies so far."""
        return self._conductor.tally() if self._conductor is not None else self._tally

    def _conduct(self) -> Conductor:
        environment = self._environment
        options = environment.parsed_options
        # Custom options travel to the workers with the order to start.
        options.monthend_order, options.monthend_deal = {}, {}
        whole = argparse.Namespace(**vars(options), **environment.monthend_own)
        order = order_from(whole, scenario=self._scenario)
        conductor = Conductor(environment.runner, order, director_of(order))
        conductor.listen()
        options.monthend_order = conductor.order_for_workers
        options.monthend_deal = conductor.deal
        return conductor

    def _drive(self) -> LoadProcess:
        environment = self._environment
        options, member = environment.parsed_options, environment.monthend_member
        if member is None:
            order = order_from(options, scenario=self._scenario)
            director = director_of(order)
        else:
            order, director = member.order_from(options), member
            member.begin(order, self.stop)
        return LoadProcess(
            order,
            host=environment.host or "",
            on_samples=self._listeners(is_of_harness=bool(options.monthend_load), member=member),
            director=director,
        )

    def _listeners(self, *, is_of_harness: bool, member: Member | None) -> list[SamplesListener]:
        environment = self._environment
        listeners: list[SamplesListener] = []
        requests = RequestEvents(environment.events.request, EventHook)
        if requests.is_listened_to:
            listeners.append(requests.add)
        if member is not None:
            listeners.append(member.count)
        elif not is_of_harness:
            listeners.append(self._tally.add)
        if member is not None or not is_of_harness:
            listeners.append(StatsFeed(environment.stats, bucket_response_time).add)
        return listeners

    def _run(self, carry_out: Callable[[], int]) -> None:
        try:
            status = carry_out()
        except BadLoadOrder as error:
            self._end(error, EXIT_BAD_SETUP)
        except (Exception, gevent.GreenletExit) as error:
            log.exception("the load ended by a defect")
            self._end(error, EXIT_DEFECT)
        else:
            self._end(None, status)

    def _end(self, error: BaseException | None, status: int) -> None:
        environment = self._environment
        self.status = status
        if error is not None:
            log.error("%s", error)
        runner, options = environment.runner, environment.parsed_options
        member: Member | None = environment.monthend_member
        if member is not None:
            member.finish(status=status, error=str(error or ""))
            return
        environment.process_exit_code = max(environment.process_exit_code or 0, status)
        if not (options.headless or options.monthend_load or status == EXIT_BAD_SETUP):
            gevent.spawn(runner.stop)
            return
        gevent.spawn(runner.quit)
        if environment.web_ui is not None:
            gevent.spawn_later(1.0, environment.web_ui.stop)


def _prepare(environment: Any, scenario: str) -> None:
    """Give a worker its ear for the master, and the web UI its page, once for the process."""
    environment.monthend_member = None
    runner, options = environment.runner, environment.parsed_options
    if environment.web_ui is not None:
        add_exact_page(environment.web_ui, lambda: _tally_of(environment))
    if isinstance(runner, MasterRunner):
        environment.monthend_own = {name: vars(options).pop(name) for name in _OWN_OPTIONS}
    elif isinstance(runner, WorkerRunner):
        environment.monthend_member = _member(environment)
    if getattr(environment, "monthend_is_due", False):
        _start(environment, scenario)


def _member(environment: Any) -> Member:
    runner, options = environment.runner, environment.parsed_options

    def give_up(line: str, status: int) -> None:
        log.error("%s", line)
        environment.process_exit_code = max(environment.process_exit_code or 0, status)
        runner.quit()

    member = Member(
        runner,
        own_out=options.monthend_out,
        own_sessions=options.monthend_sessions,
        give_up=give_up,
    )
    environment.events.heartbeat_received.add_listener(lambda **_: member.heard_master())
    return member


def _tally_of(environment: Any) -> Tally:
    load: Load | None = getattr(environment, "monthend", None)
    return load.tally() if load is not None else Tally()


def _start(environment: Any, scenario: str) -> None:
    """Begin the load on this process.

    A worker that joins while a test is on is told to start before Locust has set it up.
    """
    environment.monthend_is_due = environment.runner is None
    if environment.monthend_is_due:
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


def _settle_status(environment: Any, **_: Any) -> None:
    """A worker ends well only when its master has all that it was asked for."""
    load: Load | None = getattr(environment, "monthend", None)
    member: Member | None = environment.monthend_member
    if member is not None and load is not None:
        status = load.status if member.is_released else max(load.status, EXIT_DEFECT)
        environment.process_exit_code = max(environment.process_exit_code or 0, status)
