"""Whole cents and whole kilowatts: rounding once, splitting exactly."""

from collections.abc import Sequence

import numpy as np


def cents(usd: float) -> int:
    """Round an amount of US dollars to whole cents, half to even."""
    return round(float(usd) * 100)


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split a whole amount in proportion, exactly, by largest remainder; ties go to the earlier.

    Examples
    --------
    >>> split(100, [1, 1, 1])
    [34, 33, 33]
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    rests = [total * weight % whole for weight in weights]
    for index in sorted(range(len(weights)), key=lambda i: (-rests[i], i))[: total - sum(shares)]:
        shares[index] += 1
    return shares


def allocate(available: int, claims: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Ration whole kilowatts among claims: those with first call in full, then the rest in proportion.

    Examples
    --------
    >>> allocate(100, np.array([60, 60]), np.array([False, False])).tolist()
    [50, 50]
    >>> allocate(100, np.array([60, 60]), np.array([False, True])).tolist()
    [40, 60]
    """
    given = np.zeros_like(claims)
    for group in (first, ~first):
        wanted = claims * group
        total = int(wanted.sum())
        if total <= available:
            given += wanted
            available -= total
        else:
            given += np.array(split(available, wanted.tolist()), dtype=claims.dtype)
            available = 0
    return given
