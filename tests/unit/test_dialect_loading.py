"""A dialect of one's own: found by name, module or file; whatever is wrong with it is one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.failures import BadSetup
from harness.preparation import read_dialect
from scenarios.dialects import DIALECTS, BadDialect, anywhere, load_dialect
from scenarios.engine.order import BadLoadOrder, LoadOrder

GOOD = """
from dataclasses import dataclass
from scenarios.dialects.tables import Call, TableDialect

@dataclass
class Helper:
    x: int = 1

class OurDialect(TableDialect):
    calls = {"view_overview": Call(path="/u/{unit}")}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="our_dialect.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", DIALECTS)
def test_the_built_in_dialects_are_found_by_name(name):
    assert load_dialect(name).operations


def test_a_dialect_is_found_by_its_file(module):
    module(GOOD)

    assert load_dialect("./our_dialect.py").operations == {"view_overview"}
    assert load_dialect(anywhere("our_dialect.py")).operations == {"view_overview"}


def test_a_file_is_found_from_another_folder_too(module, tmp_path, monkeypatch):
    module(GOOD)
    named = anywhere("our_dialect.py")
    monkeypatch.chdir("/")

    assert Path(named).is_absolute()
    assert load_dialect(named).operations == {"view_overview"}


def test_a_dialect_is_found_by_its_module_in_the_folder_one_is_in(module, monkeypatch):
    module("", "vendor_of_test/__init__.py")
    module(GOOD, "vendor_of_test/ours.py")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != ""])

    assert load_dialect("vendor_of_test.ours").operations == {"view_overview"}


WRONG = [
    ("class OurDialect(", "it is not Python: line"),
    ("raise RuntimeError('no\\nlicence')", "RuntimeError: no licence"),
    ("import nowhere_to_be_found", "ModuleNotFoundError"),
    ("import sys; sys.exit(0)", "SystemExit"),
    ("x = 1", "it defines none"),
    ("class ADialect: pass\nclass BDialect: pass", "it defines ADialect, BDialect"),
    ("from scenarios.dialects.tables import TableDialect", "it defines none"),
    ("class OurDialect: pass", "has no request, reply"),
    ("class OurDialect:\n    def __init__(self, x): pass", "OurDialect() raises TypeError"),
    (GOOD.replace("view_overview", "fly_to_moon"), "speaks fly_to_moon"),
    (GOOD.replace('"view_overview": Call(path="/u/{unit}")', ""), "speaks no operation"),
    (GOOD + "    health_path = None\n", "has no health_path"),
    (GOOD + "    reply = None\n", "has no reply"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_module_is_refused_in_one_line(module, text, said):
    path = str(module(text))

    with pytest.raises(BadDialect) as caught:
        load_dialect(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)

    with pytest.raises(BadSetup, match="--dialect"):
        read_dialect(path)
    with pytest.raises(BadLoadOrder, match="dialect"):
        LoadOrder(out_dir=Path("x"), dialect=path)


@pytest.mark.parametrize(
    ("name", "said"),
    [("referenc", "there is no such dialect"), ("", "there is no such dialect"),
     ("no_such_package.ours", "cannot be imported"), ("./nothing.py", "there is no such file"),
     ("/tmp", "there is no such file"), ("..", "cannot be imported"),
     ("a\0b.py", "there is no such file")],
)  # fmt: skip
def test_a_name_that_leads_nowhere_is_refused_in_one_line(name, said):
    with pytest.raises(BadDialect, match=said):
        load_dialect(name)
