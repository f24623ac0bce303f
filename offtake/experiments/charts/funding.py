"""Funding: what labs earn and hold, and for how long it lasts at their present burn."""

import math

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.events import Marks
from offtake.experiments.charts.fans import fans_part
from offtake.experiments.charts.measures import MEASURES
from offtake.experiments.charts.ranges import (
    Fan,
    fan_of,
    horizon_of,
    largest,
    mean_paths,
    parts_by,
    rows_of,
)
from offtake.experiments.charts.sheets import about, sheet_of
from offtake.experiments.charts.words import fan_words, month_text

LABS_SHOWN = 3
PARTS = ("run_rate_usd", "cash_usd", "runway_months")


def funding(
    trajectories: pl.DataFrame,
    marks: Marks = (),
    *,
    labs: tuple[str, ...] = (),
    title: str | None = None,
) -> alt.VConcatChart:
    """Draw revenue, cash and runway of labs: those named, else those with most revenue."""
    shown = labs or _largest(trajectories)
    rows = {observable: _fans(trajectories, observable, shown) for observable in PARTS}
    parts = [
        fans_part(fans, marks, MEASURES[name].heading, own_scales=True)
        for name, fans in rows.items()
    ]
    runway = rows["runway_months"]
    return sheet_of(
        parts,
        about=about(trajectories),
        marks=marks,
        title=title or _title(runway),
        words=[f"Runway: {'; '.join(fan_words(one) for one in runway)}"],
    )


def _largest(trajectories: pl.DataFrame) -> tuple[str, ...]:
    means = mean_paths(parts_by(rows_of(trajectories, "run_rate_usd"), "name"))
    return tuple(largest(means)[:LABS_SHOWN])


def _fans(trajectories: pl.DataFrame, observable: str, labs: tuple[str, ...]) -> list[Fan]:
    months, measure = horizon_of(trajectories), MEASURES[observable]
    return [
        fan_of(lab, rows_of(trajectories, observable, lab), look.MARKET, measure, months)
        for lab in labs
    ]


def _title(fans: list[Fan]) -> str:
    lows = {one.name: min(one.spread["median"].to_list(), default=math.inf) for one in fans}
    lab = min(lows, key=lambda name: (lows[name], name))
    path = next(one.spread for one in fans if one.name == lab)
    when = month_text(path["date"][path["median"].to_list().index(lows[lab])])
    return f"{lab} has the least room: {lows[lab]:.0f} months of cash at its burn in {when}"
