"""Percentiles within 0.5 % beside Locust's rounded ones: a tab in its web UI, a page and JSON.

    /exact        a page that needs no script, for printing and for reading over a slow line
    /exact.json   {"operations": [...]}, times in ms from when requests were due; null: no answer

The tab uses what Locust offers for it: `extended_tabs` of its template and `extended_stats` in the
answer that its page asks for every two seconds. On a master these are all workers' together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Final

import orjson

from scenarios.engine.tally import Tally

COLUMNS: Final = {
    "operation": "Operation",
    "planned": "Due",
    "sent": "Sent",
    "late": "Late",
    "errors": "Errors",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "p99_ms": "p99 ms",
    "p999_ms": "p99.9 ms",
    "max_ms": "Max ms",
}
_KEY: Final = "exact"
_STYLE: Final = (
    "body{font:15px sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,th:first-child{text-align:left}"
)
_NOTE: Final = (
    "Times count from when a request was due, and are within 0.5 %. &infin;: as many requests got "
    "no right answer. Late: sent over 50 ms after it was due."
)


def add_exact_page(web_ui: Any, tally: Callable[[], Tally]) -> None:
    """Add tab, page and JSON to *web_ui*, before it starts; *tally* answers what stands now."""
    from flask import request

    @web_ui.app.route("/exact.json")
    @web_ui.auth_required_if_enabled
    def exact_json() -> Any:
        content = orjson.dumps({"operations": tally().rows()})
        return web_ui.app.response_class(content, mimetype="application/json")

    @web_ui.app.route("/exact")
    @web_ui.auth_required_if_enabled
    def exact_page() -> str:
        return page(tally())

    @web_ui.app.after_request
    def extend(response: Any) -> Any:
        if request.path.endswith("/stats/requests") and response.status_code == 200:
            shown = {"key": _KEY, "data": [_for_eyes(row) for row in tally().rows()]}
            content = {**orjson.loads(response.get_data()), "extended_stats": [shown]}
            response.set_data(orjson.dumps(content))
        return response

    structure = [{"key": key, "title": title} for key, title in COLUMNS.items()]
    web_ui.template_args |= {
        "extended_tabs": [{"title": "Exact percentiles", "key": _KEY}],
        "extended_tables": [{"key": _KEY, "structure": structure}],
    }


def page(tally: Tally) -> str:
    """Return the whole page."""
    heads = "".join(f"<th>{escape(title)}</th>" for title in COLUMNS.values())
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in _for_eyes(row).values())
        + "</tr>"
        for row in tally.rows()
    )  # fmt: skip
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="refresh" content="5"><title>Exact percentiles</title>'
        f"<style>{_STYLE}</style></head><body><h1>Exact percentiles</h1><p>{_NOTE}</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></body></html>"
    )


def _for_eyes(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of *row* in their order, an answer that never came as infinity."""
    return {key: "∞" if row[key] is None and row["sent"] else _shown(row[key]) for key in COLUMNS}


def _shown(value: Any) -> Any:
    return "" if value is None else value
