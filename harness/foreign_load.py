"""Starts a foreign locustfile under Locust's own roof, in a process of its own, with listeners.

The locustfile runs where the command was given, as `locust -f` would; relative paths in it work.
Several load processes are Locust's workers: they share one leader, each leaves a record of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import orjson

from harness.load import DRAIN_S, REQUEST_TIMEOUT_S, Load, LoadOrder, LoadProcess
from harness.options import BUSINESS_DATE, Options
from harness.own_load import OwnLoad
from harness.processes import PROJECT_ROOT, start_child
from harness.run_folder import RunFolder
from harness.targets import Target

LAUNCHER: Final = PROJECT_ROOT / "scenarios" / "engine" / "foreign.py"


def start_foreign_load(options: Options, own: OwnLoad, target: Target, folder: RunFolder) -> Load:
    """Start Locust, which loads the file at once and then waits for `begin`."""
    assert options.locustfile is not None
    count = options.load_processes
    order = LoadOrder(
        seed=options.seed, composition="", scale=options.scale, level=options.level, demand="",
        duration_s=options.duration_s, has_faults=False, dialect="", sessions_csv=None,
        out_dir=str(folder.path.resolve()), process_count=count, business_date=BUSINESS_DATE,
        request_timeout_s=REQUEST_TIMEOUT_S, start_file=str(folder.logs.resolve() / "start.json"),
        drain_s=DRAIN_S, key_salt=0,
    )  # fmt: skip
    path = folder.logs.resolve() / "load.json"
    path.write_bytes(
        orjson.dumps(
            {
                "locustfile": str(options.locustfile.resolve()), "host": target.url,
                "users": options.users, "spawn_rate": options.spawn_rate,
                "duration_s": order.duration_s, "out_dir": order.out_dir,
                "process_count": count, "start_file": order.start_file,
                "sha256": own.plan.sha256,
            }
        )
    )  # fmt: skip
    child = start_child(
        (sys.executable, str(LAUNCHER), str(path)),
        name="locustfile",
        log=folder.logs / "load-0.log",
        cwd=Path.cwd(),
    )
    processes = [
        LoadProcess(index, child, folder.readings / f"load-{index}.jsonl") for index in range(count)
    ]
    return Load(order, processes)
