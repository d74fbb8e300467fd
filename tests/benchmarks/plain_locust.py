"""A plain locustfile, as people write them: the same work for Locust's own two HTTP clients.

    PEER_CLIENT=fast|http PEER_KIND=plain PEER_RATE_PER_USER=10 locust -f ... --headless ...

PEER_RATE_PER_USER 0: every user asks again as soon as it was answered.
"""

from __future__ import annotations

import itertools
import os

from locust import FastHttpUser, HttpUser, constant, constant_throughput, task

KIND = os.environ["PEER_KIND"]
RATE_PER_USER = float(os.environ["PEER_RATE_PER_USER"])
NUMBERS = itertools.count()


class Peer(HttpUser if os.environ["PEER_CLIENT"] == "http" else FastHttpUser):
    """Asks for one path after the other."""

    wait_time = constant_throughput(RATE_PER_USER) if RATE_PER_USER else constant(0)

    @task
    def ask(self) -> None:
        """One request; all numbers are one row of the statistics."""
        self.client.get(f"/{KIND}/{next(NUMBERS)}", name=KIND)
