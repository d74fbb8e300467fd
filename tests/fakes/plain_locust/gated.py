"""A gate as Locust's manual builds it: the exit code follows from percentiles of entries.

TRAP_GATE is a list of [entry, percentile, most ms]; all must be kept, without a failed request.
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
    """Fail when a percentile is over its limit or a request of the entry failed."""
    entries = [environment.stats.get(name, "GET") for name, _, _ in GATE]
    values_ms = [
        entry.get_response_time_percentile(percentile)
        for entry, (_, percentile, _) in zip(entries, GATE, strict=True)
    ]
    is_kept = all(
        value_ms <= limit_ms and entry.fail_ratio == 0
        for entry, value_ms, (_, _, limit_ms) in zip(entries, values_ms, GATE, strict=True)
    )
    environment.process_exit_code = 0 if is_kept else 1
    tell(environment, gate_ms=values_ms)
