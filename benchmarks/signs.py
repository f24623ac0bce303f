"""Signs stated beforehand, each with its verdict (rung L5).

Each case changes one thing in the baseline. Baseline and variant run under the same seeds, so they
draw the same shocks; what counts is the mean difference within pairs, with its 95 percent interval.
"""

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _runs import (
    BASELINE,
    Job,
    Numbers,
    dependence,
    each_seed,
    estimate,
    options,
    ratio,
    run_all,
    say,
    series,
    stage_months,
)

from offtake.model.contracts import Contract, Stage
from offtake.model.market import Market
from offtake.model.pricing import levelling
from offtake.model.reading import Reading, read
from offtake.model.scenario import Scenario

AGREEMENT = "azure-openai"
VENTURE = "Stargate"
FREE_TO_SIGN = f"agreements.{AGREEMENT}.first_refusal_until=2025-01-22"
"""Ends the first refusal the day after it begins."""
FROM, LATE = 12, 36
"""Months, counted from zero, from which means are taken: 2026 on, and 2028 on."""
EARLY = slice(24, 48)
"""Years in which faster permits show as earlier capacity: 2027 and 2028."""
SETTLED = 24
"""Month from which the volatility of prices is measured."""
CRASH, YEAR = 24, 12
"""Month in which usage halves, and months over which cancellations are then counted."""
EARLY_CRASH = 1
"""Month of a crash that finds letters of intent open."""
BID_COST_USD = 20e6
"""Cost of a bid at the top of its range; at zero a first refusal deters nobody."""
DEARER = 0.04
"""Points added to every cloud's cost of capital."""
ENOUGH = 0.9
"""Share of pairs in which a measure must have a value: a claim about nothing does not hold."""
ARM_PUSH = "arm-push"
VENTURE_FORMS = "tranches.stargate-softbank-1.probability=1.0"
"""Brings the custom class to the market under every seed."""
CHEAP_PORTING, DEAR_PORTING = 150, 600
"""Cost of porting to the custom class at half and at twice its value, USD per H100e."""
DEFAULT = "largest-lab-defaults"
"""Lets the largest lab fail in July 2026."""
HOME = "US"
NOTHING = "zero"
"""What a measure is held against that is a difference already."""
HEAD = 'format = 1\nname = "{name}"\nextends = "{base}"\nquestion = "Does the sign hold?"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The baseline with one thing changed: another scenario, changed values, or more of a file."""

    scenario: str = BASELINE
    changes: Sequence[str] = ()
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A claim: what a change does to a measure."""

    case: str
    measure: str
    expected: int
    """1 for a rise, -1 for a fall."""
    variant: str
    against: str = BASELINE
    beside: bool = False
    """Whether it only helps to read a sign, and was not stated beforehand."""


# --- what is read from a run ----------------------------------------------------------------------


def measures(market: Market) -> Numbers:
    """Return everything that some sign is about."""
    return {name: float(read_from(market)) for name, read_from in MEASURES.items()}


def focal_dependence(market: Market) -> float:
    """Return the focal lab's mean dependence on the incumbent from 2026 on."""
    lab, incumbent = _focal(market)
    return dependence(market)[FROM:, lab, incumbent].mean()


def price_paid(market: Market) -> float:
    """Return the mean over months of what the focal lab's contracts in force cost, by capacity."""
    c, n = market.books.contracts, market.books.contracts.size
    months = np.arange(FROM, market.setup.scenario.months)[:, None]
    runs = (c.start[:n] <= months) & (months < c.end[:n]) & (c.lab[:n] == _focal(market)[0])
    weight = runs * np.array([f.h100e for f in c.facts])
    held = weight.sum(axis=1)
    covered = held > 0  # a lab that failed holds nothing any more
    return ((weight @ c.price[:n])[covered] / held[covered]).mean()


