"""Loads of a user's own, as a person starts them: a replayed workload and foreign locustfiles.

All commands run side by side against one server that writes an access log.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.reading import read_contract
from contracts.records import Failure
from contracts.terms import Verdict
from harness.measurements import Measurements, read_measurements
from harness.run_folder import RunFolder
from harness.verdict import evaluate
from tests.acceptance.conftest import Command, Start
from tests.fakes.processes import ROOT, LoggingServer
from tests.fakes.workloads import shop

WEB_MINIMAL = ROOT / "contracts" / "web_minimal.yaml"
STALL_S = 3.0
EVERY_KIND = """
import json
import order  # a module of this project's own, beside the file
from locust import FastHttpUser, HttpUser, TaskSet, User, between, constant, events, task

SEEN = []

@events.request.add_listener
def seen(name, **_):
    SEEN.append(name)

@events.quitting.add_listener
def tell(**_):
    with open(__file__ + ".seen", "w") as file:
        json.dump(SEEN, file)

class Browsing(TaskSet):
    @task(2)
    def article(self):
        self.client.get("/article/1", name="article")

    @task
    def leave(self):
        self.interrupt()

class Reader(HttpUser):
    wait_time = constant(0.1)
    tasks = [Browsing]

    def on_start(self):
        self.client.get("/start")

class Checker(FastHttpUser):
    wait_time = between(0.05, 0.15)

    @task
    def checked(self):
        with self.client.get("/checked", catch_response=True) as response:
            if response.text != order.WANTED:
                response.failure("not what was wanted")

    @task
    def excused(self):
        with self.client.get("/missing", name="excused", catch_response=True) as response:
            response.success()

    @task
    def post(self):
        self.client.post("/orders", json={"a": 1})

class Other(User):
    wait_time = constant(0.2)

    @task
    def query(self):
        self.environment.events.request.fire(
            request_type="SQL", name="select", response_time=12.5, response_length=7,
            exception=None, context={},
        )
"""
STALLED = """
from locust import HttpUser, constant_pacing, task

class Everyone(HttpUser):
    wait_time = constant_pacing(0.25)

    @task
    def get(self):
        self.client.get("/page")
"""
SHAPED = """
from locust import HttpUser, LoadTestShape, constant, task

class Shaped(HttpUser):
    wait_time = constant(0.1)

    @task
    def get(self):
        self.client.get("/shaped")

class Short(LoadTestShape):
    def tick(self):
        return (4, 10) if self.get_run_time() < 3 else None
"""
FRAIL = """
import gevent
from gevent.pool import Pool
from locust import FastHttpUser, HttpUser, User, constant, task

class Usual(HttpUser):
    abstract = True
    fixed_count = 1
    wait_time = constant(0.1)

class Waiting(Usual):
    @task
    def wait_for_ever(self):
        self.client.get("/hang", name="for ever")

class WaitingFast(FastHttpUser):
    fixed_count = 1
    wait_time = constant(0.1)

    @task
    def wait_for_ever(self):
        self.client.get("/hang", name="for ever")

class Impatient(Usual):
    @task
    def give_up(self):
        with gevent.Timeout(0.5, False):
            self.client.get("/hang", name="given up")

class Careless(Usual):
    @task
    def view(self):
        with self.client.get("/view", catch_response=True) as response:
            assert response.json()["balance"] > 0

class Broken(Usual):
    @task
    def begin(self):
        self.client.get("/begun")
        raise KeyError("balance")

class Dead(Usual):
    def on_start(self):
        raise RuntimeError("nobody is at home")

    @task
    def never(self):
        pass

class Untimed(User):
    fixed_count = 1
    wait_time = constant(0.1)

    @task
    def frame(self):
        for error in (None, OSError("broken frame")):
            self.environment.events.request.fire(
                request_type="WS", name=f"frame {error}", response_time=None, response_length=1,
                exception=error, context={},
            )

class Parallel(Usual):
    @task
    def all_at_once(self):
        pool = Pool(3)
        for _ in range(3):
            pool.spawn(self.client.get, "/parallel")
        pool.join()

class Unheard(Usual):
    @task
    def unheard(self):
        self.client.get("/unheard", catch_response=True)
