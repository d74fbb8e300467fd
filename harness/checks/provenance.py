"""Provenance and export: can a third party tell what was tested, and take the books away.

Counts what is missing from the manifest and from the target's description of itself. A database
that does not flush its commits (`fsync` or `synchronous_commit` off) is no ledger: that counts as
well, because every number measured on it would be worth nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from contracts.terms import Bilingual, Clause
from harness.checks.answer import WITNESSES_MAX, Answer, Finding, Witness, measured
from harness.checks.carried import UNITS_PER_PROVINCE
from harness.checks.recorded import Recorded
from harness.columns import Int32

# What each item may be called by a target; a target need not use our words.
FINGERPRINT_ITEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name",),
    "version": ("version",),
    "database version": ("database_version", "database", "server_version"),
    "fsync": ("fsync",),
    "synchronous_commit": ("synchronous_commit",),
}
# `local` and stronger flush on the one server that there is before a commit is acknowledged.
NOT_DURABLE: Final = frozenset({"off", "false", "0", "no"})


def judge_provenance(clause: Clause, recorded: Recorded) -> Answer:
    """Count missing items of the evidence that names what was tested."""
    manifest = recorded.manifest
    items: dict[str, bool] = {
        "run id": bool(manifest.run_id),
        "time of the run": bool(manifest.created_at),
        "command": bool(manifest.command),
        "versions": bool(manifest.versions) and all(manifest.versions.values()),
        "machine": bool(manifest.machine),
        "contract hash": bool(manifest.contract_sha256),
        # A load of the user's own has a source instead of a population.
        "population hash": bool(manifest.population_sha256) or manifest.is_own_load,
        "plan hash": bool(manifest.plan_sha256),
        "target address": bool(manifest.target_url),
        "phases": bool(manifest.phases),
    }
    fingerprint = {str(key).lower().replace("-", "_"): str(value).strip()
                   for key, value in manifest.fingerprint.items()}  # fmt: skip
    for item, names in FINGERPRINT_ITEMS.items():
        items[f"target's {item}"] = any(fingerprint.get(name, "") for name in names)
    missing = [item for item, is_there in items.items() if not is_there]
    unsafe = [name for name in ("fsync", "synchronous_commit")
              if fingerprint.get(name, "").lower() in NOT_DURABLE]  # fmt: skip
    faults = [*missing, *(f"{name} is off" for name in unsafe)]
    en, th = f"all {len(items)} items are there", f"มีครบ {len(items)} รายการ"
    if faults:
        en, th = "missing or unsafe: " + ", ".join(faults), "ขาดหรือไม่ปลอดภัย: " + ", ".join(faults)
    reason = Bilingual(en=en, th=th)
    return measured(clause, float(len(faults)), len(items), reason)


def keeping_books(units: Int32) -> int:
    """Count the units that keep books; a provincial office (sequence 0) and unit 0 keep none."""
    return int(np.count_nonzero(units % UNITS_PER_PROVINCE))


def judge_export_complete(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the share of units whose books could be taken away whole after the run."""
    after = recorded.ledger.after
    declared = recorded.manifest.population_units
    asked = keeping_books(after.exported_units)
    whole = keeping_books(after.complete_units)
    expected = max(declared, asked)
    share = whole / expected if expected else 0.0
    broken = after.incomplete_units
    finding = Finding(
        about="export_complete",
        rule="books_not_whole",
        count=int(broken.size),
        text=Bilingual(en="units whose books could not be read whole", th="หน่วยงานที่อ่านบัญชีได้ไม่ครบ"),
        witnesses=tuple(Witness(unit=int(unit)) for unit in broken[:WITNESSES_MAX]),
    )
    return measured(
        clause,
        share,
        asked,
        Bilingual(
            en=f"the books of {whole} of {expected} units were read whole",
            th=f"อ่านบัญชีได้ครบ {whole} จาก {expected} หน่วยงาน",
        ),
        (finding,) if broken.size else (),
    )
