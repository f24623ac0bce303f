"""Boxes: where in the space of what nobody knows a claim fails, found by patient peeling (PRIM)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

PEELED = 0.05
"""Share of a box that one peel may take."""
SMALLEST = 0.05
"""Share of all futures that a box keeps at least."""
FEWEST = 10
"""Futures of each kind without which nothing is looked for."""
SURE = 0.05
"""A limit stays if chance alone would do as well with less probability."""

type Column = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a box says of one key: numbers between two ends, or some of its words."""

    low: float | None = None
    high: float | None = None
    among: tuple[str, ...] | None = None
    chance: float = 1.0
    """Probability that the box would be as dense without this limit (quasi-p-value)."""

    def holds(self, column: Column) -> np.ndarray:
        """Tell which values are inside."""
        if self.among is not None:
            return np.isin(column, self.among)
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return (column >= low) & (column <= high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A part of the space of futures in which most are of the kind that is looked for."""

    limits: Mapping[str, Limit]
    coverage: float
    """Share of all futures of the kind that are inside."""
    density: float
    """Share of the futures inside that are of the kind."""
    mass: float
    """Share of all futures that are inside."""


def box(columns: Mapping[str, Sequence[Any]], wanted: Sequence[bool]) -> Box | None:
    """Return the box that tells the wanted futures from the others best, if they can be told.

    Each step takes the peel that gains most density for each future it leaves out, so that a word,
    which leaves out many, has no advantage over a bit of a range. Of all boxes on the way the one
    with the largest harmonic mean of coverage and density is kept, and limits that chance could
    explain are taken back.

    References
    ----------
    Friedman and Fisher (1999), Bump hunting in high-dimensional data, Statistics and Computing 9.
    Bryant and Lempert (2010), Thinking inside the box, Technological Forecasting and Social
    Change 77(1), for scenario discovery and quasi-p-values.
    Kwakkel and Jaxa-Rozen (2016), Improving scenario discovery for handling heterogeneous
    uncertainties, Environmental Modelling & Software 79, for the gain by what is left out.
    """
    given = {name: np.asarray(values) for name, values in columns.items()}
    kind = np.asarray(wanted, bool)
    if min(int(kind.sum()), int((~kind).sum())) < FEWEST:
        return None
    best = max(_peeled(given, kind), key=lambda limits: _merit(given, kind, limits))
    kept = _sure(given, kind, best)
    return _box(given, kind, kept) if kept else None


def _peeled(given: Mapping[str, Column], kind: np.ndarray) -> list[dict[str, Limit]]:
    """Return the limits of every box on the way from the whole space to the smallest box."""
    limits: dict[str, Limit] = {}
    found = [limits]
    while True:
        inside = _inside(given, limits, len(kind))
        options = [
            {**limits, name: limit}
            for name, column in given.items()
            for limit in _peels(column, inside, limits.get(name, Limit()))
        ]
        scored = [(_gain(given, kind, inside, each), each) for each in options]
        scored = [(score, each) for score, each in scored if score is not None]
        if not scored:
            return found
        limits = max(scored, key=lambda option: option[0])[1]
        found.append(limits)


def _peels(column: Column, inside: np.ndarray, limit: Limit) -> list[Limit]:
    """Return what one peel may leave of a key: without its low end, its high end, or a word."""
    left = column[inside]
    if column.dtype.kind not in "iuf":
        words = tuple(sorted({str(value) for value in left}))
        rest = [tuple(w for w in words if w != gone) for gone in words]
        return [replace(limit, among=each) for each in rest if each]
    low, high = np.quantile(left, [PEELED, 1 - PEELED], method="nearest")
    above, below = left[left > low], left[left < high]
    return [
        *([replace(limit, low=float(above.min()))] if len(above) else []),
        *([replace(limit, high=float(below.max()))] if len(below) else []),
    ]


def _inside(given: Mapping[str, Column], limits: Mapping[str, Limit], count: int) -> np.ndarray:
    found = np.ones(count, bool)
    for name, limit in limits.items():
        found &= limit.holds(_comparable(given[name]))
    return found


def _comparable(column: Column) -> Column:
    return column if column.dtype.kind in "iuf" else column.astype(str)


def _gain(
    given: Mapping[str, Column], kind: np.ndarray, before: np.ndarray, limits: Mapping[str, Limit]
) -> float | None:
    """Return the density a peel gains by future left out, unless it leaves too little."""
    inside = _inside(given, limits, len(kind))
    left, gone = int(inside.sum()), int(before.sum()) - int(inside.sum())
    if left < max(SMALLEST * len(kind), FEWEST) or gone == 0:
        return None
    return float(kind[inside].mean() - kind[before].mean()) / gone


def _merit(given: Mapping[str, Column], kind: np.ndarray, limits: Mapping[str, Limit]) -> float:
    found = _box(given, kind, limits)
    both = found.coverage + found.density
    return 2 * found.coverage * found.density / both if both else 0.0


def _sure(
    given: Mapping[str, Column], kind: np.ndarray, limits: Mapping[str, Limit]
) -> dict[str, Limit]:
    """Take back limits, the likeliest chance first, until none could be chance."""
    kept = dict(limits)
    while kept:
        told = {name: _chance(given, kind, kept, name) for name in kept}
        weakest = max(told, key=lambda name: told[name])
        if told[weakest] <= SURE:
            return {name: replace(limit, chance=told[name]) for name, limit in kept.items()}
        del kept[weakest]
    return kept


def _chance(
    given: Mapping[str, Column], kind: np.ndarray, limits: Mapping[str, Limit], name: str
) -> float:
    """Return how likely futures drawn from the box without a limit would be as dense as with it."""
    from scipy.stats import binom

    rest = {other: limit for other, limit in limits.items() if other != name}
    without, inside = (_inside(given, each, len(kind)) for each in (rest, limits))
    density = float(kind[without].mean())
    return float(binom.sf(int(kind[inside].sum()) - 1, int(inside.sum()), density))


def _box(given: Mapping[str, Column], kind: np.ndarray, limits: Mapping[str, Limit]) -> Box:
    inside = _inside(given, limits, len(kind))
    return Box(
        limits=limits,
        coverage=float(kind[inside].sum() / kind.sum()),
        density=float(kind[inside].mean()),
        mass=float(inside.mean()),
    )
