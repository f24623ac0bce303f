"""What compute costs beside the recorded prices: owning it, and contracts by chip generation."""

import math
from datetime import date
from statistics import median

import polars as pl

from offtake.model.pricing import full_cost
from offtake.model.scenario import GPU, Chip, Cloud, Region, Scenario
from offtake.model.setup import build_regions, running_cost

COLUMNS = ["scenario", "seed", "month", "date", "observable", "name", "other", "value", "unit"]
UNIT = "usd_per_h100e_hour"
BUILDERS = ("hyperscaler", "neocloud")
"""Kinds of clouds that build on their own account."""


def owning_cost(scenario: Scenario, trajectories: pl.DataFrame) -> pl.DataFrame:
    """Return the full cost of new capacity with the newest GPUs (cst-2), as rows of trajectories.

    The median over the clouds that build on their own account, each with its own cost of capital and
    in the cheapest of its regions, with a shell of its own; USD per sold H100e-hour. Chips cost what
    they cost in the run.
    """
    chips = trajectories.filter(observable="price_chips", name=GPU).drop_nulls("value")
    known = {
        (when, price): _owning(scenario, when, price)
        for when, price in chips.select("date", "value").unique().iter_rows()
    }
    values = [known[key] for key in chips.select("date", "value").iter_rows()]
    return chips.with_columns(
        observable=pl.lit("owning_cost"),
        name=pl.lit(""),
        value=pl.Series(values, dtype=pl.Float64),
        unit=pl.lit(UNIT),
    ).select(trajectories.columns)


def _owning(scenario: Scenario, when: date, chip_usd: float) -> float:
    gpus = [c for c in scenario.chips.values() if c.class_ == GPU and c.released <= when]
    newest = max(gpus, key=lambda chip: chip.released)
    costs = [
        min(
            _full_cost(scenario, cloud, scenario.regions[r], newest, chip_usd)
            for r in build_regions(scenario, name)
        )
        for name, cloud in scenario.clouds.items()
        if cloud.kind in BUILDERS
    ]
    return median(costs) if costs else math.nan


def _full_cost(
    scenario: Scenario, cloud: Cloud, region: Region, chip: Chip, chip_usd: float
) -> float:
    building = scenario.building
    kw = 1000 / chip.h100e_per_mw
    operations = building.operations_share_per_year * chip.price_usd_per_h100e
    return full_cost(
        capital_usd=chip_usd + building.shell_usd_per_kw * kw,
        life_months=building.server_life_months,
        rate_per_month=(1 + cloud.discount_per_year) ** (1 / 12) - 1,
        rent_usd_per_month=0.0,
        running_usd_per_hour=running_cost(region, kw, operations),
        operations_share_per_year=0.0,
        busy=building.busy,
    )


def vintage_prices(
    scenario: Scenario, contracts: pl.DataFrame, trajectories: pl.DataFrame
) -> pl.DataFrame:
    """Return the mean price of contracts in force by chip generation, weighted by compute.

    Between independent parties, at signature, over their stated term; rows of trajectories and the
    `rank` of the generation by its release. Generations without contracts in a month have no row.
    """
    months = trajectories.select("month", "date").unique().sort("month")
    free = contracts.filter(~pl.col("affiliate"), pl.col("h100e") > 0)
    alive = free.join(months, how="cross").filter(
        pl.col("start") <= pl.col("date"), pl.col("date") < pl.col("end")
    )
    weighted = (pl.col("price_usd_per_h100e_hour") * pl.col("h100e")).alias("paid")
    keys = ["scenario", "seed", "month", "date", "chip"]
    groups = alive.sort(*keys, "contract").group_by(keys, maintain_order=True)
    lists = groups.agg(weighted, pl.col("h100e"))
    values = [
        math.fsum(paid) / math.fsum(h100e)
        for paid, h100e in lists.select("paid", "h100e").iter_rows()
    ]
    order = sorted(scenario.chips, key=lambda name: (scenario.chips[name].released, name))
    rank = {name: at for at, name in enumerate(order)}
    return lists.select(
        "scenario",
        "seed",
        "month",
        "date",
        pl.lit("price_vintage").alias("observable"),
        pl.col("chip").alias("name"),
        pl.lit("").alias("other"),
        pl.Series("value", values, dtype=pl.Float64),
        pl.lit(UNIT).alias("unit"),
        pl.col("chip").replace_strict(rank, return_dtype=pl.Int64).alias("rank"),
    )
