"""What a plain Locust process tells the test: a few of its own numbers, as one JSON file.

The locustfiles beside this one are what a careful user writes from Locust's manual, and no more.
The test ends after TRAP_RUN_TIME_S: Locust's own --run-time counts from before its imports where
those were slow, and then ends at once.
"""

import json
import os
import time
from pathlib import Path

import gevent
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner


@events.test_start.add_listener
def end_in_time(environment: Environment, **_: object) -> None:
    """Quit when the time is over, as --run-time does."""
    if not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(quit_after, environment, float(os.environ["TRAP_RUN_TIME_S"]))


def quit_after(environment: Environment, seconds: float) -> None:
    """Wait, then quit; on a master the time counts from the workers' first results."""
    assert environment.runner is not None
    polls_left = 1_200 if isinstance(environment.runner, MasterRunner) else 0
    while polls_left and not environment.stats.total.num_requests:
        gevent.sleep(0.05)
        polls_left -= 1
    gevent.sleep(seconds)
    environment.runner.quit()


def tell(environment: Environment, **more: object) -> None:
    """Write what Locust knows now, and *more*, to the file that TRAP_TOLD names."""
    total = environment.stats.total
    content = {
        "requests": total.num_requests,
        "failures": total.num_failures,
        "p50_ms": total.get_response_time_percentile(0.5),
        "p95_ms": total.get_response_time_percentile(0.95),
        "at_ns": time.monotonic_ns(),
        **more,
    }
    path = Path(os.environ["TRAP_TOLD"])
    path.write_text(
        json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **content})
    )
