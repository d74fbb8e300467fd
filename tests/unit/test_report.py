"""The page: what it says, that it says what is missing, and that it trusts nothing in a folder."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.diagnosis.findings import (
    HotPath,
    HotStatement,
    Profile,
    RecordedWorker,
    write_profile,
)
from harness.failures import BadSetup
from harness.run_folder import RunFolder
from reports.build import build_report, main
from reports.sources import read_sources
from tests.fakes.report_folders import Wanted, samples_of, write_run, write_samples

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>"
    "{{ 7 * 7 }}{% raw %}\x00\x1b[31m\u202e ก็ ]]> --> &lt;"
)
VOID = {"meta", "link", "br", "img", "input", "hr"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run-whole", requests=3_000)


@pytest.fixture(scope="module")
def pages(whole: Path) -> dict[str, str]:
    """The whole run's page, built once in each language."""
    return {lang: page(whole, lang) for lang in ("th", "en")}


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of the whole run that a test may damage."""
    leave_out = shutil.ignore_patterns("report.html")
    return Path(shutil.copytree(whole, tmp_path / "run-copy", ignore=leave_out))


@pytest.fixture
def bare(run: Path) -> Path:
    """The same without samples: quick, for tests that ask about other parts."""
    shutil.rmtree(run / "samples")
    return run


def page(run: Path, lang: str = "th") -> str:
    return build_report(run, lang).read_text("utf-8")


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    content = orjson.loads(path.read_bytes())
    edited = edit(content)
    path.write_bytes(orjson.dumps(content if edited is None else edited))


class Outline(HTMLParser):
    """Element names, ids, attributes and texts of a page; fails when elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)


def visible(text: str, lang: str) -> str:
    """Return the page's text in one language, without markup."""
    other = "en" if lang == "th" else "th"
    text = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.S)
    text = re.sub(rf'<(span|text)([^>]*) lang="{other}"[^>]*>[^<]*</\1>', "", text)
    return html.unescape(re.sub(r"<[^>]+>", " ", text)).replace("\u00a0", " ")


# The first screen


def test_the_first_screen_says_verdict_what_was_tested_and_what_was_not(
    pages: dict[str, str],
) -> None:
    text = pages["th"]
    first = text[text.index('<section class="first"') : text.index('<nav class="contents"')]
    thai, english = visible(first, "th"), visible(first, "en")

    assert "ไม่เป็นไปตามสัญญา 2 ข้อ จากข้อกำหนดที่ทดสอบ 29 ข้อ" in thai
    assert "2 of the 29 clauses tested are breached." in english
    assert "23 พฤศจิกายน พ.ศ. 2569" in thai
    assert "L2 วันสิ้นเดือน" in thai
    assert "evidence only, not acceptance" in english
    assert "What was NOT tested" in english
    assert "4.4 ศูนย์คอมพิวเตอร์หนึ่งแห่งใช้การไม่ได้" in thai
    assert "3.6\u2002 I6 เลขที่เอกสารไม่ซ้ำและไม่ข้าม" in thai


def test_the_first_screen_tells_what_stood_in_the_books_before(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / str(months), requests=100, has_samples=False, history_months=months)
        for months in (0, 3)
    ]
    empty, full = map(page, runs)

    assert "documents of every unit, months: 3" in visible(full, "en")
    assert "เอกสารของทุกหน่วยย้อนหลัง 3 เดือน" in visible(full, "th")
    assert "Books before" not in visible(empty, "en")


@pytest.mark.parametrize(
    ("verdict", "thai", "english"),
    [("MET", "เป็นไปตามสัญญา 29 ข้อ", "Every clause that was tested is met: 29 of 29."),
     ("INCONCLUSIVE", "การสรุปไม่ได้มิใช่การผ่าน", "This is not a pass.")],
)  # fmt: skip
def test_each_verdict_has_its_sentence(
    tmp_path: Path, verdict: str, thai: str, english: str
) -> None:
    text = page(write_run(tmp_path / "r", requests=100, verdict=verdict, has_samples=False))

    assert thai in visible(text, "th")
    assert english in visible(text, "en")
    assert f'class="verdict v-{verdict}"' in text


