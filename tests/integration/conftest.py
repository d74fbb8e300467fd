"""An embedded PostgreSQL for the session, a tiny country in it, and ledgers served in the test.

Coroutine tests are run in a worker's loop, one loop per test. `serving` starts a ledger inside the
test's loop, so a test may look at its parts; `country` is filled anew for each module (`refill`
within one, for tests that leave the books in disorder).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.targets.postgres import EmbeddedPostgres
from harness.targets.workplace import make_workplace
from reference_app.street import StreetLoop
from tests.integration.ledger_client import Country, fill_country


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with asyncio.Runner(loop_factory=StreetLoop) as runner:
        runner.run(pyfuncitem.obj(**arguments))
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name schemathesis' tests apart: of items with one id, xdist runs but one."""
    for item in items:
        if "[" in item.name and "[" not in item.nodeid:
            item._id = item.id.with_params(item.name.partition("[")[2].removesuffix("]"))


@pytest.fixture(scope="session")
def ledger_postgres() -> Iterator[EmbeddedPostgres]:
    """A running server with durable settings and an empty database; gone at the end."""
    workplace = make_workplace()
    postgres = EmbeddedPostgres(folder=workplace.path / "db", log=workplace.path / "log")
    try:
        postgres.create()
        yield postgres
    finally:
        postgres.stop()
        workplace.remove()


@pytest.fixture(scope="module")
def country(ledger_postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Country:
    """A tiny country, freshly filled: see `ledger_client.UNITS`."""
    folder: Path = tmp_path_factory.mktemp("country")
    return asyncio.run(fill_country(ledger_postgres.owner_dsn, folder))
