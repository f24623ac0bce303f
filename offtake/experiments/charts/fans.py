"""Fans: median, bands and single runs of one quantity, in small multiples."""

from collections.abc import Mapping, Sequence

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.drawing import (
    AXIS_PX,
    ceiling,
    frame_of,
    leader,
    placed,
    time_axis,
    value_axis,
    word,
)
from offtake.experiments.charts.events import Event, Marks, event_rules, events_within
from offtake.experiments.charts.measures import percent
from offtake.experiments.charts.ranges import Fan, fans_of, rows_of
from offtake.experiments.charts.sheets import about, part_title, sheet_of
from offtake.experiments.charts.words import (
    MOST_IN_WORDS,
    fan_words,
    fans_words,
    how_to_read,
    month_text,
    range_text,
    span_of,
)
from offtake.experiments.look import Tone

END_LABEL_PX = 60
PANEL_HEIGHT_PX = 120
COLUMNS = 3
RANGE_GAP_PX = 13


def dependence(
    trajectories: pl.DataFrame,
    marks: Marks,
    lab: str,
    *,
    title: str | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> alt.VConcatChart:
    """Draw on whom a lab depends: the share of its compute from each main cloud, as fans."""
    fans = fans_of(trajectories, *share_of(lab), tones=tones)
    return sheet_of(
        [suppliers_part(fans, marks, trajectories, lab)],
        about=about(trajectories),
        marks=marks,
        title=title or _dependence_title(lab, fans),
        words=[f"Dependence of {lab}: {fans_words(fans)}"],
    )


def fan(
    trajectories: pl.DataFrame,
    observable: str,
    marks: Marks = (),
    *,
    name: str | None = None,
    title: str | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> alt.VConcatChart:
    """Draw one observable over time as fans: one panel, or one for each of the largest names."""
    fans = fans_of(trajectories, observable, name, tones=tones)
    of_whom = f" of {name}" if name else ""
    heading = fans[0].measure.heading + of_whom
    return sheet_of(
        [fans_part(fans, marks, heading)],
        about=about(trajectories),
        marks=marks,
        title=title or _fan_title(heading, fans),
        words=[fans_words(fans) if fans[0].name == heading else f"{heading}: {fans_words(fans)}"],
    )


def share_of(lab: str | None) -> tuple[str, str | None]:
    """Return the observable (and whose) that tells shares by cloud: of the market or of a lab."""
    return ("share_compute", None) if lab is None else ("dependence", lab)


def _left_out(fans: list[Fan], trajectories: pl.DataFrame, lab: str | None) -> int:
    """Count the clouds that supply something and have no panel."""
    rows = rows_of(trajectories, *share_of(lab)).filter(pl.col("value") > 0)
    suppliers = rows["name" if lab is None else "other"].unique().to_list()
    return len(set(suppliers) - {one.name for one in fans})


def _dependence_title(lab: str, fans: list[Fan]) -> str:
    main = max(fans, key=lambda one: one.spread["median"][0])
    first, last = main.spread.row(0, named=True), main.spread.row(-1, named=True)
    return (
        f"{lab} gets {percent(last['median'])} of its compute from {main.name} in "
        f"{month_text(last['date'])}, after {percent(first['median'])} in {month_text(first['date'])}"
    )


def _fan_title(heading: str, fans: Sequence[Fan]) -> str:
    first, last = span_of(fans)
    lead = max(fans, key=lambda one: one.spread["median"][-1])
    medians = [lead.measure.say(value) for value in lead.spread["median"].to_list()]
    whose = "" if len(fans) == 1 else f" of {lead.name}"
    return f"{heading}{whose}: {medians[0]} in {month_text(first)}, {medians[-1]} in {month_text(last)}"


def _fans_heading(lab: str | None) -> str:
    return "Share of each main cloud" if lab is None else f"Who supplies {lab}"


def suppliers_words(fans: list[Fan], lab: str | None) -> str:
    """Return the sentence that tells the first few fans of suppliers."""
    return f"{_fans_heading(lab)}: {fans_words(fans[:MOST_IN_WORDS])}"


def suppliers_part(
    fans: list[Fan], marks: Marks, trajectories: pl.DataFrame, lab: str | None
) -> alt.VConcatChart:
    """Return the fans of the clouds that supply a lab, or the market, as a part of a sheet."""
    left_out = _left_out(fans, trajectories, lab)
    note = f"; {left_out} smaller not shown" if left_out else ""
    return fans_part(fans, marks, _fans_heading(lab), note=note)


def fans_part(
    fans: list[Fan], marks: Marks, heading: str, *, own_scales: bool = False, note: str = ""
) -> alt.VConcatChart:
    """Lay fans out in rows, on one scale unless they measure different things."""
    events = events_within(marks, fans[0].months)
    columns = min(COLUMNS, len(fans))
    inner = look.SHEET_PX - 2 * look.PADDING_PX
    width = inner // columns - AXIS_PX - END_LABEL_PX
    height = PANEL_HEIGHT_PX if columns > 1 else 2 * PANEL_HEIGHT_PX
    common = max(one.top for one in fans)
    views = [
        fan_panel(
            one,
            size=(width, height),
            top=one.top if own_scales else common,
            events=events,
            numbered=at < columns,
            heading=_panel_heading(one, heading, with_unit=own_scales),
        )
        for at, one in enumerate(fans)
    ]
    rows = [views[at : at + columns] for at in range(0, len(views), columns)]
    grid = [alt.hconcat(*row, spacing=AXIS_PX + END_LABEL_PX, bounds="flush") for row in rows]
    unit = fans[0].measure.unit
    lead = "" if own_scales else f"{unit[0].upper()}{unit[1:]}. "
    title = part_title(heading, lead + how_to_read(fans) + note)
    return alt.vconcat(*grid, title=title, spacing=12)


def fan_panel(
    one: Fan,
    *,
    size: tuple[int, int],
    top: float,
    events: list[Event],
    numbered: bool,
    heading: alt.TitleParams | None,
) -> alt.LayerChart:
    """Draw one fan: single runs below, bands, median line, the last value at its end."""
    measure = one.measure
    top = ceiling(max(top, *measure.guides, 0.0), is_share=measure.is_share)
    time = time_axis(one.months, size[0])
    layers = event_rules(events, size, numbered=numbered)
    if one.runs > 1:
        layers.append(_single_runs(one, time, value_axis("value", top, measure)))
    if one.has_bands:
        layers += _bands(one, time, value_axis("low", top, measure))
    layers += [_guide(level, size, top) for level in measure.guides]
    layers.append(_median(one, time, value_axis("median", top, measure)))
    layers += _end_labels(one, size, top)
    return alt.LayerChart(
        layer=layers,
        width=size[0],
        height=size[1],
        title=alt.Undefined if heading is None else heading,
    )


def _panel_heading(one: Fan, part_heading: str, *, with_unit: bool) -> alt.TitleParams | None:
    """Name a panel in its own colour, unless the part it stands in already says so."""
    if one.name == part_heading:
        return None
    unit = one.measure.unit if with_unit else alt.Undefined
    return alt.TitleParams(
        one.name, subtitle=unit, subtitleFontSize=10.5, color=one.tone.text, fontSize=12, offset=5
    )


def _single_runs(one: Fan, time: alt.X, value: alt.Y) -> alt.Chart:
    return (
        alt.Chart(frame_of(placed(one.singles, one.months)))
        .mark_line(color=look.SINGLE_RUN, strokeWidth=0.7, opacity=0.6, aria=False)
        .encode(x=time, y=value, detail="seed:N")
    )


def _bands(one: Fan, time: alt.X, value: alt.Y) -> list[alt.Chart]:
    bands = []
    for low, high, opacity in (("q05", "q95", 0.16), ("q25", "q75", 0.34)):
        columns = one.spread.select("date", pl.col(low).alias("low"), pl.col(high).alias("high"))
        area = alt.Chart(frame_of(placed(columns, one.months))).mark_area(
            color=one.tone.fill, opacity=opacity, aria=False
        )
        bands.append(area.encode(x=time, y=value, y2="high:Q"))
    return bands


def _median(one: Fan, time: alt.X, value: alt.Y) -> alt.Chart:
    columns = ["median", *(["q05", "q25", "q75", "q95", "mean"] if one.runs > 1 else [])]
    rows = placed(one.spread.select("date", *columns), one.months)
    words = [month_text(when) for when in one.spread["date"].to_list()]
    named = [
        {"name": one.name, "month": month, "unit": one.measure.unit} | row
        for month, row in zip(words, rows, strict=True)
    ]
    line = alt.Chart(frame_of(named)).mark_line(
        color=one.tone.fill,
        strokeWidth=2,
        description=fan_words(one),
        point={"opacity": 0, "size": 60, "aria": False},
    )
    tooltip = [alt.Tooltip("name:N"), alt.Tooltip("month:N")]
    numbers = [alt.Tooltip(f"{column}:Q", format=one.measure.ticks) for column in columns]
    return line.encode(x=time, y=value, tooltip=[*tooltip, *numbers])


def _end_labels(one: Fan, size: tuple[int, int], top: float) -> list[alt.Chart]:
    """Write the last value, and the range of runs under it, to the right of the line."""
    width, height = size
    last = one.spread.row(-1, named=True)
    place = height * (1 - last["median"] / top)
    value = one.measure.write(last["median"])
    bold = {"fontWeight": "bold"}
    if not one.has_bands or not range_text(one):
        return [word(value, width + 5, place, one.tone.text, **bold)]
    upper = min(place, height - RANGE_GAP_PX)
    small = {"fontSize": 10}
    return [
        word(value, width + 5, upper, one.tone.text, **bold),
        word(range_text(one), width + 5, upper + RANGE_GAP_PX, look.QUIET.text, **small),
    ]


def _guide(level: float, size: tuple[int, int], top: float) -> alt.Chart:
    """Draw a dotted line at a published threshold."""
    place = size[1] * (1 - level / top)
    return leader(0, place, size[0], place, look.INK, strokeDash=[1, 3], strokeWidth=1.2)
