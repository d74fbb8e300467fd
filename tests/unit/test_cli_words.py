"""The command line's words: help with an example, and one line with status 3 for a wrong one."""

from __future__ import annotations

import io
import math
import signal
from pathlib import Path

import pytest

from harness.cli import main
from harness.failures import BadSetup
from harness.interrupts import Interrupts, listening
from harness.options import Options
from harness.progress import Display, Pulse

COMMANDS = ("accept", "plan", "run", "judge", "profile", "target", "report")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_a_runnable_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example: monthend {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["acept"],
        ["accept", "--scal", "0.1", "--nothing"],
        ["accept", "--scale", "half"],
        ["accept", "--duration"],
        ["accept", "--lang", "fr"],
        ["judge"],
        ["target", "--port", "http"],
    ],
)
def test_wrong_words_are_one_line_and_status_3(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """argparse's own status would be 2, which means INCONCLUSIVE here."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 3
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    assert "--help" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"scale": 0.0}, "--scale 0"),
        ({"scale": -1.0}, "--scale -1"),
        ({"scale": 1.01}, "--scale 1.01"),
        ({"scale": math.nan}, "--scale nan"),
        ({"duration_s": -5.0}, "--duration -5"),
        ({"duration_s": 0.0}, "--duration 0"),
        ({"duration_s": math.inf}, "--duration inf"),
        ({"duration_s": math.nan}, "--duration nan"),
        ({"level": "L9"}, "--level L9"),
        ({"level": ""}, "--level"),
        ({"seed": -1}, "--seed -1"),
        ({"workers": -2}, "--workers -2"),
        ({"workers": 100_000}, "--workers 100000"),
        ({"port": 70_000}, "--port 70000"),
        ({"target": "http://127.0.0.1:1", "defects": "M01"}, "--defect M01"),
        ({"target": "http://127.0.0.1:1", "workers": 2}, "--workers 2"),
        ({"target": "http://127.0.0.1:1", "port": 80}, "--port 80"),
        ({"target": "http://127.0.0.1:1", "history_months": 1}, "--history 1"),
        ({"history_months": 3}, "--history 3"),
        ({"history_months": -1}, "--history -1"),
        ({"history_months": 13, "scenario": "year_end", "level": "L3"}, "--history 13"),
        ({"history_months": 1, "scenario": "reopening", "level": "L4"}, "--history 1"),
        ({"sessions": Path("s.csv")}, "--sessions s.csv"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_option(
    values: dict[str, object], option: str
) -> None:
    with pytest.raises(BadSetup) as refused:
        Options(command=(), **values)  # type: ignore[arg-type]
    assert refused.value.where.startswith(option)


@pytest.mark.parametrize(
    "words",
    [
        ["accept", "--scale", "2"],
        ["accept", "--faults", "earthquake"],
        ["accept", "--dialect", "cobol"],
        ["accept", "--contract", "/nowhere/contract.yaml"],
        ["accept", "--defect", "M01;rm"],
        ["accept", "--faults", "all", "--duration", "10", "--scale", "0.01"],
        ["accept", "--target", "ftp://127.0.0.1"],
        ["accept", "--target", "127.0.0.1:8080"],
        ["accept", "--target", "http://127.0.0.1:99999"],
        ["accept", "--target", "http://127.0.0.1:9", "--sessions", "/nowhere.csv"],
        ["judge", "/nowhere"],
        ["report", "/nowhere"],
        ["plan", "--level", "L7"],
        ["plan", "--history", "3"],
        ["run", "--history", "1", "--target", "http://127.0.0.1:9"],
    ],
)
def test_bad_setup_is_one_line_and_status_3(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = [] if words[0] in ("judge", "report") else ["--out", str(tmp_path / "runs")]
    assert main([*words, *out]) == 3
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.startswith("monthend: ")]
    assert len(lines) == 1
    assert "Traceback" not in shown.err
    assert list(tmp_path.glob("runs/*")) == [], "a run that never began leaves no folder"


def test_outside_the_load_a_signal_ends_at_once() -> None:
    with listening(), pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        signal.raise_signal(signal.SIGTERM)


def test_during_the_load_the_first_signal_is_a_wish_and_the_second_an_order() -> None:
    with listening() as interrupts, interrupts.gently():
        signal.raise_signal(signal.SIGINT)
        assert interrupts.is_asked
        assert interrupts.name == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_run_under_nohup_outlives_its_terminal() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with listening():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, former)


def test_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    assert not Interrupts().is_asked


def _pulse(sent: int) -> Pulse:
    return Pulse(
        phase="peak", rate_per_s=1153.0, latency_ms_p99=43.21, sent=sent, planned_requests=200_000,
        errors=3, open_sessions=812, left_s=75.4,
    )  # fmt: skip


def test_a_pulse_shows_rate_p99_errors_phase_and_time_left() -> None:
    text = _pulse(1000).text()
    for part in ("peak", "1,153 req/s", "p99", "43.2 ms", "errors 3 (0.30%)", "1:15 left"):
        assert part in text


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_rewritten_line_and_a_file_has_plain_ones() -> None:
    terminal, file = _Terminal(), io.StringIO()
    for stream in (terminal, file):
        display = Display(stream)
        display.pulse(_pulse(1))
        display.step("judging")
    assert terminal.getvalue().startswith("\r")
    assert terminal.getvalue().index("\n") < terminal.getvalue().index("judging")
    assert "\r" not in file.getvalue()
    assert "\x1b" not in file.getvalue()
    assert len(file.getvalue().splitlines()) == 2


def test_plain_lines_come_seldom() -> None:
    file = io.StringIO()
    display = Display(file)
    for sent in range(50):
        display.pulse(_pulse(sent))
    assert len(file.getvalue().splitlines()) == 1