def price_over_index(market: Market) -> float:
    """Return the focal lab's mean log price above the index of the month it signs in, by capacity."""
    index = series(market, "price_new").ravel()
    signed = [
        (math.log(start_price(market, f) / index[int(f.signed) - 1]), f.h100e)
        for f in _signed_later(market)
        if f.buyer == market.setup.labs[_focal(market)[0]] and not f.affiliate
    ]
    return ratio(sum(x * h for x, h in signed), sum(h for _, h in signed))


def start_price(market: Market, contract: Contract) -> float:
    """Return the price in the first month that is worth as much as the contract's fixed price."""
    lab = market.setup.scenario.labs[contract.buyer]
    rate = (1 + lab.discount_per_year) ** (1 / 12) - 1
    decline = market.setup.rules.decline_per_month
    level = levelling(rate, decline, np.array(contract.months))
    return contract.price_usd_per_h100e_hour / float(level)


def concentration(market: Market) -> float:
    """Return the mean concentration of delivered compute from 2026 on."""
    return series(market, "hhi_compute")[FROM:].mean()


def price_new(market: Market) -> float:
    """Return the mean price of new contracts from 2026 on."""
    return series(market, "price_new")[FROM:].mean()


def price_late(market: Market) -> float:
    """Return the mean price of new contracts from 2028 on."""
    return series(market, "price_new")[LATE:].mean()


def price_volatility(market: Market) -> float:
    """Return the standard deviation of monthly changes of the log price of new contracts."""
    return np.diff(np.log(series(market, "price_new").ravel()[SETTLED:])).std()


def dark_mw(market: Market) -> float:
    """Return mean capacity paid for and not used from 2026 on."""
    return series(market, "stranded_dark_mw")[FROM:].sum(axis=1).mean()


def rival_contracts(market: Market) -> float:
    """Return how many contracts the focal lab signs with others than the incumbent."""
    lab, incumbent = (market.setup.labs[_focal(market)[0]], market.setup.clouds[_focal(market)[1]])
    return sum(f.buyer == lab and f.seller != incumbent for f in _signed_later(market))


def early_mw(market: Market) -> float:
    """Return mean energised capacity in 2027 and 2028."""
    return series(market, "energised_mw")[EARLY].sum(axis=1).mean()


def term_months(market: Market) -> float:
    """Return the mean term of contracts signed during the run, by capacity."""
    signed = [(f.months, f.capacity_kw) for f in _signed_later(market)]
    return ratio(sum(m * kw for m, kw in signed), sum(kw for _, kw in signed))


def domestic_share(market: Market) -> float:
    """Return the mean share of capacity at home from 2026 on."""
    return series(market, "share_domestic")[FROM:].mean()


def domestic_utilisation(market: Market) -> float:
    """Return the mean share in use of what clouds at home have energised, from 2026 on, by capacity."""
    setup = market.setup
    home = np.array([setup.homes[cloud] == HOME for cloud in setup.clouds])
    stands = series(market, "energised_mw")[FROM:, home]
    used = series(market, "utilisation_energised")[FROM:, home]
    return (used * stands).sum() / stands.sum()


def foreign_labs_share(market: Market) -> float:
    """Return the mean share of labs' revenue that goes to labs under foreign control, from 2026 on."""
    setup = market.setup
    abroad = np.array([setup.homes[lab] not in (None, HOME) for lab in setup.labs])
    return series(market, "share_labs")[FROM:, abroad].sum(axis=1).mean()


def peak_month(market: Market) -> float:
    """Return the month in which compute on spot is dearest."""
    spot = series(market, "price_spot").ravel()
    return float(np.nanargmax(spot)) if np.isfinite(spot).any() else math.nan


def cascade(market: Market) -> float:
    """Return how many participants fail in the largest chain of failures."""
    return series(market, "largest_cascade")[-1].item()


def lost_by_creditors_usd_bn(market: Market) -> float:
    """Return what is written off of claims on those who fail, bn USD."""
    return series(market, "written_off_usd")[-1].item() / 1e9


