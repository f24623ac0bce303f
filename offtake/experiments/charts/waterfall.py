"""A waterfall: what moved a share from one value to another, step by step, in the colours of clouds."""

from collections.abc import Mapping

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.drawing import frame_of, word
from offtake.experiments.charts.words import wrapped
from offtake.experiments.look import Tone

NAMES_PX = 330
NOTES_PX = 70
ROW_PX = 23
ENDS = ("from", "to")


def waterfall(
    steps: pl.DataFrame,
    *,
    before: float,
    after: float,
    heads: tuple[str, str],
    tones: Mapping[str, Tone],
    title: str,
    subtitle: str,
) -> alt.LayerChart:
    """Draw what moved a share: a bar for each step, from where the one before it ended.

    Parameters
    ----------
    steps
        Columns `label`, `cloud` and `effect` (share points, adding up to `after` less `before`), in the
        order in which they are drawn.
    before, after
        The share at both ends.
    heads
        What both ends are called.
    tones
        Colours of the clouds.
    title, subtitle
        What it shows.
    """
    rows = _rows(steps, before, after, heads, tones)
    width = look.SHEET_PX - 2 * look.PADDING_PX - NAMES_PX - NOTES_PX
    low = min(0.0, *(min(float(str(row["from"])), float(str(row["to"]))) for row in rows))
    high = max(0.0, *(max(float(str(row["from"])), float(str(row["to"]))) for row in rows))
    data = alt.Chart(frame_of(rows))
    y = alt.Y("label:N", sort=None, axis=_labels())
    x = alt.X(
        "from:Q",
        scale=alt.Scale(domain=[low, high], nice=False),
        axis=alt.Axis(format=".0%", tickCount=6, grid=True, domain=False, ticks=False),
    )
    bars = data.mark_bar(height=14, opacity=0.92, aria=False).encode(
        x=x,
        x2="to:Q",
        y=y,
        color=alt.Color("fill:N", scale=None),
        tooltip=["label:N", alt.Tooltip("mean:Q", format="+.1%")],
    )
    links = [_link(rows, at) for at in range(len(rows) - 1)]
    notes = [
        word(str(row["said"]), width + 8, (at + 0.5) * ROW_PX, str(row["ink"]), fontWeight="bold")
        for at, row in enumerate(rows)
    ]
    said = ", ".join(f"{row['label']} {row['said']}" for row in rows)
    return (
        alt.LayerChart(layer=[bars, *links, *notes], width=width, height=ROW_PX * len(rows))
        .properties(
            title=alt.TitleParams(wrapped(title, 92), subtitle=wrapped(subtitle, 140), offset=12),
            description=f"{title}: {said}.",
        )
        .configure(**look.theme())
    )


def _rows(
    steps: pl.DataFrame,
    before: float,
    after: float,
    heads: tuple[str, str],
    tones: Mapping[str, Tone],
) -> list[dict[str, object]]:
    ends = look.MARKET
    rows: list[dict[str, object]] = [_row(heads[0], 0.0, before, f"{before:.0%}", ends, before)]
    reached = before
    for label, cloud, effect in steps.select("label", "cloud", "effect").iter_rows():
        tone = tones.get(cloud, look.QUIET)
        rows.append(_row(label, reached, reached + effect, f"{effect * 100:+.1f} pp", tone, effect))
        reached += effect
    rows.append(_row(heads[1], 0.0, after, f"{after:.0%}", ends, after))
    return rows


def _row(
    label: str, start: float, end: float, said: str, tone: Tone, value: float
) -> dict[str, object]:
    return {
        "label": label,
        "from": start,
        "to": end,
        "said": said,
        "fill": tone.fill,
        "ink": tone.text,
        "name": label,
        "month": "",
        "unit": "share",
        "mean": value,
    }


def _link(rows: list[dict[str, object]], at: int) -> alt.Chart:
    """Draw a thin line from the end of a bar down to the next one."""
    reached = rows[at]["to"]
    some = [{"label": row["label"], "at": reached} for row in rows[at : at + 2]]
    return (
        alt.Chart(frame_of(some))
        .mark_line(color=look.RULE, strokeWidth=0.7, aria=False)
        .encode(x=alt.X("at:Q"), y=alt.Y("label:N", sort=None))
    )


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