def test_a_verdict_has_a_shape_of_its_own_besides_colour(bare: Path) -> None:
    (bare / "contract.yaml").unlink()
    seals = set()
    for verdict in ("MET", "BREACHED", "INCONCLUSIVE", "NOT_TESTED"):
        change(bare / "verdict.json", lambda content, v=verdict: content.update(verdict=v))
        seals.add(re.findall(r'<div class="seal">(.*?)</div>', page(bare), re.S)[0])

    assert len(seals) == 4


def test_a_blocking_caveat_stands_on_the_first_screen(bare: Path) -> None:
    change(bare / "verdict.json", lambda v: v.update(
        verdict="INCONCLUSIVE", clauses=[c for c in v["clauses"] if c["verdict"] == "MET"],
        caveats=[{"id": "late", "text": "The generator was late.", "text_th": "เครื่องส่งช้า",
                  "blocks": True}]))  # fmt: skip
    text = page(bare)
    first = text[: text.index('<nav class="contents"')]

    assert "เครื่องส่งช้า" in visible(first, "th")
    assert "a caveat keeps the result from being decided" in visible(first, "en")


def test_the_clauses_closest_to_their_limits_are_named_when_all_is_met(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", requests=10, verdict="MET", has_samples=False)

    def edit(verdict: Any) -> None:
        for clause in verdict["clauses"]:
            if clause["id"] == "1.2":
                clause["value"] = clause["limit"] * 0.999

    change(run / "verdict.json", edit)
    first = page(run).partition('class="card deciding"')[2]

    assert first.index("1.2&ensp;") < first.index("</li>")


def test_a_value_that_no_answer_gave_is_said_in_words(bare: Path) -> None:
    def edit(verdict: Any) -> None:
        clause = next(c for c in verdict["clauses"] if c["id"] == "1.4")
        clause["value"] = None

    change(bare / "verdict.json", edit)

    assert "never answered" in visible(page(bare), "en")


# The rest of the page


def test_both_languages_are_in_one_file_that_opens_in_either(pages: dict[str, str]) -> None:
    thai, english = pages["th"], pages["en"]

    assert '<html lang="th">' in thai
    assert '<html lang="en">' in english
    assert "<title>รายงานผลการทดสอบ" in thai
    assert "<title>Test report" in english
    for text in (thai, english):
        assert "Where work queues" in text
        assert "จุดที่งานรอคิว" in text


def test_one_language_never_shows_the_other(pages: dict[str, str]) -> None:
    text = visible(pages["en"], "en")
    left = re.findall(r"[\u0e01-\u0e5b][^\n]{0,60}", text)

    # The switch itself says the name of the other language.
    assert [words for words in left if not words.startswith(("ไทย", "ภาษา"))] == []


def test_the_page_is_well_formed_and_names_each_id_once(pages: dict[str, str]) -> None:
    outline = Outline(pages["th"])

    assert len(outline.ids) == len(set(outline.ids))
    links = {value[1:] for tag, name, value in outline.attributes
             if tag == "a" and name == "href"}  # fmt: skip
    assert links <= set(outline.ids)
    labelled = {value for _, name, value in outline.attributes if name == "aria-labelledby"}
    assert labelled <= set(outline.ids)


def test_tables_have_headers_with_a_scope(pages: dict[str, str]) -> None:
    outline = Outline(pages["th"])
    headers = [tag for tag in outline.names if tag == "th"]
    scopes = [1 for tag, name, _ in outline.attributes if tag == "th" and name == "scope"]

    assert len(headers) == len(scopes) > 50


def test_the_page_needs_nothing_from_anywhere(pages: dict[str, str]) -> None:
    outline = Outline(pages["th"])
    loads = {"src", "srcset", "data", "action", "poster", "background"}

    assert [a for a in outline.attributes if a[1] in loads] == []
    assert {value[:1] for tag, name, value in outline.attributes
            if name == "href" and tag in ("a", "use")} == {"#"}  # fmt: skip
    assert [v for t, n, v in outline.attributes if (t, n) == ("link", "href")] == ["data:,"]
    assert len(outline.scripts) == 1
    assert "http" not in re.sub(r'xmlns="[^"]*"|http-equiv', "", pages["th"])


def test_the_page_stays_small(tmp_path: Path) -> None:
    text = page(write_run(tmp_path / "r", requests=40_000, scale=0.1))

    assert len(text.encode()) < 1_000_000


def test_tables_and_figures_count_the_same_requests(whole: Path, pages: dict[str, str]) -> None:
    samples = samples_of(Wanted(requests=3_000), RunFolder(whole).read_faults())
    failed = int((samples["failure"] > 1).sum())
    provider = [n for n, row in enumerate(_operations()) if row[1] == "provider"]
    counted = int((~_is_in(samples["operation"], provider) & (samples["failure"] > 1)).sum())
    text = visible(pages["th"], "en")

    assert 0 < counted <= failed
    assert f"failed {counted}" in text


def _operations() -> list[tuple[str, str]]:
    from scenarios.demand import OPERATIONS

    return [(name, kind.value) for name, kind in OPERATIONS.items()]


def _is_in(values: Any, chosen: list[int]) -> Any:
    import numpy as np

    return np.isin(values, chosen)


def test_worst_units_have_names_from_the_register_of_the_run(pages: dict[str, str]) -> None:
    section = pages["th"].partition('id="units"')[2].partition('id="money"')[0]

    assert "ชื่อหน่วยเป็นชื่อสมมุติ" in section
    assert re.search(r"องค์การบริหารส่วนตำบล|ศูนย์พัฒนาเด็กเล็ก|เทศบาล", section)


def test_units_behind_emulated_lines_are_told_from_the_others(run: Path) -> None:
    clean = visible(page(run), "en")
    change(run / "manifest.json", lambda m: m.update(network="lossy"))
    text = visible(page(run), "en")

    sources = read_sources(run)
    assert sources.folded is not None
    assert sources.unit_names is not None
    units = sources.folded.units["unit"].tolist()
    behind = [unit for unit in units if sources.unit_names[unit].is_lossy]
    register = sources.unit_names.values()
    assert 0.05 < sum(named.is_lossy for named in register) / len(register) < 0.2
    assert "lossy lines" not in clean
    assert f"{len(behind):,} of these {len(units):,} units were behind emulated slow" in text
    assert re.search(r"of the others' [\d,]+ ms", text)


def test_names_are_left_out_when_the_register_is_another(run: Path) -> None:
    change(run / "manifest.json", lambda m: m.update(population_sha256="0" * 64))

    assert "Names are left out" in visible(page(run), "en")


def test_findings_show_their_witnesses(pages: dict[str, str]) -> None:
    text = visible(pages["th"].partition('id="money"')[2].partition('id="faults"')[0], "th")

    assert "พบ 17 รายการ" in text
    assert "ธันวาคม 2568" in text
    assert text.count("ใบเสร็จรับเงิน") == 10


def test_the_run_can_be_repeated_from_the_page(whole: Path, pages: dict[str, str]) -> None:
    text = visible(pages["th"], "en")
    manifest = RunFolder(whole).read_manifest()

    assert "monthend accept --scale 0.02 --seed 7" in text
    assert "monthend judge runs/run-whole" in text
    for value in (manifest.plan_sha256, manifest.population_sha256, manifest.contract_sha256):
        assert value in text


def test_the_calibration_shows_measured_against_true(pages: dict[str, str]) -> None:
    english, thai = visible(pages["en"], "en"), visible(pages["th"], "th")

    assert "Calibration of the load generator" in english
    assert "Within its budget" in english
    assert "8,000 requests per second" in english
    assert "ผ่านเกณฑ์: p50, p99 และ p99.9" in thai
    for shown_in, kind in ((english, "exponential delay"), (thai, "ล่าช้าแบบเลขชี้กำลัง")):
        row = re.search(rf"{kind}(?: +[\d.,%]+){{12}}", shown_in.replace("+", ""))
        assert row is not None
        assert row[0].split()[-9:] == [
            "1.00", "1.00", "0.00", "10.00", "10.01", "0.01", "50.00", "50.05", "0.05",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda found: {**found, "rows": "<b>"}, "No calibration of the load generator"),
        (lambda found: None, "No calibration of the load generator"),
        (lambda found: {**found, "counts": {**found["counts"], "lost": 1}},
         "times measured on this machine cannot be defended"),
        (lambda found: {**found, "foreign_share": 0.9,
                        "rows": [{**row, "measured_ms": {**row["measured_ms"], "p50": 5.0}}
                                 for row in found["rows"]]},
         "Others used the machine during the calibration"),
    ],
)  # fmt: skip
def test_a_calibration_that_proves_nothing_says_so(
    bare: Path, edit: Callable[[Any], Any], sentence: str
) -> None:
    change(bare / "manifest.json", lambda m: {**m, "calibration": edit(m["calibration"])})

    assert sentence in visible(page(bare, "en"), "en")


