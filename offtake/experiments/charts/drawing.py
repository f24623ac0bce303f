"""What every chart is drawn with: axes, words, leaders, and labels that keep apart."""

import math
from datetime import date
from typing import Any

import altair as alt
import polars as pl

from offtake.experiments.charts.measures import Measure
from offtake.experiments.charts.ranges import Months
from offtake.experiments.charts.words import month_text

SIGNIFICANT_DIGITS = 4
AXIS_PX = 42
LABEL_GAP_PX = 15
YEAR_LABEL_PX = 31
MONTH_LABEL_PX = 70
Y_TICKS = 4
MOST_MONTHS_ON_AXIS = 24
EVEN_STEPS = (1, 2, 3, 6, 12)  # of years or months between ticks


def place_of(when: date, months: Months) -> float:
    """Return where a date lies on the time axis, from 0 (first month) to 1 (last).

    Plain numbers, because no time zone moves them and because Vega writes the domain of a time
    scale as an expression that its interpreter, which pages without `eval` need, cannot read.
    """
    first, last = months
    return (when - first).days / max((last - first).days, 1)


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return what a mark draws; a frame, because Altair copies and checks lists value by value."""
    return pl.DataFrame([{key: _rounded(row[key]) for key in row} for row in rows])


def _rounded(value: object) -> object:
    """Round numbers to the digits a reader can use."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value


def placed(frame: pl.DataFrame, months: Months) -> list[dict[str, Any]]:
    """Return rows with their place on the time axis instead of their date."""
    places = [place_of(when, months) for when in frame["date"].to_list()]
    return frame.drop("date").with_columns(at=pl.Series(places, dtype=pl.Float64)).to_dicts()


def time_axis(months: Months, width: int) -> alt.X:
    """Return the axis of months: years, or months where there are few."""
    ticks = time_ticks(months, width)
    words = "".join(f"datum.value < {at + 1e-6} ? '{text}' : " for at, text in ticks) + "''"
    axis = alt.Axis(
        values=[at for at, _ in ticks],
        labelExpr=words,
        tickCount=len(ticks),
        labelFlush=False,
        labelOverlap=False,
    )
    return alt.X("at:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=axis)


def time_ticks(months: Months, width: int) -> list[tuple[float, str]]:
    """Return places and words of the time axis: years, or months where there are few."""
    first, last = months
    count = (last.year - first.year) * 12 + last.month - first.month
    starts = [first.year * 12 + first.month - 1 + n for n in range(count + 1)]
    in_years = count > MOST_MONTHS_ON_AXIS
    if in_years:
        starts = [n for n in starts if n % 12 == 0]
    room = max(width // (YEAR_LABEL_PX if in_years else MONTH_LABEL_PX), 1)
    fewest = math.ceil(len(starts) / room)
    step = next((step for step in EVEN_STEPS if step >= fewest), fewest)
    dates = [date(n // 12, n % 12 + 1, 1) for n in starts[::step]]
    return [
        (place_of(when, months), str(when.year) if in_years else month_text(when)) for when in dates
    ]


def value_axis(field: str, top: float, measure: Measure) -> alt.Y:
    """Return an axis from zero; published thresholds are its ticks where there are any."""
    values = [0.0, *measure.guides, top] if measure.guides else alt.Undefined
    axis = alt.Axis(
        format=measure.ticks, values=values, tickCount=Y_TICKS, minExtent=AXIS_PX, maxExtent=AXIS_PX
    )
    return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=axis)


def ceiling(value: float, *, is_share: bool = False) -> float:
    """Return the next round number for the end of an axis."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
    ceiling = next(step * power for step in steps if step * power >= value * (1 - 1e-9))
    return min(ceiling, 1.0) if is_share else ceiling


def apart(places: list[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted label places at least a gap apart, and each as little as that allows.

    Crowded neighbours are pooled and spread around their common middle.
    """
    pools: list[tuple[float, int]] = []  # sum of places less their steps, how many
    for step, place in enumerate(places):
        pools.append((place - step * gap, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            (one, few), (other, more) = pools.pop(), pools.pop()
            pools.append((one + other, few + more))
    middles = [total / count for total, count in pools for _ in range(count)]
    highest = max(high - gap * (len(places) - 1), low)
    return [min(max(m, low), highest) + step * gap for step, m in enumerate(middles)]


def word(text: str, x: float, y: float, colour: str, **style: Any) -> alt.Chart:
    """Write a text at a place given in pixels."""
    mark: dict[str, Any] = {"align": "left", "baseline": "middle", "fontSize": 12} | style
    return (
        alt.Chart(frame_of([{"text": text}]))
        .mark_text(color=colour, **mark)
        .encode(x=alt.value(x), y=alt.value(y), text="text:N")
    )


def leader(x: float, y: float, x2: float, y2: float, colour: str, **style: Any) -> alt.Chart:
    """Draw a straight line between two places given in pixels."""
    return (
        alt.Chart(frame_of([{"mark": "line"}]))
        .mark_rule(color=colour, aria=False, **style)
        .encode(x=alt.value(x), y=alt.value(y), x2=alt.value(x2), y2=alt.value(y2))
    )
