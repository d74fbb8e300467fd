"""Collapsed stacks: reads py-spy's raw files, puts several together, and tells waiting from work.

One line is one stack, root first, frames joined by `;`, then a blank and the number of samples.
Files come from outside and may be cut or hostile: a line that does not parse is counted and left
out. Pure apart from opening files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.processes import PROJECT_ROOT

Stack = tuple[str, ...]

# A frame as py-spy writes it: function (file:line).
_FRAME = re.compile(r"^(?P<function>.+?) \((?P<file>[^()]*?)(?::(?P<line>\d+))?\)$")
# `process 123:"command; with anything"` and `thread (0x7F..)` or `thread 12 (name)` stand before.
_PROCESS = re.compile(r'^process \d+:"(?:[^"\\]|\\.)*"(?:;|$)')
_PROCESS_OPEN = re.compile(r"^process \d+:")
_THREAD = re.compile(r"^thread (?:\(?0x[0-9A-Fa-f]+\)?|\d+)[^;]*(?:;|$)")
# Everything that Python brought with it or that was installed beside it.
_LIBRARY = re.compile(
    r".*?(?:/(?:site|dist)-packages/|/lib/python3\.\d+/)(?:site-packages/)?(?P<inside>.+)$"
)

FRAME_CHARACTERS_MAX: Final = 300
DEPTH_MAX: Final = 500
# Leaves in which a thread of an event loop waits for events: neither work nor a blocked call.
WAITING_FOR_EVENTS: Final = ("EpollSelector.select", "SelectSelector.select", "PollSelector.select",
                             "KqueueSelector.select", "select", "poll", "epoll_wait")  # fmt: skip
# Where the stack of a main thread or of any other begins.
ROOTS: Final = ("<module>", "_run_module_as_main", "Thread._bootstrap", "_bootstrap", "spawn_main")
# Under this frame the event loop runs somebody's code and nothing else can.
HANDLE_RUN: Final = "Handle._run"
LOOP_ONCE: Final = "BaseEventLoop._run_once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """Samples by stack (root first). `broken_line_count` lines could not be read."""

    counts: Mapping[Stack, int]
    broken_line_count: int = 0

    @property
    def sample_count(self) -> int:
        """All samples together."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame taken apart; `line` 0 when unknown. A library's file is named from the library on."""

    function: str
    file: str
    line: int

    is_library: bool = False

    @property
    def place(self) -> str:
        """`file:line`, or what is known of it."""
        return f"{self.file}:{self.line}" if self.line else self.file


def parse_frame(text: str) -> Frame:
    """Take `function (file:line)` apart; anything else is a function of unknown place."""
    found = _FRAME.match(text)
    if found is None:
        return Frame(function=text, file="", line=0)
    file = found["file"]
    library = _LIBRARY.match(file)
    return Frame(
        function=found["function"],
        file=library["inside"] if library else file,
        line=int((found["line"] or "0")[:9]),
        is_library=library is not None or file.startswith("<"),
    )


def parse_stacks(lines: Iterable[str]) -> Stacks:
    """Read raw lines. Blank lines are nothing; lines without a positive count are broken."""
    counts: Counter[Stack] = Counter()
    broken_line_count = 0
    for line in lines:
        text = line.rstrip("\r\n")
        if not text.strip():
            continue
        stack_text, _, count_text = text.rpartition(" ")
        stack = _frames(stack_text)
        if (
            not stack
            or not count_text.isascii()
            or not count_text.isdigit()
            or int(count_text[:18]) == 0
        ):
            broken_line_count += 1
            continue
        counts[stack] += int(count_text[:18])
    return Stacks(counts=counts, broken_line_count=broken_line_count)


def read_stacks(path: Path) -> Stacks:
    """Read one raw file, whatever bytes it holds; our own files are named from the project on."""
    own = f"({PROJECT_ROOT}/"
    with path.open(encoding="utf-8", errors="replace") as file:
        return parse_stacks(line.replace(own, "(") for line in file)


def merge_stacks(several: Iterable[Stacks]) -> Stacks:
    """Add the samples of several recordings stack by stack."""
    counts: Counter[Stack] = Counter()
    broken_line_count = 0
    for stacks in several:
        counts.update(stacks.counts)
        broken_line_count += stacks.broken_line_count
    return Stacks(counts=counts, broken_line_count=broken_line_count)


def without_torn(stacks: Stacks) -> tuple[Stacks, float]:
    """Leave out stacks that do not begin where threads begin; also return their share of samples.

    A recorder that does not stop its process reads stacks that change meanwhile. Where no stack
    begins at a known place none can be called torn.
    """
    whole = {s: n for s, n in stacks.counts.items() if parse_frame(s[0]).function in ROOTS}
    if not whole:
        return stacks, 0.0
    kept = Stacks(counts=whole, broken_line_count=stacks.broken_line_count)
    return kept, 1.0 - kept.sample_count / stacks.sample_count


def drop_common_root(stacks: Stacks) -> Stacks:
    """Cut the frames that every stack begins with, the last frame of a stack excepted."""
    if not stacks.counts:
        return stacks
    shortest = min(len(stack) for stack in stacks.counts)
    first = next(iter(stacks.counts))
    depth = 0
    while depth < shortest - 1 and all(stack[depth] == first[depth] for stack in stacks.counts):
        depth += 1
    counts: Counter[Stack] = Counter()
    for stack, count in stacks.counts.items():
        counts[stack[depth:]] += count
    return Stacks(counts=counts, broken_line_count=stacks.broken_line_count)


def is_waiting_for_events(stack: Stack) -> bool:
    """Say whether this thread waits in a selector: idle because there is nothing to do."""
    return parse_frame(stack[-1]).function in WAITING_FOR_EVENTS


def without_waiting(stacks: Stacks) -> Stacks:
    """Leave out the threads that wait for events."""
    counts = {s: n for s, n in stacks.counts.items() if not is_waiting_for_events(s)}
    return Stacks(counts=counts, broken_line_count=stacks.broken_line_count)


def loop_occupancy(with_idle: Stacks) -> tuple[float, int]:
    """Return the share of the loop thread's samples that run somebody's code, and those samples.

    *with_idle* was recorded with `--idle`: otherwise waiting is not in it. The share is of samples
    under `BaseEventLoop._run_once`; 0 samples mean that no asyncio loop was seen. Source: diagnosis
    §5, "occupancy metric".
    """
    loop_count = busy_count = 0
    for stack, count in with_idle.counts.items():
        functions = {parse_frame(frame).function for frame in stack}
        if not functions & {LOOP_ONCE, "_run_once"}:
            continue
        loop_count += count
        if functions & {HANDLE_RUN, "_run"}:
            busy_count += count
    return (busy_count / loop_count if loop_count else 0.0), loop_count


def _frames(text: str) -> Stack:
    # The command of a process frame may itself hold `;`, so such frames are cut off first.
    process = _PROCESS.match(text)
    if process is not None:
        text = text[process.end() :]
    elif _PROCESS_OPEN.match(text):
        return ()
    thread = _THREAD.match(text)
    if thread is not None:
        text = text[thread.end() :]
    frames = tuple(frame.strip()[:FRAME_CHARACTERS_MAX] for frame in text.split(";"))
    return () if not all(frames) else frames[:DEPTH_MAX]
