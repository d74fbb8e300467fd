"""Who works, who waits and who makes them wait, out of one look at `pg_stat_activity`. Pure.

Each waiting session is walked along its blockers to the session that waits for nobody: the root. A
statement is known by its call site, the comment at its head; without one, by its own first words.
A sample cannot see what is shorter than the time between samples; counts are sessions, not events.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

CALL_SITE_CHARACTERS_MAX = 120
# Longer chains exist only in a ruin, and then the first 64 links say enough.
CHAIN_LENGTH_MAX = 64

# At the head, or behind the first word.
_BLOCK_COMMENT = re.compile(r"\s*(?:\w+\s*)?/\*\s*(.*?)\s*\*/", re.DOTALL)
_LINE_COMMENT = re.compile(r"\s*--\s*([^\n]*)")
_BLANKS = re.compile(r"\s+")

NO_WAIT = "on cpu"
NOT_VISIBLE = "(a session outside the view)"
DEADLOCK = "(deadlock)"
PREPARED = "(a prepared transaction)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One client session as seen. `wait` is `TYPE:EVENT` or "", `transaction_s` the age in s.

    `query` is its running or its last statement, `query_id` that statement's shape, 0 when unknown.
    """

    pid: int
    state: str
    wait: str
    query: str
    transaction_s: float
    blockers: tuple[int, ...]
    query_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One sample, added up. Values are numbers of sessions.

    `waits`: by what the session does or waits for. `active`: by call site of the running statement.
    `blocked`: by (root call site, victim call site). `root_states`: state of each root, by call
    site. `statements`: pairs of query id and call site, those of idle sessions too, because the
    counters of PostgreSQL 18 know a statement by its id and no longer by its comment.
    """

    session_count: int
    waits: Mapping[str, int]
    active: Mapping[str, int]
    blocked: Mapping[tuple[str, str], int]
    root_states: Mapping[tuple[str, str], int]
    transaction_s_max: float
    statements: frozenset[tuple[int, str]]


def call_site(query: str) -> str:
    """Return the comment at the head of *query* or behind its first word, else its first words."""
    for pattern in (_BLOCK_COMMENT, _LINE_COMMENT):
        found = pattern.match(query)
        if found and found[1].strip():
            return _BLANKS.sub(" ", found[1]).strip()[:CALL_SITE_CHARACTERS_MAX]
    return _BLANKS.sub(" ", query).strip()[:CALL_SITE_CHARACTERS_MAX] or "(no statement)"


def look_at(sessions: Iterable[Session]) -> Look:
    """Add one sample up."""
    by_pid = {session.pid: session for session in sessions}
    waits: Counter[str] = Counter()
    active: Counter[str] = Counter()
    blocked: Counter[tuple[str, str]] = Counter()
    root_states: Counter[tuple[str, str]] = Counter()
    roots: set[int] = set()
    for session in by_pid.values():
        waits[_doing(session)] += 1
        if session.state == "active":
            active[call_site(session.query)] += 1
        if session.blockers:
            root = root_of(session.pid, by_pid)
            found = by_pid.get(root)
            blocked[(_root_name(root, found), call_site(session.query))] += 1
            if found is not None and root not in roots:
                roots.add(root)
                root_states[(call_site(found.query), found.state)] += 1
    return Look(
        session_count=len(by_pid),
        waits=waits,
        active=active,
        blocked=blocked,
        root_states=root_states,
        statements=frozenset(
            (s.query_id, call_site(s.query)) for s in by_pid.values() if s.query_id and s.query
        ),
        transaction_s_max=max((s.transaction_s for s in by_pid.values()), default=0.0),
    )


def root_of(pid: int, sessions: Mapping[int, Session]) -> int:
    """Return the pid at the end of *pid*'s chain of blockers; -1 when the chain bites its tail.

    With several blockers the first one that was not visited is followed: `pg_blocking_pids` puts
    holders before those who merely wait in front.
    """
    visited = [pid]
    for _ in range(CHAIN_LENGTH_MAX):
        session = sessions.get(visited[-1])
        if session is None or not session.blockers:
            return visited[-1]
        ahead = [blocker for blocker in session.blockers if blocker not in visited]
        if not ahead:
            return -1
        visited.append(ahead[0])
    return visited[-1]


def _doing(session: Session) -> str:
    if session.state == "active":
        return session.wait or NO_WAIT
    return session.state or "(unknown)"


def _root_name(pid: int, session: Session | None) -> str:
    if session is not None:
        return call_site(session.query)
    return {-1: DEADLOCK, 0: PREPARED}.get(pid, NOT_VISIBLE)


def sessions_from_rows(rows: Sequence[Mapping[str, object]]) -> tuple[Session, ...]:
    """Make sessions of the rows that `postgres.ACTIVITY_SQL` answers; null becomes "" or 0."""
    return tuple(
        Session(
            pid=int(str(row["pid"])),
            state=str(row["state"] or ""),
            wait=f"{row['wait_event_type']}:{row['wait_event']}" if row["wait_event_type"] else "",
            query=str(row["query"] or ""),
            transaction_s=float(str(row["transaction_s"] or 0.0)),
            blockers=tuple(row["blockers"] or ()),  # type: ignore[arg-type]
            query_id=int(str(row["query_id"] or 0)),
        )
        for row in rows
    )
