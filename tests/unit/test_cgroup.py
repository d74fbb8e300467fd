"""Quotas of control groups, of both versions and at any depth, on systems that we do not run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.probes.cgroup import read_throttled_s, throttle_files


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_version_2_counts_microseconds_and_the_strictest_group_counts(tmp_path: Path) -> None:
    written(tmp_path / "fs/cpu.stat", "usage_usec 99\n")
    written(tmp_path / "fs/pod/cpu.stat", "nr_throttled 7\nthrottled_usec 2500000\n")
    written(tmp_path / "fs/pod/box/cpu.stat", "nr_throttled 1\nthrottled_usec 1000\n")
    membership = written(tmp_path / "cgroup", "0::/pod/box\n")

    files = throttle_files(root=tmp_path / "fs", membership=membership)

    assert len(files) == 3
    assert read_throttled_s(files) == 2.5


@pytest.mark.parametrize(
    ("controllers", "folder"), [("cpu", "cpu"), ("cpu,cpuacct", "cpu,cpuacct")]
)
def test_version_1_counts_nanoseconds(controllers: str, folder: str, tmp_path: Path) -> None:
    written(tmp_path / "fs" / folder / "box/cpu.stat", "throttled_time 1500000000\n")
    membership = written(tmp_path / "cgroup", f"9:memory:/box\n1:{controllers}:/box\n")

    assert read_throttled_s(throttle_files(root=tmp_path / "fs", membership=membership)) == 1.5


@pytest.mark.parametrize("text", ["", "nonsense", "0::", "0::/../../etc", "1:cpuset:/", "\n\n"])
def test_a_membership_that_says_nothing_means_no_quota(text: str, tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()

    files = throttle_files(root=tmp_path / "fs", membership=written(tmp_path / "cgroup", text))

    assert files == ()
    assert read_throttled_s(files) == 0.0


def test_a_broken_or_vanished_counter_is_left_out(tmp_path: Path) -> None:
    good = written(tmp_path / "good", "throttled_usec 1000000")
    broken = written(tmp_path / "broken", "throttled_usec many")

    assert read_throttled_s((broken, tmp_path / "gone", good)) == 1.0
    assert throttle_files(root=tmp_path, membership=tmp_path / "nowhere") == ()


def test_this_machine_can_be_asked() -> None:
    assert read_throttled_s(throttle_files()) >= 0.0
