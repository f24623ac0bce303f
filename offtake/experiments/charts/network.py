"""The contract network at a date: labs, the clouds they buy of, and the regions it comes from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.drawing import apart, frame_of
from offtake.experiments.charts.words import month_text, runs_text, wrapped
from offtake.experiments.look import Tone

HEIGHT_PX = 460
NODE_PX = 12
SIDE_PX = 165
"""Room for the names beside the outer columns."""
GAP_PX = 8
SHRINK = 0.99
LABEL_PX = 15
LEAST_PART = 0.004
"""Part of all capacity below which a ribbon is not drawn, but counted."""
POINTS = 25
COLUMNS = ("buyer", "seller", "region")
KW_PER_GW = 1e6
MOST_IN_WORDS = 3


class Flow(NamedTuple):
    """What goes from a lab to a cloud, or from a cloud to a region."""

    column: int
    """Of the source: 0 for labs, 1 for clouds."""
    source: str
    target: str
    cloud: str
    gigawatts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A company or region in its column, in pixels from the left and the top."""

    name: str
    column: int
    gigawatts: float
    left: float
    top: float
    height: float


type Nodes = dict[tuple[int, str], Node]


def network(
    held: pl.DataFrame,
    when: date,
    *,
    tones: Mapping[str, Tone],
    title: str | None = None,
) -> alt.LayerChart:
    """Draw who buys of whom and where, as ribbons whose width is capacity in force.

    Parameters
    ----------
    held
        Rows of `offtake.experiments.holdings.in_force`; of several runs the mean is drawn.
    when
        Date of the rows.
    tones
        Colours of the clouds; a ribbon has the colour of its cloud.
    title
        Instead of the one written from the numbers.
    """
    if held.is_empty():
        raise ValueError(f"no contract is in force on {when}: there is no network to draw")
    runs = held["seed"].n_unique()
    flows = [flow for column in (0, 1) for flow in _flows(held, runs, column)]
    total = math.fsum(flow.gigawatts for flow in flows if flow.column == 0)
    nodes = _nodes(flows)
    drawn = [flow for flow in flows if flow.gigawatts >= LEAST_PART * total]
    layers = [_ribbons(flows, drawn, nodes, tones), _boxes(nodes, tones), *_names(nodes, tones)]
    heading = wrapped(title or _title(flows, when), 92)
    subtitle = _subtitle(runs, when, len(flows) - len(drawn))
    return (
        alt.LayerChart(layer=layers, width=look.SHEET_PX - 2 * look.PADDING_PX, height=HEIGHT_PX)
        .properties(
            title=alt.TitleParams(heading, subtitle=subtitle, offset=14),
            description=_words(flows, when, runs),
        )
        .configure(**look.theme())
    )


def _flows(held: pl.DataFrame, runs: int, column: int) -> list[Flow]:
    """Return the mean flows between two columns, the order of names deciding nothing but ties."""
    source, target = COLUMNS[column : column + 2]
    sums = held.group_by(source, target).agg(pl.col("capacity_kw").sum()).sort(source, target)
    return [
        Flow(column, a, b, b if column == 0 else a, kw / runs / KW_PER_GW)
        for a, b, kw in sums.select(source, target, "capacity_kw").iter_rows()
    ]


def _nodes(flows: list[Flow]) -> Nodes:
    """Place companies and regions, the largest on top of its column, the columns' middles level."""
    sizes: list[dict[str, float]] = [{}, {}, {}]
    for flow in flows:
        if flow.column == 0:
            sizes[0][flow.source] = sizes[0].get(flow.source, 0.0) + flow.gigawatts
            sizes[1][flow.target] = sizes[1].get(flow.target, 0.0) + flow.gigawatts
        else:
            sizes[2][flow.target] = sizes[2].get(flow.target, 0.0) + flow.gigawatts
    scale = min(_scale(list(column.values())) for column in sizes)
    return {
        (node.column, node.name): node
        for column, names in enumerate(sizes)
        for node in _placed(column, names, scale)
    }


