"""A web system of any kind, known by its address alone: whoever answers HTTP there is the target.

For loads that bring their own requests along. Says of itself what `/version` gives, if anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.failures import BadSetup
from harness.targets.asking import NoAnswer, ask, normal_url
from harness.targets.remote import HEALTH_LIMIT_S, RemoteTarget

FRONT: Final = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTarget(RemoteTarget):
    """Alive while it answers anything at all: what is right, the load's own answers say."""

    def check_alive(self) -> None:
        """One question, bounded. Raises `BadSetup`."""
        try:
            ask(self.url, FRONT, timeout_s=HEALTH_LIMIT_S)
        except NoAnswer as error:
            raise BadSetup(
                what=str(error), where=self.url, mend="start the target, or correct the address"
            ) from error


def web_target(url: str) -> WebTarget:
    """Check *url*'s form. Raises `BadSetup`. Sends nothing."""
    return WebTarget(url=normal_url(url))
