"""The identity provider fails, through the knobs of its stand-in: it answers 503, or it is slow.

The target itself is not touched. People who are signed in do not need the provider; whoever signs
in meanwhile is told so, and signing in works again when the provider does. Whether that is so is
for the clause on the provider to judge; here the stand-in alone is asked whether it is as told.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from harness.faults.fault import FaultTarget, Healing, Injection, NotHealed, NotInjected
from harness.targets.asking import NoAnswer, ask, tell

KNOBS_PATH = "/control/knobs"
DISCOVERY_PATH = "/.well-known/openid-configuration"
ANSWER_LIMIT_S = 2.0
PAUSE_S = 0.1
# Well below a minute of nobody able to sign in, well above the time limits of a ledger: whoever
# waits for the provider inside something that others need is seen to.
HOLD_S = 6.0
SLOW_MS = 2_500.0  # within the 3 s that the reference ledger gives the provider


class _ProviderFault:
    """Turns knobs to *broken*, and back to *whole*."""

    name: ClassVar[str]
    # Lead-in, the time it lasts, and as long after it as signing in takes to be seen back for 5 s.
    slot_s_min: ClassVar[float] = 20.0
    hold_s: ClassVar[float] = HOLD_S
    broken: ClassVar[Mapping[str, Any]]
    whole: ClassVar[Mapping[str, Any]]
    is_answering: ClassVar[bool]

    def refusal(self, target: FaultTarget) -> str | None:
        """Say why the provider of this target cannot be made to fail."""
        return None if target.provider_url else "its identity provider is not ours to break"

    def inject(self, target: FaultTarget) -> Injection:
        """Turn the knobs, and see that the provider is as told."""
        injected_ns = time.monotonic_ns()
        try:
            tell(target.provider_url, KNOBS_PATH, orjson.dumps(self.broken), ANSWER_LIMIT_S)
            status = ask(target.provider_url, DISCOVERY_PATH, timeout_s=ANSWER_LIMIT_S).status
        except NoAnswer as error:
            raise NotInjected(
                what=f"the provider's stand-in cannot be told: {error}", where=self.name,
                mend="look at its own log",
            ) from error  # fmt: skip
        if (status == 200) is not self.is_answering:
            raise NotInjected(
                what=f"the provider's stand-in answers {status} all the same", where=self.name,
                mend="the run proves nothing about this fault: repeat it",
            )  # fmt: skip
        return Injection(
            target="identity provider", injected_ns=injected_ns, pid=0, process_count=1,
            expected=frozenset(), facts=(f"the provider answered {status}",),
        )  # fmt: skip

    def heal(
        self, target: FaultTarget, injection: Injection | None, *, deadline_ns: int
    ) -> Healing:
        """Turn the knobs back and see the provider describe itself."""
        doubt = "it was not tried"
        while True:
            try:
                tell(target.provider_url, KNOBS_PATH, orjson.dumps(self.whole), ANSWER_LIMIT_S)
                status = ask(target.provider_url, DISCOVERY_PATH, timeout_s=ANSWER_LIMIT_S).status
                if status == 200:
                    healed_ns = time.monotonic_ns()
                    return Healing(healed_ns=healed_ns, facts=("the provider answers again",))
                doubt = f"it answers {status}"
            except NoAnswer as error:
                doubt = str(error)
            if time.monotonic_ns() > deadline_ns:
                raise NotHealed(
                    what=f"the identity provider did not come back: {doubt}", where=self.name,
                    mend="look at its own log",
                )  # fmt: skip
            time.sleep(PAUSE_S)


class ProviderSlow(_ProviderFault):
    """Every exchange of a code takes seconds."""

    name = "provider_slow"
    broken: ClassVar = {"token_delay_ms": SLOW_MS}
    whole: ClassVar = {"token_delay_ms": 0.0}
    is_answering = True


class ProviderOutage(_ProviderFault):
    """The provider answers nothing but 503."""

    name = "provider_outage"
    broken: ClassVar = {"outage": True}
    whole: ClassVar = {"outage": False}
    is_answering = False
