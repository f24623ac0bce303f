"""How much of the possible joint surplus the negotiation finds, month by month (row A5).

Every month the same lots, columns and eligibility are given to a linear programme. The second part
halves the price step of the clearing: results must not hang on it.
"""

from dataclasses import asdict

import numpy as np
from _runs import BASELINE, Numbers, dependence, each_seed, estimate, options, run_all, say, series

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
    runs = run_all(each_seed(reading, seeds, monthly), workers)
    values = np.array([v for numbers in runs for v in numbers.values()])
    say(
        "efficiency",
        [reading],
        runs=seeds,
        months_with_tenders=len(values),
        median=float(np.median(values)),
        mean=float(values.mean()),
        fifth_percentile=float(np.quantile(values, 0.05)),
        minimum=float(values.min()),
        share_of_months_below_0_9=float((values < GOOD).mean()),
        median_by_seed={str(s): float(np.median(list(n.values()))) for s, n in enumerate(runs, 1)},
    )


def monthly(market: Market) -> Numbers:
    """Return the efficiency of each month that had a tender and something to gain."""
    values = series(market, "efficiency").ravel()
    return {str(month): float(v) for month, v in enumerate(values) if np.isfinite(v)}


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
