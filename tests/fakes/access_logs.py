"""Access logs for tests: made from a known workload, in the format of nginx, Apache or JSON."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from scenarios.workload import ReplayedWorkload
from scenarios.workload_plan import plan_workload

BEGAN = datetime(2025, 11, 30, 8, 30, tzinfo=UTC)
BANGKOK = timezone(timedelta(hours=7))


class Hit(NamedTuple):
    """One request of a known session; times in s from the log's beginning."""

    at_s: float
    duration_s: float
    session: int
    operation: str
    method: str
    target: str
    status: int = 200


def hits_of(
    workload: ReplayedWorkload, *, duration_s: float, seed: int = 1, answer_s: float = 0.05
) -> list[Hit]:
    """Play *workload* against a server that answers in about *answer_s*; in order of start."""
    plan = plan_workload(workload, duration_s=duration_s, seed=seed, send_writes=True)
    chance = random.Random(seed)
    hits = []
    for row in range(plan.sessions):
        at_s = int(plan.start_ns[row]) / 1e9
        for step in plan.steps_of(row):
            at_s += step.pause_s
            operation = workload.operations[step.operation]
            took_s = chance.uniform(0.5, 1.5) * answer_s
            hits.append(
                Hit(at_s, took_s, row, operation.name, operation.method,
                    operation.targets[step.example])
            )  # fmt: skip
            at_s += took_s
    return sorted(hits)


def address_of(session: int) -> str:
    """Return an address of its own for each session."""
    return f"10.{session >> 16 & 255}.{session >> 8 & 255}.{session & 255}"


def nginx_line(hit: Hit, *, precise: bool = False) -> str:
    """Combined format with the request time at its end; the time is the request's end."""
    at = BEGAN + timedelta(seconds=hit.at_s + hit.duration_s)
    when = at.astimezone(BANGKOK).strftime("%d/%b/%Y:%H:%M:%S")
    fraction = f".{at.microsecond // 1000:03d}" if precise else ""
    return (
        f'{address_of(hit.session)} - - [{when}{fraction} +0700] "{hit.method} {hit.target} '
        f'HTTP/1.1" {hit.status} 512 "-" "Mozilla/5.0" {hit.duration_s:.3f}'
    )


def apache_line(hit: Hit) -> str:
    """Combined format with a virtual host and microseconds; the time is the request's start."""
    when = (BEGAN + timedelta(seconds=hit.at_s)).strftime("%d/%b/%Y:%H:%M:%S")
    return (
        f'www.example.go.th:443 {address_of(hit.session)} - - [{when} +0000] "{hit.method} '
        f'{hit.target} HTTP/1.1" {hit.status} 512 "-" "Mozilla/5.0" {round(hit.duration_s * 1e6)}'
    )


def caddy_line(hit: Hit) -> str:
    """One JSON object with an object inside; the time is the request's end."""
    at_s = BEGAN.timestamp() + hit.at_s + hit.duration_s
    return json.dumps(
        {
            "level": "info", "ts": at_s, "msg": "handled request",
            "request": {
                "remote_ip": address_of(hit.session), "remote_port": "4711", "proto": "HTTP/2.0",
                "method": hit.method, "host": "example.go.th", "uri": hit.target,
                "headers": {"User-Agent": ["Mozilla/5.0"], "Cookie": []},
            },
            "user_id": "", "duration": hit.duration_s, "size": 12, "status": hit.status,
        }
    )  # fmt: skip


def traefik_line(hit: Hit) -> str:
    """One flat JSON object with the start in ISO and the duration in ns."""
    start = BEGAN + timedelta(seconds=hit.at_s)
    return json.dumps(
        {
            "ClientAddr": f"{address_of(hit.session)}:5123", "ClientUsername": "-",
            "Duration": round(hit.duration_s * 1e9), "DownstreamStatus": hit.status,
            "RequestMethod": hit.method, "RequestPath": hit.target,
            "StartUTC": start.isoformat().replace("+00:00", "Z"), "level": "info",
        }
    )  # fmt: skip
