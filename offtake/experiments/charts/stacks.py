"""Stacks: means piled up month by month, named at their right end. Medians would not add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import altair as alt

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
from offtake.experiments.charts.events import Event, event_rules
from offtake.experiments.charts.measures import Measure
from offtake.experiments.charts.ranges import Months
from offtake.experiments.charts.words import month_text
from offtake.experiments.look import Tone

STACK_LABEL_PX = 168
STACK_HEIGHT_PX = 330


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One strip of a stack: what it adds each month, on top of what lies below."""

    name: str
    tone: Tone
    dates: list[date]
    means: list[float]
    lower: list[float]


def pile(dates: list[date], parts: Mapping[str, tuple[Tone, list[float]]]) -> list[Layer]:
    """Lay paths on top of each other, the first at the bottom."""
    layers: list[Layer] = []
    lower = [0.0] * len(dates)
    for name, (tone, values) in parts.items():
        layers.append(Layer(name=name, tone=tone, dates=dates, means=values, lower=lower))
        lower = [low + mean for low, mean in zip(lower, values, strict=True)]
    return layers


def stack_view(
    stack: Sequence[Layer],
    events: list[Event],
    months: Months,
    *,
    measure: Measure,
    top: float,
    height: int = STACK_HEIGHT_PX,
) -> alt.LayerChart:
    """Draw a stack in the measure's units, with the dated events and its last values."""
    width = look.SHEET_PX - 2 * look.PADDING_PX - AXIS_PX - STACK_LABEL_PX
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(
            domain=[layer.name for layer in stack], range=[layer.tone.fill for layer in stack]
        ),
        legend=None,
    )
    areas = (
        alt.Chart(frame_of(_rows(stack, months, measure, top)))
        .mark_area(line={"stroke": look.PAPER, "strokeWidth": 0.8}, opacity=0.92, aria=False)
        .encode(
            x=time_axis(months, width),
            y=value_axis("upper", top, measure),
            y2="lower:Q",
            color=colour,
            tooltip=[
                alt.Tooltip("name:N"),
                alt.Tooltip("month:N"),
                alt.Tooltip("mean:Q", format=measure.ticks),
            ],
        )
    )
    labels = _labels(stack, width, height, top, measure)
    layers = [areas, *event_rules(events, (width, height)), *labels]
    return alt.LayerChart(layer=layers, width=width, height=height)


def _rows(
    stack: Sequence[Layer], months: Months, measure: Measure, top: float
) -> list[dict[str, object]]:
    return [
        {
            "name": layer.name,
            "at": place_of(when, months),
            "month": month_text(when),
            "lower": low,
            "upper": min(low + mean, top),
            "unit": measure.unit,
            "mean": mean,
        }
        for layer in stack
        for when, mean, low in zip(layer.dates, layer.means, layer.lower, strict=True)
    ]


def _labels(
    stack: Sequence[Layer], width: int, height: int, top: float, measure: Measure
) -> list[alt.Chart]:
    """Name the strips at their right end, with a short line to each from its middle."""
    downwards = stack[::-1]
    middles = [height * (1 - (x.lower[-1] + x.means[-1] / 2) / top) for x in downwards]
    places = apart(middles, LABEL_GAP_PX, 0, height)
    labels = []
    for layer, middle, place in zip(downwards, middles, places, strict=True):
        text = f"{measure.write(layer.means[-1])} {layer.name}"
        labels.append(leader(width + 3, middle, width + 14, place, layer.tone.fill))
        style = {"fontWeight": "bold", "limit": STACK_LABEL_PX - 18}
        labels.append(word(text, width + 18, place, layer.tone.text, **style))
    return labels
