"""Planned against offered, and the generator beside it: the numbers of the page, counted back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.records import Failure
from harness.checks.self_reports import read_self_reports
from harness.run_folder import RunFolder
from reports.build import build_report
from reports.figures.offer import offer_panels
from reports.offer import Offer
from reports.sections.offer import OfferSection, offer_section
from reports.sources import read_sources
from tests.fakes.report_folders import (
    SECOND_NS,
    T0_NS,
    Wanted,
    samples_of,
    write_run,
    write_samples,
)

WANTED = Wanted(requests=4_000, duration_s=60, has_faults=False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", WANTED)


def offered(run: Path) -> tuple[Offer, OfferSection]:
    sources = read_sources(run)
    assert sources.offer is not None
    assert sources.folded is not None
    planned = sources.manifest.planned_by_operation
    return sources.offer, offer_section(sources.folded, sources.offer, planned, ())


def rewrite(run: Path, change: Any) -> None:
    """Change the recorded samples; the plan stays as it was."""
    rows = samples_of(WANTED, ())
    write_samples(RunFolder(run).samples / "load-0.parquet", change(rows))


def not_sent(rows: Any, chosen: Any, failure: Failure = Failure.NOT_SENT) -> Any:
    for name in ("sent_ns", "first_byte_ns", "done_ns", "status"):
        rows[name][chosen] = 0
    rows["failure"][chosen] = failure
    return rows


def test_a_run_that_kept_its_plan_says_so_in_every_number(run: Path) -> None:
    offer, section = offered(run)

    assert section.is_exact
    assert offer.planned_count == offer.begun_count == offer.on_time_count == 500
    assert offer.exact_count == 500
    assert "4,000 requests planned = 4,000 sent + 0" in section.proof.en
    assert "ตามแผน 4,000 คำขอ = ส่ง 4,000 + " in section.proof.th
    assert all(row.planned == row.sent and row.is_exact for row in section.operations)
    assert [row.begun for row in section.activities] == ["250", "250"]


def test_planned_and_sent_agree_in_each_window_and_kind(run: Path) -> None:
    sources = read_sources(run)
    assert sources.offer is not None
    assert sources.folded is not None

    panels = offer_panels(sources.folded, sources.offer)

    assert len(panels) >= 4
    for panel in panels:
        window_s = sources.folded.timeline.window_s
        assert panel.planned_per_s.sum() == pytest.approx(panel.sent_per_s.sum())
        # A request due at the very end of a second may be sent in the next.
        assert np.abs(panel.planned_per_s - panel.sent_per_s).max() * window_s <= 2, panel.title


def test_a_session_that_never_began_is_missed(run: Path) -> None:
    rewrite(run, lambda rows: rows[rows["session"] != 17])

    offer, section = offered(run)

    assert not section.is_exact
    assert offer.begun_count == offer.on_time_count == offer.exact_count == 499
    assert "does not match the plan" in section.proof.en
    assert sum(not row.is_exact for row in section.activities) == 1


def test_a_session_that_began_at_another_time_is_not_as_planned(run: Path) -> None:
    def late(rows: Any) -> Any:
        rows["planned_ns"][rows["session"] == 3] += SECOND_NS // 2
        return rows

    rewrite(run, late)

    offer, section = offered(run)

    assert offer.begun_count == 500
    assert offer.on_time_count == 499
    assert not section.is_exact


def test_what_was_not_sent_is_told_apart_by_whose_doing_it_was(run: Path) -> None:
    """Session 5 gives up after a failure; session 6 is cut off by the end."""

    def cut(rows: Any) -> Any:
        rows = not_sent(rows, np.isin(rows["session"], [5, 6]) & (rows["step"] >= 5))
        failed = (rows["session"] == 5) & (rows["step"] == 4)
        rows["failure"][failed] = Failure.SERVER_ERROR
        return rows

    rewrite(run, cut)

    offer, section = offered(run)

    assert section.is_exact, "each planned request is on record, sent or not"
    assert "= 3,994 sent + 3 not sent because an earlier one failed + 3 not" in section.proof.en
    assert offer.exact_count == 500
    assert offer.activities["whole_count"].sum() == 498


def test_an_operation_more_often_on_record_than_planned_is_shown(run: Path) -> None:
    def double(rows: Any) -> Any:
        extra = rows[:1].copy()
        extra["step"] = 9
        return np.concatenate((rows, extra))

    rewrite(run, double)

    offer, section = offered(run)

    assert not section.is_exact
    assert offer.exact_count == 499
    assert sum(not row.is_exact for row in section.operations) == 1


def test_a_run_without_a_plan_still_shows_what_was_sent(run: Path) -> None:
    (RunFolder(run).plan / "sessions.parquet").unlink()

    offer, section = offered(run)

    assert not offer.has_plan
    assert "holds no plan by session" in section.sentence.en
    assert section.activities == ()
    assert offer.sessions["planned_per_s"].isna().all()


def test_sessions_beyond_the_record_are_not_begun(run: Path) -> None:
    rewrite(run, lambda rows: rows[rows["session"] < 100])

    offer, _ = offered(run)

    assert offer.planned_count == 500
    assert offer.begun_count == offer.exact_count == 100


def test_the_generator_section_shows_each_process(run: Path) -> None:
    sources = read_sources(run)
    assert sources.generator is not None

    facts = sources.generator.processes[0]

    rows = samples_of(WANTED, ())
    late_ms = np.sort(rows["sent_ns"] - rows["planned_ns"]) / 1e6
    assert facts.name == "load-0"
    assert facts.sent_count == 4_000
    assert facts.lateness_ms[1] == pytest.approx(late_ms[3_959], abs=0.002)
    assert facts.lateness_ms[2] == pytest.approx(late_ms[-1], abs=0.002)
    assert facts.requests.look_count == 240
    assert facts.law[2] == pytest.approx(facts.law[0] * facts.law[1])
    assert sources.generator.lag_ms.max() == 7.0
    page = build_report(run).read_text()
    assert 'id="generator"' in page
    assert 'id="figure-generator"' in page
    assert "24 / 19,744" in page


def test_a_process_that_said_nothing_has_no_section(run: Path) -> None:
    (RunFolder(run).readings / "load-0.jsonl").unlink()

    page = build_report(run).read_text()

    assert 'id="generator"' not in page
    assert 'href="#generator"' not in page
    assert 'id="offer"' in page


def test_broken_lines_of_a_process_leave_the_rest(run: Path) -> None:
    path = RunFolder(run).readings / "load-0.jsonl"
    lines = path.read_bytes().splitlines()
    hostile = [b"", b"{", b"[1,2]", b'{"event":"progress"}', b'{"event":"progress","at_ns":-1}',
               b'{"event":"progress","at_ns":1e300,"cpu_share":1}',
               b'{"event":"progress","at_ns":5,"cpu_share":"x"}',
               b'{"event":"progress","at_ns":5,"cpu_share":0.1,"looks":[[1]]}',
               b'{"event":"progress","at_ns":5,"cpu_share":0.1,"looks":7}']  # fmt: skip
    path.write_bytes(b"\n".join([*hostile, *lines, b'{"event":"prog']))

    report = read_self_reports(RunFolder(run).readings)["load-0"]

    assert report.at_ns.size == WANTED.duration_s
    assert report.at_ns[0] == T0_NS + SECOND_NS
    assert report.looks.at_ns.size == 4 * WANTED.duration_s
    assert report.has_finished
