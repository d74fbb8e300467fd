"""The lines of access logs: plain or gzip, several files, rotated, whatever is in them.

Memory is bounded: a line longer than `LINE_MAX` is passed over in blocks. A file that ends in the
middle of its gzip stream gives the lines before that.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

BLOCK_BYTES: Final = 1 << 20
LINE_MAX: Final = 65_536
GZIP_MAGIC: Final = b"\x1f\x8b"


class UnreadableLog(OSError):
    """A log file is missing or may not be read; `filename` names it."""


def lines_of(path: Path, refused: Counter[str]) -> Iterator[bytes]:
    """Yield the lines of one file; *refused* counts what is passed over, by reason.

    Raises `UnreadableLog`.
    """
    try:
        with path.open("rb") as file:
            is_zipped = file.read(2) == GZIP_MAGIC
        with gzip.open(path) if is_zipped else path.open("rb") as stream:
            yield from _lines(stream, refused)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile):
        refused["gzip file is cut off or broken"] += 1
    except OSError as error:
        raise UnreadableLog(error.errno, error.strerror or "cannot be read", str(path)) from error


def _lines(stream: BinaryIO, refused: Counter[str]) -> Iterator[bytes]:
    carried, is_skipping = b"", False
    while block := stream.read(BLOCK_BYTES):
        lines = (carried + block).split(b"\n")
        carried = lines.pop()
        if is_skipping and lines:
            del lines[0]
            is_skipping = False
        for line in lines:
            if len(line) > LINE_MAX:
                refused["line is too long"] += 1
            elif line:
                yield line
        if len(carried) > LINE_MAX:
            refused["line is too long"] += not is_skipping
            carried, is_skipping = b"", True
        elif is_skipping:
            carried = b""
    if carried and not is_skipping:
        yield carried


def sha256_of(paths: Sequence[Path]) -> str:
    """Return the hash of the files' bytes, one after the other. Raises `UnreadableLog`."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            raise UnreadableLog(
                error.errno, error.strerror or "cannot be read", str(path)
            ) from error
    return digest.hexdigest()
