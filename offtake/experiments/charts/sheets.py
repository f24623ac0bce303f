"""A sheet: parts under one another, the list of events last, in the one look of all charts."""

from collections.abc import Sequence

import altair as alt

from offtake.experiments import look
from offtake.experiments.charts.events import Marks, event_list, events_within
from offtake.experiments.charts.ranges import Fan
from offtake.experiments.charts.words import runs_text, wrapped

type View = alt.LayerChart | alt.VConcatChart


def sheet_of(
    parts: Sequence[View],
    *,
    fans: list[Fan],
    marks: Marks,
    title: str,
    scenario: str,
    words: list[str],
) -> alt.VConcatChart:
    """Put parts under one another, the list of events last, and dress them."""
    events = events_within(marks, fans[0].months)
    views = [*parts, event_list(events)] if events else parts
    runs = runs_text(fans[0].runs)
    subtitle = f"Scenario {scenario} in {runs}: conditional on its assumptions, not a forecast"
    return alt.vconcat(
        *views,
        title=alt.TitleParams(wrapped(title, 92), subtitle=subtitle),
        description="; ".join(words) + ".",
        spacing=22,
    ).configure(**look.theme())


def part_title(text: str, subtitle: str) -> alt.TitleParams:
    """Return the title of a part of a sheet."""
    return alt.TitleParams(text, subtitle=subtitle, fontSize=13, offset=8)
