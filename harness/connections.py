"""Whether a plan fits into the connections that this machine allows: said before the load.

The limit is a fact of the machine on which the load runs; whoever plans elsewhere learns it there.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from contracts.terms import Bilingual
from harness.load import REQUEST_TIMEOUT_S
from harness.options import Options
from scenarios.connections import connections_allowed, connections_needed


class PlannedSessions(Protocol):
    """The part of any plan that connections depend on."""

    @property
    def start_ns(self) -> npt.NDArray[np.int64]:
        """When each session begins, ascending."""
        ...

    @property
    def sessions_in_progress_max(self) -> int:
        """Most sessions at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """What the load may use. `descriptors_max` per load process, None without a limit."""

    descriptors_max: int | None
    load_processes: int
    is_each_persons_own: bool
    request_timeout_s: float

    @property
    def allowed(self) -> int:
        """Connections of all load processes together."""
        return connections_allowed(self.descriptors_max) * self.load_processes

    def needed(self, plan: PlannedSessions) -> int:
        """Connections at once, if the target stands still until the client gives up."""
        return connections_needed(
            np.asarray(plan.start_ns),
            in_progress_max=plan.sessions_in_progress_max,
            request_timeout_s=self.request_timeout_s,
            is_each_persons_own=self.is_each_persons_own,
        )

    def shortage(self, plan: PlannedSessions) -> Bilingual | None:
        """Say that the plan may need more than is allowed, and how to mend it; None if it fits."""
        needed, allowed = self.needed(plan), self.allowed
        if needed <= allowed:
            return None
        processes = -(-needed // connections_allowed(self.descriptors_max))
        return Bilingual(
            th=f"หากระบบหยุดนิ่ง แผนนี้ต้องใช้การเชื่อมต่อถึง {needed:,} แต่เครื่องนี้ยอมให้ {allowed:,}: "
            f"เพิ่มขีดจำกัดไฟล์ (ulimit -n) หรือใช้ --load-processes {processes}",
            en=f"if the target stands still this plan needs {needed:,} connections, and this "
            f"machine allows {allowed:,}: raise the limit on open files (ulimit -n) or use "
            f"--load-processes {processes}",
        )


def connections_of(options: Options) -> Connections:
    """Return what this run may use here; load processes raise their limit to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Connections(
        descriptors_max=None if hard == resource.RLIM_INFINITY else hard,
        load_processes=options.load_processes,
        is_each_persons_own=options.connections == "browser",
        request_timeout_s=REQUEST_TIMEOUT_S,
    )
