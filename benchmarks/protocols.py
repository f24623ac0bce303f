"""What the protocol of bargaining changes in the baseline: efficiency, prices, dependence, refusals.

Every protocol plays the same seeds. Efficiency is the joint surplus of a month's deals over the optimum
of a linear programme with identical eligibility (row A5), in every month with something to gain.
"""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from _runs import (
    BASELINE,
    Estimate,
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

from offtake.model.events import Refused
from offtake.model.market import Market
from offtake.model.reading import Reading, read

PROTOCOLS = {
    "outside-options": [],
    "threat-point": [],
    "rubinstein": [],
    "nash-in-nash": [],
    "nash-in-nash, replacement": ["replacement=true"],
    "tactics": [],
    "tactics, tit-for-tat": ['lab_tactic="tit-for-tat"'],
    "tactics, resource": ['lab_tactic="resource"', 'cloud_tactic="resource"'],
    "request-for-proposals": [],
    "request-for-proposals, second-price": ['format="second-price"'],
    "private-information": [],
}
"""Settings by protocol; what follows a comma is a note."""
FROM, TO = 12, 72
"""Months of the mean price, counted from zero: 2026 to 2030."""
LATE = 35
"""December 2027."""
UNMATCHED = frozenset(
    {
        "outbid",
        "no price suits both sides",
        "no capacity free at that time",
        "no cloud may sell to it",
        "it cannot bear more take-or-pay",
    }
)
"""Reasons of lots that met nobody; all others are those of pairs that walked away."""


def main() -> None:
    """Print a line for each protocol, with its effect against the default."""
    chosen = options("Compare protocols of bargaining.", pairs=10, workers=2)
    readings = {name: reading_of(name, given) for name, given in PROTOCOLS.items()}
    jobs = [job for r in readings.values() for job in each_seed(r, chosen.pairs, outcome)]
    runs = iter(run_all(jobs, chosen.workers, played))
    by_name = {name: [next(runs) for _ in range(chosen.pairs)] for name in readings}
    default = by_name["outside-options"]
    for name, found in by_name.items():
        say_protocol(name, readings[name], found, default)


def reading_of(name: str, given: list[str]) -> Reading:
    """Return the baseline under a protocol."""
    overrides = [f"negotiation.protocol.{setting}" for setting in given]
    protocol = f'negotiation.bargainer="{name.partition(",")[0]}"'
    every = "negotiation.benchmark_every_months=1"
    return read(BASELINE, overrides=[every, protocol, *overrides])


def played(job: Job) -> Numbers:
    """Return what one run gives, surplus and optimum of each month among it."""
    market = Market(job.reading.scenario, rng=job.seed)
    found = {}
    for month in range(job.reading.scenario.months):
        market.step()
        talks = market.round
        if talks is not None and talks.optimum > 0:
            found |= {f"surplus {month}": talks.surplus, f"optimum {month}": talks.optimum}
    return found | dict(outcome(market))


def outcome(market: Market) -> Numbers:
    """Return price level, dependence, refusals and contracts of a run."""
    focal = market.setup.scenario.agreements["azure-openai"]
    lab, cloud = market.books.lab_index[focal.lab], market.books.cloud_index[focal.cloud]
    refused = [e.reason for _, e in market.books.journal if isinstance(e, Refused)]
    return {
        "price": float(series(market, "price_new")[FROM:TO].mean()),
        "dependence": float(dependence(market)[LATE, lab, cloud]),
        "refusals": len(refused),
        "walked_away": sum(reason not in UNMATCHED for reason in refused),
        "contracts": sum(c.ceiling is not None for c in market.books.contracts.facts),
        "energised_gw": float(series(market, "energised_mw")[TO - 1].sum()) / 1000,
    }


def say_protocol(name: str, reading: Reading, runs: list[Numbers], default: list[Numbers]) -> None:
    """Print the means of a protocol and what it changes within pairs."""
    surplus, optimum = np.array([gains for run in runs for gains in _gains(run)]).T
    share = surplus / optimum
    say(
        "protocol",
        [reading],
        runs=len(runs),
        protocol=name,
        median=float(np.median(share)),
        minimum=float(share.min()),
        fifth_percentile=float(np.quantile(share, 0.05)),
        all_surplus_over_all_optimum=float(surplus.sum() / optimum.sum()),
        **{key: float(np.mean([run[key] for run in runs])) for key in MEANS},
        price_effect=asdict(_effect("price", runs, default)),
        dependence_effect=asdict(_effect("dependence", runs, default)),
    )


MEANS = ("price", "dependence", "refusals", "walked_away", "contracts", "energised_gw")


def _effect(key: str, runs: list[Numbers], default: list[Numbers]) -> Estimate:
    return estimate(a[key] - b[key] for a, b in zip(runs, default, strict=True))


def _gains(run: Numbers) -> Iterator[tuple[float, float]]:
    for key, optimum in run.items():
        if key.startswith("optimum"):
            yield run[key.replace("optimum", "surplus")], optimum


if __name__ == "__main__":
    main()
