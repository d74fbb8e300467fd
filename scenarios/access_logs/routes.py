"""From addresses to operations: `/units/7/papers/41` is one of many `GET /units/{n}/papers/{n}`.

A tree of path segments. What looks like a number, a date, a UUID, a hash, a token, a person or free
text becomes a placeholder at once; a place in a path that takes many different words becomes one
too (`FAN_MAX`). In the end a word stays in a name only if several clients asked for it: what one
client alone knows may be about that client. The tree is bounded; what has no room left falls into
placeholders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

# A place with more different words than this holds names of things, not names of functions
# [estimated: the largest menu of a public system that we know has some thirty entries].
FAN_MAX: Final = 40
NODES_MAX: Final = 20_000
DEPTH_MAX: Final = 12
CACHE_MAX: Final = 100_000
# A word or value that fewer clients sent may be about one of them (k-anonymity, Sweeney 2002).
CLIENTS_MIN: Final = 3
# In a log of fewer clients than these, that rule would leave no word at all: two must do, or one.
CLIENTS_FEW: Final = 20
CLIENTS_ALONE: Final = 5

_WORD: Final = re.compile(r"[A-Za-z](?:[A-Za-z]|[._-](?!$)|\d(?!\d\d)){0,39}")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?")
_DATE: Final = re.compile(
    r"\d{4}-\d{1,2}(?:-\d{1,2})?(?:T[\d:.Z+-]*)?|\d{1,2}-\d{1,2}-\d{4}|(?:19|20|25)\d{6}"
)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HASH: Final = re.compile(r"(?=[^0-9]*\d)[0-9a-fA-F]{8,}")
_EMAIL: Final = re.compile(r".*(?:@|%40).*")
_LETTERS: Final = re.compile(r"[A-Za-z]+")
# Behind such a word stands somebody.
_PEOPLE: Final = frozenset(
    (
        "user", "users", "u", "person", "people", "persons", "member", "members", "account",
        "accounts", "profile", "profiles", "citizen", "citizens", "taxpayer", "taxpayers",
        "customer", "customers", "client", "clients", "employee", "employees", "staff", "officer",
        "officers", "patient", "patients", "student", "students", "teacher", "teachers", "owner",
        "owners", "author", "authors", "contact", "contacts", "payee", "payees", "vendor",
        "vendors", "by-name", "name", "names", "login-as", "impersonate",
    )
)  # fmt: skip
# `index.php?action=save`: here the value, not the path, says what is asked for.
ROUTE_KEYS: Final = frozenset(
    (b"action", b"act", b"cmd", b"command", b"do", b"module", b"controller", b"route", b"op",
     b"operation", b"task", b"method", b"service", b"request")
)  # fmt: skip
STATIC: Final = re.compile(
    rb"(?i)\.(?:css|js|mjs|map|png|jpe?g|gif|svg|ico|webp|avif|bmp|woff2?|ttf|eot|otf|mp4|webm|mp3)$"
)


def placeholder_of(segment: str) -> str:
    """Return the placeholder for one path segment, or the segment itself when it is a word."""
    if _DATE.fullmatch(segment):
        return "{date}"
    if _NUMBER.fullmatch(segment):
        return "{n}"
    if _UUID.fullmatch(segment):
        return "{uuid}"
    if _HASH.fullmatch(segment):
        return "{hash}"
    if _EMAIL.fullmatch(segment) or segment.startswith("~"):
        return "{name}"
    if _WORD.fullmatch(segment):
        return "{token}" if _looks_random(segment) else segment
    if len(segment) >= 16 and "%" not in segment:
        return "{token}"
    return "{code}" if "%" not in segment else "{text}"


def _looks_random(word: str) -> bool:
    """Say whether letters and digits change as they do in tokens, not as in words."""
    if max((len(run) for run in _LETTERS.findall(word)), default=0) > 24:
        return True
    is_mixed = word.lower() != word and word.upper() != word
    if is_mixed and len(word) >= 10 and any(letter.isdigit() for letter in word):
        return True
    humps = sum(a.islower() and b.isupper() for a, b in pairwise(word))
    return len(word) >= 16 and humps > 0.2 * len(word)


def clients_least(client_count: int) -> int:
    """Return how many clients must have sent a word for it to be shown."""
    if client_count >= CLIENTS_FEW:
        return CLIENTS_MIN
    return 2 if client_count >= CLIENTS_ALONE else 1


class Node:
    """One place in a path. `clients` are the first few that came here; `label` is its segment."""

    __slots__ = ("children", "clients", "count", "is_folded", "label", "number", "parent")

    def __init__(self, label: str, parent: Node | None) -> None:
        self.label = label
        self.parent = parent
        self.children: dict[str, Node] = {}
        self.clients: set[int] = set()
        self.count = 0
        self.number = -1  # of the provisional operation that ends here
        self.is_folded = False

    @property
    def is_literal(self) -> bool:
        """Whether its label is a word of the log's own."""
        return not self.label.startswith("{")


