"""One sheet of the market: shares, dependence, prices, concentration, stranded capacity."""

from collections.abc import Mapping

import altair as alt
import polars as pl

from offtake.experiments.charts.events import Marks
from offtake.experiments.charts.fans import (
    fans_part,
    share_of,
    suppliers_part,
    suppliers_words,
)
from offtake.experiments.charts.measures import STRANDED
from offtake.experiments.charts.ranges import coloured, fans_of, total_fan
from offtake.experiments.charts.shares import stack_of, stack_part, stack_title, stack_words
from offtake.experiments.charts.sheets import about, sheet_of
from offtake.experiments.charts.words import fans_words
from offtake.experiments.look import Tone


def overview(
    trajectories: pl.DataFrame,
    marks: Marks = (),
    *,
    lab: str | None = None,
    title: str | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> alt.VConcatChart:
    """Compose one sheet: shares, a lab's dependence, prices, concentration, stranded capacity."""
    tones = coloured(trajectories, tones)
    stack = stack_of(trajectories, tones)
    shares = fans_of(trajectories, *share_of(lab), tones=tones)
    drawable = trajectories.filter(pl.col("value").is_finite())
    present = drawable["observable"].unique().to_list()
    market = [
        panel
        for observable in ("price_contract", "price_spot", "hhi_compute")
        if observable in present
        for panel in fans_of(trajectories, observable)
    ]
    stranded = [total_fan(trajectories, kind) for kind in STRANDED if kind in present]
    parts = [stack_part(stack, shares, marks), suppliers_part(shares, marks, trajectories, lab)]
    if market:
        parts.append(fans_part(market, marks, "Prices and concentration", own_scales=True))
    if stranded:
        parts.append(fans_part(stranded, marks, "Stranded capacity of all clouds"))
    return sheet_of(
        parts,
        about=about(trajectories),
        marks=marks,
        title=title or stack_title(stack),
        words=[
            stack_words(stack, shares),
            suppliers_words(shares, lab),
            *([fans_words(market)] if market else []),
        ],
    )
