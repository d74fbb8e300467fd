"""The report storm of a first working day as a locustfile: all units print everything.

locust -f scenarios/report_storm.py --host http://127.0.0.1:8080 --headless --monthend-scale 0.05
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.locustfile import country_user

ReportStormUser = country_user("report_storm")
