"""House rules that a tool can hold: what may not stand in any file of the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
ADDRESS = re.compile(r"https?://|--index-url|--find-links|file:/")


def repository_files() -> list[Path]:
    """Return the files under version control, or about to be (not ignored)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("not a git checkout: the list of files is not known")
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_the_lock_has_a_hash_for_every_package_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    packages = re.split(r"\n(?=\S)", "\n" + lock)
    pinned = [entry for entry in packages if "==" in entry.split("\n")[0]]

    assert not ADDRESS.search(lock)
    assert len(pinned) > 50
    assert [entry.split()[0] for entry in pinned if "--hash=sha256:" not in entry] == []


def test_no_file_leaves_a_note_of_unfinished_work() -> None:
    here = Path(__file__).resolve()
    notes = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in repository_files()
        if path.suffix in {".py", ".sql", ".yaml", ".toml", ".md", ".html"} and path != here
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]

    assert notes == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in repository_files()
        if path.suffix == ".py" and not path.read_text("utf-8").lstrip().startswith(('"""', 'r"""'))
    ]

    assert silent == []


def test_the_way_through_the_ledger_names_every_file_and_takes_an_hour() -> None:
    folder = ROOT / "reference_app"
    core, around = (folder / "README.md").read_text("utf-8").split("Around it")
    named = set(re.findall(r"`([\w/]+\.(?:py|sql|toml))`", core + around))
    files = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.suffix in (".py", ".sql", ".toml") and path.name != "__init__.py"
    }
    assert {name for name in files if not name.startswith("defects/")} <= named
    assert {name for name in named if not (folder / name).exists()} == set()
    lines = 0
    for name in set(re.findall(r"`([\w/]+\.(?:py|sql|toml))`", core)) - {"kinds.toml"}:  # skimmed
        text = (folder / name).read_text("utf-8")
        lines += text.partition("\n-- From here on")[0].count("\n")
    assert 2_000 < lines <= 60 * 50