"""
BAD = {
    "no user": ("x = 1\n", "No User class found"),
    "own exit with words": ("raise SystemExit('go away')\n", "go away"),
    "an error": ("\nx = 1 / 0\n", "ZeroDivisionError: division by zero"),
}


@dataclass
class Runs:
    """The commands, each in a folder of its own."""

    server: LoggingServer
    workload: Command
    every_kind: Command
    project: Path
    shaped: Command
    stalled: Command
    frail: Command
    bad: dict[str, Command]


@pytest.fixture(scope="module")
def runs(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    place = tmp_path_factory.mktemp("own")
    server = LoggingServer(place / "a.log", delay_ms=5, statuses={"/missing": 404})
    freezing = LoggingServer(place / "b.log", stall=[5.0, STALL_S])
    (place / "shop.json").write_text(json.dumps(shop()))
    project = place / "project"
    project.mkdir()
    (project / "order.py").write_text("WANTED = 'something else'\n")
    common = ("--contract", str(WEB_MINIMAL), "--seed", "1")

    def foreign(name: str, code: str, url: str, *words: str, command: str = "run") -> Command:
        path = project / f"{name}.py"
        path.write_text(code)
        return start(command, "--locustfile", str(path), "--target", url, *common, *words)

    usual = socket.socket()  # as if another Locust were at work: nothing of ours may need its port
    with suppress(OSError):
        usual.bind(("0.0.0.0", 5557))
        usual.listen()
    yield Runs(
        server=server,
        workload=start("run", "--workload", str(place / "shop.json"), "--target", server.url,
                       "--duration", "10", *common),
        every_kind=foreign("every_kind", EVERY_KIND, server.url, "--duration", "10", "--users",
                           "6", "--spawn-rate", "6", command="accept"),
        project=project,
        shaped=foreign("shaped", SHAPED, server.url, "--duration", "30", "--load-processes", "2"),
        stalled=foreign("stalled", STALLED, freezing.url, "--duration", "14", "--users", "12",
                        "--spawn-rate", "12"),
        frail=foreign("frail", FRAIL, server.url, "--duration", "10", "--users", "9",
                      "--spawn-rate", "9"),
        bad={name: foreign(name.replace(" ", "_"), code, server.url, "--duration", "10")
             for name, (code, _) in BAD.items()},
    )  # fmt: skip
    usual.close()
    server.close()
    freezing.close()


def finished(command: Command) -> tuple[RunFolder, Measurements]:
    if command.status is None:
        command.finish()
    assert command.status in (0, 1, 2), command.errors.read_text()
    folder = RunFolder(command.folder)
    return folder, read_measurements(folder.samples)


def by_name(samples: Measurements) -> Counter[str]:
    return Counter(samples.operations[number][0] for number in samples.operation.tolist())


def test_a_workload_is_replayed_and_judged_as_planned(runs: Runs) -> None:
    folder, samples = finished(runs.workload)

    manifest = folder.read_manifest()
    verdict = evaluate(folder, read_contract(WEB_MINIMAL))
    clauses = {one.clause.id: one for one in verdict.clauses}
    assert manifest.ended == "completed"
    assert (manifest.load_kind, manifest.load_source["file"]) == ("workload", "shop.json")
    assert dict(by_name(samples)) == dict(manifest.planned_by_operation)
    assert "order" not in by_name(samples)
    assert clauses["1.1"].sample_count > 200
    assert clauses["1.2"].verdict is Verdict.INCONCLUSIVE  # no write was sent: absence
    assert clauses["2.2"].sample_count > 50
    assert "own_load" in {caveat.id for caveat in verdict.caveats}


def test_every_kind_of_user_runs_unchanged_and_every_request_is_recorded(runs: Runs) -> None:
    folder, samples = finished(runs.every_kind)

    seen = Counter(json.loads((runs.project / "every_kind.py.seen").read_text()))
    kinds = dict(samples.operations)
    failed = Counter(
        (samples.operations[number][0], Failure(failure).name)
        for number, failure in zip(
            samples.operation.tolist(), samples.failure.tolist(), strict=True
        )
    )
    assert by_name(samples) == seen
    assert set(seen) == {"/start", "article", "/checked", "excused", "/orders", "select"}
    assert kinds["/orders"] == "post"
    assert {kinds[name] for name in seen if name != "/orders"} == {"read"}
    assert failed["/checked", "WRONG_ANSWER"] == seen["/checked"]
    assert failed["excused", "NONE"] == seen["excused"]
    assert len(set(samples.session.tolist())) == 6
    took_ms = (samples.done_ns - samples.sent_ns) / 1e6
    assert 12.4 < took_ms[samples.of_operation("select")].min() < 12.6
    assert took_ms[samples.of_operation("article")].min() > 5
    verdict = json.loads(folder.verdict.read_bytes())
    assert {one["id"]: one["verdict"] for one in verdict["clauses"]}["2.2"] == "NOT_TESTED"
    assert "closed_load" in {caveat["id"] for caveat in verdict["caveats"]}
    assert "every_kind.py" in folder.report.read_text("utf-8")


def test_a_shape_that_ends_early_ends_the_run_completely(runs: Runs) -> None:
    folder, samples = finished(runs.shaped)

    manifest = folder.read_manifest()
    assert manifest.ended == "completed", manifest.end_reason
    assert manifest.phases[-1].ended_ns - manifest.t0_ns < 15e9
    assert by_name(samples)["/shaped"] > 20
    # Two workers, each with a record of its own, and no user in both.
    assert [name for name, _ in samples.files] == ["load-0", "load-1"]
    assert len(set(samples.session.tolist())) == 4
    verdict = evaluate(folder, read_contract(WEB_MINIMAL))
    assert "ended_early" in {caveat.id for caveat in verdict.caveats if caveat.blocks}


def test_what_locust_does_not_report_is_on_record_or_told(runs: Runs) -> None:
    """A load of users that hang, fail and die looks fast and free of errors to Locust."""
    folder, samples = finished(runs.frail)

    verdict = evaluate(folder, read_contract(WEB_MINIMAL))
    caveats = {caveat.id: caveat for caveat in verdict.caveats}
    names = by_name(samples)
    seen = Counter(line.split()[6] for line in runs.server.lines())
    failures = {
        name: {Failure(f) for f in samples.failure[samples.of_operation(name)].tolist()}
        for name in names
    }
    assert verdict.verdict is not Verdict.MET
    assert {"users_missing", "task_errors", "unreported_requests", "untimed_events"} <= set(caveats)
    assert "frail.py" in caveats["task_errors"].text_en
    assert names["for ever"] == 2
    assert names["given up"] > 10
    assert failures["for ever"] == failures["given up"] == {Failure.TIMEOUT}
    assert names["/view"] == seen["/view"]
    assert failures["/view"] == {Failure.WRONG_ANSWER}
    assert names["/begun"] == seen["/begun"]
    assert names["/parallel"] == seen["/parallel"]
    assert len(set(samples.session[samples.of_operation("/parallel")].tolist())) == 1
    assert names["frame broken frame"] > 10
    assert "frame None" not in names
    assert "/unheard" not in names


def test_a_stall_that_a_closed_load_hides_is_not_met(runs: Runs) -> None:
    folder, samples = finished(runs.stalled)

    verdict = evaluate(folder, read_contract(WEB_MINIMAL))

    reading = verdict.clauses[0]
    waits_s = (samples.done_ns - samples.sent_ns) / 1e9
    assert waits_s.max() > STALL_S - 0.5
    # Twelve users waited once each: too few for their own p95, many in an open load.
    assert reading.value is not None
    assert reading.value < 1000
    assert reading.verdict is Verdict.INCONCLUSIVE
    assert "waits kept the closed load from sending" in reading.reason.en


@pytest.mark.parametrize("name", BAD)
def test_a_locustfile_that_does_not_start_is_refused_in_one_line(runs: Runs, name: str) -> None:
    command = runs.bad[name]

    assert command.finish() == 3

    (line,) = command.complaints
    assert line.startswith("monthend: ")
    assert BAD[name][1] in line
    assert not command.out.is_dir() or not list(command.out.iterdir())
    command.await_no_children()
