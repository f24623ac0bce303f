"""Who holds what: the capacity in force under each contract at a date, read from the journal."""

from datetime import date

import polars as pl

BEGINS = "Stepped"
ENDS = ("Ended", "Terminated")
COLUMNS = (
    "scenario",
    "seed",
    "contract",
    "buyer",
    "seller",
    "region",
    "chip",
    "capacity_kw",
    "h100e",
    "price_usd_per_h100e_hour",
)


def in_force(contracts: pl.DataFrame, events: pl.DataFrame, when: date) -> pl.DataFrame:
    """Return the contracts in force at the end of a day, with the capacity they then have.

    One row a run and contract: parties, region, chip, `capacity_kw`, `h100e`, price at signature. The
    buyer is the last one known, where a contract was passed on.
    """
    told = events.filter(pl.col("date") <= when, pl.col("kind").is_in([BEGINS, *ENDS]))
    last = (
        told.sort("seed", "event")
        .group_by("scenario", "seed", "detail", maintain_order=True)
        .agg(pl.col("kind").last(), pl.col("capacity_kw").last().alias("now_kw"))
        .filter(pl.col("kind") == BEGINS, pl.col("now_kw") > 0)
        .rename({"detail": "contract"})
    )
    found = contracts.join(last, on=["scenario", "seed", "contract"], how="inner")
    share = pl.col("now_kw") / pl.col("capacity_kw")
    return (
        found.with_columns(h100e=pl.col("h100e") * share, capacity_kw=pl.col("now_kw"))
        .select(COLUMNS)
        .sort("seed", "contract")
    )
