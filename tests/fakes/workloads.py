"""Workloads for tests: a small shop with people who think, and loads at one constant rate."""

from __future__ import annotations

import json
from typing import Any

from scenarios.workload import ReplayedWorkload, workload_of


def shop(**changes: Any) -> dict[str, Any]:
    """A front page, articles, a cart and its order; *changes* replace top-level keys."""
    return {
        "format": "monthend-workload/1",
        "name": "a shop",
        "operations": [
            {"name": "front", "kind": "read", "method": "GET", "targets": [{"target": "/"}]},
            {
                "name": "article", "kind": "read", "method": "GET",
                "targets": [{"target": "/article/1", "weight": 3}, {"target": "/article/2"}],
            },
            {
                "name": "order", "kind": "post", "method": "POST",
                "targets": [{"target": "/orders"}],
                "content_type": "application/json", "body": "{}",
            },
        ],
        "sessions": {
            "first": {"front": 4, "article": 1},
            "think_levels": [0, 0.5, 1],
            "next": {
                "front": [{"to": "article", "weight": 3, "think_s": [0.1, 0.5, 2]},
                          {"to": None}],
                "article": [{"to": "article", "weight": 2, "think_s": [0.2, 0.4, 1.5]},
                            {"to": "order", "think_s": [0.3]}, {"to": None}],
                "order": [{"to": None}],
            },
        },
        "arrivals": {"sessions_per_s": 20},
        **changes,
    }  # fmt: skip


def constant(
    requests_per_s: float, *, mix: dict[str, float] | None = None, **sessions: Any
) -> dict[str, Any]:
    """GETs at a constant rate, in given proportions, one request per session."""
    mix = mix or {"get": 1}
    return {
        "format": "monthend-workload/1",
        "name": "constant",
        "operations": [
            {"name": name, "kind": "read", "method": "GET", "targets": [{"target": f"/{name}"}]}
            for name in mix
        ],
        "sessions": {"first": mix, **sessions},
        "arrivals": {"requests_per_s": requests_per_s},
    }


def read(content: dict[str, Any]) -> ReplayedWorkload:
    """Read *content* as a file of it would be."""
    return workload_of(json.dumps(content).encode(), "workload.json")
