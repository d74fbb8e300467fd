"""Raw stacks from outside are parsed or counted as broken, and refused recorders say why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diagnosis.stacks import (
    Stacks,
    drop_common_root,
    is_waiting_for_events,
    loop_occupancy,
    merge_stacks,
    parse_frame,
    parse_stacks,
    read_stacks,
    without_torn,
    without_waiting,
)
from harness.probes import pyspy
from harness.probes.pyspy import ERROR_SHARE_MAX, Recorder, start_recorder
from harness.processes import PROJECT_ROOT, Child, start_child

LOOP = (
    "run (asyncio/runners.py:190);BaseEventLoop.run_forever (asyncio/base_events.py:607);"
    "BaseEventLoop._run_once (asyncio/base_events.py:1922)"
)


def test_a_stack_and_its_count_are_split_at_the_last_blank() -> None:
    stacks = parse_stacks(["main (a b.py:3);work (c d.py:9) 12\n"])

    assert stacks.counts == {("main (a b.py:3)", "work (c d.py:9)"): 12}


@pytest.mark.parametrize(
    "head",
    [
        'process 4711:"python -m reference_app serve"',
        'process 12:"sh -c echo a;b; exec python x.py 77"',
        'process 12:"say \\"hi; there\\""',
        "thread (0x7F3A9C)",
        "thread 0x7F3A9C (MainThread)",
        "thread 12",
        'process 9:"p; q";thread (0x1)',
    ],
)
def test_process_and_thread_frames_do_not_keep_stacks_apart(head: str) -> None:
    stacks = parse_stacks(
        [f"{head};main (a.py:1);work (a.py:2) 3", "main (a.py:1);work (a.py:2) 4"]
    )

    assert stacks.counts == {("main (a.py:1)", "work (a.py:2)"): 7}
    assert stacks.broken_line_count == 0


@pytest.mark.parametrize(
    "line",
    [
        "main (a.py:1)",
        "main (a.py:1) x",
        "main (a.py:1) -3",
        "main (a.py:1) 0",
        "main (a.py:1) 1.5",
        "main (a.py:1) ๓",
        " 7",
        "a;;b 3",
        'process 1:"never closed;main (a.py:1) 3',
        'process 1:"nothing else" 3',
    ],
)
def test_a_broken_line_is_counted_and_the_others_live(line: str) -> None:
    stacks = parse_stacks(["good (a.py:1) 2", line, "", "   "])

    assert stacks.counts == {("good (a.py:1)",): 2}
    assert stacks.broken_line_count == 1


@given(st.lists(st.text(max_size=60), max_size=8))
def test_no_text_at_all_breaks_the_parser(lines: list[str]) -> None:
    stacks = parse_stacks(lines)

    assert stacks.sample_count >= 0
    assert stacks.broken_line_count <= len(lines)


def test_bytes_that_are_no_text_are_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.raw"
    path.write_bytes(b"main (a.py:1);\xff\xfe (b.py:2) 3\n\x00\x01 \xff\n")

    stacks = read_stacks(path)

    assert stacks.sample_count == 3
    assert stacks.broken_line_count == 1


def test_own_files_are_named_from_the_project_on(tmp_path: Path) -> None:
    path = tmp_path / "x.raw"
    path.write_text(f"main ({PROJECT_ROOT}/reference_app/app.py:7) 1\n")

    [(frame,)] = read_stacks(path).counts

    assert frame == "main (reference_app/app.py:7)"


@pytest.mark.parametrize(
    ("text", "function", "place", "is_library"),
    [
        ("work (app/x.py:12)", "work", "app/x.py:12", False),
        (
            "Pool.acquire (/v/lib/python3.12/site-packages/asyncpg/pool.py:8)",
            "Pool.acquire",
            "asyncpg/pool.py:8",
            True,
        ),
        ("run (/usr/lib/python3.11/asyncio/runners.py:190)", "run", "asyncio/runners.py:190", True),
        (
            "_find (<frozen importlib._bootstrap>:1)",
            "_find",
            "<frozen importlib._bootstrap>:1",
            True,
        ),
        ("<module> (x.py)", "<module>", "x.py", False),
        ("epoll_wait", "epoll_wait", "", False),
        ("f (g (h.py:1)", "f (g", "h.py:1", False),
    ],
)
def test_a_frame_is_a_function_and_a_place(
    text: str, function: str, place: str, is_library: bool
) -> None:
    frame = parse_frame(text)

    assert (frame.function, frame.place, frame.is_library) == (function, place, is_library)


def test_merged_files_add_up() -> None:
    first = parse_stacks(["a (x.py:1) 2", "broken"])
    second = parse_stacks(["a (x.py:1) 3", "b (x.py:2) 1"])

    merged = merge_stacks([first, second])

    assert merged.counts == {("a (x.py:1)",): 5, ("b (x.py:2)",): 1}
    assert merged.broken_line_count == 1


def test_the_common_root_is_cut_but_never_the_last_frame() -> None:
    stacks = parse_stacks(["m;loop;a 2", "m;loop;b;c 3"])
    same = parse_stacks(["m;loop 2"])

    assert drop_common_root(stacks).counts == {("a",): 2, ("b", "c"): 3}
    assert drop_common_root(same).counts == {("loop",): 2}
    assert drop_common_root(Stacks(counts={})).counts == {}


def test_stacks_that_do_not_begin_where_threads_begin_are_torn() -> None:
    stacks = parse_stacks(
        [
            "<module> (a.py:1);f (a.py:2) 6",
            "Thread._bootstrap (threading.py:1);g (a.py:3) 2",
            "f (a.py:2) 2",
        ]
    )

    kept, share = without_torn(stacks)

    assert kept.sample_count == 8
    assert share == pytest.approx(0.2)


def test_where_no_beginning_is_known_nothing_is_called_torn() -> None:
    stacks = parse_stacks(["f (a.py:2) 2"])

    assert without_torn(stacks) == (stacks, 0.0)
    assert without_torn(Stacks(counts={})) == (Stacks(counts={}), 0.0)


def test_occupancy_is_the_share_of_the_loop_under_a_callback() -> None:
    stacks = parse_stacks(
        [
            f"{LOOP};EpollSelector.select (selectors.py:468) 25",
            f"{LOOP};Handle._run (asyncio/events.py:80);handler (app.py:3) 75",
            "Thread.run (threading.py:9);wait (queue.py:1) 1000",
        ]
    )

    share, samples = loop_occupancy(stacks)

    assert share == pytest.approx(0.75)
    assert samples == 100
    assert loop_occupancy(parse_stacks(["main (a.py:1) 5"])) == (0.0, 0)


def test_only_a_selector_at_the_leaf_is_waiting_for_events() -> None:
    stacks = parse_stacks(
        [
            "EpollSelector.select (selectors.py:468) 5",
            "EpollSelector.select (selectors.py:1);f (a.py:1) 3",
        ]
    )

    assert [is_waiting_for_events(stack) for stack in stacks.counts] == [True, False]
    assert without_waiting(stacks).sample_count == 3


# --- recorders -----------------------------------------------------------------------------------


def recorder_that_printed(
    folder: Path, output: str, *, wrote: bool, problem: str | None = None
) -> Recorder:
    path = folder / "w.raw"
    if wrote:
        path.write_text("main (a.py:1) 1\n")
    script = f"print({output!r})"
    child: Child = start_child([sys.executable, "-c", script], name="w", log=folder / "w.log")
    return Recorder(
        worker="w", pid=1, is_with_idle=True, path=path, duration_s=1.0, started_ns=0, child=child,
        problem=problem,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("output", "wrote", "reason"),
    [
        (
            "Error: Permission Denied: Try running again with elevated permissions",
            False,
            "Permission Denied",
        ),
        (
            "Error: Failed to find python version from target process",
            False,
            "Failed to find python",
        ),
        ("Samples: 0 Errors: 0", True, "no sample"),
        ("", True, "no sample"),
        ("Samples: 90 Errors: 10", True, "10% of the samples failed"),
    ],
)
def test_a_recording_that_cannot_be_used_says_why(
    tmp_path: Path, output: str, wrote: bool, reason: str
) -> None:
    recording = recorder_that_printed(tmp_path, output, wrote=wrote).finish(10.0)

    assert reason in (recording.refused_because or "")


def test_a_recording_with_few_errors_is_used(tmp_path: Path) -> None:
    recording = recorder_that_printed(tmp_path, "x. Samples: 399 Errors: 1", wrote=True).finish(
        10.0
    )

    assert recording.refused_because is None
    assert (recording.sample_count, recording.error_count) == (399, 1)
    assert recording.error_count / recording.sample_count < ERROR_SHARE_MAX


def test_without_py_spy_the_recording_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyspy, "find_pyspy", lambda: None)

    recorder = start_recorder("w", 1, tmp_path / "w.raw", duration_s=1, is_with_idle=True)

    assert recorder.finish(1.0).refused_because == "py-spy is not installed"
