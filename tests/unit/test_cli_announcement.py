"""The verdict on a terminal: every clause, its number beside its limit, and every doubt."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from contracts.reading import read_contract
from contracts.terms import Contract
from harness.announcement import announce, exit_status, read_verdict
from harness.failures import BadSetup
from harness.options import DEFAULT_CONTRACT
from harness.run_folder import RunFolder


@pytest.fixture(scope="module")
def contract() -> Contract:
    return read_contract(DEFAULT_CONTRACT)


def _clause(**changes: Any) -> dict[str, Any]:
    return {
        "id": "1.1", "verdict": "MET", "value": 12.5, "limit": {"at_most": 1000.0}, "unit": "ms",
        "operation": "read", "sample_count": 1234,
        "reason": {"en": "all is well", "th": "เรียบร้อย"}, **changes,
    }  # fmt: skip


def _verdict(*clauses: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "verdict": "MET", "scale": 1.0, "level": "L2", "clauses": list(clauses), "caveats": [],
        "bottlenecks": [], "not_tested": [], **changes,
    }  # fmt: skip


def _shown(verdict: dict[str, Any], contract: Contract, language: str = "en") -> str:
    stream = io.StringIO()
    announce(verdict, contract, language=language, stream=stream)
    return stream.getvalue()


def test_a_clause_shows_title_verdict_value_limit_and_samples(contract: Contract) -> None:
    (line,) = (x for x in _shown(_verdict(_clause()), contract).splitlines() if x[:3] == "1.1")
    for part in ("Reading, p95", "MET", "12.5 ms", "<= 1,000 ms", "1,234"):
        assert part in line


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"limit": {"at_most": None, "at_least": 0.99}, "unit": "share"}, ">= 99.0000%"),
        ({"limit": 0.001, "unit": "share"}, "0.1000%"),
        ({"value": None}, " - "),
        ({"value": 0, "unit": "count"}, "0 count"),
        ({"value": 12_345_678.0, "unit": "count"}, "12,345,678 count"),
    ],
)
def test_numbers_and_limits_in_their_units(
    changes: dict[str, Any], shown: str, contract: Contract
) -> None:
    assert shown in _shown(_verdict(_clause(**changes)), contract)


@pytest.mark.parametrize("word", ["BREACHED", "INCONCLUSIVE"])
def test_a_clause_that_is_not_met_says_why(word: str, contract: Contract) -> None:
    assert "why: all is well" in _shown(_verdict(_clause(verdict=word)), contract)
    assert "why:" not in _shown(_verdict(_clause()), contract)


def test_thai_is_spoken_where_it_is_asked_for(contract: Contract) -> None:
    shown = _shown(_verdict(_clause(verdict="BREACHED"), verdict="BREACHED"), contract, "th")
    assert "เพราะ: เรียบร้อย" in shown
    assert "คำตัดสิน: BREACHED" in shown


def test_doubts_are_never_left_out(contract: Contract) -> None:
    verdict = _verdict(
        caveats=[{"id": "late", "text": {"en": "the generator was late", "th": "ช้า"}}],
        not_tested=[{"id": "7.3", "text_en": "takes weeks", "text_th": "นาน"}, "a plain word"],
        bottlenecks=[{"class": "C5", "place": "post", "share": 0.42, "tier": "T1",
                      "confidence": "high", "evidence": "waits on one row"}],
    )  # fmt: skip
    shown = _shown(verdict, contract)
    for part in ("late: the generator was late", "7.3: takes weeks", "a plain word", "C5: post",
                 "42%", "waits on one row"):  # fmt: skip
        assert part in shown


def test_a_scaled_run_says_so_beside_the_word(contract: Contract) -> None:
    assert "5.00% of all units: evidence, not acceptance" in _shown(_verdict(scale=0.05), contract)
    assert "acceptance" not in _shown(_verdict(), contract).splitlines()[-1]


@pytest.mark.parametrize(("word", "status"), [("MET", 0), ("BREACHED", 1), ("INCONCLUSIVE", 2)])
def test_the_exit_status_goes_with_the_word(word: str, status: int) -> None:
    assert exit_status({"verdict": word}) == status


@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_a_run_that_was_not_judged_is_refused(tmp_path: Path, content: bytes | None) -> None:
    folder = RunFolder(tmp_path)
    if content is not None:
        folder.verdict.write_bytes(content)
    with pytest.raises(BadSetup, match="monthend judge"):
        read_verdict(folder)
