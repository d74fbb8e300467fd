"""A system of pages and forms, driven end to end: by the walk of try-dialect and by the load."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from contracts.records import SAMPLE_DTYPE, Failure
from contracts.terms import OperationKind
from harness.calibration.truth_log import read_log
from harness.cli import main
from scenarios.population import build_population

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "fakes" / "web_form_system.py"
SCALE = 0.02
DURATION_S = 8
PARENTS = {unit.unit: unit.parent for unit in build_population(composition="A", scale=1.0).units}


class System:
    """The fake in a process of its own; ends with `stop`."""

    def __init__(self, **behaviour):
        told = json.dumps({"parents": PARENTS, **behaviour})
        self.process = subprocess.Popen(
            [sys.executable, str(FAKE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process.stdin.write(told + "\n")
        self.process.stdin.flush()
        self.url = json.loads(self.process.stdout.readline())["url"]

    def counts(self):
        with urllib.request.urlopen(f"{self.url}/control/counts", timeout=5) as answer:
            return json.load(answer)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def system():
    made = []

    def start(**behaviour):
        made.append(System(**behaviour))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def tried(capsys, system, *options, dialect="web_forms"):
    words = ["try-dialect", "--dialect", dialect, "--target", system.url, *options]
    status = main(words)
    return status, capsys.readouterr().out.splitlines()


def test_the_walk_finds_that_the_example_and_its_system_understand_each_other(capsys, system):
    status, lines = tried(capsys, running := system())

    assert status == 0
    assert not [line for line in lines if line.startswith("WRONG")]
    told = {line.split()[1]: line for line in lines if line.startswith("ok")}
    assert "[document 2, number 1]" in told["create_receipt"], "the first is the opening one"
    assert "POST /unit/" in told["create_receipt"]
    assert "[refused, as it must be]" in told["post_into_closed_period"]
    assert any(line.startswith("ok    the same key again") for line in lines)
    assert any("books: this dialect cannot read them" in line for line in lines)
    assert any("budget_transfer (lacks create_budget_transfer)" in line for line in lines)
    assert running.counts()["repeats"] == 1
    assert running.counts()["closings"] >= 1


OURS = """
from scenarios.dialects.tables import Call
from scenarios.dialects.web_forms import WebFormsDialect

class OurDialect(WebFormsDialect):
    {change}
