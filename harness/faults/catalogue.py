"""The faults there are, and what a person may write after `--faults`.

A name that does not exist, or a fault that this target cannot suffer, is bad set-up: it is said in
one line before any load, so that nobody takes a run for a chaos run in which nothing was broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.failures import BadSetup
from harness.faults.database_restart import DatabaseRestart
from harness.faults.fault import Fault, FaultTarget
from harness.faults.provider import ProviderOutage, ProviderSlow
from harness.faults.worker_kill import WorkerKill

# In the order in which `all` injects them, the mildest first, so that its trace is undisturbed. The
# provider's are last: a run too short for all of them tries the target's own parts before others'.
FAULTS: Mapping[str, Callable[[], Fault]] = MappingProxyType(
    {
        "worker_kill": WorkerKill,
        "database_restart": DatabaseRestart,
        "provider_slow": ProviderSlow,
        "provider_outage": ProviderOutage,
    }
)


def parse_fault_names(text: str) -> tuple[str, ...]:
    """Return the names that *text* (`all`, `none` or `NAME,NAME`) asks for, each once, in order.

    Raises `BadSetup` for a name that does not exist. Needs no target, so `plan` can use it.
    """
    wanted = text.strip().lower()
    if wanted == "all":
        return tuple(FAULTS)
    if wanted == "none":
        return ()
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = [name for name in names if name not in FAULTS]
    if unknown or not names:
        what = f"there is no fault {', '.join(map(repr, unknown))}" if unknown else "no fault named"
        raise BadSetup(
            what=what, where="--faults", mend=f"write all, none or some of {', '.join(FAULTS)}"
        )
    return tuple(dict.fromkeys(names))


def parse_faults(text: str, target: FaultTarget) -> tuple[Fault, ...]:
    """Return the faults that *text* asks for, made for use on *target*.

    Raises `BadSetup` for a name that does not exist and for a fault that *target* cannot suffer.
    """
    faults = tuple(FAULTS[name]() for name in parse_fault_names(text))
    for fault in faults:
        reason = fault.refusal(target)
        if reason is not None:
            raise BadSetup(
                what=f"{fault.name} is not possible: {reason}",
                where="--faults",
                mend="use --faults none, or a target that is started here (--target embedded)",
            )
    return faults
