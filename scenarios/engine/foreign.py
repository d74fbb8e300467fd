"""Runs somebody else's locustfile unchanged, and records every request event that it fires.

    python scenarios/engine/foreign.py ORDER.json

Locust does what it always does; listeners beside it write each request as a sample. A closed load
has no plan: a request was due when it was sent. Its start is the event's end less the time that the
event tells, on the one steady clock; session is the user, also for what its greenlets ask. Samples
come in until Locust is gone (results that arrive after test_stop are results), also from worker
processes.

Locust reports no request that never ends, and none whose `with` block raised: its clients are
watched, so that these are on record as failures. What else makes such a load less than it seems is
counted and told: errors in tasks, users that are gone, an end before its time.

Started by its path, so that the locustfile's own folder comes first on the import path: a project
may well have a package called `scenarios` itself.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import sys
import time
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple

import gevent
import locust
import locust.clients
import locust.contrib.fasthttp
import locust.main
import orjson
from locust.exception import ResponseError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from contracts.records import Failure, Outcome
from scenarios.engine.recorder import SampleLog
from scenarios.engine.vitals import Vitals

OURS: Final = ("contracts", "scenarios", "harness", "reports")
START_WAIT_S: Final = 120.0
START_POLL_S: Final = 0.02
PROGRESS_INTERVAL_S: Final = 1.0
LOOK_INTERVAL_S: Final = 0.05
STOP_TIMEOUT_S: Final = 10.0  # answers under way still count; Locust's own default is none
WAITED_NS_MIN: Final = int(0.9 * STOP_TIMEOUT_S * 1e9)
OPERATIONS_MAX: Final = 1_000
HEADER_ROOM_BYTES: Final = 512 * 1024  # for so many names of 200 characters, whatever they hold
NAME_MAX: Final = 200
OTHER: Final = "(other names)"
STEP_MAX: Final = 32_767
SESSIONS_PER_PROCESS: Final = 4_000_000
INT32_MAX: Final = 2**31 - 1
WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")
EXIT_BAD_SETUP: Final = 3
ANCESTORS_MAX: Final = 16
ERROR_SHOWN_MAX: Final = 200


class Asked(NamedTuple):
    """A request of Locust's HTTP clients that is under way; *session* as in `_session`."""

    name: str
    method: str
    sent_ns: int
    session: list[int]


