"""The one place where numbers of many runs become few: sorted first, so every time the same bits."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

LOW, HIGH = 0.05, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A quantity over runs: nine in ten lie between low and high."""

    runs: int
    mean: float
    low: float
    median: float
    high: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values, linear between neighbours.

    Examples
    --------
    >>> quantile([1.0, 2.0, 4.0], 0.75)
    3.0
    """
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return mean, median and the bounds of nine in ten; nothing for no values."""
    ordered = sorted(v for v in values if v is not None and math.isfinite(v))
    if not ordered:
        return None
    return Spread(
        runs=len(ordered),
        mean=math.fsum(ordered) / len(ordered),
        low=quantile(ordered, LOW),
        median=quantile(ordered, 0.5),
        high=quantile(ordered, HIGH),
    )


def mean(values: Sequence[float]) -> float:
    """Return the mean of values, in whatever order they come."""
    return math.fsum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """Return the mean squared distance from the mean."""
    centre = mean(values)
    return math.fsum((value - centre) ** 2 for value in values) / len(values)


def quantiles(values: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    """Return quantiles of every row, its finite values sorted first; NaN for a row without any.

    Examples
    --------
    >>> quantiles(np.array([[4.0, np.nan, 1.0, 2.0]]), (0.5, 0.75))
    [array([2.]), array([3.])]
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=1)  # NaN goes last
    counts = np.isfinite(ordered).sum(axis=1)
    rows, last = np.arange(len(ordered)), np.maximum(counts - 1, 0)
    found = []
    for share in shares:
        place = share * last
        below = place.astype(np.int64)
        low = ordered[rows, below].astype(np.float64)
        high = ordered[rows, np.minimum(below + 1, last)].astype(np.float64)
        found.append(np.where(counts > 0, low + (place - below) * (high - low), np.nan))
    return found