def letters_among_cancelled(market: Market, since: int = CRASH) -> float:
    """Return letters' share of what is cancelled in a year, less their share of the pipeline."""
    year = [m for m in stage_months(market) if since <= m.month < since + YEAR]
    letters = [m for m in year if m.stage is Stage.LOI]
    stood, cancelled = (
        ratio(sum(getattr(m, what) for m in letters), sum(getattr(m, what) for m in year))
        for what in ("stood_mw", "cancelled_mw")
    )
    return cancelled - stood


def cancelled_mw(market: Market, since: int = CRASH) -> float:
    """Return what is cancelled in the year after a crash."""
    return sum(m.cancelled_mw for m in stage_months(market) if since <= m.month < since + YEAR)


def custom_share(market: Market) -> float:
    """Return the mean share of custom chips in delivered compute from 2028 on."""
    return series(market, "share_chip_class")[LATE:, 1:].sum(axis=1).mean()


def letters_among_cancelled_early(market: Market) -> float:
    """Return the same for the crash that comes while letters of intent are open."""
    return letters_among_cancelled(market, EARLY_CRASH)


def cancelled_early_mw(market: Market) -> float:
    """Return what is cancelled in the year after the early crash."""
    return cancelled_mw(market, EARLY_CRASH)


def _focal(market: Market) -> tuple[int, int]:
    given = market.setup.scenario.agreements[AGREEMENT]
    return market.books.lab_index[given.lab], market.books.cloud_index[given.cloud]


def _signed_later(market: Market) -> list[Contract]:
    return [f for f in market.books.contracts.facts if f.signed > 0]


MEASURES: dict[str, Callable[[Market], float]] = {
    read_from.__name__: read_from
    for read_from in (
        focal_dependence,
        price_paid,
        price_over_index,
        concentration,
        price_new,
        price_late,
        price_volatility,
        dark_mw,
        rival_contracts,
        early_mw,
        term_months,
        domestic_share,
        letters_among_cancelled,
        cancelled_mw,
        letters_among_cancelled_early,
        cancelled_early_mw,
        custom_share,
        domestic_utilisation,
        foreign_labs_share,
        peak_month,
        cascade,
        lost_by_creditors_usd_bn,
    )
}

# --- what is changed ------------------------------------------------------------------------------


def variants(base: Scenario) -> dict[str, Variant]:
    """Return the changed scenarios by name."""
    focal = base.agreements[AGREEMENT].lab
    return {
        BASELINE: Variant(),
        "exclusivity-kept": Variant(scenario="exclusivity-kept"),
        "no-venture": Variant(text=without_venture(base)),
        "no-first-refusal": Variant(changes=[FREE_TO_SIGN]),
        "bids-cost": Variant(changes=[f"negotiation.bid_cost_usd={BID_COST_USD}"]),
        "bids-cost-no-first-refusal": Variant(
            changes=[f"negotiation.bid_cost_usd={BID_COST_USD}", FREE_TO_SIGN]
        ),
        "floor-50": Variant(changes=["negotiation.take_or_pay=[0.5]"]),
        "floor-95": Variant(changes=["negotiation.take_or_pay=[0.95]"]),
        "fast-permits": Variant(
            changes=[
                f"regions.{name}.grid_mean_months={region.grid_mean_months / 2}"
                for name, region in base.regions.items()
            ]
        ),
        "short-runway": Variant(
            changes=[
                f"labs.{focal}.cash_usd={base.labs[focal].cash_usd / 2}",
                *(
                    f"tranches.{name}.{key}={getattr(tranche, key) / 2}"
                    for name, tranche in base.tranches.items()
                    for key in ("amount_usd", "reduced_usd")
                    if tranche.issuer == focal
                ),
            ]
        ),
        "blind": Variant(changes=["beliefs.visibility=0.0"]),
        "sighted": Variant(changes=["beliefs.visibility=1.0"]),
        "demand-crash": Variant(text=crash("2027-01-01")),
        "early-crash": Variant(text=crash("2025-02-01")),
        "dear-capital": Variant(
            changes=[
                f'clouds."{name}".discount_per_year={cloud.discount_per_year + DEARER:.4f}'
                for name, cloud in base.clouds.items()
            ]
        ),
        "tight-quota": Variant(text=tight_quota(base)),
        "default": Variant(scenario=DEFAULT),
        "cross-default": Variant(scenario=DEFAULT, changes=cross_default(base)),
        "cross-default-by-name": Variant(
            scenario=DEFAULT, changes=cross_default(base, named=read(DEFAULT).scenario)
        ),
        "cheap-porting": with_porting(CHEAP_PORTING),
        "dear-porting": with_porting(DEAR_PORTING),
    }


