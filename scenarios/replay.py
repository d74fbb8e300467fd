"""A workload replayed, as a locustfile; `monthend workload-from-log` makes workloads.

    locust -f scenarios/replay.py --host http://127.0.0.1:8080 --monthend-workload workload.json
    locust -f scenarios/replay.py --host URL --headless --monthend-workload FILE --processes 2

The options are those of `scenarios.engine.options`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.locustfile import country_user
from scenarios.engine.options import REPLAY

ReplayUser = country_user(REPLAY)
