"""Given-data indices: first-order sensitivity from the runs of any design, bin by bin."""

from collections.abc import Sequence
from typing import Any

import numpy as np

FEWEST_POINTS = 16
POINTS_A_BIN = 8
MOST_BINS = 32
RESAMPLES = 200
SURE = 0.95


def first_order(columns: Sequence[Sequence[Any]], values: np.ndarray) -> list[dict[str, float]]:
    """Return the share of the variance of values that each column explains, with its interval.

    Values are put into bins of equal count by a column, words into a bin each; the variance between
    bins, less what chance puts there, over the whole variance is the first-order Sobol index of
    the column. `S1_conf` is half the width of the 95% interval, from resampled points.

    Notes
    -----
    A column is a key by point, not by run: means over replicates come in, so that common random
    numbers leave no trace. Points that failed are left out beforehand, whole.

    References
    ----------
    Plischke, Borgonovo and Smith (2013), Global sensitivity measures from given data, European
    Journal of Operational Research 226(3), with the bias of the correlation ratio taken out.
    """
    if len(values) < FEWEST_POINTS or float(values.max()) == float(values.min()):
        return []
    resampled = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    return [_index(bins(column), values, resampled) for column in columns]


def bins(column: Sequence[Any]) -> np.ndarray:
    """Return the bin of each value: one for each word or repeated number, else of equal count.

    Examples
    --------
    >>> bins(["open", "closed", "open"]).tolist()
    [1, 0, 1]
    """
    ranked = {value: place for place, value in enumerate(sorted(set(column), key=_order))}
    place = np.array([ranked[value] for value in column])
    count = max(2, min(MOST_BINS, len(column) // POINTS_A_BIN))
    if len(ranked) <= count or isinstance(column[0], str | bool):
        return place
    order = np.argsort(place, kind="stable")
    found = np.empty(len(column), np.int64)
    found[order] = np.arange(len(column)) * count // len(column)
    return found


def _order(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _index(bin_of: np.ndarray, values: np.ndarray, resampled: np.ndarray) -> dict[str, float]:
    spread = [_explained(bin_of[rows], values[rows]) for rows in resampled]
    ends = np.quantile(spread, [(1 - SURE) / 2, (1 + SURE) / 2])
    return {"S1": _explained(bin_of, values), "S1_conf": float(ends[1] - ends[0]) / 2}


def _explained(bin_of: np.ndarray, values: np.ndarray) -> float:
    """Return the share of variance between bins; what is within them puts some there by chance."""
    counts = np.bincount(bin_of)
    sums = np.bincount(bin_of, values)
    used = counts > 0
    groups, count = int(used.sum()), len(values)
    whole = float(((values - values.mean()) ** 2).sum())
    if count <= groups or whole <= 0.0:
        return 0.0
    between = float((counts[used] * (sums[used] / counts[used] - values.mean()) ** 2).sum())
    by_chance = (groups - 1) * (whole - between) / (count - groups)
    return (between - by_chance) / whole
