"""Workload files: right ones read and written back, wrong ones refused with file, key and mend."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.terms import OperationKind
from scenarios.workload import (
    END,
    WORKLOAD_EXAMPLE,
    BadWorkload,
    content_of,
    read_workload,
    workload_of,
)
from tests.fakes.workloads import read, shop


def test_a_workload_is_read_with_its_defaults() -> None:
    workload = read(shop())

    front, article, order = workload.operations
    assert (front.kind, front.method, front.is_write) == (OperationKind.READ, "GET", False)
    assert article.weights == (3.0, 1.0)
    assert order.is_write
    assert order.headers == (("Content-Type", "application/json"),)
    assert workload.first == (4.0, 1.0, 0.0)
    assert [one.to for one in workload.transitions[1]] == [1, 2, END]


def test_what_is_written_reads_back_as_the_same() -> None:
    for workload in (read(shop()), workload_of(WORKLOAD_EXAMPLE.encode(), "example")):
        written = json.dumps(content_of(workload)).encode()

        again = workload_of(written, "again")

        assert replace(again, sha256="") == replace(workload, sha256="")


def changed(*steps: object, to: object = ...) -> bytes:
    """The shop with the value at *steps* replaced, or removed."""
    content = copy.deepcopy(shop())
    place = content
    for step in steps[:-1]:
        place = place[step]  # type: ignore[index]
    if to is ...:
        del place[steps[-1]]  # type: ignore[arg-type]
    else:
        place[steps[-1]] = to  # type: ignore[index]
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 50_000, "nested too deeply"),
        (b'{"format": NaN}', "NaN is no number"),
        (b'{"format": 1e999}', "1e999 is no number"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b"[]", "must be an object"),
        (changed("format", to="monthend-workload/2"), "format"),
        (changed("arrivals"), "arrivals: the key is missing"),
        (changed("surprise", to=1), "surprise: unknown key"),
        (changed("name", to="a\nb"), "name"),
        (changed("name", to="\ud800"), "no Unicode text"),
        (changed("operations", to=[]), "list of 1 to"),
        (changed("operations", 0, "kind", to="probe"), r"operations\[1\].kind: unknown"),
        (changed("operations", 0, "method", to="get"), "method: unknown"),
        (changed("operations", 0, "name", to="article"), "'article' stands twice"),
        (changed("operations", 0, "targets", 0, "target", to="http://evil"), "not a path"),
        (changed("operations", 0, "targets", 0, "target", to="/a b"), "not a path"),
        (changed("operations", 0, "targets", 0, "target", to="/a\r\nX: y"), "not a path"),
        (changed("operations", 0, "targets", 0, "weight", to=0), "no target has a weight"),
        (changed("operations", 0, "targets", 0, "weight", to=-1), "-1 cannot be used"),
        (changed("operations", 0, "targets", 0, "weight", to=True), "True cannot be used"),
        (changed("operations", 0, "body", to="x"), "GET takes no body"),
        (changed("operations", 0, "headers", to={"Host": "evil"}), "sets this header itself"),
        (changed("operations", 0, "headers", to={"X": "a\r\nb: c"}), "on one line"),
        (changed("operations", 0, "headers", to={"X y": "a"}), "name 'X y' cannot be used"),
        (changed("operations", 0, "expected", to=[99]), "99 cannot be used"),
        (changed("operations", 0, "expected", to=[200.5]), "200.5 cannot be used"),
        (changed("sessions", "first", to={}), "no operation begins"),
        (changed("sessions", "first", to={"nope": 1}), "'nope' is no operation"),
        (changed("sessions", "next", "front", 0, "to", to="nope"), "'nope' is no operation"),
        (changed("sessions", "next", "front", 0, "to", to=None), "stands twice"),
        (changed("sessions", "next", "front", 0, "think_s", to=[1, 2]), "has 2 pauses"),
        (changed("sessions", "next", "front", 0, "think_s", to=[3, 2, 1]), "must not fall"),
        (changed("sessions", "next", "front", 0, "think_s", to=[-1]), "-1 cannot be used"),
        (changed("sessions", "think_levels", to=[0, 0.5]), "rise from 0 to 1"),
        (changed("sessions", "requests_max", to=0), "0 cannot be used"),
        (changed("sessions", "requests_max", to=10**400), "cannot be used"),
        (changed("arrivals", to={}), "in one way"),
        (changed("arrivals", to={"sessions_per_s": 1, "requests_per_s": 1}), "in one way"),
        (changed("arrivals", to={"bin_s": 1}), "in one way"),
        (changed("arrivals", to={"bin_s": 1, "sessions": [0, 0]}), "no session begins"),
        (changed("arrivals", to={"sessions_per_s": 0}), "0 cannot be used"),
        (changed("arrivals", to={"sessions_per_s": 1, "spacing": "odd"}), "spacing: unknown"),
        (changed("source", to={"text": "x", "sha256": "zz"}), "64 hex digits"),
    ],
)
def test_a_wrong_file_names_itself_the_key_and_the_mend(content: bytes, said: str) -> None:
    with pytest.raises(BadWorkload, match=said) as caught:
        workload_of(content, "w.json")

    assert str(caught.value).startswith("w.json")
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_a_huge_one_are_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate((64 << 20) + 1)

    for path, said in (
        (tmp_path / "no", "no such file"), (tmp_path, "no such file"), (huge, "larger than 64 MiB"),
    ):  # fmt: skip
        with pytest.raises(BadWorkload, match=said):
            read_workload(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(
        [
            ("format",), ("operations",), ("operations", 0), ("operations", 0, "targets"),
            ("operations", 0, "targets", 0, "weight"), ("sessions",), ("sessions", "next"),
            ("sessions", "next", "front"), ("sessions", "next", "front", 0),
            ("sessions", "think_levels"), ("arrivals",), ("about",),
        ]
    ),
    json_values,
)  # fmt: skip
def test_no_value_in_any_place_is_more_than_refused(place: tuple[object, ...], to: object) -> None:
    said = ""
    try:
        workload_of(changed(*place, to=to), "w.json")
    except BadWorkload as error:
        said = str(error)

    assert "\n" not in said