def with_porting(usd_per_h100e: float) -> Variant:
    """Return the custom class on the market for sure, at a cost of porting."""
    change = f"classes.arm.porting_usd_per_h100e={usd_per_h100e}"
    return Variant(scenario=ARM_PUSH, changes=[VENTURE_FORMS, change])


def cross_default(base: Scenario, named: Scenario | None = None) -> list[str]:
    """Return changes that give every contract between independent parties a cross-default clause.

    Where a scenario is given that lets somebody fail, that failure counts as a default of every lab.
    """
    changes = ["negotiation.cross_default=true"]
    failing = {e.fails for e in named.events.values() if e.fails} if named else set()
    for name, contract in base.contracts.items():
        changes.append(f"contracts.{name}.cross_default=true")
        others = sorted(failing - {contract.lab, contract.cloud})
        if others:
            changes.append(f"contracts.{name}.cross_default_with={json.dumps(others)}")
    return changes


def crash(day: str) -> str:
    """Return a file in which usage halves on a day, for good."""
    return f'[events.crash]\non = {day}\nwhat = "usage halves"\nusage_shock = -0.5\n'


def without_venture(base: Scenario) -> str:
    """Return a file that takes the venture out, with its sites and what is promised to it."""
    sites = [f"sites.{n}" for n, s in base.sites.items() if s.cloud == VENTURE]
    tranches = [f"tranches.{n}" for n, t in base.tranches.items() if t.issuer == VENTURE]
    return f"remove = {[f'clouds.{VENTURE}', *sites, *tranches]}\n"


def tight_quota(base: Scenario) -> str:
    """Return a file that bars the chips of all but the largest groups from two regions."""
    exempt = sorted({c.parent for c in base.clouds.values() if c.parent})
    return (
        "[policies.bar]\n"
        'government = "US"\n'
        'instrument = "export-control"\n'
        "effective = 2025-07-01\n"
        'destinations = ["gulf", "asia"]\n'
        f"exempt_parents = {exempt}\n"
    )


def sign(case: str, measure: str, expected: int, variant: str, **more: Any) -> Sign:
    """Return a claim, written on one line."""
    return Sign(case=case, measure=measure, expected=expected, variant=variant, **more)


