"""What people do in an hour of ordinary work, besides the month's documents themselves.

Documents, enquiries, reports and sign-ins come in the proportion of the demand table. The
navigation overhead pays for the rest, which a mix names as shares of all requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scenarios.demand import ACTIVITIES

PROVINCIAL_SHARE: Final = 0.002
# Attempts that must be refused serve nobody.
PROBE_SHARES: Final = {"curious": 0.001, "overspend": 0.0005}
# Of the requests of people without training: mistakes that the system must refuse and that are then
# corrected, and forms that nobody sends off [estimated; facts/domain.md §1 item 7].
UNTRAINED_SHARES: Final = {"mistaken_paper": 0.03, "abandoned_form": 0.02}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """`close_share` is the most requests that closings of a month may take, `close_units` the most
    units that close; `others` are shares of further activities, drawn by weight. `only`, when not
    empty, leaves the rest of the demand table out.
    """

    close_share: float = 0.03
    close_units: float = 0.01
    others: Mapping[str, float]
    only: tuple[str, ...] = ()

    def monthly(self, demand: str) -> list[float]:
        """Return how often an SAO does each activity in a month, those left out as 0."""
        return [
            activity.per_sao_month.of(demand) if not self.only or activity.name in self.only else 0
            for activity in ACTIVITIES
        ]


ORDINARY: Final = Mix(others=PROBE_SHARES)
UNTRAINED: Final = Mix(others={**PROBE_SHARES, **UNTRAINED_SHARES})
# Nobody closes a month: it is closed in another way, or months before it are still open.
WITHOUT_CLOSING: Final = Mix(others=PROBE_SHARES, close_share=0.0, close_units=0.0)
UNTRAINED_WITHOUT_CLOSING: Final = Mix(
    others={**PROBE_SHARES, **UNTRAINED_SHARES}, close_share=0.0, close_units=0.0
)
# The evening on which the year is closed: everything is posted, people read and print.
READING_ONLY: Final = Mix(
    others={}, close_share=0.0, close_units=0.0,
    only=("daily_cash", "enquiry", "report", "login"),
)  # fmt: skip
