"""What all tests share: how Hypothesis behaves on a machine that others use too.

No deadline and no complaint of slow generation: both measure the machine, and the first run in a
fresh clone has to build Hypothesis's own tables of characters besides.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "monthend", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("monthend")
