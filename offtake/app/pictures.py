"""The charts of the page: what each shows, drawn once, then only given new numbers.

A chart's specification is written by Altair when its market begins and does not change; a frame sends
columns of numbers. At most `MOST_POINTS` of a line are sent: longer ones are thinned, never left out.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt
import numpy as np

from offtake.app.snapshots import Cast, Recording
from offtake.experiments import look
from offtake.experiments.look import Tone

MOST_POINTS = 240
HEIGHT_PX = 170
SIGNIFICANT_DIGITS = 4
MILLION = 1e-6
MW_DIGITS = 1
OTHERS = "Others"
LEAST_SHARE = 0.005
Y_TICKS = 4

type Lines = Mapping[str, np.ndarray]
"""By name of the line, a value a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart: its name, its unit, and what it reads off a recording."""

    key: str
    title: str
    unit: str
    ticks: str
    read: Callable[[Recording, Mapping[str, Tone], str], tuple[Lines, Mapping[str, Tone]]]
    """From recording, colours of the clouds and the lab looked at, to lines and their colours."""


def _shares(
    recording: Recording, tones: Mapping[str, Tone], lab: str
) -> tuple[Lines, Mapping[str, Tone]]:
    by_cloud = dict(zip(recording.cast.clouds, recording.values("share_compute").T, strict=True))
    lines = {name: values for name, values in by_cloud.items() if name in tones}
    rest = [values for name, values in by_cloud.items() if name not in tones]
    if rest:
        lines[OTHERS] = np.sum(rest, axis=0)
    return lines, {**tones, OTHERS: look.QUIET}


def _dependence(
    recording: Recording, tones: Mapping[str, Tone], lab: str
) -> tuple[Lines, Mapping[str, Tone]]:
    cast = recording.cast
    row = cast.labs.index(lab) * len(cast.clouds)
    shares = recording.values("dependence")[:, row : row + len(cast.clouds)]
    peaks = shares.max(axis=0)
    largest = sorted(range(len(peaks)), key=lambda i: (-peaks[i], i))[: look.MOST_NAMED]
    lines = {cast.clouds[i]: shares[:, i] for i in largest if peaks[i] >= LEAST_SHARE}
    return lines, look.colours(sorted(lines), fixed=tones)


def _prices(
    recording: Recording, tones: Mapping[str, Tone], lab: str
) -> tuple[Lines, Mapping[str, Tone]]:
    read = {"Contracts in force": "price_contract", "Spot": "price_spot"}
    return {name: recording.values(key)[:, 0] for name, key in read.items()}, _plain(read)


def _capacity(
    recording: Recording, tones: Mapping[str, Tone], lab: str
) -> tuple[Lines, Mapping[str, Tone]]:
    lines = {
        "Need of all labs": recording.total("need_h100e") * MILLION,
        "Energised and for sale": np.array([s.capacity_h100e for s in recording.snapshots])
        * MILLION,
        "Delivered": recording.total("delivered_h100e") * MILLION,
    }
    return lines, _plain(lines)


def _stranded(
    recording: Recording, tones: Mapping[str, Tone], lab: str
) -> tuple[Lines, Mapping[str, Tone]]:
    kinds = {"Idle": "idle", "Dark: paid for, unused": "dark", "Orphan: without chips": "orphan"}
    read = {name: recording.total(f"stranded_{kind}_mw") for name, kind in kinds.items()}
    lines = {name: np.round(total, MW_DIGITS) for name, total in read.items()}
    return lines, _plain(lines)


def _plain(names: Mapping[str, object]) -> Mapping[str, Tone]:
    return look.colours(names)


PICTURES = (
    Picture(
        key="shares",
        title="Who delivers the compute",
        unit="share of all delivered compute",
        ticks=".0%",
        read=_shares,
    ),
    Picture(
        key="dependence",
        title="Dependence",
        unit="share of the lab's compute, by cloud",
        ticks=".0%",
        read=_dependence,
    ),
    Picture(
        key="prices",
        title="Prices",
        unit="USD per H100e-hour",
        ticks="$.2f",
        read=_prices,
    ),
    Picture(
        key="capacity",
        title="Capacity against need",
        unit="million H100-equivalents",
        ticks=",.3~f",
        read=_capacity,
    ),
    Picture(
        key="stranded",
        title="Stranded capacity",
        unit="MW of IT load",
        ticks=",.0f",
        read=_stranded,
    ),
)


def cloud_tones(recording: Recording) -> dict[str, Tone]:
    """Colour the clouds that deliver most, or have signed most, when the first month has ended."""
    clouds = recording.cast.clouds
    if not recording.month:
        return {}
    first = recording.snapshots[0].values
    weight = np.nan_to_num(first["share_compute"]) + np.nan_to_num(first["share_contracted"])
    ranked = sorted(range(len(clouds)), key=lambda i: (-weight[i], clouds[i]))
    return look.colours(clouds[i] for i in ranked[: look.MOST_NAMED])


def drawing(
    picture: Picture,
    recording: Recording | None,
    *,
    lab: str,
    baseline: Recording | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> dict[str, Any]:
    """Return the numbers that a chart draws: dates, and a column a line, with one of the baseline.

    Parameters
    ----------
    picture
        Which chart.
    recording
        The months to draw; none where no market stands yet.
    lab
        Whose dependence is drawn.
    baseline
        What is drawn as ghost lines.
    tones
        Colours of the clouds, if they are known already.
    """
    if recording is None or not recording.month:
        return {"dates": [], "lines": [], "ghosts": {"dates": [], "lines": []}}
    tones = cloud_tones(recording) if tones is None else tones
    lines, colours = picture.read(recording, tones, lab)
    ghosts: Lines = {}
    if baseline is not None and baseline.month:
        ghosts = picture.read(baseline, tones, lab)[0]
    return {
        **_columns(recording, lines, colours),
        "ghosts": _columns(baseline or recording, ghosts, colours),
    }


def _columns(recording: Recording, lines: Lines, tones: Mapping[str, Tone]) -> dict[str, Any]:
    kept = thinned(recording.month) if lines else []
    return {
        "dates": [milliseconds(recording.cast.date(month)) for month in kept],
        "lines": [
            {
                "name": name,
                "colour": tones.get(name, look.QUIET).fill,
                "values": [_rounded(values[month]) for month in kept],
            }
            for name, values in lines.items()
        ],
    }


def thinned(months: int, most: int = MOST_POINTS) -> list[int]:
    """Return which months of a line are drawn: all, or evenly chosen ones with the last.

    Examples
    --------
    >>> thinned(3), thinned(10, most=4)
    ([0, 1, 2], [0, 3, 6, 9])
    """
    step = max(-(-(months - 1) // max(most - 1, 1)), 1)
    kept = list(range(0, months, step))
    return kept if not kept or kept[-1] == months - 1 else [*kept, months - 1]


def _rounded(value: float) -> float | None:
    """Return a number with as many digits as can be seen; nothing for no value."""
    if not math.isfinite(value):
        return None
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def milliseconds(day: dt.date) -> int:
    """Return a day as a browser counts it."""
    return int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp() * 1000)


def marks_of(cast: Cast) -> list[dict[str, Any]]:
    """Return the scenario's dated events as a chart draws them, those of one day together."""
    days: dict[dt.date, list[str]] = {}
    for mark in cast.marks:
        days.setdefault(mark.date, []).append(mark.what)
    return [
        {"date": milliseconds(day), "day": f"{day.day} {day:%B %Y}", "what": "; ".join(what)}
        for day, what in days.items()
    ]


