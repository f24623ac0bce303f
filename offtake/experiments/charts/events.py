"""Dated events of a scenario on charts: numbered rules, and the list under them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt

from offtake.experiments import look
from offtake.experiments.charts.drawing import AXIS_PX, apart, frame_of, place_of
from offtake.experiments.charts.ranges import Months
from offtake.experiments.charts.words import EN_DASH, month_text, wrapped

type Marks = Sequence[tuple[date, str]]
MOST_EVENTS_IN_A_COLUMN = 3
LIST_HEADING = "Dated events of the scenario"
BADGE_PX = 15
LEADER_PX = 9
WIDE_PX = 500
"""Width from which numbers of crowded events fan out above the plot."""
DASHED = {"strokeDash": [3, 3], "strokeWidth": 0.8, "opacity": 0.6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A dated event of the scenario with its number on the charts."""

    number: int
    when: date
    text: str
    at: float


def events_within(marks: Marks, months: Months) -> list[Event]:
    """Return the dated events within the months shown, numbered in order."""
    first, last = months
    inside = sorted(
        (when, text)
        for when, text in marks
        if first <= when and (when.year, when.month) <= (last.year, last.month)
    )
    return [
        Event(number=n, when=when, text=text, at=min(place_of(when, months), 1.0))
        for n, (when, text) in enumerate(inside, start=1)
    ]


def event_rules(
    events: list[Event], size: tuple[int, int], *, numbered: bool = True
) -> list[alt.Chart]:
    """Draw a dashed rule for each dated event, and its number in a row above the plot.

    In a narrow panel, events that crowd share a grey strip under the first and last of their numbers.
    """
    if not events:
        return []
    if size[0] >= WIDE_PX:
        return _rules(events, size, numbered=numbered)
    groups = _crowds(events, size[0])
    alone = [event for group in groups if len(group) == 1 for event in group]
    crowds = [group for group in groups if len(group) > 1]
    strips = [layer for group in crowds for layer in _strip(group, size, numbered=numbered)]
    return [*strips, *(_rules(alone, size, numbered=numbered) if alone else [])]


def _crowds(events: list[Event], width: int) -> list[list[Event]]:
    """Return the events in groups whose numbers would overlap."""
    groups: list[list[Event]] = []
    for event in events:
        if groups and (event.at - groups[-1][-1].at) * width < BADGE_PX:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups


def _strip(group: list[Event], size: tuple[int, int], *, numbered: bool) -> list[alt.Chart]:
    """Draw a grey strip from the first event of a group to the last."""
    first, last = group[0], group[-1]
    row = {
        "at": first.at,
        "to": max(last.at, first.at + 2 / size[0]),
        "middle": (first.at + last.at) / 2,
        "text": f"{first.number}{EN_DASH}{last.number}",
        "event": "; ".join(f"{event.number} {event.text}" for event in group),
    }
    data = alt.Chart(frame_of([row]))
    strip = data.mark_rect(color=look.INK, opacity=0.12, aria=False).encode(
        x=alt.X("at:Q"), x2="to", y=alt.value(0), y2=alt.value(size[1]), tooltip="event:N"
    )
    if not numbered:
        return [strip]
    style: dict[str, Any] = {"fontSize": 10, "fontWeight": "bold", "color": look.INK}
    label = data.mark_text(baseline="bottom", **style).encode(
        x=alt.X("middle:Q"), y=alt.value(-3), text="text:N"
    )
    return [strip, label]


def _rules(events: list[Event], size: tuple[int, int], *, numbered: bool) -> list[alt.Chart]:
    width, height = size
    gap = min(BADGE_PX, width / len(events))
    places = apart([event.at * width for event in events], gap, -BADGE_PX / 2, width)
    rows = [
        {
            "at": event.at,
            "badge": place / width,
            "number": str(event.number),
            "event": f"{month_text(event.when)}: {event.text}",
        }
        for event, place in zip(events, places, strict=True)
    ]
    x, badge = alt.X("at:Q"), alt.X("badge:Q")  # on the scale of what they mark
    lines = alt.Chart(frame_of(rows)).mark_rule(color=look.INK, aria=False, **DASHED)
    rules = [lines.encode(x=x, y=alt.value(0), y2=alt.value(height))]
    if numbered:
        leader = lines.encode(x=x, x2="badge", y=alt.value(0), y2=alt.value(-LEADER_PX))
        rules += [leader, *_badges(rows, badge, alt.value(-LEADER_PX - BADGE_PX / 2))]
    return rules


def _badges(rows: list[dict[str, Any]], x: alt.X, y: Any) -> list[alt.Chart]:
    """Draw numbers in solid discs: these events come from outside the market."""
    discs = alt.Chart(frame_of(rows)).mark_point(
        shape="circle", filled=True, size=150, color=look.INK, opacity=1, aria=False
    )
    numbers = alt.Chart(frame_of(rows)).mark_text(color=look.PAPER, fontSize=9, aria=False)
    return [discs.encode(x=x, y=y, tooltip="event:N"), numbers.encode(x=x, y=y, text="number:N")]


def event_list(events: list[Event]) -> alt.LayerChart:
    """List the numbered events in two columns under the charts."""
    inner = look.SHEET_PX - 2 * look.PADDING_PX
    columns = 2 if len(events) > MOST_EVENTS_IN_A_COLUMN else 1
    per_column = math.ceil(len(events) / columns)
    badges: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    deepest = 0.0
    for column in range(columns):
        x = column * inner / columns + BADGE_PX / 2 - AXIS_PX  # as far left as the titles
        y = look.LINE_PX / 2
        for event in events[column * per_column : (column + 1) * per_column]:
            badges.append(
                {
                    "x": x,
                    "y": y,
                    "number": str(event.number),
                    "event": f"{month_text(event.when)}: {event.text}",
                }
            )
            characters = int(inner / columns / look.CHARACTER_PX) - 6
            for line in wrapped(f"{month_text(event.when)}: {event.text}", characters):
                lines.append({"x": x + BADGE_PX, "y": y, "text": line})
                y += look.LINE_PX
            y += 3
        deepest = max(deepest, y)
    x_px, y_px = alt.X("x:Q", scale=None, axis=None), alt.Y("y:Q", scale=None, axis=None)
    words = alt.Chart(frame_of(lines)).mark_text(
        align="left", baseline="middle", fontSize=11, color=look.INK
    )
    heading = alt.TitleParams(LIST_HEADING, fontSize=13, offset=8)
    return alt.LayerChart(
        layer=[words.encode(x=x_px, y=y_px, text="text:N"), *_badges(badges, x_px, y_px)],
        width=inner - AXIS_PX,
        height=deepest,
        title=heading,
    )


def without_event_list(chart: alt.TopLevelMixin) -> alt.TopLevelMixin:
    """Return a sheet without the list of events under it, for pages that have it elsewhere."""
    if not isinstance(chart, alt.VConcatChart):
        return chart
    parts = chart.vconcat
    if getattr(parts[-1].title, "text", None) != LIST_HEADING:
        return chart
    shorter = chart.copy(deep=False)
    shorter.vconcat = parts[:-1]
    return shorter
