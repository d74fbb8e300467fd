"""Locust's own command line, with what a load without a harness needs to know: --monthend-....

Becomes a `LoadOrder`; with --monthend-load the order of the harness is read instead.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

from scenarios.engine.order import CONNECTIONS, BadLoadOrder, LoadOrder, read_order
from scenarios.levels import LEVELS
from scenarios.networks import NETWORKS
from scenarios.scenario import RETRIES, SCENARIOS, NotAScenario, chosen

REPLAY: Final = "replay"  # the locustfile that has no scenario of its own


def add_options(parser: Any) -> None:
    """Add the options of a run without a harness to *parser*, Locust's own."""
    add = parser.add_argument_group("monthend").add_argument
    add("--monthend-load", default="", metavar="LOAD.json",
        help="order of the harness; the other --monthend options do not count then")  # fmt: skip
    add("--monthend-scenario", default="", choices=("", *SCENARIOS),
        help="what day it is and what people do (default: that of the locustfile)")  # fmt: skip
    add("--monthend-level", default="", choices=("", *sorted(LEVELS)),
        help="load level (default: the one that the scenario is meant for)")  # fmt: skip
    add("--monthend-retries", default="", choices=("", *RETRIES),
        help="everybody reloads what is slow, within a budget or not (default: as the scenario)",
        )  # fmt: skip
    add("--monthend-demand", default="base", choices=("low", "base", "high"),
        help="case of the demand estimate")  # fmt: skip
    add("--monthend-composition", default="A", choices=("A", "B", "C"),
        help="composition of the population")  # fmt: skip
    add("--monthend-scale", default=0.01, type=float,
        help="share of the units, above 0 to 1 (default 0.01); rates per unit stay")  # fmt: skip
    add("--monthend-duration", default=120.0, type=float,
        help="seconds of load (default 120); shorter runs think less")  # fmt: skip
    add("--monthend-seed", default=1, type=int, help="the same seed, the same plan")
    add("--monthend-sessions", default="", metavar="CSV",
        help="tokens of people already signed in (account,token)")  # fmt: skip
    add("--monthend-dialect", default="reference",
        help="kind of system: a built-in name, a module, or a file")  # fmt: skip
    add("--monthend-connections", default="shared", choices=CONNECTIONS,
        help="connections: shared by all (default), or each person's own")  # fmt: skip
    add("--monthend-network", default="clean", choices=NETWORKS,
        help="lossy: one unit in ten is behind a bad line")  # fmt: skip
    add("--monthend-workload", default="", metavar="FILE",
        help="replay this workload; what the options say of the country does not count then",
        )  # fmt: skip
    add("--monthend-rate-scale", default=1.0, type=float,
        help="begin so many times the sessions of the workload")  # fmt: skip
    add("--monthend-send-writes", action="store_true",
        help="send the writes of the workload too")  # fmt: skip
    add("--monthend-out", default="", metavar="DIR", help="folder for the logs")
    add("--monthend-key-salt", default=0, type=int,
        help="new idempotency keys for a target that saw this seed before")  # fmt: skip
    add("--monthend-no-takeover", action="store_true",
        help="when a worker is lost, leave its share undriven")  # fmt: skip


def order_from(options: Any, *, scenario: str) -> LoadOrder:
    """Return what *options* ask for, of one process or of a master's workers together.

    Raises `BadLoadOrder` for values that no load can have.
    """
    if options.monthend_load:
        return read_order(Path(options.monthend_load))
    if scenario == REPLAY:
        if not options.monthend_workload:
            raise BadLoadOrder(
                what="no workload is named", where="scenarios/replay.py",
                mend="add --monthend-workload FILE",
            )  # fmt: skip
        scenario = ""
    try:
        scenario, level = chosen(
            options.monthend_scenario or scenario or "month_end", options.monthend_level
        )
    except NotAScenario as error:
        raise BadLoadOrder(
            what=str(error), where="--monthend-level", mend="name another"
        ) from error
    return LoadOrder(
        out_dir=Path(options.monthend_out) if options.monthend_out else _folder_of_now(),
        scenario=scenario,
        retries=options.monthend_retries,
        business_date=SCENARIOS[scenario].business_date,
        seed=options.monthend_seed,
        composition=options.monthend_composition,
        scale=options.monthend_scale,
        level=level,
        demand=options.monthend_demand,
        duration_s=options.monthend_duration,
        dialect=options.monthend_dialect,
        connections=options.monthend_connections,
        network=options.monthend_network,
        sessions_csv=options.monthend_sessions,
        key_salt=options.monthend_key_salt,
        takes_over=not options.monthend_no_takeover,
        workload=options.monthend_workload,
        rate_scale=options.monthend_rate_scale,
        send_writes=options.monthend_send_writes,
    )


def _folder_of_now() -> Path:
    return Path("runs") / f"locust-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
