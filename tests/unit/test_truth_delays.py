"""The truth server's delays: as drawn from the seed, of the shape that their kind promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.calibration.delays import (
    BIMODAL_FACTOR,
    BIMODAL_SHARE,
    CONSTANT_MS,
    DRAWS,
    EXPONENTIAL_MEAN_MS,
    LOGNORMAL_MEDIAN_MS,
    RESET_SHARE,
    Kind,
    delays_of,
    resets_of,
)
from harness.calibration.truth_log import TRUTH, TRUTH_DTYPE, read_log
from harness.failures import BrokenExperiment

# Four standard errors of a mean over DRAWS entries; a wrong shape is off by much more.
TOLERANCE = 4.0 / np.sqrt(DRAWS)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_same_seed_draws_the_same_delays(kind: Kind) -> None:
    assert np.array_equal(delays_of(kind, 7), delays_of(kind, 7))
    assert np.array_equal(resets_of(kind, 7), resets_of(kind, 7))
    assert delays_of(kind, 7).min() >= 0


def test_another_seed_draws_others() -> None:
    assert not np.array_equal(delays_of(Kind.LOGNORMAL, 7), delays_of(Kind.LOGNORMAL, 8))


def test_each_kind_has_its_shape() -> None:
    exponential = delays_of(Kind.EXPONENTIAL, 3) / 1e6
    lognormal = delays_of(Kind.LOGNORMAL, 3) / 1e6
    bimodal = delays_of(Kind.BIMODAL, 3) / 1e6

    assert set(delays_of(Kind.CONSTANT, 3)) == {int(CONSTANT_MS * 1e6)}
    assert set(delays_of(Kind.PLAIN, 3)) == {0}
    assert exponential.mean() == pytest.approx(EXPONENTIAL_MEAN_MS, rel=TOLERANCE)
    assert exponential.std() == pytest.approx(EXPONENTIAL_MEAN_MS, rel=3 * TOLERANCE)
    assert np.median(lognormal) == pytest.approx(LOGNORMAL_MEDIAN_MS, rel=2 * TOLERANCE)
    assert np.percentile(lognormal, 99) / np.median(lognormal) == pytest.approx(10.2, rel=0.1)
    assert bimodal.max() / bimodal.min() == BIMODAL_FACTOR
    assert np.mean(bimodal > bimodal.min()) == pytest.approx(BIMODAL_SHARE, rel=0.35)


def test_a_quarter_of_the_resets_and_nothing_else_is_reset() -> None:
    for kind in Kind:
        expected = RESET_SHARE if kind in (Kind.RESET_BEFORE, Kind.RESET_AFTER) else 0.0

        assert resets_of(kind, 5).mean() == pytest.approx(expected, abs=TOLERANCE / 2)


def test_a_log_cut_in_the_middle_of_a_record_keeps_the_whole_ones(tmp_path: Path) -> None:
    record = TRUTH.pack(41, 1, 2, 3, 4, 5, 6, 7, 200, Kind.PLAIN, 0)
    log = tmp_path / "truth.log"
    log.write_bytes(b'{"seed":1}\n' + record + record[: TRUTH_DTYPE.itemsize // 2])

    header, records = read_log(log, TRUTH_DTYPE)

    assert header == {"seed": 1}
    assert records["request"].tolist() == [41]


@pytest.mark.parametrize("content", [b"", b"no end of line", b"{]\n", b"\xff\xfe\n"])
def test_what_is_no_log_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "truth.log"
    log.write_bytes(content)

    with pytest.raises(BrokenExperiment, match="this is no log"):
        read_log(log, TRUTH_DTYPE)
