"""The plan as text for a terminal: tables of the arithmetic, the phases, the operations, the gaps.

Headings and reasons come in Thai or English; formulas and names of operations stay as they are in
the files of a run. Renders a `PlanDescription` and computes nothing of its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from contracts.terms import Bilingual
from harness.plan import Gap, PlanDescription

LANGUAGES: Final = ("th", "en")
_GAP: Final = "  "

_HEADINGS: Final = {
    "plan": Bilingual(th="แผนการทดสอบ (ยังไม่มีการส่งภาระงาน)", en="Plan (no load is sent)"),
    "arithmetic": Bilingual(th="ที่มาของอัตราคำขอ", en="From the population to requests a second"),
    "population": Bilingual(th="ประชากรหน่วยบัญชี", en="Population"),
    "beside": Bilingual(
        th="เทียบกับสถานการณ์ปกติ: จำนวนผู้ใช้พร้อมกันกับปริมาณงาน",
        en="Beside its counterpart: people at once, and the work that must be carried",
    ),
    "phases": Bilingual(th="ช่วงของการทดสอบ", en="Phases"),
    "activities": Bilingual(th="กิจกรรม", en="Activities"),
    "operations": Bilingual(th="คำขอที่คาดหมายจำแนกตามรายการ", en="Expected requests by operation"),
    "cost": Bilingual(th="สิ่งที่ต้องใช้", en="Cost"),
    "not_tested": Bilingual(th="สิ่งที่จะไม่ได้ทดสอบ", en="What would NOT be tested"),
    "left_out": Bilingual(
        th="สิ่งที่ไม่อยู่ในแผน เพราะ dialect ไม่มีรายการที่ต้องใช้",
        en="Left out, because the dialect lacks an operation",
    ),
    "doubts": Bilingual(th="สิ่งที่อาจสรุปไม่ได้", en="What might stay without an answer"),
    "none": Bilingual(th="ไม่มี", en="nothing"),
}
_COLUMNS: Final = {
    "type": Bilingual(th="ประเภท", en="type"),
    "units": Bilingual(th="หน่วย", en="units"),
    "accounts": Bilingual(th="บัญชีผู้ใช้", en="accounts"),
    "work": Bilingual(th="เทียบเท่า อบต.", en="in SAOs"),
    "phase": Bilingual(th="ช่วง", en="phase"),
    "from_s": Bilingual(th="เริ่ม (วินาที)", en="from s"),
    "to_s": Bilingual(th="สิ้นสุด (วินาที)", en="to s"),
    "rate": Bilingual(th="คำขอ/วินาที", en="req/s"),
    "requests": Bilingual(th="คำขอ", en="requests"),
    "measured": Bilingual(th="ใช้ตัดสินเวลา", en="measured"),
    "activity": Bilingual(th="กิจกรรม", en="activity"),
    "scenario": Bilingual(th="สถานการณ์", en="scenario"),
    "busiest": Bilingual(th="คำขอ/วินาทีสูงสุด", en="busiest req/s"),
    "in_progress": Bilingual(th="เข้าใช้พร้อมกันมากที่สุด", en="sessions at once"),
    "each": Bilingual(th="คำขอต่อครั้ง", en="requests each"),
    "monthly": Bilingual(th="ต่อ อบต. ต่อเดือน", en="per SAO-month"),
    "sessions": Bilingual(th="ครั้งในการทดสอบนี้", en="in this run"),
    "operation": Bilingual(th="รายการ", en="operation"),
    "kind": Bilingual(th="ชนิด", en="kind"),
    "share": Bilingual(th="สัดส่วน", en="share"),
    "lacking": Bilingual(th="รายการที่ขาด", en="lacking"),
    "yes": Bilingual(th="ใช่", en="yes"),
    "no": Bilingual(th="ไม่", en="no"),
}
_LABELS: Final = {
    "contract": Bilingual(th="สัญญา", en="contract"),
    "scenario": Bilingual(th="สถานการณ์", en="scenario"),
    "shows": Bilingual(th="แสดงให้เห็น", en="shows"),
    "level": Bilingual(th="ระดับภาระงาน", en="level"),
    "population": Bilingual(th="ประชากร", en="population"),
    "faults": Bilingual(th="เหตุขัดข้องที่จำลอง", en="faults"),
    "seed": Bilingual(th="ค่าเริ่มต้นการสุ่ม", en="seed"),
    "plan": Bilingual(th="แผน", en="plan"),
    "load": Bilingual(th="ระยะเวลาส่งภาระงาน", en="load"),
    "sessions": Bilingual(th="จำนวนครั้งที่เข้าใช้", en="sessions"),
    "progress": Bilingual(th="เข้าใช้พร้อมกันมากที่สุด", en="in progress at most"),
    "connections": Bilingual(th="การเชื่อมต่อพร้อมกัน", en="connections"),
    "generator": Bilingual(th="หน่วยประมวลผลของเครื่องส่งภาระงาน", en="generator"),
    "evidence": Bilingual(th="ขนาดหลักฐาน", en="evidence"),
}


def render_plan(description: PlanDescription, language: str = "en") -> str:
    """Return the whole text. Raises `ValueError` for a language other than `th` and `en`."""
    if language not in LANGUAGES:
        raise ValueError(f"the text comes in {' and '.join(LANGUAGES)}, not in {language!r}")
    text = _Text(language)
    sections = (
        ("plan", _head(description, text)),
        ("arithmetic", _arithmetic(description, text)),
        ("population", _population(description, text)),
        *((("beside", _beside(description, text)),) if description.beside else ()),
        ("phases", _phases(description, text)),
        ("activities", _activities(description, text)),
        ("operations", _operations(description, text)),
        ("cost", _cost(description, text)),
        ("left_out", _left_out(description, text)),
        ("not_tested", _gaps(description.not_tested, text)),
        ("doubts", _gaps(description.doubts, text)),
    )
    blocks = []
    for heading, lines in sections:
        title = text.of(_HEADINGS[heading])
        blocks.append("\n".join((title, "-" * _width(title), *lines)))
    return "\n\n".join(blocks) + "\n"


class _Text:
    """Chooses the language of every text."""

    def __init__(self, language: str) -> None:
        self._is_thai = language == "th"

    def of(self, text: Bilingual) -> str:
        """Return *text* in the chosen language."""
        return text.th if self._is_thai else text.en

    def columns(self, *names: str) -> tuple[str, ...]:
        """Return the headings of a table."""
        return tuple(self.of(_COLUMNS[name]) for name in names)

    def label(self, name: str) -> str:
        """Return the name of a value."""
        return self.of(_LABELS[name])


def _head(description: PlanDescription, text: _Text) -> list[str]:
    contract, level, plan = description.contract, description.level, description.plan
    scenario = description.scenario
    population = description.population
    return _table(
        (
            (text.label("contract"), f"{contract.id} {contract.version}  sha256 {contract.sha256}"),
            ("", text.of(contract.title)),
            (
                text.label("scenario"),
                f"{scenario.name}: {text.of(scenario.title)}, {scenario.business_date}",
            ),
            (text.label("shows"), text.of(scenario.shows)),
            (text.label("level"), f"{level.name} {level.title}, demand {plan.demand}"),
            (
                text.label("population"),
                f"composition {population.composition}, {len(population.units):,} units, "
                f"{population.account_count:,} accounts, scale {population.scale:g}  "
                f"sha256 {population.sha256}",
            ),
            (text.label("faults"), ", ".join(description.faults) or text.of(_HEADINGS["none"])),
            (text.label("seed"), f"{description.seed}"),
            (text.label("plan"), f"sha256 {plan.sha256}"),
        )
    )


def _arithmetic(description: PlanDescription, text: _Text) -> list[str]:
    rows = [
        (text.of(step.label), step.formula, f"{step.value:,.{_digits(step.value)}f}", step.unit)
        for step in description.steps
    ]
    return _table(rows, right=(2,))


def _digits(value: float) -> int:
    return 1 if value < 10_000 else 0


def _population(description: PlanDescription, text: _Text) -> list[str]:
    rows = [
        (row.type, f"{row.units:,}", f"{row.accounts:,}", f"{row.sao_equivalents:,.1f}")
        for row in description.types
    ]
    total = (
        "",
        f"{len(description.population.units):,}",
        f"{description.population.account_count:,}",
        f"{description.population.sao_equivalents:,.1f}",
    )
    return _table(
        (text.columns("type", "units", "accounts", "work"), *rows, total), right=(1, 2, 3)
    )


def _beside(description: PlanDescription, text: _Text) -> list[str]:
    """Set the two numbers that a rationing of users confuses beside each other."""
    rows = [
        (
            row.scenario,
            f"{row.units:,}",
            f"{row.peak_req_s:,.1f}",
            f"{row.requests:,}",
            f"{row.sessions_in_progress_max:,}",
        )
        for row in description.beside
    ]
    columns = text.columns("scenario", "units", "busiest", "requests", "in_progress")
    return _table((columns, *rows), right=(1, 2, 3, 4))


def _phases(description: PlanDescription, text: _Text) -> list[str]:
    yes, no = text.columns("yes", "no")
    rows = [
        (
            phase.name,
            f"{phase.start_s:.0f}",
            f"{phase.end_s:.0f}",
            f"{'0 - ' if phase.is_ramp else ''}{phase.rate_req_s:,.1f}",
            f"{phase.requests:,.0f}",
            yes if phase.is_measured else no,
        )
        for phase in description.phases
    ]
    columns = text.columns("phase", "from_s", "to_s", "rate", "requests", "measured")
    return _table((columns, *rows), right=(1, 2, 3, 4))


def _activities(description: PlanDescription, text: _Text) -> list[str]:
    rows = [
        (row.name, f"{row.requests}", f"{row.per_sao_month:,.1f}", f"{row.sessions:,}")
        for row in description.activities
    ]
    columns = text.columns("activity", "each", "monthly", "sessions")
    return _table((columns, *rows), right=(1, 2, 3))


def _operations(description: PlanDescription, text: _Text) -> list[str]:
    rows = [
        (row.name, row.kind.value, f"{row.requests:,}", f"{row.share:.1%}")
        for row in description.operations
    ]
    columns = text.columns("operation", "kind", "requests", "share")
    return _table((columns, *rows), right=(2, 3))


def _cost(description: PlanDescription, text: _Text) -> list[str]:
    cost = description.cost
    return _table(
        (
            (text.label("load"), f"{cost.load_s:,.0f} s"),
            (text.label("sessions"), f"{cost.sessions:,}, {cost.requests:,} requests"),
            (text.label("progress"), f"{cost.sessions_in_progress_max:,}"),
            (
                text.label("connections"),
                f"{cost.connections_needed:,} of "
                f"{cost.connections_allowed:,} if the target stands still",
            ),
            (text.label("generator"), f"{cost.generator_cores:.2f} cores in the peak (budget)"),
            (text.label("evidence"), f"{cost.evidence_bytes / 1e6:,.1f} MB raw"),
        )
    )


def _left_out(description: PlanDescription, text: _Text) -> list[str]:
    if not description.left_out:
        return [text.of(_HEADINGS["none"])]
    rows = [
        (one.activity, f"{one.sessions:,}", f"{one.requests:,}", ", ".join(one.operations))
        for one in description.left_out
    ]
    columns = text.columns("activity", "sessions", "requests", "lacking")
    return _table((columns, *rows), right=(1, 2))


def _gaps(gaps: Sequence[Gap], text: _Text) -> list[str]:
    if not gaps:
        return [text.of(_HEADINGS["none"])]
    return _table([(gap.clause or "-", text.of(gap.title), text.of(gap.reason)) for gap in gaps])


def _table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Align columns by what a terminal shows; columns in *right* end together."""
    widths = [max(_width(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            " " * (width - _width(cell)) + cell if place in right else
            cell + " " * (width - _width(cell))
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]  # fmt: skip
        lines.append(_GAP.join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    """Return how many columns *text* takes: Thai vowels and tones above and below take none."""
    return sum(unicodedata.category(character) not in ("Mn", "Me", "Cf") for character in text)