def _scale(sizes: list[float]) -> float:
    """Return the pixels of a gigawatt at which a column fits, each node with room for its name."""
    scale = HEIGHT_PX / math.fsum(sizes)
    while math.fsum(_slot(size * scale) for size in sizes) > HEIGHT_PX:
        scale *= SHRINK
    return scale


def _slot(height: float) -> float:
    return max(height + GAP_PX, LABEL_PX)


def _placed(column: int, sizes: Mapping[str, float], scale: float) -> list[Node]:
    inner = look.SHEET_PX - 2 * look.PADDING_PX - 2 * SIDE_PX - NODE_PX
    used = math.fsum(_slot(size * scale) for size in sizes.values())
    top, nodes = (HEIGHT_PX - used) / 2, []
    for name in sorted(sizes, key=lambda one: (-sizes[one], one)):
        height = sizes[name] * scale
        slot = _slot(height)
        nodes.append(
            Node(
                name=name,
                column=column,
                gigawatts=sizes[name],
                left=SIDE_PX + column * inner / 2,
                top=top + (slot - height) / 2,
                height=height,
            )
        )
        top += slot
    return nodes


def _pixels(field: str) -> dict[str, Any]:
    """Return a channel that takes pixels as they are."""
    return {"field": field, "type": "quantitative", "scale": None, "axis": None}


def _ribbons(
    flows: list[Flow], drawn: list[Flow], nodes: Nodes, tones: Mapping[str, Tone]
) -> alt.Chart:
    """Draw each flow between its node on the left and its node on the right."""
    starts = _offsets(flows, nodes, at_source=True)
    ends = _offsets(flows, nodes, at_source=False)
    rows = [
        row
        for flow in drawn
        for row in _ribbon(flow, nodes, starts[flow], ends[flow], tones.get(flow.cloud, look.QUIET))
    ]
    return (
        alt.Chart(frame_of(rows))
        .mark_area(opacity=0.45, aria=False)
        .encode(
            x=alt.X(**_pixels("x")),
            y=alt.Y(**_pixels("y")),
            y2="y2:Q",
            detail="ribbon:N",
            color=alt.Color("fill:N", scale=None),
            tooltip=[alt.Tooltip("ribbon:N"), alt.Tooltip("gw:Q", format=".2~f", title="GW")],
        )
    )


def _offsets(flows: list[Flow], nodes: Nodes, *, at_source: bool) -> dict[Flow, float]:
    """Return where each flow starts (or ends) on its node, ordered so that ribbons cross little."""
    used: dict[tuple[int, str], float] = {}
    places: dict[Flow, float] = {}
    for flow in sorted(flows, key=lambda f: _facing(f, nodes, at_source=at_source)):
        key = (flow.column, flow.source) if at_source else (flow.column + 1, flow.target)
        node = nodes[key]
        places[flow] = node.top + used.get(key, 0.0)
        used[key] = used.get(key, 0.0) + node.height * flow.gigawatts / node.gigawatts
    return places


def _facing(flow: Flow, nodes: Nodes, *, at_source: bool) -> tuple[float, str]:
    """Return the height of a flow's other end."""
    key = (flow.column + 1, flow.target) if at_source else (flow.column, flow.source)
    return nodes[key].top, flow.source + flow.target


def _ribbon(
    flow: Flow, nodes: Nodes, start: float, end: float, tone: Tone
) -> list[dict[str, object]]:
    source, target = nodes[flow.column, flow.source], nodes[flow.column + 1, flow.target]
    width = source.height * flow.gigawatts / source.gigawatts
    left, right = source.left + NODE_PX, target.left
    rows: list[dict[str, object]] = []
    for step in range(POINTS):
        part = step / (POINTS - 1)
        top = start + (end - start) * part * part * (3 - 2 * part)  # smoothstep
        rows.append(
            {
                "ribbon": f"{flow.source} to {flow.target}",
                "fill": tone.fill,
                "gw": flow.gigawatts,
                "x": left + (right - left) * part,
                "y": top,
                "y2": top + width,
            }
        )
    return rows


