"""Who delivers the compute: mean shares stacked, then a fan for each main cloud."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.drawing import (
    AXIS_PX,
    LABEL_GAP_PX,
    apart,
    frame_of,
    leader,
    place_of,
    time_axis,
    value_axis,
    word,
)
from offtake.experiments.charts.events import Event, Marks, event_rules, events_within
from offtake.experiments.charts.fans import share_of, suppliers_part, suppliers_words
from offtake.experiments.charts.measures import MEASURES, percent
from offtake.experiments.charts.ranges import (
    Fan,
    Months,
    coloured,
    fans_of,
    mean_paths,
    parts_by,
    rows_of,
)
from offtake.experiments.charts.sheets import part_title, sheet_of
from offtake.experiments.charts.words import month_text, runs_text
from offtake.experiments.look import Tone

STACK_LABEL_PX = 168
STACK_HEIGHT_PX = 330


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One cloud's strip in the stack, from the largest at the bottom to the others on top."""

    name: str
    tone: Tone
    dates: list[date]
    means: list[float]
    lower: list[float]


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
    layers: list[Layer] = []
    lower = [0.0] * len(dates)
    for name, (tone, values) in piled.items():
        layers.append(Layer(name=name, tone=tone, dates=dates, means=values, lower=lower))
        lower = [low + mean for low, mean in zip(lower, values, strict=True)]
    return layers


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
        fans=fans,
        marks=marks,
        title=title or stack_title(stack),
        scenario=trajectories["scenario"][0],
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
    return alt.vconcat(_stack_view(stack, events_within(marks, months), months), title=heading)


def _stack_view(stack: list[Layer], events: list[Event], months: Months) -> alt.LayerChart:
    width = look.SHEET_PX - 2 * look.PADDING_PX - AXIS_PX - STACK_LABEL_PX
    size = (width, STACK_HEIGHT_PX)
    rows = [
        {
            "name": layer.name,
            "at": place_of(when, months),
            "month": month_text(when),
            "lower": low,
            "upper": min(low + mean, 1.0),
            "unit": MEASURES["share_compute"].unit,
            "mean": mean,
        }
        for layer in stack
        for when, mean, low in zip(layer.dates, layer.means, layer.lower, strict=True)
    ]
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(
            domain=[layer.name for layer in stack], range=[layer.tone.fill for layer in stack]
        ),
        legend=None,
    )
    areas = (
        alt.Chart(frame_of(rows))
        .mark_area(line={"stroke": look.PAPER, "strokeWidth": 0.8}, opacity=0.92, aria=False)
        .encode(
            x=time_axis(months, width),
            y=value_axis("upper", 1.0, MEASURES["share_compute"]),
            y2="lower:Q",
            color=colour,
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("month:N"), alt.Tooltip("mean:Q")],
        )
    )
    layers = [areas, *event_rules(events, size), *_stack_labels(stack, width)]
    return alt.LayerChart(layer=layers, width=width, height=STACK_HEIGHT_PX)


def _stack_labels(stack: list[Layer], width: int) -> list[alt.Chart]:
    """Name the strips at their right end, with a short line to each from its middle."""
    downwards = stack[::-1]
    middles = [STACK_HEIGHT_PX * (1 - x.lower[-1] - x.means[-1] / 2) for x in downwards]
    places = apart(middles, LABEL_GAP_PX, 0, STACK_HEIGHT_PX)
    labels = []
    for layer, middle, place in zip(downwards, middles, places, strict=True):
        text = f"{percent(layer.means[-1])} {layer.name}"
        labels.append(leader(width + 3, middle, width + 14, place, layer.tone.fill))
        style = {"fontWeight": "bold", "limit": STACK_LABEL_PX - 18}
        labels.append(word(text, width + 18, place, layer.tone.text, **style))
    return labels
