"""The end of the fiscal year as a locustfile: a long day, its reports, its closing in every unit.

locust -f scenarios/year_end.py --host http://127.0.0.1:8080 --headless --monthend-scale 0.05
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.locustfile import country_user

YearEndUser = country_user("year_end")
