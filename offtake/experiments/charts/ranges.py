"""From trajectories to what is drawn: quantiles over the runs, single runs, the largest names."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.measures import Measure, measure_of
from offtake.experiments.look import Tone

type Months = tuple[date, date]
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
FEWEST_RUNS_FOR_BANDS = 5
SINGLE_RUNS_SHOWN = 10
LEAST_SHARE = 0.005  # a cloud that never averages half a per cent gets no panel
MOST_POINTS = 5_000  # Altair refuses longer tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """One quantity month by month: how it spreads over the runs, and some single runs."""

    name: str
    spread: pl.DataFrame
    singles: pl.DataFrame
    runs: int
    months: Months
    tone: Tone
    measure: Measure

    @property
    def has_bands(self) -> bool:
        """Whether there are enough runs to speak of their middle half."""
        return self.runs >= FEWEST_RUNS_FOR_BANDS

    @property
    def top(self) -> float:
        """Return the highest value drawn."""
        upper = "q95" if self.has_bands else "median"
        highest = [*self.spread[upper].to_list(), *self.singles["value"].to_list()]
        return max(highest)


def spread(values: pl.DataFrame) -> pl.DataFrame:
    """Summarise the runs of each month: quantiles and mean of `value` by `date`.

    Sums are exactly rounded, so the same runs give the same numbers in any order of rows.
    """
    months = values.sort("date", "value").group_by("date", maintain_order=True)
    quantiles = [pl.col("value").quantile(q, "linear").alias(n) for n, q in QUANTILES.items()]
    summary = months.agg(*quantiles, pl.col("value"))
    means = [math.fsum(runs) / len(runs) for runs in summary["value"].to_list()]
    return summary.drop("value").with_columns(mean=pl.Series(means, dtype=pl.Float64))


def company_tones(
    trajectories: pl.DataFrame,
    *,
    lab: str | None = None,
    fixed: Mapping[str, Tone] | None = None,
) -> dict[str, Tone]:
    """Colour the clouds that matter most over the whole time, by their size in the first month.

    With `lab`, a cloud matters as much as the larger of its share of the market and of that lab.
    """
    means = mean_paths(parts_by(rows_of(trajectories, "share_compute"), "name"))
    first = {name: means[name][0] for name in means}
    if lab is not None:
        supplied = mean_paths(parts_by(rows_of(trajectories, "dependence", lab), "other"))
        means = {n: max(means[n], supplied.get(n, [0.0]), key=math.fsum) for n in means}
    named = sorted(largest(means), key=lambda name: (-first[name], name))
    return look.colours(named, fixed=fixed)


def rows_of(trajectories: pl.DataFrame, observable: str, name: str | None = None) -> pl.DataFrame:
    """Return the finite rows of one observable (of one name), sorted by their keys."""
    scenarios = trajectories["scenario"].unique().sort().to_list()
    if len(scenarios) > 1:
        raise ValueError(f"a chart shows one scenario at a time; given {', '.join(scenarios)}")
    rows = trajectories.filter(pl.col("observable") == observable, pl.col("value").is_finite())
    if name is not None:
        _refuse_unknown(name, rows, observable)
        rows = rows.filter(pl.col("name") == name)
    if rows.is_empty():
        known = ", ".join(trajectories["observable"].unique().sort().to_list())
        raise ValueError(f"no values of {observable!r} to draw; the trajectories hold {known}")
    return rows.sort("name", "other", "month", "seed")


def _refuse_unknown(name: str, rows: pl.DataFrame, observable: str) -> None:
    known = rows["name"].unique().sort().to_list()
    if name not in known:
        raise ValueError(f"{name!r} has no {observable!r}; those who do: {', '.join(known)}")


def parts_by(rows: pl.DataFrame, key: str) -> dict[str, pl.DataFrame]:
    """Return the rows of each name, in the order of the rows."""
    return {str(who): part for (who,), part in rows.group_by(key, maintain_order=True)}


def mean_paths(groups: Mapping[str, pl.DataFrame]) -> dict[str, list[float]]:
    """Return the mean over the runs, month by month, for each name."""
    return {
        who: spread(part.select("date", "value"))["mean"].to_list() for who, part in groups.items()
    }


def largest(means: Mapping[str, list[float]]) -> list[str]:
    """Return the names with the largest average over time, largest first, no more than colours."""
    totals = {name: math.fsum(values) for name, values in means.items()}
    ranked = sorted((name for name in totals if totals[name] > 0), key=lambda n: (-totals[n], n))
    return ranked[: look.MOST_NAMED]


def fans_of(
    trajectories: pl.DataFrame,
    observable: str,
    name: str | None = None,
    *,
    tones: Mapping[str, Tone] | None = None,
) -> list[Fan]:
    """Return a fan for each of the largest names (or of the others of one name), largest first."""
    rows = rows_of(trajectories, observable, name)
    measure = measure_of(rows)
    groups = parts_by(rows, "name" if name is None else "other")
    if list(groups) == [""]:
        return [fan_of(measure.heading, rows, look.MARKET, measure, horizon_of(trajectories))]
    means = mean_paths(groups)
    shown = largest(means) or list(groups)[:1]
    if measure.is_share:
        shown = [who for who in shown if max(means[who]) >= LEAST_SHARE] or shown[:1]
    colours = _colours(shown, trajectories, tones)
    horizon = horizon_of(trajectories)
    return [fan_of(who, groups[who], colours[who], measure, horizon) for who in shown]


def _colours(
    names: list[str], trajectories: pl.DataFrame, tones: Mapping[str, Tone] | None
) -> dict[str, Tone]:
    """Return the tones of clouds, grey for smaller ones; who is no cloud takes no cloud's colour."""
    known = coloured(trajectories, tones)
    if not known:
        return look.colours(names)
    clouds = trajectories.filter(observable="share_compute")["name"].unique().to_list()
    return {n: known.get(n, look.QUIET if n in clouds else look.MARKET) for n in names}


