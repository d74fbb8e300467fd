"""`monthend workload-from-log`: reads access logs, writes a workload, says what it could not see.

No name, address, token or typed value of anybody goes into the file (`scenarios.access_logs`).
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Final

from harness.failures import BadSetup
from harness.progress import Display
from scenarios.access_logs.derivation import Derived, NothingToReplay, derive
from scenarios.access_logs.reading import UnreadableLog, sha256_of
from scenarios.access_logs.survey import Survey
from scenarios.workload import content_of, workload_of

FILES_MAX: Final = 1_000
SHOWN_MAX: Final = 15
DURATION_UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def workload_from_log(arguments: argparse.Namespace) -> int:
    """Read the logs, write the workload, print the summary. Raises `BadSetup`."""
    paths: list[Path] = arguments.logs
    if len(paths) > FILES_MAX:
        raise BadSetup(what=f"more than {FILES_MAX} files", where="ACCESS_LOG", mend="name fewer")
    out: Path = arguments.out
    if out.exists() and not arguments.force:
        raise BadSetup(what="the file is there already", where=f"--out {out}",
                       mend="name another, or replace it with --force")  # fmt: skip
    if out.exists() and (not out.is_file() or any(map(out.samefile, filter(Path.exists, paths)))):
        raise BadSetup(what="it is one of the logs, or no file", where=f"--out {out}",
                       mend="name another")  # fmt: skip
    display = Display()
    survey = Survey(
        whole_unit_s=DURATION_UNITS[arguments.duration_unit], times_are=arguments.times_are
    )
    try:
        display.step(f"reading {len(paths)} file(s)")
        survey.run(paths, say=display.step)
        derived = derive(
            survey,
            name=paths[0].name,
            source="access logs: " + ", ".join(path.name for path in paths[:SHOWN_MAX]),
            source_sha256=sha256_of(paths),
        )
    except UnreadableLog as error:
        raise BadSetup(
            what=f"cannot be read: {error.strerror}", where=str(error.filename),
            mend="name access logs that may be read",
        ) from error  # fmt: skip
    except NothingToReplay as error:
        reasons = ", ".join(f"{why}: {n:,}" for why, n in survey.refused.most_common(3))
        raise BadSetup(
            what=f"{error} ({reasons or 'it is empty'})", where=str(paths[0]),
            mend="name logs in the combined format or with one JSON object a line",
        ) from error  # fmt: skip
    _write(out, derived)
    print("\n".join(summary_lines(derived, out)))
    return 0


def _write(out: Path, derived: Derived) -> None:
    content = json.dumps(content_of(derived.workload), ensure_ascii=False, indent=1).encode()
    workload_of(content, str(out))  # what is written here must read back
    temporary = out.with_name(f"{out.name}.{os.getpid()}.new")
    try:
        temporary.write_bytes(content + b"\n")
        temporary.replace(out)
    except OSError as error:
        raise BadSetup(
            what=f"cannot be written: {error.strerror}", where=f"--out {out}",
            mend="name a place with room and permission",
        ) from error  # fmt: skip


def summary_lines(derived: Derived, out: Path) -> list[str]:
    """Return what a person should know before replaying the file."""
    about = derived.workload.about
    lines = [f"{out}: a workload of {len(derived.workload.operations)} operations"]
    lines += [f"  {name.replace('_', ' '):<36} {value:>14,}" if not isinstance(value, str)
              else f"  {name.replace('_', ' '):<36} {value:>14}"
              for name, value in about.items()]  # fmt: skip
    total = float(about["requests"])
    lines.append("most frequent operations:")
    by_count = sorted(derived.workload.operations, key=lambda one: -sum(one.weights))
    for one in by_count[:SHOWN_MAX]:
        lines.append(f"  {sum(one.weights) / total:7.2%}  {one.kind:<5} {one.name}")
    if derived.refused:
        lines.append("lines that were not used:")
        lines += [f"  {count:>10,}  {why}" for why, count in derived.refused.items()]
    lines.append("what the log could not tell:")
    lines += [f"  - {sentence}" for sentence in derived.unknown]
    return lines
