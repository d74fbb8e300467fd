"""Orders and token files from outside: right ones read, wrong ones refused in one line."""

from __future__ import annotations

import orjson
import pytest

from scenarios.engine.order import BadLoadOrder, order_of, read_order
from scenarios.engine.tokens import TokenBook

GOOD = {
    "out_dir": "/tmp/x", "seed": 7, "composition": "A", "scale": 1, "level": "L2",
    "demand": "base", "duration_s": 120, "has_faults": True, "dialect": "reference",
    "sessions_csv": None, "process_index": 1, "process_count": 2, "business_date": "2025-12-01",
    "request_timeout_s": 10.0, "start_file": "/tmp/start", "drain_s": 5, "key_salt": 3,
}  # fmt: skip


def test_an_order_of_the_harness_is_read(tmp_path):
    path = tmp_path / "LOAD.json"
    path.write_bytes(orjson.dumps(GOOD))

    order = read_order(path)

    assert (order.seed, order.scale, order.process_index) == (7, 1.0, 1)
    assert order.sessions_csv == ""


def test_only_the_folder_must_be_named():
    assert order_of({"out_dir": "x"}, where="here").level == "L2"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("level", "L9", "level"),
        ("demand", "mad", "demand"),
        ("composition", "Z", "composition"),
        ("dialect", "klingon", "dialect"),
        ("scale", 0, "scale"),
        ("scale", 1.5, "scale"),
        ("scale", True, "scale"),
        ("duration_s", -1, "duration_s"),
        ("duration_s", "120", "duration_s"),
        ("seed", 1.5, "seed"),
        ("seed", 2**63, "seed"),
        ("seed", True, "seed"),
        ("has_faults", 1, "has_faults"),
        ("process_index", 2, "process_index"),
        ("process_count", 0, "process_count"),
        ("business_date", "1 Dec 2025", "business_date"),
        ("business_date", "2025-13-01", "business_date"),
        ("request_timeout_s", 0, "request_timeout_s"),
        ("out_dir", 5, "out_dir"),
        ("surprise", 1, "unknown key 'surprise'"),
    ],
)
def test_a_wrong_order_names_what_is_wrong(name, value, said):
    with pytest.raises(BadLoadOrder, match=said) as caught:
        order_of({**GOOD, name: value}, where="LOAD.json")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null"])
def test_an_order_that_is_no_object_is_refused(tmp_path, content):
    path = tmp_path / "LOAD.json"
    path.write_bytes(content)

    with pytest.raises(BadLoadOrder, match=r"LOAD\.json"):
        read_order(path)


def test_a_missing_order_is_refused(tmp_path):
    with pytest.raises(BadLoadOrder, match="cannot be read"):
        read_order(tmp_path / "none.json")


def test_tokens_are_found_by_account(tmp_path):
    path = tmp_path / "S.csv"
    path.write_text("account,token\n5,five\n1,one\n1400001001,long-token\n")

    book = TokenBook.read(path)

    assert [book.token(a) for a in (1, 5, 1400001001)] == ["one", "five", "long-token"]
    assert [book.token(a) for a in (0, 2, 6, 2**40)] == ["", "", "", ""]


def test_a_token_won_in_the_run_replaces_the_old_one(tmp_path):
    path = tmp_path / "S.csv"
    path.write_text("1,one\n")
    book = TokenBook.read(path)

    book.forget(1)
    assert book.token(1) == ""
    book.keep(1, "new")
    assert book.token(1) == "new"


def test_nobody_has_signed_in_without_a_file():
    assert TokenBook().token(5) == ""


@pytest.mark.parametrize(
    "content",
    ["account,token\nx,y\n", "1\n", "1,a,b\n", "1,\n", "1,to\tken\n", "-1,a\n", "9" * 30 + ",a\n",
     "1," + "x" * 9000 + "\n", "1,ก\n"],
)  # fmt: skip
def test_a_wrong_sessions_file_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "S.csv"
    path.write_text(content)

    with pytest.raises(BadLoadOrder, match=r"S\.csv"):
        TokenBook.read(path)