def horizon_of(trajectories: pl.DataFrame) -> Months:
    """Return the first and the last month of a table, as dates."""
    dates = trajectories["date"].unique().sort().to_list()
    return dates[0], dates[-1]


def total_fan(trajectories: pl.DataFrame, observable: str) -> Fan:
    """Return the fan of a quantity added up over all names within each run."""
    rows = rows_of(trajectories, observable)
    runs = rows.sort("seed", "date", "name").group_by("seed", "date", maintain_order=True)
    summed = runs.agg(pl.col("value"))
    totals = [math.fsum(values) for values in summed["value"].to_list()]
    measure = measure_of(rows)
    rows = summed.with_columns(value=pl.Series(totals, dtype=pl.Float64))
    return fan_of(measure.heading, rows, look.MARKET, measure, horizon_of(trajectories))


def path_of(one: Fan) -> tuple[list[date], list[float]]:
    """Return the months of a fan and the means over its runs."""
    return one.spread["date"].to_list(), one.spread["mean"].to_list()


def fan_of(name: str, rows: pl.DataFrame, tone: Tone, measure: Measure, months: Months) -> Fan:
    """Return the fan of rows with `date`, `seed` and `value`, in the units that its measure shows."""
    values = rows.select("date", "seed", pl.col("value") * measure.factor)
    seeds = values["seed"].unique().sort().to_list()
    months_drawn = values["date"].n_unique()
    shown = max(min(SINGLE_RUNS_SHOWN, len(seeds), MOST_POINTS // months_drawn), 1)
    evenly = [seeds[at * len(seeds) // shown] for at in range(shown)]
    return Fan(
        name=name,
        spread=spread(values),
        singles=values.filter(pl.col("seed").is_in(evenly)).sort("seed", "date"),
        runs=len(seeds),
        months=months,
        tone=tone,
        measure=measure,
    )


def coloured(trajectories: pl.DataFrame, tones: Mapping[str, Tone] | None) -> Mapping[str, Tone]:
    """Return the tones given, else those of the clouds in these trajectories."""
    if tones is not None:
        return tones
    has_shares = "share_compute" in trajectories["observable"].unique().to_list()
    return company_tones(trajectories) if has_shares else {}
