"""How much of the possible joint surplus the negotiation finds, month by month (row A5).

Every month the same lots, columns and eligibility are given to a linear programme. The second part
halves the price step of the clearing: results must not hang on it.
"""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from _runs import (
    BASELINE,
    Job,
    Numbers,
    dependence,
    each_seed,
    estimate,
    options,
    run_all,
    say,
    series,
)

from offtake.model.market import Market
from offtake.model.reading import read

EVERY_MONTH = "negotiation.benchmark_every_months=1"
STEP = "negotiation.increment_usd_per_h100e_hour"
GOOD = 0.9
"""Efficiency below which a month counts as poor."""
FROM = 12
"""First month, counted from zero, of the means that the step is judged by."""


def main() -> None:
    """Print the efficiency of the baseline and what half the price step changes."""
    chosen = options("Compare with the efficient allocation.", seeds=5, pairs=10, workers=2)
    say_efficiency(chosen.seeds, chosen.workers)
    say_step(chosen.pairs, chosen.workers)


def say_efficiency(seeds: int, workers: int) -> None:
    """Print the distribution of monthly efficiency over some seeds."""
    reading = read(BASELINE, overrides=[EVERY_MONTH])
    runs = run_all(each_seed(reading, seeds, outcome), workers, rounds)
    found = np.array([gains for numbers in runs for gains in _by_month(numbers)])
    surplus, optimum = found.T
    share = surplus / optimum
    poor = share < GOOD
    say(
        "efficiency",
        [reading],
        runs=seeds,
        months_with_gains=len(share),
        median=float(np.median(share)),
        mean=float(share.mean()),
        fifth_percentile=float(np.quantile(share, 0.05)),
        minimum=float(share.min()),
        all_surplus_over_all_optimum=float(surplus.sum() / optimum.sum()),
        share_of_months_below_0_9=float(poor.mean()),
        their_share_of_all_optimum=float(optimum[poor].sum() / optimum.sum()),
    )


def rounds(job: Job) -> Numbers:
    """Return surplus and optimum of each month whose negotiation had something to gain, USD an hour."""
    market = Market(job.reading.scenario, rng=job.seed, check=False)
    found = {}
    for month in range(job.reading.scenario.months):
        market.step()
        talks = market.round
        if talks is not None and talks.optimum > 0:
            found |= {f"surplus {month}": talks.surplus, f"optimum {month}": talks.optimum}
    return found


def _by_month(numbers: Numbers) -> Iterator[tuple[float, float]]:
    amounts = iter(numbers.values())
    return zip(amounts, amounts, strict=True)


def say_step(pairs: int, workers: int) -> None:
    """Print the effect of half the price step, beside what one seed differs from another."""
    whole = read(BASELINE)
    half_step = whole.scenario.negotiation.increment_usd_per_h100e_hour / 2
    half = read(BASELINE, overrides=[f"{STEP}={half_step}"])
    runs = run_all([*each_seed(whole, pairs, outcome), *each_seed(half, pairs, outcome)], workers)
    before, after = runs[:pairs], runs[pairs:]
    for name in before[0]:
        level = np.array([numbers[name] for numbers in before])
        effect = estimate(np.array([numbers[name] for numbers in after]) - level)
        say(
            "half the price step",
            [whole, half],
            **asdict(effect),
            outcome=name,
            level=float(level.mean()),
            deviation_between_seeds=float(level.std(ddof=1)),
        )


def outcome(market: Market) -> Numbers:
    """Return what the step could move: the price of new contracts and the focal dependence."""
    focal = market.setup.scenario.agreements["azure-openai"]
    lab, cloud = market.books.lab_index[focal.lab], market.books.cloud_index[focal.cloud]
    return {
        "price_new": float(series(market, "price_new")[FROM:].mean()),
        "dependence": float(dependence(market)[FROM:, lab, cloud].mean()),
    }


if __name__ == "__main__":
    main()