def test_a_changed_contract_is_noticed(bare: Path) -> None:
    with (bare / "contract.yaml").open("a", encoding="utf-8") as file:
        file.write("# loosened\n")

    assert "does not match the hash recorded" in visible(page(bare), "en")


# What is missing


@pytest.mark.parametrize(
    ("part", "english"),
    [("verdict.json", "No verdict"),
     ("samples", "The folder holds no recorded requests"),
     ("books", "No books were read back"),
     ("findings.json", "no accounting findings"),
     ("readings", "No readings of the machine"),
     ("faults.jsonl", "none is recorded as injected"),
     ("contract.yaml", "Document numbers unique and without gaps")],
)  # fmt: skip
def test_a_missing_part_is_said(bare: Path, part: str, english: str) -> None:
    path = bare / part
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=part == "samples")

    assert english in visible(page(bare), "en")


def test_a_folder_of_a_manifest_alone_has_a_page(run: Path) -> None:
    for path in run.iterdir():
        if path.name != "manifest.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    text = page(run)

    assert "ยังไม่มีผลการตัดสิน" in visible(text, "th")
    Outline(text)


def test_an_interrupted_run_says_so(bare: Path) -> None:
    change(bare / "manifest.json", lambda m: m.update(ended="interrupted", end_reason="Ctrl-C"))

    assert "stopped before its end. Ctrl-C" in visible(page(bare), "en")