class Routes:
    """The tree, and a provisional operation number for each place where a request ended."""

    def __init__(self) -> None:
        self._roots: dict[bytes, Node] = {}
        self._cache: dict[tuple[bytes, bytes, bytes], Node] = {}
        self.ends: list[tuple[bytes, Node]] = []
        self.node_count = 0
        self._users: set[str] = set()

    def number_of(self, method: bytes, path: bytes, route_query: bytes, client: int) -> int:
        """Return the provisional operation of a request. *path* is without its query."""
        key = (method, path, route_query)
        node = self._cache.get(key)
        if node is None:
            if len(self._cache) >= CACHE_MAX:
                self._cache.clear()
            node = self._cache[key] = self._end_of(method, path, route_query)
        node.count += 1
        above: Node | None = node
        while above is not None and len(above.clients) < CLIENTS_MIN:
            above.clients.add(client)
            above = above.parent
        return node.number

    def remember_user(self, user: bytes) -> None:
        """Keep the name of somebody signed in out of every path."""
        if len(self._users) < CACHE_MAX:
            self._users.add(user.decode("latin-1").lower())

    def _end_of(self, method: bytes, path: bytes, route_query: bytes) -> Node:
        node = self._roots.get(method)
        if node is None:
            node = self._roots[method] = Node("", None)
        segments = path.decode("ascii").split("/")[1:]
        if len(segments) > DEPTH_MAX:
            segments = [*segments[:DEPTH_MAX], "{rest}"]
        before = ""
        for segment in segments:
            bare = segment.partition(";")[0]  # ;jsessionid= and the like
            label = "{name}" if before in _PEOPLE and bare else _label(bare)
            node = self._child(node, label)
            before = bare.lower()
        if route_query:
            node = self._child(node, "?" + route_query.decode("ascii"))
        if node.number < 0:
            node.number = len(self.ends)
            self.ends.append((method, node))
        return node

    def _child(self, node: Node, label: str) -> Node:
        is_literal = not label.startswith("{")
        if is_literal and label not in node.children:
            words = sum(child.is_literal for child in node.children.values())
            if words >= FAN_MAX and not node.is_folded:
                node.is_folded = True
                self._cache.clear()  # its entries still lead to single words
            if self.node_count >= NODES_MAX:
                label = "{name}"
        if node.is_folded and is_literal:
            label = "?{value}" if label.startswith("?") else "{name}"
        child = node.children.get(label)
        if child is None:
            child = node.children[label] = Node(label, node)
            self.node_count += 1
        return child

    def names(self, client_count: int) -> list[str]:
        """Return the final name of each provisional operation; several may come to share one."""
        least = clients_least(client_count)
        return [f"{method.decode()} {self._path_of(node, least)}" for method, node in self.ends]

    def _path_of(self, node: Node, least: int) -> str:
        labels = [self._shown(one, least) for one in _upwards(node)]
        path = "".join(label if label.startswith("?") else f"/{label}" for label in labels[::-1])
        return path or "/"

    def _shown(self, node: Node, least: int) -> str:
        parent, label = node.parent, node.label
        if not label or not node.is_literal or label.startswith("?{"):
            return label
        is_rare = len(node.clients) < least
        is_user = label.lower() in self._users
        if is_rare or is_user or (parent is not None and parent.is_folded):
            return "?{value}" if label.startswith("?") else "{name}"
        return label


def _label(segment: str) -> str:
    return placeholder_of(segment) if segment else ""


def _upwards(node: Node) -> Iterator[Node]:
    while node.parent is not None:
        yield node
        node = node.parent


def route_query_of(query: bytes) -> bytes:
    """Return the part of a query that names a function (`action=save`), empty without one."""
    for pair in query.split(b"&", 20)[:20]:
        key, _, value = pair.partition(b"=")
        if key.lower() in ROUTE_KEYS:
            word = value.decode("ascii", "replace")
            return key + b"=" + value if placeholder_of(word) == word and word else b""
    return b""