class Recorder:
    """The listeners of one process. Local runner and workers write samples, a master none."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.is_initialised = False
        self._out = Path(order["out_dir"])
        self._index = 0
        self._pid = 0  # a fork inherits everything but must not write for its parent
        self._log: SampleLog | None = None
        self._numbers: dict[tuple[str, str], int] = {}
        self._sessions: weakref.WeakKeyDictionary[Any, list[int]] = weakref.WeakKeyDictionary()
        self._session_count = 0
        self._vitals = Vitals(look_interval_s=LOOK_INTERVAL_S)
        self._done = self._errors = 0
        self._under_way: dict[int, Asked] = {}
        self._task_errors = self._untimed = self._unreported = 0
        self._first_error = ""
        self._is_finished = False
        self._environment: Any = None

    def listen(self) -> None:
        """Register with Locust's global events, before anybody else does."""
        events = locust.events
        events.init.add_listener(self.on_init)
        events.test_start.add_listener(self.on_test_start)
        events.request.add_listener(self.on_request)
        events.user_error.add_listener(self.on_user_error)
        for clients in (locust.clients.HttpSession, locust.contrib.fasthttp.FastHttpSession):
            clients.request = self._watched(clients.request)
        for answers in (locust.clients, locust.contrib.fasthttp):
            answer = answers.ResponseContextManager
            answer.__exit__ = self._watched_exit(answer.__exit__)
        events.quit.add_listener(lambda **_: self.finish())
        atexit.register(self.finish)

    # From Locust.

    def on_init(self, environment: Any, **_: Any) -> None:
        """The locustfile is loaded and has users: wait for the start, unless a worker."""
        self._environment = environment
        self.is_initialised = True
        if self._is_worker:
            return
        for index in range(self.order["process_count"]):
            self._say("ready", index, plan_sha256=self.order["sha256"], sessions=0)
        t0_ns = self._await_start()
        gevent.sleep(max(0.0, (t0_ns - time.monotonic_ns()) / 1e9))

    def on_test_start(self, environment: Any, **_: Any) -> None:
        """Open the log; whoever leads ends the run when its time is over."""
        runner = environment.runner
        if not self._is_worker:
            gevent.spawn(self._end_in_time, runner)
        if type(runner).__name__ == "MasterRunner" or self._log is not None:
            return
        self._index = max(0, int(getattr(runner, "worker_index", 0)))
        self._pid = os.getpid()
        self._log = SampleLog(
            self._out / "samples" / f"load-{self._index}.log",
            process_index=self._index,
            t0_ns=self._t0_ns() or time.monotonic_ns(),
            operations=(),
            room_bytes=HEADER_ROOM_BYTES,
        )
        gevent.spawn(self._look)
        gevent.spawn(self._report)

    def on_request(
        self,
        request_type: Any = "",
        name: Any = "",
        response_time: Any = 0.0,
        response_length: Any = 0,
        response: Any = None,
        exception: Any = None,
        **_: Any,
    ) -> None:
        """Record one request; called in the greenlet of the user who made it.

        What has no time is none of a server that answers; only its failure counts.
        """
        is_timed = isinstance(response_time, int | float) and 0 <= response_time < INT32_MAX
        if not is_timed and not exception:
            self._untimed += 1
            return
        done_ns = time.monotonic_ns()
        sent_ns = max(1, done_ns - int(response_time * 1e6)) if is_timed else done_ns
        status = _status_of(response)
        length = response_length if isinstance(response_length, int) else 0
        self._record(
            str(name), str(request_type), sent_ns, done_ns, self._session(), status,
            *conclusion(exception, status, response), length=min(max(0, length), INT32_MAX),
        )  # fmt: skip

    def on_user_error(self, exception: Any = None, tb: Any = None, **_: Any) -> None:
        """Count what a task raised: the rest of it was not asked for."""
        self._task_errors += 1
        if not self._first_error and isinstance(exception, BaseException):
            exception = exception.with_traceback(tb)
            self._first_error = _one_line(exception, self.order["locustfile"])[:ERROR_SHOWN_MAX]

    def _record(
        self, name: str, request_type: str, sent_ns: int, done_ns: int, session: list[int],
        status: int, outcome: Outcome, failure: Failure, *, length: int = 0,
    ) -> None:  # fmt: skip
        if self._log is None or self._is_finished:
            return
        self._done += 1
        self._errors += failure is not Failure.NONE
        self._log.add(
            sent_ns, sent_ns, 0, done_ns, session[0], 0, length,
            self._operation(name, request_type), status, session[1], 0,
            int(outcome), int(failure),
        )  # fmt: skip
        session[1] = session[1] % STEP_MAX + 1

    # What Locust does not report.

    def _watched(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the one method through which a client of Locust sends everything."""

        @wraps(request)
        def watched(
            client: Any, method: Any, url: Any, name: Any = None, *args: Any, **kwargs: Any
        ) -> Any:
            shown = name or getattr(client, "request_name", None) or url
            asked = Asked(str(shown), str(method), time.monotonic_ns(), self._session())
            self._under_way[id(asked)] = asked
            try:
                response = request(client, method, url, name, *args, **kwargs)
            except Exception:
                raise  # nothing was sent: the client did not like the words
            except gevent.GreenletExit:
                self._cut_off(asked)
                raise
            except BaseException:  # gevent.Timeout: the user ran out of patience
                self._unanswered(asked)
                raise
            finally:
                del self._under_way[id(asked)]
            self._unreported += getattr(response, "_catch_response", False) is True
            return response

        return watched

    def _watched_exit(self, leave: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the end of a `with` block about an answer."""

        @wraps(leave)
        def watched(answer: Any, kind: Any, value: Any, tb: Any) -> Any:
            self._unreported -= answer._catch_response is True
            is_silent = kind and answer._manual_result is None
            if is_silent and not isinstance(value, ResponseError):
                meta = dict(answer.request_meta)
                if isinstance(value, Exception):
                    meta["exception"] = value
                self.on_request(**meta)
            return leave(answer, kind, value, tb)

        return watched

    def _cut_off(self, asked: Asked) -> None:
        """Record what Locust waited for before it stopped the user; it also stops some between two
        requests who have just begun the next, which proves nothing.
        """
        if time.monotonic_ns() - asked.sent_ns >= WAITED_NS_MIN:
            self._unanswered(asked)

    def _unanswered(self, asked: Asked) -> None:
        self._record(
            asked.name, asked.method, asked.sent_ns, time.monotonic_ns(), asked.session, 0,
            Outcome.INDEFINITE, Failure.TIMEOUT,
        )  # fmt: skip

    def finish(self) -> None:
        """Write what is left and say that it is all. Idempotent; for the process that recorded."""
        if self._log is None or self._is_finished or os.getpid() != self._pid:
            return
        for asked in tuple(self._under_way.values()):
            self._cut_off(asked)
        self._progress()
        self._is_finished = True
        self._log.close()
        self._say(
            "finished", self._index, is_complete=True, at_ns=time.monotonic_ns(),
            due_ns=self._end_ns(), first_error=self._first_error,
        )  # fmt: skip

    # What a request was.

    def _session(self) -> list[int]:
        """Return number and next step of the user whose greenlet this is, or a child of it."""
        greenlet = gevent.getcurrent()
        session = self._sessions.get(greenlet)
        if session is None and (user := self._user_above(greenlet)) is not None:
            session = self._sessions[greenlet] = self._session_of(user)
        return self._session_of(greenlet) if session is None else session

    def _user_above(self, greenlet: Any) -> Any:
        runner = getattr(self._environment, "runner", None)  # the file may ask while it is loaded
        users = getattr(runner, "user_greenlets", ())
        for _ in range(ANCESTORS_MAX):
            if greenlet is None or greenlet in users:
                return greenlet
            parent = getattr(greenlet, "spawning_greenlet", None)
            greenlet = parent() if parent is not None else None
        return None

    def _session_of(self, greenlet: Any) -> list[int]:
        session = self._sessions.get(greenlet)
        if session is None:
            self._session_count += 1
            number = self._index * SESSIONS_PER_PROCESS + self._session_count % SESSIONS_PER_PROCESS
            session = self._sessions[greenlet] = [number, 0]
        return session

    def _operation(self, name: str, request_type: str) -> int:
        kind = "post" if request_type.upper() in WRITES else "read"
        key = (name, kind)
        number = self._numbers.get(key)
        if number is None:
            shown = _printable(name)
            if len(self._numbers) >= OPERATIONS_MAX and shown != OTHER:
                return self._operation(OTHER, request_type)
            number = self._numbers[key] = len(self._numbers)
            assert self._log is not None
            self._log.name_operation(shown, kind)
        return number

    # Beside the load.

    @property
    def _is_worker(self) -> bool:
        return type(self._environment.runner).__name__ == "WorkerRunner"

    def _t0_ns(self) -> int:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(Path(self.order["start_file"]).read_bytes())["t0_ns"])
        return 0

    def _await_start(self) -> int:
        deadline_s = time.monotonic() + START_WAIT_S
        while time.monotonic() < deadline_s:
            if t0_ns := self._t0_ns():
                return t0_ns
            gevent.sleep(START_POLL_S)
        sys.exit(f"no start within {START_WAIT_S:g} s")

    def _end_ns(self) -> int:
        return self._t0_ns() + int(self.order["duration_s"] * 1e9)

    def _end_in_time(self, runner: Any) -> None:
        gevent.sleep(max(0.0, (self._end_ns() - time.monotonic_ns()) / 1e9))
        runner.quit()

    def _users_wanted(self) -> int | None:
        """Return how many users there should be, None while they come and go."""
        runner = self._environment.runner
        if getattr(runner, "state", "") != "running":
            return None
        of_classes: dict[str, int] = getattr(runner, "target_user_classes_count", {})
        return sum(of_classes.values()) if self._is_worker else int(runner.target_user_count)

    def _look(self) -> None:
        while True:
            gevent.sleep(LOOK_INTERVAL_S)
            self._vitals.look(in_flight=0, open_sessions=0)

    def _report(self) -> None:
        while True:
            gevent.sleep(PROGRESS_INTERVAL_S)
            self._progress()

    def _progress(self) -> None:
        assert self._log is not None
        if self._is_finished:
            return
        self._log.flush()
        readings = self._vitals.read(self._log.take_recent())
        readings.pop("looks")  # what is in flight only Locust knows
        self._say(
            "progress", self._index, at_ns=time.monotonic_ns(), planned=0, sent=self._done,
            done=self._done, errors=self._errors, task_errors=self._task_errors,
            untimed=self._untimed, unreported=self._unreported, users_wanted=self._users_wanted(),
            open_sessions=int(getattr(self._environment.runner, "user_count", 0)), **readings,
        )  # fmt: skip

    def _say(self, event: str, index: int, **readings: Any) -> None:
        line = orjson.dumps({"event": event, **readings}, option=orjson.OPT_APPEND_NEWLINE)
        with (self._out / "readings" / f"load-{index}.jsonl").open("ab", buffering=0) as file:
            file.write(line)


