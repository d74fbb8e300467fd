"""Ranks the statements of the target by what they cost, by call site. Pure.

Statements that a driver or a probe sends for its own housekeeping are left out by name, not by
cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.diagnosis.findings import HotStatement
from harness.probes.activity import call_site
from harness.probes.statements import StatementCost

STATEMENTS_MAX = 40
QUERY_CHARACTERS_MAX = 600

# What asyncpg sends when a connection goes back to its pool, and what our own probes ask.
_HOUSEKEEPING = re.compile(
    r"\s*(SELECT pg_advisory_unlock_all|CLOSE ALL|UNLISTEN|RESET ALL|DISCARD)", re.I
)
# Views that nobody but a watcher reads.
_WATCHING = re.compile(r"\bpg_stat_(activity|database|statements)\b")


def rank_statements(
    costs: Mapping[tuple[int, bool], StatementCost],
    *,
    call_sites: Mapping[int, Sequence[str]],
    completed_requests: int,
    statements_max: int = STATEMENTS_MAX,
) -> tuple[HotStatement, ...]:
    """Return the statements with most total time; statements inside functions are left out.

    *costs* by (query id, is top level). *call_sites* are those that sessions were seen with, by
    query id; several share one shape, none means that no session was seen with it. With
    *completed_requests* 0 the calls per request are None.
    """
    sites = {
        query_id: " | ".join(sorted(call_sites.get(query_id, ()))) or call_site(cost.query)
        for (query_id, _), cost in costs.items()
    }
    sent = [
        (cost, sites[query_id])
        for (query_id, is_top_level), cost in costs.items()
        if is_top_level and not is_housekeeping(sites[query_id], cost.query)
    ]
    all_ms = sum(cost.total_ms for cost, _ in sent)
    ranked = sorted(sent, key=lambda item: (-item[0].total_ms, item[1], item[0].query))
    return tuple(
        HotStatement(
            call_site=site,
            query=" ".join(cost.query.split())[:QUERY_CHARACTERS_MAX],
            calls=cost.calls,
            total_ms=cost.total_ms,
            mean_ms=cost.total_ms / cost.calls if cost.calls else 0.0,
            rows=cost.rows,
            blocks=cost.blocks,
            share=cost.total_ms / all_ms if all_ms > 0 else 0.0,
            calls_per_request=cost.calls / completed_requests if completed_requests else None,
        )
        for cost, site in ranked[:statements_max]
    )


def is_housekeeping(site: str, query: str) -> bool:
    """Say whether a driver or a watcher sent this, for its own purposes."""
    return bool(
        site.startswith("monthend ") or _HOUSEKEEPING.match(query) or _WATCHING.search(query)
    )
