"""The rota of three groups as a locustfile: a third of the units does the work of all.

locust -f scenarios/rota.py --host http://127.0.0.1:8080 --headless --monthend-scale 0.05
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.locustfile import country_user

RotaUser = country_user("rota")