def conclusion(exception: Any, status: int, response: Any) -> tuple[Outcome, Failure]:
    """Say what a request came to, from what the locustfile told Locust about it.

    Without an exception it went well, whatever the status: the file may have said so on purpose.
    """
    if not exception:
        return Outcome.OK, Failure.NONE
    names = {one.__name__ for one in type(exception).__mro__}
    if isinstance(exception, TimeoutError) or any("Timeout" in name for name in names):
        return Outcome.INDEFINITE, Failure.TIMEOUT
    if status in (429, 503) and _has_retry_after(response):
        return Outcome.REFUSED, Failure.SHED
    if status >= 500:
        return Outcome.INDEFINITE, Failure.SERVER_ERROR
    if status >= 400:
        return Outcome.REFUSED, Failure.UNEXPECTED_STATUS
    if status >= 200:
        return Outcome.OK, Failure.WRONG_ANSWER
    if isinstance(exception, OSError) or any("Connection" in name for name in names):
        return Outcome.INDEFINITE, Failure.CONNECTION
    return Outcome.INDEFINITE, Failure.WRONG_ANSWER


def _has_retry_after(response: Any) -> bool:
    with suppress(Exception):
        return bool(response.headers.get("Retry-After"))
    return False


def _status_of(response: Any) -> int:
    status = getattr(response, "status_code", 0)
    return status if type(status) is int and 0 <= status <= 999 else 0


