"""`monthend load`: read its words, carry the load out, close with the table.

Exit status: 0 the plan was carried out, 2 it was not (or not by all who began it), 3 bad set-up.
What the answers were is the judge's concern, not this command's.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Final

from contracts.terms import EXIT_STATUS, Verdict
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing
from harness.distributed_load import Mastership
from harness.distribution_doubts import caveats_of_distribution
from harness.failures import BadSetup
from harness.load_alone import Apprenticeship, load_alone
from harness.load_table import load_rows, table_lines
from harness.manifests import is_carried_out
from harness.measurements import read_measurements
from harness.options import Options
from harness.progress import Display
from harness.recording import record
from harness.run_folder import Manifest, RunFolder

# As the judge: a plan of which less was sent was not put on the target (harness.caveats).
OFFERED_SHARE_MIN: Final = 0.99


def load_and_show(options: Options, mastership: Mastership | None) -> int:
    """Carry the load out, print the closing table and the run folder, return the exit status."""
    folder = record(options, Display(), partial(load_alone, mastership=mastership))
    manifest = folder.read_manifest()
    is_offered = _close(folder, manifest)
    print(folder.path)
    for caveat in caveats_of_distribution(Recorded(folder=folder, manifest=manifest)):
        print(f"caveat: {caveat.text_en}")
    is_whole = is_offered and is_carried_out(manifest)
    return 0 if is_whole else EXIT_STATUS[Verdict.INCONCLUSIVE]


def load_words(arguments: argparse.Namespace) -> argparse.Namespace:
    """Return the words as those of an experiment. Raises `BadSetup` for what no load alone does."""
    if arguments.target == "embedded":
        raise BadSetup(
            what="the load alone starts no target",
            where="--target",
            mend="name the URL of a running one, or use `monthend run`",
        )
    if arguments.faults not in (None, "none"):
        raise BadSetup(
            what="the load alone breaks nothing",
            where=f"--faults {arguments.faults}",
            mend="leave it out, or use `monthend run`",
        )
    if arguments.locustfile is not None:
        raise BadSetup(
            what="a locustfile of yours runs under the judge",
            where=f"--locustfile {arguments.locustfile}",
            mend="use `monthend run` or `accept`, with --load-processes for more than one",
        )
    if arguments.workers < 1:
        raise BadSetup(what="nobody would drive the load", where=f"--workers {arguments.workers}",
                       mend="write a number from 1 up")  # fmt: skip
    # Elsewhere --workers and --port are the target's; here there is no target of ours.
    return argparse.Namespace(
        **{**vars(arguments), "load_processes": arguments.workers, "workers": 0, "port": 0}
    )


def mastership_of(arguments: argparse.Namespace) -> Mastership | None:
    """Return what a master is told; None for a load of this machine. Raises `BadSetup`."""
    if not arguments.master:
        return None
    if arguments.workers > 1:
        raise BadSetup(
            what="a master drives nothing itself",
            where=f"--workers {arguments.workers}",
            mend="write --expect-workers N, and start N times `monthend load --worker`",
        )
    return Mastership(
        expect_workers=arguments.expect_workers,
        bind=arguments.bind,
        port=arguments.port,
        web_port=arguments.web_port,
        wait_s=arguments.wait,
    )


def apprenticeship_of(arguments: argparse.Namespace) -> Apprenticeship:
    """Return what a worker is told; everything else comes from its master."""
    return Apprenticeship(
        host=arguments.master_host,
        port=arguments.master_port,
        out=arguments.out,
        sessions=arguments.sessions,
        wait_s=arguments.wait,
    )


def _close(folder: RunFolder, manifest: Manifest) -> bool:
    """Print the table; says whether the plan was put on the target."""
    try:
        rows = load_rows(read_measurements(folder.samples), manifest.planned_by_operation)
    except EvidenceMissing as missing:
        print(f"no table: {missing.text.en}")
        return False
    print(*table_lines(rows), sep="\n")
    return rows[-1].sent >= OFFERED_SHARE_MIN * manifest.planned_requests
