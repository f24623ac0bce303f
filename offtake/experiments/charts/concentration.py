"""Concentration: Herfindahl-Hirschman indices on 0 to 10,000 with the published thresholds."""

import altair as alt
import polars as pl

from offtake.experiments.charts.events import Marks
from offtake.experiments.charts.fans import fans_part
from offtake.experiments.charts.measures import GUIDELINE_HHI
from offtake.experiments.charts.ranges import Fan, fans_of
from offtake.experiments.charts.sheets import about, sheet_of
from offtake.experiments.charts.words import fans_words, month_text

INDICES = ("hhi_compute", "hhi_capacity", "hhi_labs")


def concentration(
    trajectories: pl.DataFrame, marks: Marks = (), *, title: str | None = None
) -> alt.VConcatChart:
    """Draw the indices of delivered compute, of capacity and of the labs' revenue.

    References
    ----------
    US Department of Justice and Federal Trade Commission, Merger Guidelines, 2023: above 1,000
    moderately, above 1,800 highly concentrated.
    """
    present = trajectories["observable"].unique().to_list()
    fans = [one for name in INDICES if name in present for one in fans_of(trajectories, name)]
    return sheet_of(
        [fans_part(fans, marks, "Concentration of the market", own_scales=True)],
        about=about(trajectories),
        marks=marks,
        title=title or _title(fans[0]),
        words=[fans_words(fans)],
    )


def _title(one: Fan) -> str:
    value, when = one.spread["median"][-1], month_text(one.spread["date"][-1])
    degree = ("not", "moderately", "highly")[sum(value > level for level in GUIDELINE_HHI)]
    return f"The market for compute is {degree} concentrated in {when}: {one.measure.say(value)} points"
