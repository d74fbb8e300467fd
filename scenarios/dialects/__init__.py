"""How operations become HTTP: one pure module per kind of system, and the one registry of them.

To add a system: write a module with a class that fulfils `scenarios.dialects.interface.Dialect`
and add its row here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scenarios.dialects.interface import Dialect
from scenarios.dialects.reference import ReferenceDialect

DIALECTS: Final[dict[str, Callable[[], Dialect]]] = {"reference": ReferenceDialect}


def by_name(name: str) -> Dialect:
    """Return the dialect called *name*. Raises `KeyError` for an unknown one; see `DIALECTS`."""
    return DIALECTS[name]()
