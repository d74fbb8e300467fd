"""YAML read with suspicion: bounded, without references, every node knowing its line.

A contract decides over money, and the parties exchange it as a file. So this reader takes plain
mappings, lists, text and numbers and refuses the rest of YAML in one line that names file, line and
key: aliases and anchors (a few bytes that unfold to gigabytes), tags, repeated keys, deep nesting,
numbers that mean something else than they look (`010`, `1:30`, `.inf`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

FILE_BYTES_MAX: Final = 512 * 1024
DEPTH_MAX: Final = 12
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?")


class ContractError(ValueError):
    """One line for a human: file, line, key, what is wrong there, and how to mend it.

    `what` names the key by itself, so that whoever passes the error on cannot lose it.
    """

    def __init__(self, *, file: str, line: int, key: str, what: str, mend: str) -> None:
        super().__init__(file, line, key, what, mend)
        self.file = file
        self.line = line
        self.key = key
        self.what = f"{key}: {what}" if key else what
        self.mend = mend

    @property
    def where(self) -> str:
        """File and line, in the form that editors open."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


def line_of(node: yaml.Node) -> int:
    """Return the line on which *node* begins, counted from 1."""
    return int(node.start_mark.line) + 1


def read_bytes_bounded(path: Path) -> bytes:
    """Return the file's bytes. Raises `ContractError` when it is no readable file of that size."""
    try:
        if not path.is_file():
            reason = "is no file" if path.exists() else "does not exist"
            raise _refused(path, 0, reason, "name a contract file, as contracts/new_elaas.yaml")
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _refused(
            path, 0, f"cannot be read: {error.strerror}", "name a file that you may read"
        ) from error
    if len(content) > FILE_BYTES_MAX:
        raise _refused(
            path, 0, f"is larger than {FILE_BYTES_MAX} bytes", "a contract is text: cut it down"
        )
    return content


def compose(content: bytes, path: Path) -> yaml.MappingNode:
    """Turn *content* into nodes. Raises `ContractError`; *path* is used in the sentence only."""
    text = _decoded(content, path)
    try:
        node = _composed(text)
    except _NotPlain as error:
        raise _refused(path, error.line, error.what, error.mend) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _refused(
            path, line, "holds a control character", "remove the invisible character"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = int(mark.line) + 1 if mark else 0
        what = " ".join(str(error.problem or error.context or "cannot be understood").split())
        raise _refused(
            path, line, f"is not YAML: {what}", "check indent, quotes and colons on this line"
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets an impossible escape such as "\UFFFFFFFF" through to chr().
        raise _refused(path, 0, "is not YAML", "check escapes, quotes and colons") from error
    if node is None:
        raise _refused(path, 1, "is empty", "write a contract into it")
    if not isinstance(node, yaml.MappingNode):
        raise _refused(path, line_of(node), "is no mapping at its top", "begin with `id: ...`")
    return node


def _composed(text: str) -> yaml.Node | None:
    loader = _BoundedLoader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def number_of(node: yaml.Node) -> float | None:
    """Return the number that *node* spells in plain decimal digits, None when it does not."""
    if not isinstance(node, yaml.ScalarNode) or node.style is not None:
        return None
    return float(node.value) if _NUMBER.fullmatch(node.value) else None


def _refused(path: Path, line: int, what: str, mend: str) -> ContractError:
    return ContractError(file=str(path), line=line, key="", what=f"the file {what}", mend=mend)


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(path, line, "is not UTF-8", "save it as UTF-8, not as TIS-620") from error


class _NotPlain(Exception):
    def __init__(self, line: int, what: str, mend: str) -> None:
        super().__init__(line, what, mend)
        self.line = line
        self.what = what
        self.mend = mend


class _BoundedLoader(yaml.SafeLoader):
    """Composes nodes, refusing while it reads: nothing is unfolded before it is refused."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = int(event.start_mark.line) + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _NotPlain(line, "uses a reference (& or *)", "write the text out where it stands")
        if event.tag is not None:
            raise _NotPlain(line, f"uses a tag ({event.tag})", "remove the tag")
        if self._depth >= DEPTH_MAX:
            raise _NotPlain(line, f"is nested deeper than {DEPTH_MAX}", "a contract is flatter")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1