def _boxes(nodes: Nodes, tones: Mapping[str, Tone]) -> alt.Chart:
    rows = [
        {
            "name": node.name,
            "fill": _tone(node, tones).fill,
            "x": node.left,
            "x2": node.left + NODE_PX,
            "y": node.top,
            "y2": node.top + max(node.height, 1.0),
        }
        for node in nodes.values()
    ]
    return (
        alt.Chart(frame_of(rows))
        .mark_rect(aria=False)
        .encode(
            x=alt.X(**_pixels("x")),
            x2="x2:Q",
            y=alt.Y(**_pixels("y")),
            y2="y2:Q",
            color=alt.Color("fill:N", scale=None),
        )
    )


def _tone(node: Node, tones: Mapping[str, Tone]) -> Tone:
    """Return the colour of a cloud; labs and regions have none of their own."""
    return tones.get(node.name, look.QUIET) if node.column == 1 else look.MARKET


def _names(nodes: Nodes, tones: Mapping[str, Tone]) -> list[alt.Chart]:
    """Write the names: labs to the left, regions to the right, clouds on a light ground."""
    charts = []
    for column, align in ((0, "right"), (1, "left"), (2, "left")):
        some = [node for node in nodes.values() if node.column == column]
        middles = [node.top + node.height / 2 for node in some]
        places = apart(middles, LABEL_PX, LABEL_PX / 2, HEIGHT_PX - LABEL_PX / 2)
        shift = -6 if align == "right" else NODE_PX + 6
        rows = [
            {
                "x": node.left + shift,
                "y": place,
                "text": f"{node.name}  {_power(node.gigawatts)}",
                "fill": _tone(node, tones).text,
            }
            for node, place in zip(some, places, strict=True)
        ]
        charts += _written(rows, align)
    return charts


def _written(rows: list[dict[str, Any]], align: str) -> list[alt.Chart]:
    """Write texts with a white edge, so that they can be read on ribbons."""
    words = alt.Chart(frame_of(rows)).encode(
        x=alt.X(**_pixels("x")), y=alt.Y(**_pixels("y")), text="text:N"
    )
    style: dict[str, Any] = {"align": align, "baseline": "middle", "fontSize": 12}
    edge = words.mark_text(
        stroke=look.PAPER, strokeWidth=4, opacity=0.85, aria=False, strokeJoin="round", **style
    )
    return [edge, words.mark_text(**style).encode(color=alt.Color("fill:N", scale=None))]


def _power(gigawatts: float) -> str:
    return f"{gigawatts:.1f} GW" if gigawatts >= 1 else f"{gigawatts * 1000:.0f} MW"


def _subtitle(runs: int, when: date, hidden: int) -> str:
    statistic = "One run" if runs == 1 else f"Mean of {runs_text(runs)}"
    note = f"; {hidden} ribbons below {LEAST_PART:.1%} of all are not drawn" if hidden else ""
    return f"{statistic}: contracts in force on {when:%-d %B %Y}, GW of IT load; lab, cloud, region{note}"


def _title(flows: list[Flow], when: date) -> str:
    pair = max((flow for flow in flows if flow.column == 0), key=lambda one: one.gigawatts)
    total = math.fsum(flow.gigawatts for flow in flows if flow.column == 0)
    return (
        f"{_power(total)} are under contract in {month_text(when)}; the largest pair is "
        f"{pair.source} with {pair.target}, {_power(pair.gigawatts)}"
    )


def _words(flows: list[Flow], when: date, runs: int) -> str:
    pairs = sorted((f for f in flows if f.column == 0), key=lambda f: (-f.gigawatts, f.source))
    told = ", ".join(
        f"{f.source} of {f.target} {_power(f.gigawatts)}" for f in pairs[:MOST_IN_WORDS]
    )
    return (
        f"Contract network in {month_text(when)}, mean of {runs_text(runs)}: {len(pairs)} pairs of lab "
        f"and cloud; largest: {told}."
    )