def _printable(name: str) -> str:
    kept = "".join(letter if letter.isprintable() else "?" for letter in name[:NAME_MAX])
    return kept.encode("utf-8", "replace").decode() or "(no name)"


def arguments_of(order: dict[str, Any]) -> list[str]:
    """Return the words of Locust's own command line."""
    words = ["locust", "-f", order["locustfile"], "--headless", "--only-summary",
             "--host", order["host"], "--stop-timeout", f"{STOP_TIMEOUT_S:g}"]  # fmt: skip
    if order["users"]:
        words += ["-u", str(order["users"])]
    if order["spawn_rate"]:
        words += ["-r", f"{order['spawn_rate']:g}"]
    if order["process_count"] > 1:
        # Not Locust's usual port: another Locust may be at work on this machine, and would take it.
        port = str(_free_port())
        words += ["--processes", str(order["process_count"]), "--master-bind-host", "127.0.0.1",
                  "--master-bind-port", port, "--master-port", port]  # fmt: skip
    return words


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def main(path: str) -> int:
    """Run the order at *path*; returns the exit status: 3 when no load was begun."""
    order = json.loads(Path(path).read_bytes())
    recorder = Recorder(order)
    recorder.listen()
    sys.argv = arguments_of(order)
    _step_aside(Path(order["locustfile"]).resolve().parent)
    try:
        locust.main.main()
    except SystemExit as ended:
        if not recorder.is_initialised:
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)
            print(f"the locustfile ended with status {ended.code!r} before any load",
                  file=sys.stderr)  # fmt: skip
            return EXIT_BAD_SETUP
        # Locust's own status speaks of failed requests: that is for the judge to say.
        return ended.code if type(ended.code) is int and ended.code not in (0, 1, 2) else 0
    except BaseException as error:
        print(_one_line(error, order["locustfile"]), file=sys.stderr)
        return EXIT_BAD_SETUP if not recorder.is_initialised else 1
    return 0


def _step_aside(folder: Path) -> None:
    """Leave the names of our packages and modules to the locustfile's project."""
    here = Path(__file__).resolve()
    ours = {str(here.parent), str(here.parents[2])}
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in ours)]
    for name in list(sys.modules):
        if name.partition(".")[0] in OURS:
            del sys.modules[name]


def _one_line(error: BaseException, locustfile: str) -> str:
    """Say what broke and at which line of the locustfile."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if Path(frame.filename).resolve() == Path(locustfile).resolve()
    ]
    place = f"{locustfile}:{own[-1].lineno}: " if own else f"{locustfile}: "
    return f"{place}{type(error).__name__}: {' '.join(str(error).split())[:300]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
