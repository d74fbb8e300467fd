"""Builds the page of a run folder: `report.html`, one file that needs no network and no server.

    python -m reports.build RUN [--lang th|en]

Needs no target and no verdict: a folder that was only recorded or profiled gets a page that says
so. What is missing is said on the page; what is broken is one line and exit status 3. The page is
replaced in one step, and nothing else in the folder is touched.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.terms import EXIT_BAD_SETUP
from harness.failures import BadSetup
from harness.run_folder import RunFolder
from reports.junit import junit_xml
from reports.page import LANGUAGES, render
from reports.sources import read_sources


def build_report(run: Path, lang: str = "th") -> Path:
    """Write `report.html` of the run folder *run*, opening in *lang*, and return its path.

    Raises `BadSetup` when *run* is no run folder, a part of it is broken, or it cannot be written.
    """
    if lang not in LANGUAGES:
        raise BadSetup(
            what=f"there is no page in language {lang!r}",
            where="--lang",
            mend="choose one of " + ", ".join(LANGUAGES),
        )
    page = render(read_sources(run), lang)
    return _write(RunFolder(run).report, page)


def build_junit(run: Path) -> Path | None:
    """Write `junit.xml` of a judged run and return its path; None when it was not judged."""
    document = junit_xml(read_sources(run))
    return None if document is None else _write(RunFolder(run).junit, document)


def _write(path: Path, text: str) -> Path:
    temporary = path.with_suffix(path.suffix + ".new")
    try:
        # Half a surrogate pair, which JSON can carry, has no UTF-8: it becomes a question mark.
        temporary.write_bytes(text.encode("utf-8", "replace"))
        os.replace(temporary, path)
    except OSError as error:
        raise BadSetup(
            what=f"the page cannot be written: {error.strerror}",
            where=str(path),
            mend="make the run folder writable, or copy it to a place that is",
        ) from error
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the page from the command line; the exit status is 0, or 3 for a broken folder."""
    parser = argparse.ArgumentParser(
        prog="python -m reports.build",
        description="Write report.html (and junit.xml when judged) of a run folder.",
        epilog="example: python -m reports.build runs/20251201T083000Z-1a2b3c --lang en",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument("--lang", choices=LANGUAGES, default="th", help="opens in this language")
    options = parser.parse_args(arguments)
    try:
        page = build_report(options.run, options.lang)
        build_junit(options.run)
    except BadSetup as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_SETUP
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
