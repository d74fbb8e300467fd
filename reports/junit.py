"""The verdict as JUnit XML, for continuous-integration systems that know nothing else.

Each clause is a test case: BREACHED is a failure, INCONCLUSIVE an error (the test could not tell,
which is never success), NOT_TESTED is skipped. Characters that XML cannot hold are replaced.
Source of the form: the schema of the Apache Ant JUnit task, as Jenkins and GitLab read it.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from contracts.terms import Bilingual, Verdict
from reports.formats import shown
from reports.sections.clauses import ClauseRow, clause_rows, verdict_counts
from reports.sources import Sources
from reports.wording import VERDICTS

MESSAGE_CHARACTERS_MAX: Final = 1_000
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENTS: Final = {
    Verdict.BREACHED: "failure",
    Verdict.INCONCLUSIVE: "error",
    Verdict.NOT_TESTED: "skipped",
}


def junit_xml(sources: Sources) -> str | None:
    """Return the document; None when the run was not judged."""
    judged = sources.judged
    if judged is None:
        return None
    manifest = sources.manifest
    rows = clause_rows(sources)
    counts = verdict_counts(rows)
    contract = _fit(judged.contract_id or manifest.contract_id)
    totals = {
        "tests": str(len(rows)),
        "failures": str(counts[Verdict.BREACHED]),
        "errors": str(counts[Verdict.INCONCLUSIVE]),
        "skipped": str(counts[Verdict.NOT_TESTED]),
    }
    root = ElementTree.Element("testsuites", {"name": "monthend", **totals})
    suite = ElementTree.SubElement(root, "testsuite", {
        "name": contract,
        "timestamp": _fit(manifest.created_at)[:19],
        "time": f"{manifest.duration_s:.3f}",
        **totals,
    })  # fmt: skip
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(sources).items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": _fit(value)})
    for row in rows:
        _add_case(suite, row, contract)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _properties(sources: Sources) -> dict[str, str]:
    manifest = sources.manifest
    assert sources.judged is not None
    return {
        "verdict": sources.judged.verdict.value,
        "run": manifest.run_id,
        "scale": f"{manifest.scale:g}",
        "level": manifest.level,
        "seed": str(manifest.seed),
        "target": manifest.target_kind,
        "population_sha256": manifest.population_sha256,
        "plan_sha256": manifest.plan_sha256,
        "contract_sha256": manifest.contract_sha256,
    }


def _add_case(suite: ElementTree.Element, row: ClauseRow, contract: str) -> None:
    case = ElementTree.SubElement(suite, "testcase", {
        "classname": contract,
        "name": _fit(f"{row.id} {row.title.en}"),
        "time": "0",
    })  # fmt: skip
    element = _ELEMENTS.get(row.verdict)
    message = _message(row)
    if element is None:
        ElementTree.SubElement(case, "system-out").text = message
        return
    node = ElementTree.SubElement(case, element, {"message": message})
    if element != "skipped":
        node.set("type", row.verdict.value)
        node.text = _fit(f"{_line(row, VERDICTS[row.verdict], 'th')}\n{message}")


def _message(row: ClauseRow) -> str:
    return _fit(_line(row, VERDICTS[row.verdict], "en"))


def _line(row: ClauseRow, words: Bilingual, language: str) -> str:
    def spoken(text: Bilingual) -> str:
        return text.th if language == "th" else text.en

    parts = [f"{spoken(words)}: {spoken(row.value)} ({spoken(row.limit)})"]
    if row.reason.th:
        parts.append(spoken(row.reason))
    return ". ".join(parts)


def _fit(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", shown(text, MESSAGE_CHARACTERS_MAX))
