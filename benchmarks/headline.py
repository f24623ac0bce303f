"""What the baseline says: who supplies the focal lab, prices, concentration, capacity, over some seeds."""

from collections.abc import Iterator

import numpy as np
from _runs import (
    BASELINE,
    Numbers,
    dependence,
    each_seed,
    options,
    run_all,
    say,
    series,
)

from offtake.model.events import Defaulted
from offtake.model.market import Market
from offtake.model.reading import read

FOCAL = "OpenAI"
SUPPLIERS = ("Azure", "Stargate", "Oracle", "CoreWeave", "Google Cloud")
CLOUDS = ("Azure", "Google Cloud", "AWS")
DATES = {"Dec 2025": 11, "Dec 2027": 35, "Dec 2030": 71}
"""Months counted from zero."""
RANGE = (0.05, 0.95)


def main() -> None:
    """Print a line for each headline number, with its median and range at each date."""
    chosen = options("Read the headline numbers of the baseline.", seeds=20, workers=2)
    reading = read(BASELINE)
    runs = run_all(each_seed(reading, chosen.seeds, numbers), chosen.workers)
    for what in dict.fromkeys(key.rpartition(" at ")[0] for key in runs[0]):
        found = {date: spread([run[f"{what} at {date}"] for run in runs]) for date in DATES}
        say("headline", [reading], runs=chosen.seeds, what=what, **found)


def spread(values: list[float]) -> dict[str, float]:
    """Return median and range over runs."""
    low, high = np.quantile(values, RANGE)
    return {"median": float(np.median(values)), "low": float(low), "high": float(high)}


def numbers(market: Market) -> Numbers:
    """Return every headline number at every date."""
    return {
        f"{what} at {date}": value
        for date, month in DATES.items()
        for what, value in at(market, month)
    }


def at(market: Market, month: int) -> Iterator[tuple[str, float]]:
    """Yield the headline numbers of a month; the unit stands in the name, shares have none."""
    clouds = market.books.cloud_index
    supplied = dependence(market)[month, market.books.lab_index[FOCAL]]
    for cloud in SUPPLIERS:
        yield f"{FOCAL}'s compute from {cloud}", float(supplied[clouds[cloud]])
    for cloud in CLOUDS:
        yield (
            f"all compute from {cloud}",
            float(series(market, "share_compute")[month, clouds[cloud]]),
        )
    yield "contracts in force, USD per H100e-hour", total(market, "price_contract", month)
    yield "spot, USD per H100e-hour", total(market, "price_spot", month)
    yield "concentration, HHI from 0 to 1", total(market, "hhi_compute", month)
    yield "energised, GW", total(market, "energised_mw", month) / 1000
    yield "shells with power and no chips, GW", total(market, "stranded_orphan_mw", month) / 1000
    failed = (t for t, e in market.books.journal if isinstance(e, Defaulted))
    yield "defaults so far", float(sum(t <= month + 1 for t in failed))


def total(market: Market, name: str, month: int) -> float:
    """Return an observable of the whole market, or the sum of its parts."""
    return float(series(market, name)[month].sum())


if __name__ == "__main__":
    main()
