"""A contract is read whole or refused in one line that names file, line, key and mend.

Each broken contract is the good one with one line changed; the table says which line and which key
the reader must name. Those broken in their structure must be refused by the JSON Schema, too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final, NamedTuple

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.quantities import INVARIANTS, QUANTITY_RULES
from contracts.reading import contract_from_bytes, problems_of, read_contract
from contracts.schema import SCHEMA_FILE, contract_schema, schema_text
from contracts.strict_yaml import FILE_BYTES_MAX, ContractError
from contracts.terms import Contract, Limit, Quantity, Unit

SCHEMA: Final = jsonschema.Draft202012Validator(contract_schema())
NEW_ELAAS: Final = SCHEMA_FILE.parent / "new_elaas.yaml"

GOOD: Final = """\
id: example
version: "1.0"
title: {th: สัญญา, en: Contract}
parties:
  - role: vendor
    name: {th: ผู้รับจ้าง, en: Vendor}
workload:
  composition: A
  demand: base
  calendar_profile: month_end
  units: 22402
clauses:
  - id: "1.1"
    title: {th: การอ่าน, en: Reading}
    text: {th: ต้องเร็ว, en: Must be fast}
    quantity: latency
    selector: read
    parameters: {percentile: 95}
    levels: [L1, L2]
    limit: {at_most: 1000, unit: ms}
    samples_min: 60
    source: a proposal
    penalty: none
  - id: "2.1"
    title: {th: รองรับ, en: Carried}
    text: {th: ต้องรองรับได้, en: Must be carried}
    quantity: carried_share
    levels: [L2]
    limit:
      at_least: 0.99
      unit: share
    samples_min: 100
    source: a proposal
    not_measured_because: {th: ยังไม่มี, en: not yet}
