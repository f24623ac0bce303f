"""Differences between two scenarios: each observable's change over pairs of runs, by unit."""

import math
from collections.abc import Sequence
from itertools import groupby

import altair as alt

from offtake.experiments import look
from offtake.experiments.charts.drawing import frame_of, word
from offtake.experiments.charts.words import wrapped
from offtake.experiments.comparison import Comparison, Difference
from offtake.experiments.comparison_text import sentence, sign_text
from offtake.experiments.figures import signed

NAMES_PX = 245
NOTES_PX = 175
ROW_PX = 21
MOST_ROWS = 8
"""Of one unit: the surest and largest changes."""
HEADINGS = {
    "share": ("Shares", "percentage points", 100.0),
    "usd_per_h100e_hour": ("Prices", "USD per H100-equivalent hour", 1.0),
    "usd_per_h100e": ("Prices of chips", "USD per H100-equivalent", 1.0),
    "mw": ("Capacity", "MW of IT load", 1.0),
    "usd": ("Money", "USD bn", 1e-9),
    "h100e": ("Compute", "million H100-equivalents", 1e-6),
    "months": ("Time", "months", 1.0),
}
"""Heading, unit and factor; other units go by their own names."""


def difference(one: Comparison, *, title: str | None = None) -> alt.VConcatChart:
    """Draw what differs between two scenarios: mean, 95 per cent interval of it, nine pairs in ten.

    Solid dots are surely different from nothing, hollow ones are not. One panel a unit.
    """
    moved = [each for each in one.differences if each.higher or each.lower]
    parts = [_part(unit, rows) for unit, rows in _by_unit(moved)]
    if not parts:
        parts = [_nothing()]
    subtitle = (
        f"{one.other} less {one.base} in {one.when:%B %Y}, {len(one.seeds)} pairs of runs with the "
        "same seed; dot: mean, filled where it is clearly not 0; bar: its 95% interval; "
        "line: nine pairs in ten"
    )
    return alt.vconcat(
        *parts,
        title=alt.TitleParams(
            wrapped(title or _title(one, moved), 92), subtitle=wrapped(subtitle, 140)
        ),
        description=_words(one, moved),
        spacing=18,
    ).configure(**look.theme())


def _by_unit(moved: Sequence[Difference]) -> list[tuple[str, list[Difference]]]:
    """Return the first rows of each unit; shares and prices first."""
    order = list(HEADINGS)

    def rank(each: Difference) -> tuple[int, str]:
        return order.index(each.unit) if each.unit in order else len(order), each.unit

    ranked = sorted(moved, key=rank)  # stable: within a unit the order stays
    return [
        (unit, list(rows)[:MOST_ROWS]) for unit, rows in groupby(ranked, key=lambda each: each.unit)
    ]


def _part(unit: str, rows: list[Difference]) -> alt.VConcatChart:
    heading, name, factor = HEADINGS.get(
        unit, (unit.replace("_", " "), unit.replace("_", " "), 1.0)
    )
    width = look.SHEET_PX - 2 * look.PADDING_PX - NAMES_PX - NOTES_PX
    data = alt.Chart(frame_of([_row(each, factor, name) for each in rows]))
    x = alt.X("low:Q", scale=alt.Scale(domain=_domain(rows, factor), nice=False), axis=_axis())
    y = alt.Y("label:N", sort=None, axis=_labels())
    tone = look.MARKET
    layers = [
        alt.Chart(frame_of([{"zero": 0.0}]))
        .mark_rule(color=look.RULE, aria=False)
        .encode(x=alt.X("zero:Q")),
        data.mark_rule(color=tone.fill, strokeWidth=1, aria=False).encode(x=x, x2="high:Q", y=y),
        data.mark_bar(color=tone.fill, opacity=0.34, height=9, aria=False).encode(
            x=alt.X("mean_low:Q"), x2="mean_high:Q", y=y
        ),
        data.mark_point(size=60, stroke=tone.fill, strokeWidth=1.5, opacity=1).encode(
            x=alt.X("mean:Q"),
            y=y,
            fill=alt.Fill("fill:N", scale=None),
            tooltip=["label:N", "mean:Q", "low:Q", "high:Q", "sign:N"],
        ),
    ]
    for at, each in enumerate(rows):
        note = f"{signed(each.mean, each.unit)}  {sign_text(each)}"
        colour = tone.text if each.is_clear else look.QUIET.text
        layers.append(word(note, width + 8, (at + 0.5) * ROW_PX, colour, fontSize=11))
    view = alt.LayerChart(layer=layers, width=width, height=ROW_PX * len(rows))
    title = alt.TitleParams(heading, subtitle=f"Change, {name}", fontSize=13, offset=6)
    return alt.vconcat(view, title=title)


def _row(each: Difference, factor: float, unit: str) -> dict[str, object]:
    mean_low, mean_high = (
        (each.mean, each.mean) if math.isnan(each.mean_low) else (each.mean_low, each.mean_high)
    )
    return {
        "label": each.label,
        "name": each.label,
        "month": "change",
        "unit": unit,
        "mean": each.mean * factor,
        "q05": each.low * factor,
        "median": each.median * factor,
        "q95": each.high * factor,
        "low": each.low * factor,
        "high": each.high * factor,
        "mean_low": mean_low * factor,
        "mean_high": mean_high * factor,
        "fill": look.MARKET.fill if each.is_clear else look.PAPER,
        "sign": sign_text(each),
    }


def _domain(rows: Sequence[Difference], factor: float) -> list[float]:
    ends = [0.0]
    for each in rows:
        ends += [each.low, each.high, each.mean]
        ends += [] if math.isnan(each.mean_low) else [each.mean_low, each.mean_high]
    low, high = min(ends) * factor, max(ends) * factor
    room = max((high - low) * 0.04, 1e-9)
    return [low - room, high + room]


def _axis() -> alt.Axis:
    return alt.Axis(tickCount=5, grid=True, domain=False, ticks=False)


def _labels() -> alt.Axis:
    return alt.Axis(
        ticks=False,
        domain=False,
        grid=False,
        labelLimit=NAMES_PX - 10,
        minExtent=NAMES_PX - 8,
        maxExtent=NAMES_PX - 8,
        labelColor=look.INK,
    )


def _nothing() -> alt.VConcatChart:
    text = word("No headline observable differs in any pair.", 0, 10, look.INK)
    return alt.vconcat(alt.LayerChart(layer=[text], width=400, height=20))


def _title(one: Comparison, moved: Sequence[Difference]) -> str:
    clear = sum(each.is_clear for each in moved)
    return (
        f"{one.other} against {one.base}: {clear} of {len(one.differences)} headline observables "
        "clearly differ"
    )


def _words(one: Comparison, moved: Sequence[Difference]) -> str:
    told = [sentence(each, one.base, one.other) for each in moved[:2]]
    return " ".join([f"{_title(one, moved)}.", *told])
