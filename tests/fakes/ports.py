"""A port for a process that is yet to start. Locust's own 5557 is for whoever came first."""

from __future__ import annotations

import errno
import random
import socket


def free_port():
    """Return a port that nobody listens on and that no connection is given while Locust starts."""
    for port in random.sample(range(20_000, 32_000), 100):  # Linux gives out 32,768 and above
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED:
                return port
    raise AssertionError("no free port")
