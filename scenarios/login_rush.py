"""The morning login rush as a locustfile: half an hour of sign-ins through the provider.

locust -f scenarios/login_rush.py --host http://127.0.0.1:8080 --headless --monthend-scale 0.05
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.locustfile import country_user

LoginRushUser = country_user("login_rush")