# A profile


def profiled(run: Path, *, file: str = "turn-0.raw", name: str = "post_receipt") -> str:
    """Put a profile of three stacks into a run that nobody judged, and return its page."""
    (run / "verdict.json").unlink()
    stacks = [f"run (app.py:1);{name} (routes.py:40) 60", "run (app.py:1);execute (sql.py:9) 40"]
    (run / "profile" / "turn-0.raw").write_text("\n".join(stacks), "utf-8")
    (run.parent / "outside.raw").write_text("run (app.py:1);secret (key.py:1) 100", "utf-8")
    path = HotPath(
        function=name, place="routes.py:40", self_samples=60, total_samples=60, self_s=0.6,
        total_s=0.6, self_share=0.6, total_share=0.6, total_samples_per_request=0.1, is_own=True,
    )  # fmt: skip
    statement = HotStatement(
        call_site="next_number", query="UPDATE counter SET last = last + 1", calls=1_500,
        total_ms=2_210.0, mean_ms=1.47, rows=1_500, blocks=2, share=0.48, calls_per_request=1.0,
    )  # fmt: skip
    recording = RecordedWorker(worker="w1", pid=7, is_with_idle=False, file=file, samples=100,
                               errors=0, refused_because=None)  # fmt: skip
    profile = Profile(
        version=1, duration_s=42.0, rate_hz=100, completed_requests=15_120, loop_occupancy=0.62,
        running_share=0.81, cpu_cores_per_worker=None, broken_lines=0, paths=(path,),
        paths_with_idle=(), statements=(statement,), blocked=(), bottlenecks=(),
        recordings=(recording,), missing=("no access to the database",),
    )  # fmt: skip
    write_profile(run / "profile" / "profile.json", profile)
    return page(run)


def test_a_profile_is_shown_even_when_nothing_was_judged(bare: Path) -> None:
    text = profiled(bare)
    english = visible(text, "en")

    assert "No verdict" in english
    assert "15,120 requests completed" in english
    assert re.search(r"post_receipt\s+routes.py:40\s+60 %\s+60 %", english)
    assert re.search(r"next_number\s+UPDATE counter SET last = last \+ 1\s+1,500", english)
    assert "no access to the database" in english
    assert '<figure id="figure-icicle"' in text
    assert "100 samples, 1.0 s" in text


def test_stacks_outside_the_folder_are_not_read(bare: Path) -> None:
    text = profiled(bare, file="../../outside.raw")

    assert "secret" not in text
    assert "the raw stacks are not in the folder" in visible(text, "en")


def test_a_drawing_that_lies_in_the_folder_is_not_trusted(bare: Path) -> None:
    (bare / "profile" / "icicle.svg").write_text("<svg onload='alert(1)'></svg>", "utf-8")

    assert "alert(1)" not in profiled(bare)


