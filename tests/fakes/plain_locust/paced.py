"""Many people, each once in four seconds, who begin at a random moment of the first four.

The random start is what a careful user writes so that they do not act in step.
"""

import random
import time

from locust import FastHttpUser, constant_pacing, events, task
from locust.env import Environment
from telling import tell


class Person(FastHttpUser):
    """Acts every four seconds, out of step with the others."""

    wait_time = constant_pacing(4)

    def on_start(self) -> None:
        """Begin at a random moment."""
        time.sleep(random.uniform(0, 4))

    @task
    def page(self) -> None:
        """Ask for the page."""
        self.client.get("/page")


@events.quitting.add_listener
def quitting(environment: Environment, **_: object) -> None:
    """Note what is known at the very end."""
    tell(environment)
