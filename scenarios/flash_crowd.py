"""An announced opening as a locustfile: most people sign in within three minutes.

locust -f scenarios/flash_crowd.py --host http://127.0.0.1:8080 --headless --monthend-scale 0.05
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.locustfile import country_user

FlashCrowdUser = country_user("flash_crowd")