def test_hostile_function_names_stay_names(bare: Path) -> None:
    outline = Outline(profiled(bare, name=HOSTILE.replace("\x00", "").replace(";", "")))

    assert outline.names.count("script") == 1
    assert not [a for a in outline.attributes if a[1].startswith("on")]


def test_a_diagnosis_that_abstains_names_no_place(bare: Path) -> None:
    change(bare / "verdict.json", lambda v: v.update(bottlenecks=[
        {"class": "ABSTAIN", "place": "", "share": 0.0, "tier": "T0", "confidence": "none",
         "evidence": "p95 257 ms, and no cause can be named"}]))  # fmt: skip
    section = page(bare).partition('id="bottlenecks"')[2].partition('id="profile"')[0]

    assert "P95 257 ms, and no cause can be named." in section
    assert "<table" not in section


# What is broken: one line, exit status 3


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (run / name).write_bytes(content)

    return damage


def edited(name: str, **changes: Any) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        change(run / name, lambda content: content.update(changes))

    return damage


WILD_PHASE = {"name": "x", "started_ns": 0, "ended_ns": 2**63 - 1, "is_measured": True}
TEXT_VALUE = {"id": "1.1", "verdict": "MET", "value": "12"}
TEXT_UNIT = {"about": "I1", "count": 1, "text": "", "witnesses": [{"unit": "x"}]}


def truncated(run: Path) -> None:
    path = run / "samples" / "load-0.parquet"
    path.write_bytes(path.read_bytes()[:-2_000])


def without_column(run: Path) -> None:
    path = run / "samples" / "load-0.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["planned_ns"]), path)


def unknown_operation(run: Path) -> None:
    rows = samples_of(Wanted(requests=10), ())
    rows["operation"] = 9_999
    write_samples(run / "samples" / "load-0.parquet", rows)


def readings_of_text(run: Path) -> None:
    columns = ("at_ns", "probe", "subject", "name", "value", "unit")
    table = pa.table({name: ["cpu_share"] for name in columns})
    pq.write_table(table, run / "readings" / "host.parquet")


MANIFEST, VERDICT, FINDINGS = "manifest.json", "verdict.json", "findings.json"
OF_TEXT_TIMES = b'{"name":"a","target":"b","injected_ns":"1","healed_ns":0,"detail":""}\n'
# What is damaged, and what the one line must name.
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "manifest is no JSON": (write(MANIFEST, b"{"), "manifest"),
    "manifest is a list": (write(MANIFEST, b"[]"), "manifest"),
    "manifest of another version": (edited(MANIFEST, format_version=99), "format version 99"),
    "phases are numbers": (edited(MANIFEST, phases=[1]), "manifest"),
    "phase outside any clock": (edited(MANIFEST, phases=[WILD_PHASE]), "phase"),
    "scale is a text": (edited(MANIFEST, scale="full"), "scale"),
    "seed is a truth value": (edited(MANIFEST, seed=True), "seed"),
    "fingerprint holds lists": (edited(MANIFEST, fingerprint={"a": []}), "fingerprint"),
    "verdict is no JSON": (write(VERDICT, b"\xff\xfe"), "verdict.json"),
    "verdict is another word": (edited(VERDICT, verdict="PASSED"), "key verdict"),
    "clauses are an object": (edited(VERDICT, clauses={}), "key clauses"),
    "clause without an id": (edited(VERDICT, clauses=[{"verdict": "MET"}]), "clauses[0].id"),
    "value is a text": (edited(VERDICT, clauses=[TEXT_VALUE]), "clauses[0].value"),
    "caveats are a number": (edited(VERDICT, caveats=3), "key caveats"),
    "findings are a text": (write(FINDINGS, b'"none"'), "findings.json"),
    "witness unit is a text": (edited(FINDINGS, findings=[TEXT_UNIT]), "witnesses[0].unit"),
    "contract is no YAML": (write("contract.yaml", b"id: [\n"), "contract.yaml"),
    "faults are no JSON": (write("faults.jsonl", b"injected\n"), "faults.jsonl"),
    "fault times are texts": (write("faults.jsonl", OF_TEXT_TIMES), "faults.jsonl"),
    "samples are cut off": (truncated, "samples"),
    "samples lack a column": (without_column, "planned_ns"),
    "samples of unknown operations": (unknown_operation, "operation"),
    "readings are texts": (readings_of_text, "host.parquet"),
    "profile is no JSON": (write("profile/profile.json", b"{"), "profile.json"),
}


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_a_broken_part_is_one_clear_line_and_status_3(
    run: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, where = DAMAGES[name]
    (run / "contract.yaml").unlink()  # the slowest part to read, and in one test the damaged one
    damage(run)

    status = main([str(run)])
    captured = capsys.readouterr()

    assert status == 3
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert where in captured.err
    assert not (run / "report.html").exists()


def test_a_place_that_is_no_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 3
    assert "not a run folder" in capsys.readouterr().err


def test_a_language_that_does_not_exist_is_refused(whole: Path) -> None:
    with pytest.raises(BadSetup, match="--lang"):
        build_report(whole, "fr")


def test_the_command_writes_the_page_and_the_junit_document(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run), "--lang", "en"]) == 0

    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert (run / "junit.xml").exists()
    assert not list(run.glob("*.new"))


