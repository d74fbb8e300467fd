"""The provincial office's work: watching which units of the province have closed their months."""

from __future__ import annotations

from scenarios.journeys.person import Person
from scenarios.journeys.vocabulary import Journey, Visit, period_before


class ProvincialViewer(Person):
    """Sees the closing status of a province and nothing else."""

    __slots__ = ()


def refresh_dashboard(visit: Visit) -> Journey:
    """Open the dashboard: this month and the two before it."""
    viewer = ProvincialViewer(visit, visit.crew.visitor)
    yield viewer.view_me()
    yield viewer.report("view_closing_status", visit.day.period)
    yield viewer.report("view_closing_status", visit.day.closing_period)
    yield viewer.report("view_closing_status", period_before(visit.day.closing_period))
