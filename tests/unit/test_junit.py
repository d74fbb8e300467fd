"""junit.xml as continuous-integration systems read it: the right element for every verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from contracts.terms import Verdict
from reports.build import build_junit
from tests.fakes.report_folders import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("junit") / "run-1"
    return write_run(folder, requests=50, has_samples=False)


def document(run: Path, **changes: Any) -> ElementTree.Element:
    """Write the run's verdict with *changes* and parse the JUnit document made of it."""
    path = run / "verdict.json"
    verdict = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps({**verdict, **changes}))
    try:
        written = build_junit(run)
    finally:
        path.write_bytes(orjson.dumps(verdict))
    assert written is not None
    return ElementTree.fromstring(written.read_bytes())


def clause(verdict: str, **changes: Any) -> dict[str, Any]:
    return {"id": "1.1", "verdict": verdict, "value": 2_000.0, "limit": 1_000.0, "unit": "ms",
            "operation": "read", "sample_count": 500, "reason": "p95 is 2,000 ms",
            "reason_th": "p95 เท่ากับ 2,000", **changes}  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "element"),
    [("BREACHED", "failure"), ("INCONCLUSIVE", "error"), ("NOT_TESTED", "skipped"),
     ("MET", "system-out")],
)  # fmt: skip
def test_each_verdict_has_its_element(run: Path, verdict: str, element: str) -> None:
    root = document(run, clauses=[clause(verdict)])
    (case,) = root.iter("testcase")
    children = [child.tag for child in case]

    assert children == [element]
    assert case.get("classname") == "new-elaas"
    assert (case.get("name") or "").startswith("1.1 ")


def test_the_message_says_value_limit_and_reason(run: Path) -> None:
    root = document(run, clauses=[clause("BREACHED")])
    failure = root.find(".//failure")

    assert failure is not None
    message = (failure.get("message") or "").replace("\u00a0", " ")
    assert message == "BREACHED: 2,000 ms (at most 1,000 ms). p95 is 2,000 ms"
    assert failure.get("type") == "BREACHED"
    assert "ไม่เป็นไปตามสัญญา" in (failure.text or "")


def test_totals_are_counted(run: Path) -> None:
    names = [verdict.value for verdict in Verdict] + ["BREACHED"]
    root = document(run, clauses=[clause(v, id=str(n)) for n, v in enumerate(names)])
    suite = root.find("testsuite")

    for element in (root, suite):
        assert element is not None
        assert (element.get("tests"), element.get("failures")) == ("5", "2")
        assert (element.get("errors"), element.get("skipped")) == ("1", "1")


def test_properties_name_what_was_tested(run: Path) -> None:
    root = document(run)
    properties = {p.get("name"): p.get("value") for p in root.iter("property")}

    assert properties["scale"] == "0.02"
    assert properties["level"] == "L2"
    assert properties["seed"] == "7"
    assert len(properties["population_sha256"] or "") == 64
    assert properties["verdict"] == "BREACHED"


def test_all_clauses_of_a_whole_run_are_there(run: Path) -> None:
    clauses = orjson.loads((run / "verdict.json").read_bytes())["clauses"]

    assert len(list(document(run).iter("testcase"))) == len(clauses) > 20


def test_control_characters_and_markup_cannot_break_the_document(run: Path) -> None:
    hostile = 'a\x00\x08\x0b\x1b\uffff ]]> & <failure message="x"/> " \' \u202e end'
    root = document(run, clauses=[clause("BREACHED", id=hostile, reason=hostile)])

    assert len(list(root.iter("failure"))) == 1
    name = next(root.iter("testcase")).get("name") or ""
    assert "<failure" in name
    assert not set("\x00\x08\x0b\x1b\u202e\uffff") & set(name)


def test_a_run_that_was_not_judged_has_no_document(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run-2", requests=50, has_samples=False, verdict=None)

    assert build_junit(run) is None
    assert not (run / "junit.xml").exists()
