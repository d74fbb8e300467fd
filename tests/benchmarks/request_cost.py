"""What a request cost the target: processor time of application and database in the peak of a run.

Reads a run folder alone: the host probe's shares of a core, and the requests that were answered in
the same phase. Source of the figures in reference_app/SCALING.md.

    .venv/bin/python -m tests.benchmarks.request_cost runs/20261128T235328Z-3b4774
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from contracts.records import Failure
from harness.failures import BadSetup
from harness.measurements import read_measurements
from harness.run_folder import RunFolder


def main() -> int:
    """Print the costs; status 3 for a folder that is no run or has no peak."""
    parser = argparse.ArgumentParser(prog="request_cost", description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder")
    folder = RunFolder(parser.parse_args().run)
    try:
        manifest = folder.read_manifest()
        samples = read_measurements(folder.samples)
    except BadSetup as error:
        print(f"request_cost: {error}", file=sys.stderr)
        return 3
    peak = next((phase for phase in manifest.phases if phase.name == "peak"), None)
    if peak is None:
        print(f"request_cost: {folder.path}: the run has no phase called peak", file=sys.stderr)
        return 3
    during = (samples.sent_ns >= peak.started_ns) & (samples.done_ns < peak.ended_ns)
    rate = int(np.count_nonzero(during)) / (peak.ended_ns - peak.started_ns) * 1e9
    host = pd.read_parquet(folder.path / "readings" / "host.parquet")
    host = host[host.at_ns.between(peak.started_ns, peak.ended_ns) & (host["name"] == "cpu_share")]
    cores = host.groupby("subject").value.mean()
    well = int(np.count_nonzero(during & (samples.failure == Failure.NONE)))
    print(f"{rate:,.0f} requests/s over the peak of {manifest.run_id}, "
          f"{well / (peak.ended_ns - peak.started_ns) * 1e9:,.0f} of them answered well; "
          f"the generator took {float(cores['load']):.2f} cores")  # fmt: skip
    used = {name: float(cores[name]) for name in ("app", "database")}
    for subject, share in (used | {"both": sum(used.values())}).items():
        print(f"{subject:<10}{share:6.2f} cores{share / rate * 1e3:8.3f} ms a request")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