"""


class Broken(NamedTuple):
    """*old* becomes *new*; the reader must name *line* and *key* and say *what*."""

    old: str
    new: str
    line: int
    key: str
    what: str


STRUCTURAL: Final = {
    "unknown key at the top": Broken("id: example", "id: example\nextra: 1", 2, "extra", "unknown"),
    "unknown key of a clause": Broken(
        "penalty: none", "penality: none", 23, "clauses[1.1].penality", "unknown key"
    ),
    "unknown key of a limit": Broken(
        "at_most: 1000,", "at_most: 1000, max: 3,", 20, "clauses[1.1].limit.max", "unknown key"
    ),
    "missing key at the top": Broken('version: "1.0"\n', "", 1, "version", "missing"),
    "missing key of a clause": Broken(
        "    samples_min: 60\n", "", 13, "clauses[1.1].samples_min", "missing"
    ),
    "missing source": Broken(
        "    source: a proposal\n    penalty: none\n", "    penalty: none\n", 13,
        "clauses[1.1].source", "missing",
    ),
    "missing unit": Broken("1000, unit: ms", "1000", 20, "clauses[1.1].limit.unit", "missing"),
    "missing unit in a block": Broken(
        "      unit: share\n", "", 30, "clauses[2.1].limit.unit", "missing"
    ),
    "unknown unit": Broken("unit: ms", "unit: hours", 20, "clauses[1.1].limit.unit", "'hours'"),
    "unit of another quantity": Broken(
        "unit: ms", "unit: share", 20, "clauses[1.1].limit.unit", "not measured in share"
    ),
    "negative limit": Broken(
        "at_most: 1000", "at_most: -5", 20, "clauses[1.1].limit.at_most", "-5"
    ),
    "no time at all": Broken("at_most: 1000", "at_most: 0", 20, "clauses[1.1].limit.at_most", "0"),
    "share above one": Broken("0.99", "1.01", 30, "clauses[2.1].limit.at_least", "1.01"),
    "percent for a share": Broken("0.99", "99", 30, "clauses[2.1].limit.at_least", "99"),
    "both sides": Broken(
        "at_most: 1000,", "at_most: 1000, at_least: 1,", 20, "clauses[1.1].limit", "both"
    ),
    "neither side": Broken("at_most: 1000, ", "", 20, "clauses[1.1].limit", "neither"),
    "wrong side": Broken(
        "at_least: 0.99", "at_most: 0.99", 30, "clauses[2.1].limit.at_most", "at_least"
    ),
    "percentile above 100": Broken(
        "percentile: 95", "percentile: 101", 18, "clauses[1.1].parameters.percentile", "101"
    ),
    "percentile of nothing": Broken(
        "percentile: 95", "percentile: 0", 18, "clauses[1.1].parameters.percentile", "0"
    ),
    "parameter of another quantity": Broken(
        "percentile: 95", "percentile: 95, worst_share: 0.1", 18,
        "clauses[1.1].parameters.worst_share", "unknown key",
    ),
    "missing parameters": Broken(
        "    parameters: {percentile: 95}\n", "", 13, "clauses[1.1].parameters", "percentile"
    ),
    "a parameter that is not taken": Broken(
        "    levels: [L2]\n", "    levels: [L2]\n    parameters: {a: 1}\n", 29,
        "clauses[2.1].parameters.a", "unknown key",
    ),
    "unknown quantity": Broken(
        "quantity: latency", "quantity: speed", 16, "clauses[1.1].quantity", "'speed'"
    ),
    "unknown level": Broken(
        "levels: [L1, L2]", "levels: [L1, L9]", 19, "clauses[1.1].levels", "L9"
    ),
    "level twice": Broken("levels: [L1, L2]", "levels: [L2, L2]", 19, "clauses[1.1].levels", "L2"),
    "no level": Broken("levels: [L1, L2]", "levels: []", 19, "clauses[1.1].levels", "list"),
    "level not in a list": Broken(
        "levels: [L1, L2]", "levels: L1", 19, "clauses[1.1].levels", "list"
    ),
    "unknown kind": Broken(
        "selector: read", "selector: browse", 17, "clauses[1.1].selector", "'browse'"
    ),
    "kind without a promise": Broken(
        "selector: read", "selector: provider", 17, "clauses[1.1].selector", "'provider'"
    ),
    "missing selector": Broken(
        "    selector: read\n", "", 13, "clauses[1.1].selector", "needs a selector"
    ),
    "selector where none is taken": Broken(
        "    levels: [L2]\n", "    levels: [L2]\n    selector: read\n", 29,
        "clauses[2.1].selector", "takes no selector",
    ),
    "missing Thai": Broken(
        "{th: การอ่าน, en: Reading}", "{en: Reading}", 14, "clauses[1.1].title.th", "missing"
    ),
    "missing English": Broken(
        "{th: ต้องเร็ว, en: Must be fast}", "{th: ต้องเร็ว}", 15, "clauses[1.1].text.en", "missing"
    ),
    "Thai that is not Thai": Broken(
        "th: ต้องเร็ว", "th: Must be fast", 15, "clauses[1.1].text.th", "not Thai"
    ),
    "English that is not English": Broken(
        "en: Must be fast", "en: ต้องเร็ว", 15, "clauses[1.1].text.en", "not English"
    ),
    "blank text": Broken("en: Reading", 'en: " "', 14, "clauses[1.1].title.en", "blank"),
    "number as a clause's number": Broken(
        'id: "1.1"', "id: 1.1", 13, "clauses[1.1].id", "quotes"
    ),
    "clause number of another form": Broken(
        'id: "1.1"', 'id: "one"', 13, "clauses[one].id", "form"
    ),
    "samples as text": Broken(
        "samples_min: 60", 'samples_min: "60"', 21, "clauses[1.1].samples_min", "plain digits"
    ),
    "no samples": Broken("samples_min: 60", "samples_min: 0", 21, "clauses[1.1].samples_min", "0"),
    "half a sample": Broken(
        "samples_min: 60", "samples_min: 0.5", 21, "clauses[1.1].samples_min", "0.5"
    ),
    "number that is a word": Broken(
        "at_most: 1000", "at_most: many", 20, "clauses[1.1].limit.at_most", "plain digits"
    ),
    "nothing as a number": Broken(
        "samples_min: 60", "samples_min:", 21, "clauses[1.1].samples_min", "plain digits"
    ),
    "unknown composition": Broken(
        "composition: A", "composition: Z", 8, "workload.composition", "Z"
    ),
    "unknown demand": Broken("demand: base", "demand: peak", 9, "workload.demand", "'peak'"),
    "unknown profile": Broken(
        "profile: month_end", "profile: weekend", 10, "workload.calendar_profile", "'weekend'"
    ),
    "no units": Broken("units: 22402", "units: 0", 11, "workload.units", "0"),
    "unknown role": Broken("role: vendor", "role: seller", 5, "parties[1].role", "'seller'"),
    "text for a mapping": Broken(
        "limit: {at_most: 1000, unit: ms}", "limit: 1000 ms", 20, "clauses[1.1].limit", "mapping"
    ),
    "id with spaces": Broken("id: example", "id: An Example", 1, "id", "form"),
    "reason in one language": Broken(
        "{th: ยังไม่มี, en: not yet}", "{en: not yet}", 34,
        "clauses[2.1].not_measured_because.th", "missing",
    ),
}  # fmt: skip

# What only a reader of the text can see.
TEXTUAL: Final = {
    "clause number twice": Broken('id: "2.1"', 'id: "1.1"', 24, "clauses[1.1].id", "line 13"),
    "key twice": Broken(
        "    samples_min: 60\n", "    samples_min: 60\n    samples_min: 70\n", 22,
        "clauses[1.1].samples_min", "twice",
    ),
    "octal-looking number": Broken(
        "at_most: 1000", "at_most: 0100", 20, "clauses[1.1].limit.at_most", "plain digits"
    ),
    "number in sixties": Broken(
        "at_most: 1000", "at_most: 16:40", 20, "clauses[1.1].limit.at_most", "plain digits"
    ),
    "infinite": Broken(
        "at_most: 1000", "at_most: .inf", 20, "clauses[1.1].limit.at_most", "plain digits"
    ),
    "alias": Broken("en: Contract", "en: *contract", 3, "", "reference"),
    "anchor": Broken("en: Contract", "en: &contract Contract", 3, "", "reference"),
    "tag": Broken("id: example", "id: !!python/object/apply:os.system [id]", 1, "", "tag"),
    "harmless tag": Broken("units: 22402", "units: !!int 22402", 11, "", "tag"),
    "tabs": Broken("  demand: base", "\tdemand: base", 9, "", "not YAML"),
    "unclosed bracket": Broken("levels: [L2]", "levels: [L2", 29, "", "not YAML"),
    "second document": Broken("clauses:\n", "---\nclauses:\n", 12, "", "not YAML"),
    "impossible escape": Broken("en: Contract", 'en: "\\UFFFFFFFF"', 0, "", "not YAML"),
    "endless version": Broken("id: example", "%YAML " + "9" * 5_000 + "\n---\nid: x", 0, "",
                              "not YAML"),
    "control character": Broken("en: Contract", "en: Con\x07tract", 3, "", "control character"),
}  # fmt: skip


def write(folder: Path, text: str) -> Path:
    path = folder / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> ContractError:
    with pytest.raises(ContractError) as caught:
        read_contract(path)
    return caught.value


def test_the_good_contract_becomes_types(tmp_path: Path) -> None:
    contract = read_contract(write(tmp_path, GOOD))

    first, second = contract.clauses
    assert (contract.id, contract.version, contract.title.th) == ("example", "1.0", "สัญญา")
    assert contract.workload.units == 22_402
    assert contract.parties[0].role == "vendor"
    assert first.quantity is Quantity.LATENCY
    assert first.selector == "read"
    assert first.parameter("percentile") == 95
    assert first.levels == ("L1", "L2")
    assert first.limit == Limit(unit=Unit.MS, at_most=1_000)
    assert first.penalty == "none"
    assert first.not_measured_because is None
    assert second.limit == Limit(unit=Unit.SHARE, at_least=0.99)
    assert second.not_measured_because is not None
    assert second.not_measured_because.en == "not yet"
    assert second.penalty is None


def test_the_hash_is_over_the_bytes(tmp_path: Path) -> None:
    one = read_contract(write(tmp_path, GOOD))
    other = read_contract(write(tmp_path, GOOD + "# a remark\n"))

    assert one.sha256 != other.sha256
    assert len(one.sha256) == 64


@pytest.mark.parametrize("name", [*STRUCTURAL, *TEXTUAL])
def test_a_broken_contract_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    broken = (STRUCTURAL | TEXTUAL)[name]
    assert GOOD.count(broken.old) >= 1
    path = write(tmp_path, GOOD.replace(broken.old, broken.new, 1))

    error = refused(path)

    assert (error.line, error.key) == (broken.line, broken.key)
    line = str(error)
    assert line.startswith(f"{path}:{broken.line}: " if broken.line else f"{path}: ")
    assert broken.what in line
    assert "\n" not in line
    assert error.mend


@pytest.mark.parametrize("name", list(STRUCTURAL))
def test_the_schema_refuses_what_the_reader_refuses(name: str) -> None:
    broken = STRUCTURAL[name]
    content = yaml.safe_load(GOOD.replace(broken.old, broken.new, 1))

    assert not SCHEMA.is_valid(content)


def test_all_problems_are_listed_in_order(tmp_path: Path) -> None:
    text = GOOD.replace("composition: A", "composition: Z").replace("ms}", "hours}")
    path = write(tmp_path, text.replace("samples_min: 100", "samples_min: none"))

    problems = problems_of(path)

    assert [problem.line for problem in problems] == [8, 20, 32]
    assert str(refused(path)) == str(problems[0])


def test_a_good_contract_has_no_problems(tmp_path: Path) -> None:
    assert problems_of(write(tmp_path, GOOD)) == ()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path / "none.yaml")

    assert error.line == 0
    assert "does not exist" in str(error)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is no file" in str(refused(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n", b"---\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.yaml"
    path.write_bytes(content)

    assert re.search("is empty|no mapping", str(refused(path)))


@pytest.mark.parametrize("text", ["- id: example\n", "example\n", "3\n"])
def test_a_file_without_a_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "no mapping at its top" in str(refused(write(tmp_path, text)))


def test_thai_in_an_old_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_bytes(GOOD.encode("cp874"))

    error = refused(path)

    assert error.line == 3
    assert "UTF-8" in str(error)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "marked.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())

    assert read_contract(path).id == "example"


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "#" * FILE_BYTES_MAX)

    assert "larger than" in str(refused(path))


def test_a_bomb_of_references_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]

    assert "reference" in str(refused(write(tmp_path, "\n".join(lines))))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_before_it_overflows(tmp_path: Path, opening: str) -> None:
    error = refused(write(tmp_path, "id: example\nclauses: " + opening * 5_000))

    assert re.search("nested deeper|not YAML", str(error))


def test_too_many_clauses_are_refused(tmp_path: Path) -> None:
    clause = GOOD[GOOD.index('  - id: "2.1"') :]
    many = "".join(clause.replace("2.1", f"3.{n // 900 + 1}.{n % 900 + 1}") for n in range(500))

    assert any("more than 500" in str(p) for p in problems_of(write(tmp_path, GOOD + many)))


@settings(max_examples=40)
@given(st.text(max_size=60), st.integers(min_value=0, max_value=len(GOOD)))
def test_whatever_stands_in_the_file_is_read_or_refused(text: str, at: int) -> None:
    content = (GOOD[:at] + text + GOOD[at:]).encode("utf-8", "replace")
    try:
        read = contract_from_bytes(content, Path("contract.yaml"))
    except ContractError as error:
        line = str(error)
    else:
        line = f"{len(read.clauses)} clauses"

    assert len(line.splitlines()) == 1


def test_the_published_schema_is_in_step_with_the_reader() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), (
        "run `python -m contracts.schema`"
    )
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_the_good_contract_follows_the_schema() -> None:
    SCHEMA.validate(yaml.safe_load(GOOD))


def test_every_quantity_has_a_rule() -> None:
    assert set(QUANTITY_RULES) == set(Quantity)


@pytest.fixture(scope="module")
def new_elaas() -> Contract:
    return read_contract(NEW_ELAAS)


class TestNewElaas:
    """The contract that is shipped."""

    def test_it_is_read_and_follows_the_schema(self) -> None:
        assert problems_of(NEW_ELAAS) == ()
        content = yaml.safe_load(NEW_ELAAS.read_text(encoding="utf-8"))
        SCHEMA.validate(content)

    def test_it_promises_every_quantity_and_every_invariant(self, new_elaas: Contract) -> None:
        assert {clause.quantity for clause in new_elaas.clauses} == set(Quantity)
        invariants = [c.selector for c in new_elaas.clauses if c.quantity is Quantity.INVARIANT]
        assert invariants == list(INVARIANTS)

    def test_what_nothing_measures_says_so(self, new_elaas: Contract) -> None:
        open_ended = {
            clause.selector or clause.quantity.value
            for clause in new_elaas.clauses
            if clause.not_measured_because is not None
        }

        assert open_ended == {
            "I8", "site_loss", "scaling", "availability",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("quantity", "selector", "percentile", "bound"),
        [
            ("latency", "read", 95, 1_000), ("latency", "read", 99, 3_000),
            ("latency", "post", 95, 2_000), ("latency", "post", 99, 5_000),
            ("latency", "report", 95, 5_000), ("latency", "login", 95, 2_000),
            ("error_share", "", None, 0.001), ("error_share", "", None, 0.01),
            ("carried_share", "", None, 0.99), ("participation", "", None, 1),
            ("fairness", "all", None, 3), ("recovery", "worker_kill", None, 60),
            ("recovery", "database_restart", None, 300), ("scaling", "", None, 1.6),
            ("import_rate", "", None, 276), ("acknowledged_loss", "", None, 0),
            ("shed_honesty", "", None, 0), ("idle_saturation", "", None, 0),
            ("export_complete", "", None, 1), ("provenance", "", None, 0),
        ],
    )  # fmt: skip
    def test_it_holds_the_default_numbers(
        self,
        new_elaas: Contract,
        quantity: str,
        selector: str,
        percentile: int | None,
        bound: float,
    ) -> None:
        found = [
            clause.limit.bound
            for clause in new_elaas.clauses
            if (clause.quantity, clause.selector) == (quantity, selector)
            and (percentile is None or clause.parameter("percentile") == percentile)
        ]

        assert bound in found

    def test_every_number_has_a_source(self, new_elaas: Contract) -> None:
        for clause in new_elaas.clauses:
            assert len(clause.source) > 20
            assert clause.text.th != clause.title.th
