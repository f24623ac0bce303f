"""A sheet: parts under one another, the list of events last, in the one look of all charts."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.events import Marks, event_list, events_within
from offtake.experiments.charts.ranges import Months, horizon_of
from offtake.experiments.charts.words import runs_text, wrapped

SUBTITLE_CHARACTERS = 125
"""Of a line that fits in the widest of the fonts."""

type View = alt.LayerChart | alt.VConcatChart


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a sheet shows: which scenario, how many runs of it, which months."""

    scenario: str
    runs: int
    months: Months


def about(trajectories: pl.DataFrame) -> About:
    """Return which scenario and how many runs trajectories hold, and which months."""
    return About(
        scenario=trajectories["scenario"][0],
        runs=trajectories["seed"].n_unique(),
        months=horizon_of(trajectories),
    )


def sheet_of(
    parts: Sequence[View],
    *,
    about: About,
    title: str,
    words: list[str],
    marks: Marks = (),
) -> alt.VConcatChart:
    """Put parts under one another, the list of events last, and dress them.

    `words` are the sentence that stands for the picture.
    """
    events = events_within(marks, about.months)
    views = [*parts, event_list(events)] if events else parts
    runs = runs_text(about.runs)
    subtitle = (
        f"Scenario {about.scenario} in {runs}: conditional on its assumptions, not a forecast"
    )
    return alt.vconcat(
        *views,
        title=alt.TitleParams(wrapped(title, 92), subtitle=subtitle),
        description="; ".join(words) + ".",
        spacing=22,
    ).configure(**look.theme())


def part_title(text: str, subtitle: str) -> alt.TitleParams:
    """Return the title of a part of a sheet."""
    lines = wrapped(subtitle, SUBTITLE_CHARACTERS)
    return alt.TitleParams(text, subtitle=lines, fontSize=13, offset=8)
