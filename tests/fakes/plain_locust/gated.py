"""A gate as Locust's manual builds it: the exit code follows from a percentile of an entry.

TRAP_GATE is {"name": entry, "p95_ms_at_most": limit}.
"""

import json
import os

from locust import FastHttpUser, constant, events, task
from locust.env import Environment
from telling import tell

GATE = json.loads(os.environ["TRAP_GATE"])


class Person(FastHttpUser):
    """Asks, waits for the answer, asks again."""

    wait_time = constant(0.2)
    network_timeout = 30.0

    @task
    def page(self) -> None:
        """Ask for the page."""
        self.client.get("/page")


@events.quitting.add_listener
def judge(environment: Environment, **_: object) -> None:
    """Fail when the p95 of the entry is over its limit or a request of it failed."""
    entry = environment.stats.get(GATE["name"], "GET")
    p95_ms = entry.get_response_time_percentile(0.95)
    is_kept = p95_ms <= GATE["p95_ms_at_most"] and entry.fail_ratio == 0
    environment.process_exit_code = 0 if is_kept else 1
    tell(environment, gate_p95_ms=p95_ms)
