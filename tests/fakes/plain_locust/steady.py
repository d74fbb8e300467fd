"""A few people who ask ten times a second each, at a pace that Locust keeps.

Used for the traps of keep-alive (above descriptor 1023), of omission (the target freezes), of lost
results (`test_stop` on the master) and of lost workers.
"""

from locust import FastHttpUser, constant_pacing, events, task
from locust.env import Environment
from locust.runners import WorkerRunner
from telling import tell


class Person(FastHttpUser):
    """Asks for the page and waits for the rest of a tenth of a second."""

    wait_time = constant_pacing(0.1)

    @task
    def page(self) -> None:
        """Ask for the page."""
        self.client.get("/page")


@events.test_stop.add_listener
def stopped(environment: Environment, **_: object) -> None:
    """Note what is known when the test has stopped, as the manual suggests for gates."""
    if not isinstance(environment.runner, WorkerRunner):
        tell(environment, requests_at_test_stop=environment.stats.total.num_requests)


@events.quitting.add_listener
def quitting(environment: Environment, **_: object) -> None:
    """Note what is known at the very end."""
    if not isinstance(environment.runner, WorkerRunner):
        tell(environment)