"""
MISTAKES = [
    ("key_field = '_twice'", "the same key again", "counted twice"),
    ("token_field = ''", "create_receipt", "403"),
    ("calls = {**WebFormsDialect.calls, 'view_budget': Call(path='/budget')}", "view_budget",
     "correct the path"),
    ("calls = {**WebFormsDialect.calls, 'view_me': Call(path='/me', shows='nobody')}", "view_me",
     "see what it takes as proof"),
    ("refused = None", "post_into_closed_period", "must refuse"),
    ("is_browsing = False", "finish_login", "signed out"),
    ("def request(self, step, token): raise KeyError('x')", "start_login", "request() raised"),
    ("def reply(self, step, answer): raise KeyError('x')", "start_login", "reply() raised"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "operation", "said"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_the_walk_names_what_is_wrong_and_how_to_mend_it(
    capsys, system, tmp_path, change, operation, said
):
    path = tmp_path / "ours.py"
    path.write_text(OURS.format(change=change))

    status, lines = tried(capsys, system(), dialect=str(path))

    assert status == 1
    wrong = {
        " ".join(line.split()[1:]): lines[place + 1]
        for place, line in enumerate(lines)
        if line.startswith("WRONG")
    }
    found = [(told, mend) for told, mend in wrong.items() if told.startswith(operation)]
    assert found, lines
    assert any(said in told + mend for told, mend in found)
    assert all("mend:" in mend for mend in wrong.values())


def test_the_walk_works_where_it_is_told(capsys, system):
    unit = next(iter(PARENTS))
    status, lines = tried(capsys, system(), "--account", str(unit * 1000 + 1))

    assert status == 0
    assert lines[0].startswith(f"unit {unit},")


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--account", "5"], "belongs to no unit"), (["--date", "1/12/2568"], "this is no day"),
     (["--sessions", "/nowhere.csv"], "cannot be read"), (["--ca", "/nowhere.pem"], "--ca")],
)  # fmt: skip
def test_a_wrong_word_ends_the_walk_before_it_began(capsys, options, said):
    words = ["try-dialect", "--dialect", "web_forms", "--target", "http://127.0.0.1:1", *options]
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code

    assert status == 3
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_system_that_is_not_there_or_is_another_ends_the_walk(capsys, system):
    assert main(["try-dialect", "--dialect", "web_forms", "--target", "http://127.0.0.1:1"]) == 3
    assert main(["try-dialect", "--dialect", "reference", "--target", system().url]) == 3
    assert "GET /healthz answered 404" in capsys.readouterr().err


# The load itself.


def load(folder, system, *options):
    command = [
        sys.executable, "-m", "locust", "-f", "scenarios/month_end.py", "--headless",
        "--host", system.url, "--monthend-dialect", "web_forms", "--monthend-out", str(folder),
        "--monthend-scale", str(SCALE), "--monthend-duration", str(DURATION_S), *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-2000:]
    header, rows = read_log(folder / "samples" / "load-0.log", SAMPLE_DTYPE)
    return header, rows


def test_the_month_end_runs_on_pages_and_forms(system, tmp_path):
    running = system()

    header, rows = load(tmp_path / "run", running)

    names = np.array([operation["name"] for operation in header["operations"]])
    kinds = np.array([operation["kind"] for operation in header["operations"]])
    first = rows[rows["attempt"] == 0]
    failures = Counter(Failure(f) for f in rows["failure"].tolist())
    counts = running.counts()
    assert len(first) > 100
    assert set(failures) <= {Failure.NONE, Failure.EXPECTED_REFUSAL, Failure.NOT_SENT}, failures
    assert failures[Failure.NONE] > 0.95 * len(first)
    asked = set(names[rows["operation"]])
    assert {"create_receipt", "finish_login", "list_documents"} <= asked
    assert not asked & {"create_budget_transfer", "view_closing_status", "authorize_at_provider"}
    posted = (kinds[rows["operation"]] == OperationKind.POST) & (rows["failure"] == Failure.NONE)
    makes_none = ["check_disbursement_request", "approve_disbursement_request", "close_period"]
    posted &= ~np.isin(names[rows["operation"]], makes_none)
    assert counts["papers"] + counts.get("repeats", 0) >= posted.sum() >= 5
    assert counts.get("forgeries", 0) == 0
    assert counts["sign_ins"] > 20


def test_a_session_that_the_system_ends_is_begun_anew(system, tmp_path):
    running = system(session_requests=6)

    _, rows = load(tmp_path / "run", running)

    counts = running.counts()
    assert counts["sessions_ended"] > 0
    assert counts["sign_ins"] > counts["sessions_ended"]
    answered = rows[rows["sent_ns"] > 0]
    assert np.mean(answered["failure"] == Failure.NONE) > 0.5


def test_people_behind_bad_lines_wait_and_everybody_else_does_not(system, tmp_path):
    running = system()
    lossy = {
        unit.unit
        for unit in build_population(composition="A", scale=SCALE).units
        if unit.network_class == "lossy"
    }

    _, rows = load(tmp_path / "run", running, "--monthend-network", "lossy",
                      "--monthend-connections", "browser")  # fmt: skip

    answered = rows[(rows["sent_ns"] > 0) & (rows["failure"] == Failure.NONE)]
    took_ms = (answered["done_ns"] - answered["sent_ns"]) / 1e6
    late_ms = (answered["sent_ns"] - answered["planned_ns"]) / 1e6
    is_lossy = np.isin(answered["unit"], list(lossy))
    assert is_lossy.sum() > 5
    assert took_ms[is_lossy].min() > 190, "half a second's round trip at the least"
    assert np.percentile(took_ms[~is_lossy], 90) < 150
    assert np.percentile(late_ms[is_lossy], 90) < 50, "the line makes nobody send late"


def test_the_plan_says_what_the_dialect_lacks(capsys):
    assert main(["plan", "--dialect", "web_forms", "--scale", "0.02", "--lang", "en"]) == 0

    text = capsys.readouterr().out
    section = text[text.index("Left out, because the dialect lacks") :]
    assert "create_budget_transfer" in section[:800]
    operations = text[text.index("Expected requests by operation") : text.index("Left out")]
    assert "create_budget_transfer" not in operations
    assert "create_receipt" in operations


def test_sessions_of_a_file_are_used_by_the_walk(capsys, system, tmp_path):
    """Whoever is not in the file, or whose session ran out, signs in by the system's own form."""
    unit = next(iter(PARENTS))
    path = tmp_path / "sessions.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["account", "token"], [unit * 1000 + 1, "stale"]])

    status, lines = tried(capsys, system(), "--sessions", str(path))

    assert status in (0, 1)
    assert any(line.startswith("ok    finish_login") for line in lines)
    assert any(line.startswith("ok    create_receipt") for line in lines)
