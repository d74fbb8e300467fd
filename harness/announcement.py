"""The verdict as a person reads it in a terminal: clause by clause, then the doubts.

Reads `verdict.json` and the contract's titles; decides nothing. Tolerates keys that it does not
know, and texts in one language or two.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final, TextIO

import orjson

from contracts.terms import EXIT_STATUS, Contract, Verdict
from harness.failures import BadSetup
from harness.run_folder import RunFolder

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "verdict": "VERDICT", "clause": "clause", "value": "value", "limit": "limit",
        "samples": "samples", "why": "why", "caveats": "Caveats", "bottlenecks": "Bottlenecks",
        "not_tested": "Not tested", "units": "of all units: evidence, not acceptance",
    },
    "th": {
        "verdict": "คำตัดสิน", "clause": "ข้อ", "value": "ค่าที่วัดได้", "limit": "เกณฑ์",
        "samples": "ตัวอย่าง", "why": "เพราะ", "caveats": "ข้อควรระวัง", "bottlenecks": "คอขวด",
        "not_tested": "ไม่ได้ทดสอบ", "units": "ของหน่วยบัญชีทั้งหมด: เป็นหลักฐาน ยังไม่ใช่การตรวจรับ",
    },
}  # fmt: skip
_TITLE_WIDTH: Final = 44


def read_verdict(folder: RunFolder) -> dict[str, Any]:
    """Read the judgement. Raises `BadSetup` when the run was not judged."""
    try:
        content = orjson.loads(folder.verdict.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadSetup(
            what="there is no readable verdict.json",
            where=str(folder.path),
            mend=f"run `monthend judge {folder.path}`",
        ) from error
    assert isinstance(content, dict)
    return content


def exit_status(verdict: Mapping[str, Any]) -> int:
    """Exit status that goes with the verdict."""
    return EXIT_STATUS[Verdict(verdict["verdict"])]


def announce(
    verdict: Mapping[str, Any], contract: Contract, *, language: str, stream: TextIO
) -> None:
    """Print the clause table, the doubts and the one word."""
    words = _WORDS[language]
    titles = {clause.id: getattr(clause.title, language) for clause in contract.clauses}
    print(f"{getattr(contract.title, language)}  ({contract.id})", file=stream)
    header = _row("", words["clause"], "", words["value"], words["limit"], words["samples"])
    print(header, "-" * _width(header), sep="\n", file=stream)
    for clause in verdict["clauses"]:
        title = titles.get(clause["id"], "")
        samples = f"{clause.get('sample_count') or 0:,}"
        value, limit = _number(clause, "value"), _limit(clause)
        print(_row(clause["id"], title, clause["verdict"], value, limit, samples), file=stream)
        if clause["verdict"] in (Verdict.BREACHED, Verdict.INCONCLUSIVE):
            print(f"        {words['why']}: {_text(clause, 'reason', language)}", file=stream)
    for name in ("caveats", "bottlenecks", "not_tested"):
        lines = [_line(entry, language) for entry in verdict.get(name, ())]
        if lines:
            print(f"\n{words[name]}:", *(f"  - {line}" for line in lines), sep="\n", file=stream)
    scale = float(verdict["scale"])
    scaled = f"  ({scale:.2%} {words['units']})" if scale < 1 else ""
    print(f"\n{words['verdict']}: {verdict['verdict']}{scaled}", file=stream)


def _row(clause: str, title: str, verdict: str, value: str, limit: str, samples: str) -> str:
    left = (_fit(clause, 6), _fit(title, _TITLE_WIDTH), _fit(verdict, 12))
    numbers = ((value, 16), (limit, 18), (samples, 10))
    return " ".join((*left, *(_fit(text, width, right=True) for text, width in numbers)))


def _limit(clause: Mapping[str, Any]) -> str:
    limit = clause.get("limit")
    if isinstance(limit, Mapping):
        side = "at_most" if limit.get("at_most") is not None else "at_least"
        sign = "<=" if side == "at_most" else ">="
        return f"{sign} {_number({**clause, 'limit': limit[side]}, 'limit')}"
    return _number(clause, "limit")


def _number(clause: Mapping[str, Any], name: str) -> str:
    value, unit = clause.get(name), clause.get("unit") or ""
    if not isinstance(value, (int, float)):
        return "-"
    if unit == "share":
        return f"{value:.4%}"
    return f"{value:,.4g} {unit}" if abs(value) < 10_000 else f"{value:,.0f} {unit}"


def _text(entry: Mapping[str, Any], name: str, language: str) -> str:
    twin = entry.get(f"{name}_{language}")
    value = twin if twin is not None else entry.get(name, "")
    return str(value.get(language, "")) if isinstance(value, Mapping) else str(value or "")


def _line(entry: object, language: str) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    if "class" in entry:
        share = float(entry.get("share") or 0.0)
        evidence = _text(entry, "evidence", language)
        return (
            f"{entry['class']}: {entry.get('place', '')} ({share:.0%} of request time, "
            f"{entry.get('tier', '')}, {entry.get('confidence', '')}) {evidence}"
        )
    text = _text(entry, "text", language) or _text(entry, "reason", language)
    return f"{entry.get('id', '')}: {text}".lstrip(": ")


def _width(text: str) -> int:
    """Columns that *text* takes: Thai vowel and tone marks stand above or below a letter."""
    return sum(unicodedata.category(letter) != "Mn" for letter in text)


def _fit(text: str, width: int, *, right: bool = False) -> str:
    if _width(text) > width:
        while _width(text) >= width:
            text = text[:-1]
        text = f"{text.rstrip()}…"
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks
