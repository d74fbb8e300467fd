"""The import of six months of books as a locustfile, beside a month end at work.

locust -f scenarios/backlog_import.py --host http://127.0.0.1:8080 --headless --monthend-scale 0.05
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scenarios.engine.locustfile import country_user

BacklogImportUser = country_user("backlog_import")
