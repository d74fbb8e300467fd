"""Random numbers must be the same on every machine for ever: their values are pinned."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scenarios.chance import mix, mix_all, stream_bits, stream_uniforms, uniform_of, uniforms_of

numbers = st.integers(min_value=0, max_value=2**64 - 1)


def test_the_generator_is_splitmix64() -> None:
    # First output for seed 0 in the published implementation (Vigna, splitmix64.c).
    assert mix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF


@given(st.lists(numbers, min_size=1, max_size=20))
def test_scalar_and_array_agree(values: list[int]) -> None:
    assert mix_all(np.array(values, dtype=np.uint64)).tolist() == [mix(value) for value in values]


@given(
    st.lists(st.integers(min_value=0, max_value=2**63 - 1), min_size=1, max_size=20),
    st.integers(min_value=0, max_value=100),
)
def test_a_session_draws_the_same_alone_and_among_others(seeds: list[int], step: int) -> None:
    together = uniforms_of(np.array(seeds, dtype=np.int64), step).tolist()

    assert together == [uniform_of(seed, step) for seed in seeds]


def test_streams_are_pinned_and_apart() -> None:
    assert stream_bits(1, "a", 2).tolist() == [
        12_785_155_803_557_834_318, 15_572_125_994_571_096_023,
    ]  # fmt: skip
    assert stream_bits(1, "a", 3)[:2].tolist() == stream_bits(1, "a", 2).tolist()
    assert not set(stream_bits(1, "a", 100).tolist()) & set(stream_bits(1, "b", 100).tolist())
    assert not set(stream_bits(1, "a", 100).tolist()) & set(stream_bits(2, "a", 100).tolist())


def test_uniforms_are_even() -> None:
    drawn = stream_uniforms(7, "even", 100_000)
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]

    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert ((counts - 5_000) ** 2 / 5_000).sum() < 43.8  # chi-square, 19 degrees, p = 0.001
