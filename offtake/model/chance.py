"""Chance, addressed by name: adding a participant leaves every other draw as it was."""

import hashlib

import numpy as np


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """Return the generator of one named quantity in one run.

    Notes
    -----
    Philox, keyed by a stable 128-bit hash of the seed and the name (never Python's `hash`). Say what
    the draws are for: ``stream(seed, "usage")``, ``stream(seed, "clock", "grid", site)``.
    """
    key = hashlib.blake2b(repr((seed, *name)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def order(seed: int, *name: str | int) -> int:
    """Return a stable random rank, the tie-break of every institution (bar-3)."""
    return int.from_bytes(
        hashlib.blake2b(repr((seed, *name)).encode(), digest_size=8).digest(), "little"
    )
