"""The page as HTML: sections in, one self-contained file out, in both languages at once.

Everything that came from a run folder is escaped by the template engine; only our own drawings,
style and script go in as they are. The page's security policy admits no address at all and no
script but its own, so that even a mistake here could load or run nothing.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from contracts.terms import Bilingual
from reports.formats import count, sentence, shown
from reports.sections.calibration import calibration_section
from reports.sections.clauses import METER_SHARE_MAX, clause_rows
from reports.sections.diagnosis import diagnosis_section
from reports.sections.faults import faults_section
from reports.sections.first_screen import first_screen
from reports.sections.load import load_section
from reports.sections.money import money_section
from reports.sections.record import record_section
from reports.sections.shape import shape_section
from reports.sections.units import units_section
from reports.sources import Sources
from reports.wording import VERDICT_MEANINGS, VERDICTS, say

LANGUAGES: Final = ("th", "en")
_TEMPLATES: Final = Path(__file__).parent / "templates"


def render(sources: Sources, lang: str) -> str:
    """Return the whole page; *lang* is the language it opens in."""
    assert lang in LANGUAGES
    style = (_TEMPLATES / "report.css").read_text("utf-8")
    script = (_TEMPLATES / "report.js").read_text("utf-8")
    rows, judged = clause_rows(sources), sources.judged
    # A load of the user's own names no units and keeps no money: nothing is said of either.
    is_country = not sources.manifest.is_own_load
    load, units = load_section(sources), units_section(sources) if is_country else None
    run_id = shown(sources.manifest.run_id, 80)
    cut = None
    if judged is not None and judged.clause_count > len(rows):
        cut = say("clauses_extra_cut", shown=count(len(rows)), count=count(judged.clause_count))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            lang=lang,
            title=say("document_title", run_id=run_id),
            run_id=run_id,
            style=Markup(style),
            script=Markup(script),
            script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            first=first_screen(sources),
            contents=_contents(
                has_load=load is not None,
                has_generator=load is not None and load.generator is not None,
                has_units=units is not None,
                has_money=is_country,
            ),
            clauses=rows,
            clauses_cut=cut,
            caveats=judged.caveats if judged else (),
            caveats_empty=say("caveats_none" if judged else "caveats_unknown"),
            load=load,
            shape=shape_section(sources),
            units=units,
            money=money_section(sources) if is_country else None,
            faults=faults_section(sources),
            diagnosis=diagnosis_section(sources),
            calibration=calibration_section(sources),
            record=record_section(sources),
            has_evidence=sources.has_evidence,
            verdicts=VERDICTS,
            meanings=VERDICT_MEANINGS,
            meter_max=METER_SHARE_MAX,
        )
    )


def both(text: Bilingual) -> Markup:
    """Return a text in both languages, of which the page shows one; once when they are alike."""
    if text.th == text.en:
        return escape(text.th)
    return Markup('<span lang="th">{}</span><span lang="en">{}</span>').format(text.th, text.en)


def _contents(
    *, has_load: bool, has_generator: bool, has_units: bool, has_money: bool
) -> list[tuple[str, Bilingual]]:
    identifiers = ["clauses", "caveats", "latency"]
    if has_load:
        identifiers += ["arrivals", "offer", "failures"]
    if has_generator:
        identifiers.insert(identifiers.index("failures"), "generator")
    if has_units:
        identifiers += ["units"]
    if has_money:
        identifiers += ["money"]
    identifiers += ["faults", "bottlenecks", "profile", "calibration", "repeat", "fingerprint"]
    return [(identifier, say(f"to_{identifier}")) for identifier in identifiers]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["both"] = both
    environment.filters["sentence"] = sentence
    environment.globals["say"] = say
    return environment
