"""Two scenarios seed by seed: what is different, how sure that is, and how it spreads."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from offtake.experiments.inputs import Change, differences
from offtake.experiments.results import Result
from offtake.model.observables import TABLE, load_observables

SCHEMA = "offtake.compare/1"
KEYS = ["observable", "name", "other", "unit"]
LOW, HIGH = 0.05, 0.95
CONFIDENCE = 0.95
FALSE_DISCOVERIES = 0.05
FEWEST_PAIRS = 2
MEGAWATT = "mw"
UNIT_IN_NAME = re.compile(r"_(usd|mw|h100e|months)$")
DIGITS = 9


class Unlike(ValueError):  # noqa: N818 - read as a sentence
    """Results that should not be compared: of different versions, horizons, or without common seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How one observable differs between two scenarios in a month, over pairs of runs with one seed."""

    observable: str
    name: str
    """Whose; empty for the market's."""
    other: str
    unit: str
    pairs: int
    base: float
    """Median over the runs of the base."""
    compared: float
    """Median over the runs of the other scenario."""
    mean: float
    """Mean of the differences, pair by pair: the other less the base."""
    mean_low: float
    mean_high: float
    """Bounds of the 95 per cent confidence interval of the mean (Student's t); NaN for one pair."""
    low: float
    median: float
    high: float
    """5, 50 and 95 per cent of the differences."""
    higher: int
    """Pairs in which the other scenario has more."""
    lower: int
    is_clear: bool = False
    """Whether its mean is surely not 0, at a false discovery rate of 5 per cent over all observables."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Observable, name and other."""
        return self.observable, self.name, self.other

    @property
    def probability_higher(self) -> float:
        """Share of pairs in which the other scenario has more."""
        return self.higher / self.pairs

    @property
    def probability_lower(self) -> float:
        """Share of pairs in which the other scenario has less."""
        return self.lower / self.pairs

    @property
    def label(self) -> str:
        """What it is a difference of, in words."""
        who = self.name if not self.other else f"{self.name} on {self.other}"
        what = UNIT_IN_NAME.sub("", self.observable).replace("_", " ")
        return f"{what} {who}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as JSON has it; numbers that are not known are null."""
        numbers = {
            "base_median": self.base,
            "compared_median": self.compared,
            "mean": self.mean,
            "mean_low": self.mean_low,
            "mean_high": self.mean_high,
            "q05": self.low,
            "median": self.median,
            "q95": self.high,
            "probability_higher": self.probability_higher,
            "probability_lower": self.probability_lower,
        }
        return {
            "observable": self.observable,
            "name": self.name or None,
            "other": self.other or None,
            "unit": self.unit,
            "pairs": self.pairs,
            **{key: _short(value) for key, value in numbers.items()},
            "clear": self.is_clear,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One scenario held against another."""

    base: str
    other: str
    changes: tuple[Change, ...]
    seeds: tuple[int, ...]
    """Of the pairs."""
    unpaired: int
    """Runs without a partner."""
    month: int
    when: date
    differences: tuple[Difference, ...]
    """What is surely different first, each part from the largest to the smallest."""
    notes: tuple[str, ...] = ()
    """In what the two are unlike, where that was allowed."""

    def of(self, observable: str, name: str = "", other: str = "") -> Difference:
        """Return the difference of one observable; KeyError if there is none."""
        for each in self.differences:
            if each.key == (observable, name, other):
                return each
        raise KeyError((observable, name, other))

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON has it."""
        return {
            "base": self.base,
            "other": self.other,
            "month": f"{self.when:%Y-%m}",
            "seeds": list(self.seeds),
            "unpaired": self.unpaired,
            "notes": list(self.notes),
            "inputs": [change.as_dict() for change in self.changes],
            "differences": [each.as_dict() for each in self.differences],
        }

    def frame(self) -> pl.DataFrame:
        """Return the differences as a table, a row each."""
        rows = [
            {"base": self.base, "other_scenario": self.other} | d.as_dict()
            for d in self.differences
        ]
        return pl.DataFrame(rows, infer_schema_length=None)


def compare(
    base: Result, other: Result, *, month: int | None = None, allow_unlike: bool = False
) -> Comparison:
    """Hold every headline observable of one result against another's, seed by seed.

    Parameters
    ----------
    base, other
        Results with at least one seed in common.
    month
        Month to compare, counted from 0; the last that both have where it is not given.
    allow_unlike
        Whether results of different versions or horizons are compared all the same, over the months
        that both have.

    Raises
    ------
    Unlike
        If they should not be compared, with the reason and what to do.
    """
    notes = unlike(base, other)
    if notes and not allow_unlike:
        raise Unlike(f"{'; '.join(notes)}; --allow-unlike compares them all the same")
    seeds = sorted(set(base.seeds) & set(other.seeds))
    if not seeds:
        raise Unlike(
            f"{label(base)} and {label(other)} have no seed in common, so nothing can be paired; "
            "run both under the same seeds"
        )
    last = min(base.manifest["months"], other.manifest["months"]) - 1
    at = last if month is None else month
    if not 0 <= at <= last:
        raise Unlike(f"month {at} is not in both results; they share the months 0 to {last}")
    groups = _paired(base, other, seeds, at).partition_by(KEYS, maintain_order=True, as_dict=True)
    found = [_difference(*part) for part in groups.items()]
    return Comparison(
        base=label(base),
        other=label(other),
        changes=tuple(differences(base.scenario, other.scenario)),
        seeds=tuple(seeds),
        unpaired=len(set(base.seeds) ^ set(other.seeds)),
        month=at,
        when=_date(base, at),
        differences=tuple(_ranked(_judged(found))),
        notes=tuple(notes),
    )


def label(result: Result) -> str:
    """Return what a result is called: its scenario and what was changed in it for the runs."""
    given = result.manifest["scenario"]
    return " ".join([given["name"], *(f"--set {change}" for change in given["overrides"])])


def unlike(base: Result, other: Result) -> list[str]:
    """Return in what two results are unlike besides their scenarios: version, start, horizon."""
    pairs = {
        "were made by offtake": (base.manifest["offtake"], other.manifest["offtake"]),
        "begin on": (base.manifest["scenario"]["start"], other.manifest["scenario"]["start"]),
        "have months:": (base.manifest["months"], other.manifest["months"]),
    }
    names = f"{label(base)} and {label(other)}"
    return [f"{names} {what} {a} and {b}" for what, (a, b) in pairs.items() if a != b]


def _date(result: Result, month: int) -> date:
    return result.trajectories.filter(month=month)["date"][0]


def _paired(base: Result, other: Result, seeds: Sequence[int], month: int) -> pl.DataFrame:
    sides = [_headline(result, seeds, month) for result in (base, other)]
    keys = [*KEYS, "seed"]
    joined = sides[0].join(sides[1], on=keys, how="inner", suffix="_other")
    known = joined.drop_nulls(["value", "value_other"]).sort(keys)
    return known.with_columns(difference=pl.col("value_other") - pl.col("value"))


def _headline(result: Result, seeds: Sequence[int], month: int) -> pl.DataFrame:
    """Return the headline observables of a month; MW also added up over all participants."""
    load_observables()
    names = [each.name for each in TABLE if each.headline]
    rows = result.trajectories.filter(
        pl.col("observable").is_in(names), pl.col("seed").is_in(seeds), month=month
    ).select(*[pl.col(key).fill_null("") for key in KEYS], "seed", pl.col("value").fill_nan(None))
    power = rows.filter(pl.col("unit") == MEGAWATT, pl.col("name") != "").sort(*KEYS, "seed")
    total = power.group_by("observable", "unit", "seed", maintain_order=True).agg(pl.col("value"))
    sums = [math.fsum(values) for values in total["value"].to_list()]
    summed = total.with_columns(
        value=pl.Series(sums, dtype=pl.Float64), name=pl.lit("all"), other=pl.lit("")
    )
    return pl.concat([rows, summed.select(rows.columns)])


def _difference(key: tuple[object, ...], rows: pl.DataFrame) -> Difference:
    observable, name, other, unit = map(str, key)
    values = rows["difference"].to_list()
    mean, margin = mean_and_margin(values)
    return Difference(
        observable=observable,
        name=name,
        other=other,
        unit=unit,
        pairs=len(values),
        base=_quantile(rows["value"], 0.5),
        compared=_quantile(rows["value_other"], 0.5),
        mean=mean,
        mean_low=mean - margin,
        mean_high=mean + margin,
        low=_quantile(rows["difference"], LOW),
        median=_quantile(rows["difference"], 0.5),
        high=_quantile(rows["difference"], HIGH),
        higher=sum(value > 0 for value in values),
        lower=sum(value < 0 for value in values),
    )


def _quantile(values: pl.Series, share: float) -> float:
    found = values.quantile(share, "linear")
    assert found is not None
    return found


def mean_and_margin(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half the width of its 95 per cent confidence interval (Student's t).

    The margin of a single value is not known: NaN.

    Examples
    --------
    >>> mean, margin = mean_and_margin([1.0, 2.0, 3.0])
    >>> mean, round(margin, 3)
    (2.0, 2.484)
    """
    count = len(values)
    mean = math.fsum(values) / count
    if count < FEWEST_PAIRS:
        return mean, math.nan
    from scipy.special import stdtrit

    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    t = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return mean, t * math.sqrt(variance / count)


def _judged(found: Sequence[Difference]) -> list[Difference]:
    """Mark what is surely different; some of hundreds of intervals leave out 0 by chance alone.

    References
    ----------
    Benjamini and Hochberg 1995: reject up to the largest k with ``p(k) <= k q / n``.
    """
    ranked = sorted((_p_value(each), at) for at, each in enumerate(found))
    rejected = [
        rank
        for rank, (p, _) in enumerate(ranked, start=1)
        if p <= rank * FALSE_DISCOVERIES / len(ranked)
    ]
    clear = {at for _, at in ranked[: max(rejected, default=0)]}
    return [replace(each, is_clear=at in clear) for at, each in enumerate(found)]


def _p_value(each: Difference) -> float:
    """Return the two-sided p of no mean difference (Student's t); 1 where it cannot be told."""
    if math.isnan(each.mean_low) or each.mean == 0:
        return 1.0
    margin = each.mean_high - each.mean
    if margin == 0:
        return 0.0
    from scipy.special import stdtr, stdtrit

    freedom = each.pairs - 1
    return float(
        2 * stdtr(freedom, -abs(each.mean) / margin * stdtrit(freedom, (1 + CONFIDENCE) / 2))
    )


def _ranked(found: Sequence[Difference]) -> list[Difference]:
    """Put what is surely different first, then what may be; each part by size against the observable's."""
    sizes: dict[str, float] = {}
    for each in found:
        size = max(abs(each.base), abs(each.compared))
        sizes[each.observable] = max(sizes.get(each.observable, 0.0), size)

    def rank(each: Difference) -> tuple[int, float, tuple[str, str, str]]:
        size = sizes[each.observable]
        doubt = 0 if each.is_clear else 1 if _p_value(each) < 1 - CONFIDENCE else 2
        return doubt, -abs(each.mean) / size if size else 0.0, each.key

    return sorted(found, key=rank)


def _short(value: float) -> float | None:
    """Return a value at the precision that is the same on every machine, null if it is not known."""
    return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")


def document(comparisons: Sequence[Comparison], *, versions: Mapping[str, Any]) -> dict[str, Any]:
    """Return comparisons with one base as one JSON document."""
    return {
        "schema": SCHEMA,
        "versions": dict(versions),
        "intervals": {
            "mean_low, mean_high": "95 per cent confidence interval of the mean difference (Student's t)",
            "q05, q95": "nine pairs in ten lie between",
            "clear": "false discovery rate of 5 per cent over all observables (Benjamini-Hochberg)",
        },
        "comparisons": [each.as_dict() for each in comparisons],
    }
