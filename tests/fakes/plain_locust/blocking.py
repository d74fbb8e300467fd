"""People who ask ten times a second, and one who calls something that blocks (a driver, a parser).

Nothing of it shows but in the response times, which are said to be the target's.
"""

from gevent.monkey import get_original
from locust import FastHttpUser, constant_pacing, events, task
from locust.env import Environment
from telling import tell

really_sleep = get_original("time", "sleep")


class Person(FastHttpUser):
    """Asks for the page and waits for the rest of a tenth of a second."""

    fixed_count = 4
    wait_time = constant_pacing(0.1)

    @task
    def page(self) -> None:
        """Ask for the page."""
        self.client.get("/page")


class Clerk(FastHttpUser):
    """Now and then computes something, and nobody else runs meanwhile."""

    fixed_count = 1
    wait_time = constant_pacing(0.9)

    @task
    def report(self) -> None:
        """Block the process for 0.6 s."""
        really_sleep(0.6)


@events.quitting.add_listener
def quitting(environment: Environment, **_: object) -> None:
    """Note what is known at the very end."""
    tell(environment)
