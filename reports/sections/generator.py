"""The load generator itself: was it on time, was it busy, and is its record true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup

from contracts.terms import Bilingual
from harness.caveats import LATENESS_LIMIT_MS
from harness.generator_doubts import CPU_LIMIT_SHARE
from reports.figures.generator import draw_generator
from reports.folds import Timeline
from reports.formats import ABSENT, count, decimal, percent
from reports.generator import Generator, ProcessFacts
from reports.wording import say


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRow:
    """One fact, with its value for each load process."""

    label: Bilingual
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorSection:
    """What the section shows."""

    sentence: Bilingual
    figure: Markup
    columns: tuple[str, ...]
    facts: tuple[FactRow, ...]


def generator_section(generator: Generator, timeline: Timeline) -> GeneratorSection | None:
    """Return the section; None when no load process said anything of itself."""
    if not generator.processes:
        return None
    most = max(one.lateness_ms[1] for one in generator.processes)
    return GeneratorSection(
        sentence=say(
            "generator_sentence",
            processes=count(len(generator.processes)),
            late=decimal(most),
            limit=decimal(LATENESS_LIMIT_MS),
            cpu=percent(CPU_LIMIT_SHARE),
        ),
        figure=draw_generator(generator, timeline),
        columns=tuple(one.name for one in generator.processes),
        facts=tuple(
            FactRow(label=say(key), values=tuple(read(one) for one in generator.processes))
            for key, read in _FACTS.items()
        ),
    )


def _cpu(one: ProcessFacts) -> str:
    cores = one.report.values["cpu_share"]
    if not np.isfinite(cores).any():
        return ABSENT
    return f"{decimal(float(np.nanmean(cores)))} / {decimal(float(np.nanmax(cores)))}"


def _said(name: str) -> Callable[[ProcessFacts], str]:
    def read(one: ProcessFacts) -> str:
        is_said = np.isfinite(one.report.values[name]).any()
        return decimal(one.report.most(name)) if is_said else ABSENT

    return read


def _of_limit(name: str, limit: str) -> Callable[[ProcessFacts], str]:
    def read(one: ProcessFacts) -> str:
        if not np.isfinite(one.report.values[name]).any():
            return ABSENT
        return f"{count(one.report.most(name))} / {count(one.report.most(limit))}"

    return read


def _connections(one: ProcessFacts) -> str:
    if not np.isfinite(one.report.values["closed_by_target"]).any():
        return ABSENT
    opened, by_target = one.report.most("connections_opened"), one.report.most("closed_by_target")
    share = percent(opened / max(1, one.sent_count))
    return f"{count(opened)} ({share}) / {count(by_target)}"


def _requests_in_flight(one: ProcessFacts) -> str:
    if not one.requests.look_count:
        return ABSENT
    return f"{decimal(one.requests.seen_mean)} / {decimal(one.requests.recorded_mean)}"


def _law(one: ProcessFacts) -> str:
    rate_per_s, mean_s, product = one.law
    return f"{decimal(rate_per_s)}/s × {decimal(mean_s * 1_000)} ms = {decimal(product)}"


def _sessions_open(one: ProcessFacts) -> str:
    if not one.sessions.look_count:
        return ABSENT
    return f"{decimal(one.sessions.seen_mean)} / {decimal(one.sessions.recorded_mean)}"


_FACTS: Final[dict[str, Callable[[ProcessFacts], str]]] = {
    "fact_sent": lambda one: count(one.sent_count),
    "fact_lateness": lambda one: " / ".join(decimal(value) for value in one.lateness_ms),
    "fact_cpu": _cpu,
    "fact_waited": lambda one: percent(one.waited_share),
    "fact_lag": _said("loop_lag_ms_max"),
    "fact_in_flight": _requests_in_flight,
    "fact_law": _law,
    "fact_sessions": _sessions_open,
    "fact_dropped": _said("dropped_sessions"),
    "fact_connections_limit": _of_limit("connections", "connections_max"),
    "fact_connections": _connections,
    "fact_descriptors": _of_limit("descriptors", "descriptors_max"),
    "fact_shortages": _said("own_shortages"),
}