@cache
def specification(ticks: str, start: dt.date, end: dt.date) -> dict[str, Any]:
    """Return the Vega-Lite specification that all charts of a scenario share but for their ticks.

    Its data sets `lines`, `ghosts`, `cursor` and `marks` are filled by the browser.
    """
    days = [milliseconds(day) for day in (start, end)]
    x = alt.X(
        "date:T",
        scale=alt.Scale(domain=days, type="utc"),
        axis=alt.Axis(format="%Y", tickCount="year", labelOverlap=True),
        title=None,
    )
    y = alt.Y("value:Q", axis=alt.Axis(format=ticks, tickCount=Y_TICKS), title=None)
    colour = alt.Color("colour:N", scale=None)
    by_name = alt.Detail("name:N")
    ghosts = (
        alt.Chart(alt.NamedData(name="ghosts"))
        .mark_line(strokeDash=[2, 3], strokeWidth=1.5, opacity=0.75)
        .encode(x=x, y=y, color=colour, detail=by_name)
    )
    lines = (
        alt.Chart(alt.NamedData(name="lines"))
        .mark_line(strokeWidth=2)
        .encode(x=x, y=y, color=colour, detail=by_name)
    )
    cursor = (
        alt.Chart(alt.NamedData(name="cursor"))
        .mark_rule(color=look.RULE, strokeWidth=1)
        .encode(x=x)
    )
    marks = (
        alt.Chart(alt.NamedData(name="marks"))
        .mark_point(shape="triangle-up", filled=True, size=28, color=look.QUIET.text, opacity=0.8)
        .encode(x=x, y=alt.value(HEIGHT_PX - 4), tooltip=["day:N", "what:N"])
    )
    chart = alt.layer(ghosts, lines, cursor, marks).properties(width="container", height=HEIGHT_PX)
    return {**chart.to_dict(), "config": {**look.theme(), "padding": 4}, "padding": 4}


def pictured(cast: Cast, pictures: Sequence[Picture] = PICTURES) -> dict[str, dict[str, Any]]:
    """Return the specification of each chart of a market, by key."""
    end = cast.date(cast.months)
    return {p.key: specification(p.ticks, cast.start, end) for p in pictures}
