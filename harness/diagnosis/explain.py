"""From a run folder to ranked bottlenecks, or to an explicit abstention with what was missing.

Locks are named whenever they take a tenth of request time. The other rules speak only of a run that
was under strain: where every answer is quick, nothing queues and nothing is to be explained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts.records import Bottleneck
from harness.diagnosis.findings import profile_path, read_profile
from harness.diagnosis.rules.database import find_busy_database, find_commit_wall
from harness.diagnosis.rules.event_loop import find_full_loop
from harness.diagnosis.rules.locks import find_lock
from harness.diagnosis.signals import Signals, read_signals
from harness.run_folder import RunFolder

ABSTAIN = "ABSTAIN"

# A quarter of the 1 s that the proposed contract allows a read at p95 (domain §5.5), or more failed
# requests than it allows under overload.
STRAIN_LATENCY_MS_P95 = 250.0
STRAIN_FAILED_SHARE = 0.01

_UNDER_STRAIN: tuple[Callable[[Signals], Bottleneck | None], ...] = (
    find_full_loop,
    find_commit_wall,
    find_busy_database,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The signals of a run, what they name, and what was missing to say more."""

    signals: Signals
    is_strained: bool | None
    bottlenecks: tuple[Bottleneck, ...]
    missing: tuple[str, ...]


def explain(folder: RunFolder) -> Explanation:
    """Read the run folder's parts and explain it. Raises `BadSetup` for a broken folder."""
    manifest = folder.read_manifest()
    signals = read_signals(
        samples=folder.samples,
        readings=folder.readings,
        phases=manifest.phases,
        profile=read_profile(profile_path(folder)),
    )
    return explain_signals(signals)


def explain_signals(signals: Signals) -> Explanation:
    """Let the rules speak, largest share first; abstain when strain is left unexplained."""
    strained = is_strained(signals)
    found = [find_lock(signals)]
    if strained:
        found += [rule(signals) for rule in _UNDER_STRAIN]
    named = sorted((b for b in found if b is not None), key=lambda b: -b.share)
    if not named and strained is not False:
        named = [_abstention(signals, strained)]
    return Explanation(
        signals=signals,
        is_strained=strained,
        bottlenecks=tuple(named),
        missing=signals.missing,
    )


def is_strained(signals: Signals) -> bool | None:
    """Say whether users had to wait or were turned away; None when there were no requests."""
    requests = signals.requests
    if requests is None:
        return None
    return (
        requests.latency_ms_p95 >= STRAIN_LATENCY_MS_P95
        or requests.failed_share >= STRAIN_FAILED_SHARE
    )


def _abstention(signals: Signals, strained: bool | None) -> Bottleneck:
    missing = "; ".join(signals.missing) or "nothing; no rule of this release fits"
    symptom = "no request was measured"
    if strained and signals.requests is not None:
        symptom = (
            f"p95 {signals.requests.latency_ms_p95:.0f} ms, "
            f"{signals.requests.failed_share:.1%} of requests failed"
        )
    return Bottleneck(
        bottleneck_class=ABSTAIN,
        place="",
        share=0.0,
        tier="T0",
        confidence="none",
        evidence=f"{symptom}, and no cause can be named; missing evidence: {missing}",
    )
