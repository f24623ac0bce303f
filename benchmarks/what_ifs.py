"""Questions asked of the baseline by one change each: effects on paired seeds, with 95% intervals.

Each scenario extends the baseline by a few lines and states its question. Nothing is claimed
beforehand: the tables say how much each change moves, and that some do not.
"""

import math
from collections.abc import Callable

import numpy as np
from _runs import (
    BASELINE,
    Numbers,
    each_seed,
    estimate,
    options,
    run_all,
    say,
    series,
    stage_months,
)
from clauses import idle_mw
from signs import FROM, cascade, concentration, custom_share, dark_mw, focal_dependence, price_new

from offtake.model.contracts import Pool
from offtake.model.events import Defaulted
from offtake.model.market import Market
from offtake.model.reading import read

WHAT_IFS = (
    "tranche-fails",
    "export-allies-only",
    "foreign-capital-screened",
    "permitting-halved",
    "demand-halves",
    "largest-lab-defaults",
    "exclusivity-banned",
    "efficiency-shock",
    "arm-breakthrough",
)
YEAR = slice(12, 24)
"""Months, counted from zero, of the year in which shocks happen: 2026."""
RESTRICTED = ("gulf", "china")
"""Regions that are nobody's ally in `export-allies-only`."""
VENTURE = "Stargate"


def energised_mw(market: Market) -> float:
    """Return mean energised capacity from 2026 on."""
    return series(market, "energised_mw")[FROM:].sum(axis=1).mean()


def orphan_mw(market: Market) -> float:
    """Return mean capacity of shells with power and without chips from 2026 on."""
    return series(market, "stranded_orphan_mw")[FROM:].sum(axis=1).mean()


def cancelled_mw(market: Market) -> float:
    """Return what is cancelled from 2025 on, letters of intent that lapse included."""
    return sum(m.cancelled_mw for m in stage_months(market))


def stranded_2026_mw(market: Market) -> float:
    """Return mean idle, dark and orphan capacity in 2026."""
    kinds = ("stranded_idle_mw", "stranded_dark_mw", "stranded_orphan_mw")
    return sum(series(market, kind)[YEAR].sum(axis=1).mean() for kind in kinds)


def price_2026(market: Market) -> float:
    """Return the mean price of new contracts in 2026."""
    return series(market, "price_new")[YEAR].mean()


def spot_2026(market: Market) -> float:
    """Return the mean price on spot in 2026, where there is trade."""
    spot = series(market, "price_spot")[YEAR].ravel()
    return float(np.nanmean(spot)) if np.isfinite(spot).any() else math.nan


def written_off_usd_bn(market: Market) -> float:
    """Return what is written off of claims on those who fail, bn USD."""
    return series(market, "written_off_usd")[-1].item() / 1e9


def restricted_mw(market: Market) -> float:
    """Return what stands energised in the Gulf and in China at the end."""
    return _energised_mw(market, lambda pool: pool.region in RESTRICTED)


def venture_mw(market: Market) -> float:
    """Return what the venture has energised at the end."""
    return _energised_mw(market, lambda pool: pool.cloud == VENTURE)


def _energised_mw(market: Market, counts: Callable[[Pool], bool]) -> float:
    chosen = [counts(pool) for pool in market.setup.pools]
    return float(market.books.energised_kw[np.array(chosen)].sum()) / 1000


def unserved(market: Market) -> float:
    """Return labs' mean unserved share of load from 2026 on."""
    return series(market, "unserved")[FROM:].mean()


def defaults(market: Market) -> float:
    """Return how many participants have failed by the end."""
    return float(sum(isinstance(event, Defaulted) for _, event in market.books.journal))


MEASURES = {
    read_from.__name__: read_from
    for read_from in (
        focal_dependence,
        concentration,
        price_new,
        price_2026,
        spot_2026,
        energised_mw,
        idle_mw,
        dark_mw,
        orphan_mw,
        stranded_2026_mw,
        cancelled_mw,
        restricted_mw,
        venture_mw,
        custom_share,
        unserved,
        defaults,
        cascade,
        written_off_usd_bn,
    )
}


def measures(market: Market) -> Numbers:
    """Return everything that some column, or some answer, is about."""
    return {name: float(read_from(market)) for name, read_from in MEASURES.items()}


def main() -> None:
    """Print the effect of each scenario on each measure, with its 95% interval."""
    chosen = options("Measure what the what-if scenarios change.", pairs=20, workers=2)
    names = (BASELINE, *WHAT_IFS)
    readings = {name: read(name) for name in names}
    jobs = [job for name in names for job in each_seed(readings[name], chosen.pairs, measures)]
    results = iter(run_all(jobs, chosen.workers))
    found = {name: [next(results) for _ in range(chosen.pairs)] for name in names}
    base = found[BASELINE]
    level = {m: estimate(run.get(m, math.nan) for run in base).mean for m in MEASURES}
    for name in WHAT_IFS:
        pair = [readings[BASELINE], readings[name]]
        effects = {m: _effect(m, found[name], base) for m in MEASURES}
        question = readings[name].scenario.question
        for measurement in ("what if", "what is stranded"):
            say(measurement, pair, runs=chosen.pairs, scenario=name, question=question, **effects)
    say("what if nothing", [readings[BASELINE]], runs=chosen.pairs, **level)


def _effect(measure: str, after: list[Numbers], before: list[Numbers]) -> dict[str, float]:
    pairs = zip(after, before, strict=True)
    found = estimate(a.get(measure, math.nan) - b.get(measure, math.nan) for a, b in pairs)
    return {"mean": found.mean, "low": found.low, "high": found.high, "pairs": found.runs}


if __name__ == "__main__":
    main()
