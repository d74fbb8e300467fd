"""How many connections a plan may need at once, and how many a load process may hold.

A process has a limit on open files (20,000 is common) and, towards one address of the target, on
ports. What a plan needs is counted for the worst that a target can do: stand still until the
client gives up. Then everybody who is in the system waits for an answer, and so does whoever came
meanwhile.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

# Descriptors that are not connections: logs, libraries, Locust's own sockets.
DESCRIPTORS_RESERVED: Final = 256
# Ports that one address of ours can use towards one address of the target (Linux default range).
CONNECTIONS_MAX: Final = 28_000
CONNECTIONS_LEAST: Final = 16
# What browsers open to one host (Chromium: kDefaultMaxSocketsPerGroup).
CONNECTIONS_PER_PERSON: Final = 6


def connections_allowed(descriptors_max: int | None) -> int:
    """Return how many connections one load process may hold; None stands for no limit on files."""
    if descriptors_max is None:
        return CONNECTIONS_MAX
    return max(CONNECTIONS_LEAST, min(CONNECTIONS_MAX, descriptors_max - DESCRIPTORS_RESERVED))


def connections_needed(
    start_ns: npt.NDArray[np.int64],
    *,
    in_progress_max: int,
    request_timeout_s: float,
    is_each_persons_own: bool,
) -> int:
    """Return the most connections at once while the target stands still for *request_timeout_s*.

    *start_ns*: when each session begins, ascending.
    """
    later = np.searchsorted(start_ns, start_ns + int(request_timeout_s * 1e9), side="right")
    arriving_max = int((later - np.arange(start_ns.size)).max(initial=0))
    # Page after page a person of a shared pool waits on one connection at a time.
    most = in_progress_max + arriving_max
    return most * (CONNECTIONS_PER_PERSON if is_each_persons_own else 1)
