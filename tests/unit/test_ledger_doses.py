"""A seeded defect takes the share of chances that its dose says, in every run alike."""

from __future__ import annotations

import pytest

from reference_app.defects.defect import RegularDose


@pytest.mark.parametrize(("dose", "first"), [(1.0, 1), (0.1, 1), (0.001, 100), (0.0001, 1000)])
def test_the_first_chance_comes_after_a_tenth_of_the_spacing(dose: float, first: int) -> None:
    regular = RegularDose(dose)

    assert [regular.takes() for _ in range(first)].index(True) == first - 1


@pytest.mark.parametrize("dose", [0.0001, 0.03, 0.5, 1.0])
def test_the_share_taken_is_the_dose(dose: float) -> None:
    regular = RegularDose(dose)

    assert sum(regular.takes() for _ in range(100_000)) == pytest.approx(100_000 * dose, abs=1)


def test_no_dose_takes_nothing() -> None:
    regular = RegularDose(0.0)

    assert not any(regular.takes() for _ in range(1000))
