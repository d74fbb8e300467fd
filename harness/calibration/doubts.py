"""What a run's calibration lets a verdict say: nothing against it, a doubt, or that it blocks.

A run holds the last calibration of its machine in its manifest, so the doubt is the same whenever
and wherever the folder is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from contracts.records import Caveat
from harness.calibration.record import Calibration, Standing, calibration_of, worst_errors
from harness.caveat_kinds import caveat_of
from harness.run_folder import Manifest
from scenarios.strict_json import BadJson, Place

# [ours] Longer, and kernel, firmware and neighbours have changed without anybody noticing.
AGE_MAX: Final = timedelta(days=30)
# Clocks of people differ; a calibration from the future by more than this is of another story.
AHEAD_MAX: Final = timedelta(days=1)


def calibration_in(manifest: Manifest) -> Calibration | None:
    """Return the calibration that a manifest holds; None when it has none that can be read."""
    if manifest.calibration is None:
        return None
    try:
        return calibration_of(Place(manifest.calibration, "manifest.json", "calibration"))
    except BadJson:
        return None


def caveats_of_calibration(manifest: Manifest) -> Iterator[Caveat]:
    """Yield at most one caveat: not calibrated, or calibrated and found wanting."""
    found = calibration_in(manifest)
    why = _unusable(found, manifest)
    if why is not None:
        yield caveat_of("not_calibrated", *why)
    elif found is not None and found.standing is Standing.FAILED:
        worst_ms, worst_share = worst_errors(found.rows)
        yield caveat_of(
            "calibration_failed",
            "การสอบเทียบครั้งล่าสุดของเครื่องนี้ไม่ผ่านเกณฑ์: "
            f"คลาดเคลื่อนถึง {worst_ms:.1f} ms ({worst_share:.1%})",
            f"the last calibration of this machine missed its budget: wrong by up to "
            f"{worst_ms:.1f} ms ({worst_share:.1%})"
            + ("" if found.counts.is_exact else ", and requests were counted wrongly"),
        )


def _unusable(found: Calibration | None, manifest: Manifest) -> tuple[str, str] | None:
    """Say in Thai and English why there is no calibration to speak of; None when there is."""
    if found is None:
        if manifest.calibration is None:
            return ("เครื่องสร้างโหลดยังไม่ได้สอบเทียบ", "the load generator was never calibrated here")
        return ("อ่านผลการสอบเทียบไม่ได้", "the calibration in the manifest cannot be read")
    if found.engine_sha256 != manifest.versions.get("engine_sha256"):
        return ("ผลการสอบเทียบเป็นของรุ่นอื่น", "the last calibration was of another engine version")
    age = _age(found, manifest)
    if age is None or not -AHEAD_MAX <= age <= AGE_MAX:
        days = "?" if age is None else str(age.days)
        return (
            f"ผลการสอบเทียบเก่าเกิน {AGE_MAX.days} วัน ({days} วัน)",
            f"the last calibration is not of the last {AGE_MAX.days} days ({days} days old)",
        )
    if found.standing is Standing.DISTURBED:
        return (
            f"การสอบเทียบครั้งล่าสุดถูกโปรแกรมอื่นรบกวน ({found.foreign_share:.0%} ของ CPU)",
            f"others used {found.foreign_share:.0%} of the CPU during the last calibration",
        )
    return None


def _age(found: Calibration, manifest: Manifest) -> timedelta | None:
    try:
        began, calibrated = (
            moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            for moment in map(datetime.fromisoformat, (manifest.created_at, found.calibrated_at))
        )
    except ValueError:
        return None
    return began - calibrated
