"""Chance that is the same on every machine: numbered streams of random bits from one seed.

Populations and plans are named by their hash, so their randomness may not depend on `hash()`, on a
platform or on a release of numpy. This is SplitMix64 as a counter: the i-th number of a stream is a
function of (seed, stream, i) and of nothing else. It refuses to be a source of secrets.

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

UInt64s = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB
_UNIT: Final = 2.0**-53


def mix(number: int) -> int:
    """Scramble one 64-bit *number*; the scalar twin of `mix_all`."""
    z = number & _MASK
    z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    return z ^ (z >> 31)


def mix_all(numbers: UInt64s) -> UInt64s:
    """Scramble an array of 64-bit *numbers*."""
    z = numbers
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    return z ^ (z >> np.uint64(31))


def stream_bits(seed: int, stream: str, count: int) -> UInt64s:
    """Return the first *count* 64-bit numbers of the stream named *stream* under *seed*."""
    start = int.from_bytes(hashlib.sha256(f"{seed}/{stream}".encode()).digest()[:8], "big")
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GAMMA)
    return mix_all(steps + np.full(count, start, dtype=np.uint64))


def stream_uniforms(seed: int, stream: str, count: int) -> Floats:
    """Return the first *count* numbers in [0, 1) of a stream, with 53 random bits each."""
    return (stream_bits(seed, stream, count) >> np.uint64(11)).astype(np.float64) * _UNIT


def uniform_of(seed: int, step: int) -> float:
    """Return the number in [0, 1) that belongs to *step* of the session with *seed*."""
    return (mix(seed + (step + 1) * _GAMMA) >> 11) * _UNIT


def uniforms_of(seeds: npt.NDArray[np.int64], step: int) -> Floats:
    """Return `uniform_of` for many sessions at one *step*."""
    jump = np.full(len(seeds), ((step + 1) * _GAMMA) & _MASK, dtype=np.uint64)
    return (mix_all(seeds.astype(np.uint64) + jump) >> np.uint64(11)).astype(np.float64) * _UNIT
