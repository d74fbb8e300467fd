"""How operations become HTTP: a pure module per kind of system; `README.md` says how to write one.

`load_dialect` finds a dialect by the name of a built-in one, by a module's dotted name or by a
file's path, in the harness and in every load process alike.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from scenarios.demand import OPERATIONS
from scenarios.dialects.interface import Dialect
from scenarios.dialects.reference import ReferenceDialect
from scenarios.dialects.web_forms import WebFormsDialect

DIALECTS: Final[dict[str, Callable[[], Dialect]]] = {
    "reference": ReferenceDialect,
    "web_forms": WebFormsDialect,
}
_METHODS: Final = ("request", "reply", "read_books_requests", "parse_books")
_FACTS: Final = {
    "operations": frozenset,
    "health_path": str,
    "version_path": str,
    "has_books": bool,
}


class BadDialect(ValueError):
    """No dialect can be had by this name. `what` is wrong, and how to `mend` it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}; {mend}")
        self.what = what
        self.mend = mend


def load_dialect(name: str) -> Dialect:
    """Return the dialect called *name*: built-in, `package.module`, or a path ending in `.py`.

    Raises `BadDialect`, whatever a foreign module does while it is imported.
    """
    if name in DIALECTS:
        return DIALECTS[name]()
    return _made(_dialect_class(_module(name)))


def anywhere(name: str) -> str:
    """Return *name* such that a process in another folder finds the same file."""
    return str(Path(name).resolve()) if name.endswith(".py") else name


def _module(name: str) -> ModuleType:
    is_file = name.endswith(".py") or os.sep in name
    if not is_file and "." not in name:
        raise BadDialect(
            "there is no such dialect",
            f"write one of {', '.join(DIALECTS)}, a module as in vendor.our_dialect, or a file as "
            "in ./our_dialect.py",
        )
    try:
        return _module_of_file(Path(name)) if is_file else _module_by_name(name)
    except BadDialect:
        raise
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise BadDialect(f"it is not Python: {where}{error.msg}", "correct the module") from error
    except (Exception, SystemExit) as error:
        raise BadDialect(
            f"it cannot be imported: {type(error).__name__}: {_one_line(error)}",
            "see that `python -c 'import ...'` works for it",
        ) from error


def _module_of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BadDialect("there is no such file", "name a Python file, as in ./our_dialect.py")
    name = f"monthend_dialect_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadDialect("it is no Python file", "give it a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _module_by_name(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # as `python -m` does; last, so that it hides nothing
    return importlib.import_module(name)


def _dialect_class(module: ModuleType) -> Callable[[], Any]:
    own = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and value.__name__.endswith("Dialect")
    ]
    if len(own) != 1:
        names = ", ".join(sorted(value.__name__ for value in own)) or "none"
        raise BadDialect(
            f"it must define one class whose name ends in Dialect; it defines {names}",
            "see scenarios/dialects/README.md",
        )
    return own[0]


def _made(make: Callable[[], Any]) -> Dialect:
    name = getattr(make, "__name__", "it")
    try:
        dialect: Dialect = make()
    except Exception as error:
        raise BadDialect(
            f"{name}() raises {type(error).__name__}: {_one_line(error)}",
            "have it need no arguments",
        ) from error
    missing = [method for method in _METHODS if not callable(getattr(dialect, method, None))]
    missing += [fact for fact, kind in _FACTS.items() if not _is_a(dialect, fact, kind)]
    if missing:
        raise BadDialect(f"{name} has no {', '.join(missing)}", "see scenarios/dialects/README.md")
    unknown = sorted(dialect.operations - set(OPERATIONS))
    if unknown or not dialect.operations:
        raise BadDialect(
            f"{name} speaks {', '.join(unknown) or 'no operation'}",
            "name operations of scenarios/demand.py (OPERATIONS)",
        )
    return dialect


def _is_a(dialect: Any, fact: str, kind: type) -> bool:
    return isinstance(getattr(dialect, fact, None), kind)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
