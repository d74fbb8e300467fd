"""Defects of the import of back-dated books: a document lost, a file left half posted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_app.defects.defect import Defect
from reference_app.defects.posting_function import INSTALL_LOCK, function_source
from reference_app.problems import BadSettings

if TYPE_CHECKING:
    from reference_app.app import Ledger

NEXT = "AND place BETWEEN first AND done;\n    SELECT format"
TAKEN = "state = CASE state WHEN 'received' THEN 'checking' ELSE state END"


async def _lose_documents(ledger: Ledger, dose: float) -> None:
    source = function_source("post_import")
    if NEXT not in source:
        raise BadSettings(f"defects: imports.sql no longer holds {NEXT!r}")
    one_in = max(1, round(1 / dose)) if dose else 2**31 - 1
    fewer = NEXT.replace(";", f" AND place % {one_in} <> {one_in // 2};")
    async with ledger.storage.poster() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", INSTALL_LOCK)
        await connection.execute(source.replace(NEXT, fewer))
    ledger.storage.queries["post_import"] = (
        "/* post_import */ SELECT ledger.post_import_with_defects($1, $2, $3)"
    )


async def _give_up_half_way(ledger: Ledger, dose: float) -> None:
    """Refuse a begun file when it is taken up again: by another worker, or in its next turn.

    Turns are as short as they can be, or few files would ever be interrupted.
    """
    ledger.importer.turn_s = 0.0
    query = ledger.storage.queries["take_import"]
    if TAKEN not in query:
        raise BadSettings(f"defects: queries.sql no longer holds {TAKEN!r}")
    given_up = f"state = CASE WHEN posted_count > 0 AND random() < {dose:.10f} THEN 'refused'"
    ledger.storage.queries["take_import"] = query.replace(
        TAKEN, f"{given_up} WHEN state = 'received' THEN 'checking' ELSE state END"
    )


IMPORTING_DEFECTS = (
    Defect(
        id="M11",
        dose=0.001,
        text="loses a document of an import that it answers as done",
        install=_lose_documents,
    ),
    Defect(
        id="M12",
        dose=1.0,
        text="leaves an import half posted when it is interrupted, and answers that it was refused",
        install=_give_up_half_way,
    ),
)
