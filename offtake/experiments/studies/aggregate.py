"""The one place where numbers of many runs become few: sorted first, so every time the same bits."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

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


def spreads(rows: pl.DataFrame, keys: list[str], value: str = "value") -> pl.DataFrame:
    """Return the spread of a column by some keys, in the order of the keys."""
    ordered = rows.select(*keys, pl.col(value).cast(pl.Float64)).sort(*keys, value)
    found = []
    for group in ordered.partition_by(keys, maintain_order=True):
        told = spread(group[value].to_list())
        if told is not None:
            found.append({**group.row(0, named=True), **_columns(told)})
    kinds = {key: rows.schema[key] for key in keys}
    numbers = {"runs": pl.UInt32, **dict.fromkeys(("mean", "low", "median", "high"), pl.Float64)}
    return pl.DataFrame(found, schema={**kinds, **numbers}, strict=False).select(*kinds, *numbers)


def _columns(told: Spread) -> dict[str, float]:
    return {name: getattr(told, name) for name in Spread.__slots__}
