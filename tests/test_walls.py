"""The walls between the six folders, held by reading every import statement, nested ones too.

`reports -> harness -> scenarios -> contracts`, never back; `reference_app` is an island; Locust and
gevent live in the engine and the locustfiles; pandas and matplotlib live in `reports`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scenarios.scenario import SCENARIOS

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("contracts", "scenarios", "harness", "reports", "reference_app")
MAY_IMPORT = {
    "contracts": set(),
    "scenarios": {"contracts"},
    "harness": {"contracts", "scenarios"},
    "reports": {"contracts", "scenarios", "harness"},
    "reference_app": set(),
}
GEVENT_FAMILY = {"locust", "gevent", "geventhttpclient"}
TABLES_AND_FIGURES = {"pandas", "matplotlib"}


def is_of_the_engine(path: Path) -> bool:
    """Say whether *path* (relative to the root) is a place where Locust may be imported."""
    in_engine = path.parts[:2] == ("scenarios", "engine")
    is_locustfile = path.parent == Path("scenarios") and path.stem in LOCUSTFILES
    return in_engine or is_locustfile


LOCUSTFILES = {*SCENARIOS, "replay"}


def modules_imported(source: str) -> set[str]:
    """Return the dotted names of all modules that *source* imports, wherever the statement is."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            function = ast.unparse(node.func)
            first = node.args[0]
            if function in {"__import__", "import_module", "importlib.import_module"} and (
                isinstance(first, ast.Constant) and isinstance(first.value, str)
            ):
                names.add(first.value)
    return names


def breaches_of(path: Path, source: str) -> list[str]:
    """Return one sentence for each wall that the file at *path* (relative) breaks."""
    folder = path.parts[0]
    sentences = []
    for module in sorted(modules_imported(source)):
        top = module.partition(".")[0]
        if top in FOLDERS and top != folder and top not in MAY_IMPORT[folder]:
            sentences.append(f"{path} imports {module}: {folder} may not know {top}")
        if top in GEVENT_FAMILY and not is_of_the_engine(path):
            sentences.append(f"{path} imports {module}: only the engine and locustfiles may")
        if top in TABLES_AND_FIGURES and folder != "reports":
            sentences.append(f"{path} imports {module}: only reports/ may")
        if folder == "harness" and (
            module.startswith("scenarios.engine")
            or (
                top == "scenarios"
                and len(parts := module.split(".")) > 1
                and parts[1] in LOCUSTFILES
            )
        ):
            sentences.append(f"{path} imports {module}: the load runs in processes of its own")
    return sentences


def test_no_file_breaks_a_wall() -> None:
    sentences = [
        sentence
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for sentence in breaches_of(path.relative_to(ROOT), path.read_text("utf-8"))
    ]

    assert sentences == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("contracts/terms.py", "import scenarios.population"),
        ("scenarios/levels.py", "from harness import plan"),
        ("harness/cli.py", "from reports.build import build_report"),
        ("harness/cli.py", "def f():\n    import reports.build"),
        ("harness/cli.py", "import importlib\nimportlib.import_module('reports.build')"),
        ("harness/cli.py", "from scenarios import month_end"),
        ("harness/cli.py", "from scenarios.engine import fleet"),
        ("harness/checks/latency.py", "import pandas as pd"),
        ("scenarios/arrivals.py", "import gevent"),
        ("reference_app/app.py", "from contracts import terms"),
        ("harness/targets/embedded.py", "import reference_app.app"),
    ],
)
def test_a_breach_is_seen(path: str, source: str) -> None:
    assert breaches_of(Path(path), source) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("reports/build.py", "import pandas\nfrom harness.run_folder import RunFolder"),
        ("scenarios/engine/fleet.py", "import gevent\nfrom contracts.records import Outcome"),
        ("scenarios/month_end.py", "from locust import User"),
        ("harness/plan.py", "from scenarios.population import build_population"),
        ("reference_app/app.py", "from reference_app import rules"),
    ],
)
def test_an_allowed_import_is_no_breach(path: str, source: str) -> None:
    assert breaches_of(Path(path), source) == []
