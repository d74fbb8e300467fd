"""The page on writing a dialect is documentation that runs: its example loads, its words exist."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from pathlib import Path

from scenarios.dialects import load_dialect
from scenarios.dialects.interface import Answer
from scenarios.dialects.tables import Call, TableDialect
from scenarios.journeys.forms import Receipt
from scenarios.journeys.vocabulary import Step
from scenarios.outcomes import Ending

PAGE = (Path(__file__).resolve().parents[2] / "scenarios/dialects/README.md").read_text()


def test_the_example_of_the_page_is_a_dialect_that_works(tmp_path):
    blocks = re.findall(r"\n\n((?:    .*\n|\n)+)", PAGE)
    (example,) = [block for block in blocks if "class OurDialect" in block]
    path = tmp_path / "ours.py"
    path.write_text(textwrap.dedent(example))

    dialect = load_dialect(str(path))
    form = Receipt(date="2025-12-01", channel="cash", payer="x", lines=(("4110101", 100),))
    step = Step("create_receipt", account=7, unit=5, form=form, key=(1, 2))
    made = Answer(Ending.ANSWERED, 201, b"HTTP/1.1 201 X\r\n", b'{"id": 9, "number": 3}')

    assert dialect.request(step, "t").target == "/v1/units/5/receipts"
    reply = dialect.reply(step, made)
    assert reply.is_ok
    assert (reply.document, reply.number) == (9, 3)
    overview = Answer(Ending.ANSWERED, 200, b"HTTP/1.1 200 X\r\n", b'{"unit":5}')
    assert dialect.reply(Step("view_overview", account=7, unit=5), overview).is_ok


def test_every_setting_that_the_page_names_exists_and_none_is_kept_silent():
    in_tables = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `[^|]*\|", PAGE, re.M))))
    fields = {field.name for field in dataclasses.fields(Call)}
    settings = {name for name in TableDialect.__annotations__ if name not in ("calls", "headers")}

    assert fields | settings == in_tables


def test_every_placeholder_that_the_page_names_is_filled_in():
    (line,) = [line for line in PAGE.splitlines() if line.startswith("| `path`")]
    names = re.findall(r"\{(\w+)\}", line)

    class OneDialect(TableDialect):
        calls = {"view_me": Call(path="/" + "/".join(f"{{{name}}}" for name in names))}  # noqa: RUF012

    step = Step(
        "view_me", account=7, unit=101234, document=3, period="2025-12", pid="1", key=(1, 2)
    )
    assert len(names) == 9
    assert "{" not in OneDialect().request(step, "").target