# What lies


def poison(value: Any) -> Any:
    """Replace every text in a JSON value by a hostile one, keys of closed vocabularies left."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, list):
        return [poison(item) for item in value]
    if isinstance(value, dict):
        kept = {"verdict", "limit_side"}
        return {key: item if key in kept else poison(item) for key, item in value.items()}
    return value


def test_hostile_texts_stay_texts(run: Path) -> None:
    change(run / "verdict.json", poison)
    change(run / "findings.json", poison)

    def manifest(content: Any) -> Any:
        return {
            **poison(content),
            **{key: content[key] for key in ("composition", "population_sha256")},
            "fingerprint": {HOSTILE: HOSTILE, "name": HOSTILE},
            "machine": {HOSTILE: HOSTILE},
            "command": [HOSTILE, "--seed", HOSTILE],
            "planned_by_operation": {HOSTILE: 1},
        }

    change(run / "manifest.json", manifest)
    event = {"name": HOSTILE, "target": HOSTILE, "detail": HOSTILE, "healed_ns": 0,
             "injected_ns": RunFolder(run).read_manifest().t0_ns + 10**9}  # fmt: skip
    (run / "faults.jsonl").write_bytes(orjson.dumps(event))
    named = {name + HOSTILE: kind for name, kind in _operations()}
    faults = RunFolder(run).read_faults()
    write_samples(run / "samples" / "load-0.parquet",
                  samples_of(Wanted(requests=500), faults), named)  # fmt: skip

    text = page(run)
    outline = Outline(text)

    assert outline.names.count("script") == 1
    assert "img" not in outline.names
    assert not [a for a in outline.attributes if a[1].startswith("on")]
    assert len(outline.scripts) == 1
    assert "alert" not in outline.scripts[0]
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "{{ 7 * 7 }}" in html.unescape(text)


def test_absurd_numbers_do_not_break_the_page(bare: Path) -> None:
    def edit(verdict: Any) -> None:
        for place, clause in enumerate(verdict["clauses"]):
            clause["value"] = (1e308, -1e308, 0.0, -0.0, 1e-300, 10**18)[place % 6]
            clause["sample_count"] = 10**18
        verdict["bottlenecks"][0]["share"] = -1e300
        verdict["bottlenecks"] *= 10_000
        verdict["caveats"] *= 10_000
        verdict["clauses"] *= 100

    change(bare / "verdict.json", edit)
    change(bare / "manifest.json", lambda m: m.update(
        scale=-1.0, duration_s=1e300, planned_per_s=[10**15] * 5, population_units=-5))  # fmt: skip
    text = page(bare)
    Outline(text)

    assert "The first 500 of 3,400 clauses are shown." in visible(text, "en")
    assert len(text) < 6_000_000


def test_endless_texts_are_cut(bare: Path) -> None:
    change(bare / "verdict.json", lambda v: v["caveats"][0].update(text="x" * 5_000_000))

    assert len(page(bare)) < 2_000_000


def test_a_run_without_phases_or_requests_in_a_kind_has_a_page(run: Path) -> None:
    rows = samples_of(Wanted(requests=3), ())
    write_samples(run / "samples" / "load-0.parquet", rows[:1])
    change(run / "manifest.json", lambda m: m.update(phases=[], planned_per_s=[]))

    Outline(page(run))
