"""Prices: contracts in force and new ones, spot, and what owning would cost; by chip generation."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.events import Marks
from offtake.experiments.charts.fans import fans_part
from offtake.experiments.charts.measures import MEASURES
from offtake.experiments.charts.ranges import Fan, fan_of, fans_of, horizon_of, parts_by
from offtake.experiments.charts.sheets import View, about, sheet_of
from offtake.experiments.charts.words import fans_words, month_text

MARKET_PRICES = ("price_contract", "price_spot", "owning_cost")


def prices(
    trajectories: pl.DataFrame,
    marks: Marks = (),
    *,
    owning: pl.DataFrame | None = None,
    vintages: pl.DataFrame | None = None,
    title: str | None = None,
) -> alt.VConcatChart:
    """Draw what compute costs: contracts in force, spot, and owning; then contracts by generation.

    Parameters
    ----------
    trajectories
        Of one scenario.
    marks
        Dated events.
    owning
        Rows of `offtake.experiments.tariffs.owning_cost`, drawn beside the market's prices.
    vintages
        Rows of `offtake.experiments.tariffs.vintage_prices`, drawn as a second part.
    title
        Instead of the one written from the numbers.
    """
    rows = trajectories if owning is None else pl.concat([trajectories, owning])
    present = rows.filter(pl.col("value").is_finite())["observable"].unique().to_list()
    market = [one for name in MARKET_PRICES if name in present for one in fans_of(rows, name)]
    parts: list[View] = [fans_part(market, marks, "What an H100-equivalent hour costs")]
    if vintages is not None and not vintages.is_empty():
        parts.append(_vintages(vintages, trajectories, marks))
    return sheet_of(
        parts,
        about=about(trajectories),
        marks=marks,
        title=title or _title(market),
        words=[fans_words(market)],
    )


def _vintages(vintages: pl.DataFrame, trajectories: pl.DataFrame, marks: Marks) -> alt.VConcatChart:
    months, measure = horizon_of(trajectories), MEASURES["price_vintage"]
    fans = [
        fan_of(chip, rows, look.MARKET, measure, months)
        for chip, rows in parts_by(vintages.sort("rank", "month", "seed"), "name").items()
    ]
    heading = "Contracts in force between independent parties, by chip generation"
    return fans_part(fans, marks, heading)


def _title(fans: Sequence[Fan]) -> str:
    ends = {one.measure.heading: one.measure.say(one.spread["median"][-1]) for one in fans}
    told = ", ".join(f"{heading.lower()} {price}" for heading, price in ends.items())
    return f"What an hour costs in {month_text(fans[0].spread['date'][-1])}: {told}"
