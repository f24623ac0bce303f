"""Capacity by stage against need, and the part of it that is stranded."""

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.drawing import ceiling
from offtake.experiments.charts.events import Marks, events_within
from offtake.experiments.charts.fans import fans_part
from offtake.experiments.charts.measures import MEASURES, STRANDED
from offtake.experiments.charts.ranges import horizon_of, path_of, total_fan
from offtake.experiments.charts.sheets import about, part_title, sheet_of
from offtake.experiments.charts.stacks import Layer, pile, stack_view
from offtake.experiments.charts.words import fans_words, month_text, runs_text

STAGES = {
    "energised_mw": "energised",
    "pipeline_mw": "leased or building",
    "loi_mw": "letters of intent",
}
STAGE_HEIGHT_PX = 230


def capacity(
    trajectories: pl.DataFrame, marks: Marks = (), *, title: str | None = None
) -> alt.VConcatChart:
    """Draw capacity by stage, mean MW stacked, over what labs need and what is delivered to them."""
    stack = _stages(trajectories)
    needs = [total_fan(trajectories, name) for name in ("need_h100e", "delivered_h100e")]
    return sheet_of(
        [
            _stages_part(stack, trajectories, marks),
            fans_part(needs, marks, "What labs could use, and what is delivered to them"),
        ],
        about=about(trajectories),
        marks=marks,
        title=title or _title(needs[0].spread, needs[1].spread),
        words=[_stage_words(stack, trajectories), fans_words(needs)],
    )


def stranded(
    trajectories: pl.DataFrame, marks: Marks = (), *, title: str | None = None
) -> alt.VConcatChart:
    """Draw stranded capacity by kind, added up over all clouds, MW."""
    fans = [total_fan(trajectories, kind) for kind in STRANDED]
    ends = [one.measure.say(one.spread["median"][-1]) for one in fans]
    last = month_text(about(trajectories).months[1])
    return sheet_of(
        [fans_part(fans, marks, "Stranded capacity of all clouds")],
        about=about(trajectories),
        marks=marks,
        title=title or f"{ends[0]} stand idle, {ends[1]} dark and {ends[2]} orphaned in {last}",
        words=[fans_words(fans)],
    )


def _stages(trajectories: pl.DataFrame) -> list[Layer]:
    paths = {name: path_of(total_fan(trajectories, name)) for name in STAGES}
    dates = next(iter(paths.values()))[0]
    return pile(
        dates,
        {
            STAGES[name]: (tone, means)
            for (name, (_, means)), tone in zip(paths.items(), look.STAGES, strict=True)
        },
    )


def _stages_part(stack: list[Layer], trajectories: pl.DataFrame, marks: Marks) -> alt.VConcatChart:
    known, months = about(trajectories), horizon_of(trajectories)
    statistic = "One run" if known.runs == 1 else f"Mean of {runs_text(known.runs)}"
    top = ceiling(
        max(low + mean for low, mean in zip(stack[-1].lower, stack[-1].means, strict=True))
    )
    view = stack_view(
        stack,
        events_within(marks, months),
        months,
        measure=MEASURES["energised_mw"],
        top=top,
        height=STAGE_HEIGHT_PX,
    )
    subtitle = f"{statistic}, GW of IT load of all clouds; labels: {month_text(months[1])}"
    return alt.vconcat(view, title=part_title("Capacity by stage", subtitle))


def _title(need: pl.DataFrame, delivered: pl.DataFrame) -> str:
    met = [
        part / whole if whole else 0.0
        for part, whole in zip(delivered["median"], need["median"], strict=True)
    ]
    first, last = month_text(need["date"][0]), month_text(need["date"][-1])
    return (
        f"{met[-1]:.0%} of the compute that labs could use is delivered in {last}, "
        f"after {met[0]:.0%} in {first}"
    )


def _stage_words(stack: list[Layer], trajectories: pl.DataFrame) -> str:
    ends = ", ".join(f"{layer.name} {layer.means[-1]:.1f} GW" for layer in stack)
    known = about(trajectories)
    return f"Mean capacity by stage in {month_text(known.months[1])} over {runs_text(known.runs)}: {ends}"