SIGNS = (
    sign("longer exclusivity", "focal_dependence", +1, "exclusivity-kept"),
    sign("longer exclusivity", "price_paid", +1, "exclusivity-kept"),
    sign("longer exclusivity", "price_over_index", +1, "exclusivity-kept", beside=True),
    sign("longer exclusivity", "concentration", +1, "exclusivity-kept"),
    sign("venture", "focal_dependence", -1, BASELINE, against="no-venture"),
    sign("first refusal", "rival_contracts", -1, BASELINE, against="no-first-refusal"),
    sign(
        "first refusal, bids cost money",
        "rival_contracts",
        -1,
        "bids-cost",
        against="bids-cost-no-first-refusal",
        beside=True,
    ),
    sign("higher take-or-pay", "price_new", -1, "floor-95", against="floor-50"),
    sign("higher take-or-pay", "dark_mw", +1, "floor-95", against="floor-50"),
    sign("faster permits", "price_late", -1, "fast-permits"),
    sign("faster permits", "early_mw", +1, "fast-permits"),
    sign("faster permits", "peak_month", -1, "fast-permits"),
    sign("tighter quota", "domestic_share", +1, "tight-quota"),
    sign("tighter quota", "domestic_utilisation", +1, "tight-quota"),
    sign("tighter quota", "foreign_labs_share", -1, "tight-quota"),
    sign("larger porting cost", "custom_share", -1, "dear-porting", against="cheap-porting"),
    sign("shorter runway", "price_paid", +1, "short-runway"),
    sign("shorter runway", "price_over_index", +1, "short-runway", beside=True),
    sign("visible pipeline", "price_volatility", -1, "sighted", against="blind"),
    sign("demand crash", "letters_among_cancelled", +1, "demand-crash", against=NOTHING),
    sign("demand crash", "cancelled_mw", +1, "demand-crash", beside=True),
    sign(
        "early demand crash",
        "letters_among_cancelled_early",
        +1,
        "early-crash",
        against=NOTHING,
        beside=True,
    ),
    sign("early demand crash", "cancelled_early_mw", +1, "early-crash", beside=True),
    sign("dearer capital", "term_months", +1, "dear-capital"),
    sign("cross-default", "cascade", +1, "cross-default", against="default"),
    sign(
        "cross-default",
        "lost_by_creditors_usd_bn",
        +1,
        "cross-default",
        against="default",
        beside=True,
    ),
    sign(
        "cross-default by name",
        "cascade",
        +1,
        "cross-default-by-name",
        against="default",
        beside=True,
    ),
)


def main() -> None:
    """Print effect, interval and verdict of each sign."""
    chosen = options("Test signs stated beforehand.", pairs=50, workers=2)
    readings = readings_of(variants(read(BASELINE).scenario))
    jobs: list[Job] = [
        job for reading in readings.values() for job in each_seed(reading, chosen.pairs, measures)
    ]
    results = iter(run_all(jobs, chosen.workers))
    found = {name: [next(results) for _ in range(chosen.pairs)] for name in readings}
    for claim in SIGNS:
        say_sign(claim, readings, found)


def readings_of(given: dict[str, Variant]) -> dict[str, Reading]:
    """Read every variant; those with text go through a file."""
    readings = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, variant in given.items():
            source: str | Path = variant.scenario
            if variant.text:
                source = Path(folder) / f"{name}.toml"
                source.write_text(HEAD.format(name=name, base=BASELINE) + variant.text)
            readings[name] = read(source, overrides=variant.changes)
    return readings


def say_sign(claim: Sign, readings: dict[str, Reading], found: dict[str, list[Numbers]]) -> None:
    """Print one sign: the mean difference within pairs, or the level where it is held against zero."""
    after = [numbers.get(claim.measure, math.nan) for numbers in found[claim.variant]]
    before = [numbers.get(claim.measure, math.nan) for numbers in found.get(claim.against, [])]
    effect = estimate(np.array(after) - np.array(before or [0.0]))
    edge = effect.low if claim.expected > 0 else effect.high
    say(
        "sign",
        [readings[name] for name in (claim.against, claim.variant) if name in readings],
        runs=effect.runs,
        case=claim.case,
        measure=claim.measure,
        variant=claim.variant,
        against=claim.against,
        beside=claim.beside,
        expected="+" if claim.expected > 0 else "-",
        before=estimate(before).mean,
        after=estimate(after).mean,
        effect=effect.mean,
        low=effect.low,
        high=effect.high,
        passes=bool(edge * claim.expected > 0 and effect.runs >= ENOUGH * len(after)),
    )


if __name__ == "__main__":
    main()
