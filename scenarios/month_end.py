"""The month end of the whole country as a locustfile.

    locust -f scenarios/month_end.py --host http://127.0.0.1:8080
    locust -f scenarios/month_end.py --host URL --headless -t 2m --monthend-scale 0.05
    locust -f scenarios/month_end.py --host URL --processes 2

The options are those of `scenarios.engine.options`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.locustfile import country_user

MonthEndUser = country_user("month_end")
