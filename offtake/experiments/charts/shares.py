"""Who delivers the compute: mean shares stacked, then a fan for each main cloud."""

import math
from collections.abc import Mapping

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.events import Marks, events_within
from offtake.experiments.charts.fans import share_of, suppliers_part, suppliers_words
from offtake.experiments.charts.measures import MEASURES, percent
from offtake.experiments.charts.ranges import (
    Fan,
    coloured,
    fans_of,
    mean_paths,
    parts_by,
    rows_of,
)
from offtake.experiments.charts.sheets import about, part_title, sheet_of
from offtake.experiments.charts.stacks import Layer, pile, stack_view
from offtake.experiments.charts.words import month_text, runs_text
from offtake.experiments.look import Tone


def stack_of(trajectories: pl.DataFrame, tones: Mapping[str, Tone]) -> list[Layer]:
    """Pile up the mean shares: the coloured clouds by first size, then everybody else in grey."""
    rows = rows_of(trajectories, "share_compute")
    dates = rows["date"].unique().sort().to_list()
    means = mean_paths(parts_by(rows, "name"))
    named = [name for name in tones if name in means and tones[name] != look.QUIET]
    rest = [name for name in means if name not in named and max(means[name]) > 0]
    piled = {name: (tones[name], means[name]) for name in named}
    if rest:
        sums = [math.fsum(month) for month in zip(*(means[n] for n in rest), strict=True)]
        piled[rest[0] if len(rest) == 1 else f"{len(rest)} others"] = (look.QUIET, sums)
    return pile(dates, piled)


def market_shares(
    trajectories: pl.DataFrame,
    marks: Marks = (),
    *,
    lab: str | None = None,
    title: str | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> alt.VConcatChart:
    """Draw who delivers the compute: mean shares stacked, then a fan for each main cloud.

    With `lab`, the fans show on whom that lab depends instead.
    """
    tones = coloured(trajectories, tones)
    stack = stack_of(trajectories, tones)
    fans = fans_of(trajectories, *share_of(lab), tones=tones)
    return sheet_of(
        [stack_part(stack, fans, marks), suppliers_part(fans, marks, trajectories, lab)],
        about=about(trajectories),
        marks=marks,
        title=title or stack_title(stack),
        words=[stack_words(stack, fans), suppliers_words(fans, lab)],
    )


def stack_title(stack: list[Layer]) -> str:
    """Return a title that says how the largest named cloud fared."""
    last = max((layer for layer in stack if layer.tone != look.QUIET), key=lambda x: x.means[-1])
    return (
        f"{last.name} delivers {percent(last.means[-1])} of all compute in "
        f"{month_text(last.dates[-1])}, after {percent(last.means[0])} in {month_text(last.dates[0])}"
    )


def stack_words(stack: list[Layer], fans: list[Fan]) -> str:
    """Return the sentence that tells the last mean shares."""
    ends = ", ".join(f"{layer.name} {percent(layer.means[-1])}" for layer in stack)
    when = month_text(stack[0].dates[-1])
    return f"Mean shares of delivered compute in {when} over {runs_text(fans[0].runs)}: {ends}"


def stack_part(stack: list[Layer], fans: list[Fan], marks: Marks) -> alt.VConcatChart:
    """Return the stack as a part of a sheet."""
    months = fans[0].months
    statistic = "One run" if fans[0].runs == 1 else f"Mean of {runs_text(fans[0].runs)}"
    heading = part_title(
        "Who delivers the compute",
        f"{statistic}, {MEASURES['share_compute'].unit}; labels: {month_text(months[1])}",
    )
    measure, events = MEASURES["share_compute"], events_within(marks, months)
    return alt.vconcat(stack_view(stack, events, months, measure=measure, top=1.0), title=heading)
