"""What each clause does to the baseline: price, dependence, dark and idle capacity.

Each clause is switched on or off for everybody who signs during the run; baseline and variant run under
the same seeds. Nothing is claimed beforehand: the table says how much each clause matters here, and that
some do not.
"""

import math

import numpy as np
from _runs import BASELINE, Job, each_seed, estimate, options, run_all, say, series
from signs import (
    AGREEMENT,
    FREE_TO_SIGN,
    FROM,
    Numbers,
    Variant,
    concentration,
    dark_mw,
    focal_dependence,
    price_new,
    price_paid,
    readings_of,
)

from offtake.model.market import Market


def idle_mw(market: Market) -> float:
    """Return mean capacity that stands free for more than three months from 2026 on."""
    return series(market, "stranded_idle_mw")[FROM:].sum(axis=1).mean()


def measures(market: Market) -> Numbers:
    """Return what the table has columns for."""
    return {name: float(read(market)) for name, read in MEASURES.items()}


MEASURES = {
    read.__name__: read
    for read in (price_new, price_paid, focal_dependence, concentration, dark_mw, idle_mw)
}
NEGOTIATION = "negotiation."
VARIANTS = {
    BASELINE: Variant(),
    "exclusivity to 2030": Variant(scenario="exclusivity-kept"),
    "exclusivity may be bought out": Variant(
        scenario="exclusivity-kept",
        changes=[f"agreements.{AGREEMENT}.breach_usd_per_h100e_hour=0.2"],
    ),
    "exclusivity may be waived": Variant(
        scenario="exclusivity-kept", changes=[f"agreements.{AGREEMENT}.waivable=true"]
    ),
    "no first refusal": Variant(changes=[FREE_TO_SIGN]),
    "exclusivity on the menu": Variant(changes=[f'{NEGOTIATION}exclusivity=["none", "supply"]']),
    "first refusal on the menu": Variant(changes=[f"{NEGOTIATION}first_refusal=[false, true]"]),
    "take-or-pay of 50%": Variant(changes=[f"{NEGOTIATION}take_or_pay=[0.5]"]),
    "take-or-pay of 95%": Variant(changes=[f"{NEGOTIATION}take_or_pay=[0.95]"]),
    "make-up within six months": Variant(changes=[f"{NEGOTIATION}makeup_months=6"]),
    "no prepayment": Variant(changes=[f"{NEGOTIATION}prepayment=[0.0]"]),
    "escalator of 3%": Variant(changes=[f"{NEGOTIATION}escalator_per_year=0.03"]),
    "price follows the market": Variant(changes=[f'{NEGOTIATION}price_index="contract-price"']),
    "buyers may leave for six months": Variant(changes=[f"{NEGOTIATION}termination_months=6"]),
    "sellers may leave for six months": Variant(
        changes=[f"{NEGOTIATION}seller_termination_months=6"]
    ),
    "damages for delay": Variant(changes=[f"{NEGOTIATION}delay_share=0.5"]),
    "long stop of a year": Variant(changes=[f"{NEGOTIATION}long_stop_months=12"]),
    "most favoured customers": Variant(changes=[f"{NEGOTIATION}most_favoured=true"]),
    "cross-default": Variant(changes=[f"{NEGOTIATION}cross_default=true"]),
    "assignable": Variant(changes=[f'{NEGOTIATION}assignability="free"']),
}
AGAINST = {
    "exclusivity may be bought out": "exclusivity to 2030",
    "exclusivity may be waived": "exclusivity to 2030",
    "take-or-pay of 95%": "take-or-pay of 50%",
}
"""What a variant is held against, where it is not the baseline."""


def main() -> None:
    """Print the effect of each clause on each measure, with its 95% interval."""
    chosen = options("Measure what clauses do.", pairs=20, workers=2)
    readings = readings_of(VARIANTS)
    jobs: list[Job] = [
        job for reading in readings.values() for job in each_seed(reading, chosen.pairs, measures)
    ]
    results = iter(run_all(jobs, chosen.workers))
    found = {name: [next(results) for _ in range(chosen.pairs)] for name in readings}
    for name in readings:
        if name != BASELINE:
            _say_effect(name, AGAINST.get(name, BASELINE), found)
    level = {
        measure: estimate(run.get(measure, math.nan) for run in found[BASELINE]).mean
        for measure in MEASURES
    }
    say("level of the baseline", [readings[BASELINE]], runs=chosen.pairs, **level)


def _say_effect(name: str, against: str, found: dict[str, list[Numbers]]) -> None:
    effects = {}
    for measure in MEASURES:
        after, before = (
            np.array([run.get(measure, math.nan) for run in found[which]])
            for which in (name, against)
        )
        effect = estimate(after - before)
        effects[measure] = {"mean": effect.mean, "low": effect.low, "high": effect.high}
    say("clause", [], runs=len(found[name]), clause=name, against=against, **effects)


if __name__ == "__main__":
    main()
