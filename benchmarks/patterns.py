"""Patterns of the market to June 2025, looked for in runs of the baseline (rung L7).

A pattern has a value in each run. It holds when the median of the runs lies in the band, or, where
the criterion says so, when nearly all runs meet it, or when the range of 90% of runs covers what was
observed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from _runs import (
    BASELINE,
    Numbers,
    dependence,
    each_seed,
    median,
    options,
    ratio,
    run_all,
    say,
    series,
    stage_months,
)
from scipy.stats import skew

from offtake.model.books import CAPITAL
from offtake.model.contracts import Contract, Pool, Site, Stage
from offtake.model.demand import damped
from offtake.model.events import Believed, Posted
from offtake.model.market import Market
from offtake.model.pricing import full_cost
from offtake.model.reading import read
from offtake.model.scenario import Chip

FIVE = ("AWS", "Azure", "Google Cloud", "Meta sites", "Oracle")
"""Clouds of the five firms whose capital expenditure is reported."""
TOP_THREE = ("AWS", "Azure", "Google Cloud")
LEADER = "AWS"
FOCAL = "OpenAI"
INCUMBENT_CHIP = "hopper"
REGION = "us"
BESIDE_CHIPS = 1.35
"""Cost of chips with servers, network and storage over that of chips alone, as in the scenario."""
TAIL = "Other AI developers"
"""A segment of many buyers: it is nobody's single customer."""
NEAR = 24
"""Months near the window of the data: 2025 and 2026."""
QUARTER, YEAR = 3, 12
ALMOST_ALL = 0.95
FEWEST_CONTRACTS = 5
"""Contracts for one chip below which a month has no dispersion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A regularity: where its value comes from and where it must lie."""

    key: str
    what: str
    read: Callable[[Market], float]
    low: float = -math.inf
    high: float = math.inf
    share_of_runs: float | None = None
    """Share of runs that must lie in the band; where not given, their median must."""
    covers: float | None = None
    """What the range of 90% of runs must cover, where that is the criterion."""


def dispersion_one_chip(market: Market) -> float:
    """Return the median over months and chips of p90 over p10 of prices in force for one chip."""
    found = []
    for month in range(QUARTER, len(market.recorder.values["price_new"]), QUARTER):
        prices: dict[str, list[float]] = {}
        for contract, end in _contracts(market):
            if contract.start <= month < end and not contract.affiliate:
                prices.setdefault(contract.pool.chip, []).append(contract.price_usd_per_h100e_hour)
        for given in prices.values():
            if len(given) >= FEWEST_CONTRACTS:
                low, high = np.quantile(given, [0.1, 0.9])
                found.append(ratio(float(high), float(low)))
    return median(found)


def dispersion_all_chips(market: Market) -> float:
    """Return the median over months of the observable, all chips and vintages together."""
    return median(series(market, "price_dispersion").ravel())


def hazards_in_order(market: Market) -> float:
    """Return 1 where the hazard of cancellation falls from letters over leases to building sites."""
    letters, leased, building = (hazard(market, s) for s in list(Stage)[:3])
    return float(letters > leased > building)


def hazard(market: Market, stage: Stage) -> float:
    """Return cancelled over standing capacity of a stage, a month."""
    months = [m for m in stage_months(market) if m.stage is stage]
    return ratio(sum(m.cancelled_mw for m in months), sum(m.stood_mw for m in months))


def relet(market: Market) -> float:
    """Return the share of cancelled leases, MW, that another cloud has within twelve months.

    Counted are let sites given up after the letter, but for the last year of the run.
    """
    given_up, found = 0, 0
    for name, left in market.books.given_up.items():
        site = market.books.sites[name]
        if _counts(market, site, left.stage, left.since):
            given_up += site.capacity_kw
    for taken in market.books.takeovers:
        since = taken.at - taken.vacant_months
        if _counts(market, taken.site, taken.site.stage, since):
            given_up += taken.site.capacity_kw
            others = taken.seller != taken.site.pool.cloud
            found += taken.site.capacity_kw * (others and taken.vacant_months <= YEAR)
    return ratio(found, given_up)


def _counts(market: Market, site: Site, stage: Stage, since: float) -> bool:
    late = since > market.setup.scenario.months - YEAR
    return site.landlord is not None and stage is not Stage.LOI and not late


def small_over_large(market: Market) -> float:
    """Return the top customer's share of neoclouds less that of hyperscalers, means over 2025-26."""
    delivered = series(market, "delivered_h100e")[:NEAR, :, None] * dependence(market)[:NEAR]
    by_pair = delivered.sum(axis=0)
    whole = by_pair.sum(axis=0)
    by_pair[market.books.lab_index[TAIL]] = 0.0  # it is in the whole, and never at the top
    top = by_pair.max(axis=0) / np.maximum(whole, 1e-9)
    kind = np.array([market.setup.scenario.clouds[c].kind for c in market.setup.clouds])
    sells = whole > 0
    return float(
        top[sells & (kind == "neocloud")].mean() - top[sells & (kind == "hyperscaler")].mean()
    )


def delays(market: Market) -> list[float]:
    """Return how late each site was that came into service during the run, months."""
    return [
        s.energised_at - s.first_promise
        for s in market.books.sites.values()
        if s.stage is Stage.ENERGISED and s.energised_at > 0
    ]


def five_firms_usd_bn(market: Market) -> float:
    """Return what the five firms spend on AI sites in the first year, bn USD."""
    postings = (
        posting
        for time, event in market.books.journal
        if isinstance(event, Posted) and time <= YEAR
        for posting in event.postings
    )
    return sum(p.cents for p in postings if p.payer in FIVE and p.label in CAPITAL) / 1e11


def top_three_share(market: Market) -> np.ndarray:
    """Return the three largest clouds' share of cloud revenue by quarter."""
    return _revenue_share(market, TOP_THREE).sum(axis=1)


def top_three_move(market: Market) -> float:
    """Return how far the three largest clouds' sum moves over 2025-26, points."""
    share = top_three_share(market)
    return 100 * float(share.max() - share.min())


def leader_slope(market: Market) -> float:
    """Return how the leader's share of cloud revenue changes over 2025-26, points a quarter."""
    share = _revenue_share(market, (LEADER,)).ravel()
    return 100 * float(np.polyfit(np.arange(len(share)), share, 1)[0])


def _revenue_share(market: Market, clouds: tuple[str, ...]) -> np.ndarray:
    """Return shares of the revenue of clouds that sell to anybody, by quarter of 2025-26."""
    revenue = series(market, "revenue_usd")[:NEAR]
    revenue = revenue.reshape(NEAR // QUARTER, QUARTER, -1).sum(axis=1)
    kinds = [market.setup.scenario.clouds[c].kind for c in market.setup.clouds]
    sold = revenue[:, [k in ("hyperscaler", "neocloud") for k in kinds]].sum(axis=1)
    return revenue[:, _columns(market, clouds)] / sold[:, None]


def jumps(market: Market) -> float:
    """Return the two largest quarters' part of the rise of backlog, median of sellers."""
    backlog = series(market, "backlog_usd")[QUARTER - 1 :: QUARTER]
    rises = np.maximum(np.diff(backlog, axis=0), 0.0)
    top = np.sort(rises, axis=0)[-2:].sum(axis=0)
    return median(ratio(t, w) for t, w in zip(top, rises.sum(axis=0), strict=True))


def gw_per_usd_bn(market: Market) -> float:
    """Return the focal lab's facility power over its run-rate, median of the months of 2025-26."""
    lab = market.books.lab_index[FOCAL]
    run_rate = series(market, "run_rate_usd")[:NEAR, lab] / 1e9
    delivered = series(market, "delivered_h100e")[:NEAR, lab]
    gw_per_h100e = [_gw_per_h100e(market, month) for month in range(1, NEAR + 1)]
    return float(np.median(delivered * gw_per_h100e / run_rate))


def _gw_per_h100e(market: Market, month: int) -> float:
    """Return facility power for a unit of the compute that the focal lab's contracts give it."""
    regions = market.setup.scenario.regions
    mine = [c for c, end in _contracts(market) if c.buyer == FOCAL and c.start <= month < end]
    steps = [c.ramp.steps_kw(c.capacity_kw) for c in mine]
    kw = [s[min(int(month - c.start), len(s) - 1)] for c, s in zip(mine, steps, strict=True)]
    power = sum(k * regions[c.pool.region].pue for c, k in zip(mine, kw, strict=True)) / 1e6
    return ratio(power, sum(k * c.h100e_per_mw / 1000 for c, k in zip(mine, kw, strict=True)))


def price_slope(market: Market) -> float:
    """Return the yearly change of the price of new contracts, from a straight line through its log."""
    price = np.log(series(market, "price_new").ravel())
    return math.expm1(YEAR * float(np.polyfit(np.arange(len(price)), price, 1)[0]))


def forecast_error(market: Market) -> float:
    """Return the median log error of need forecast a year ahead during the first year."""
    believed = [e for _, e in market.books.journal if isinstance(e, Believed)]
    damping = market.setup.scenario.beliefs.damping
    errors = []
    for now, later in zip(believed[1:], believed[1 + YEAR :][:YEAR], strict=False):
        forecast = now.need_h100e * np.exp(damped(now.growth, damping, YEAR))
        errors.append(math.log(float(forecast.sum() / later.need_h100e.sum())))
    return median(errors)


def leading_power(market: Market) -> float:
    """Return by what factor the power of the leading system grows a year."""
    return _growth_of_leader(market, lambda chip: 1.0)


def leading_cost(market: Market) -> float:
    """Return by what factor the cost of the leading system's chips grows a year."""
    return _growth_of_leader(market, lambda chip: chip.h100e_per_mw * chip.price_usd_per_h100e)


def _growth_of_leader(market: Market, per_mw: Callable[[Chip], float]) -> float:
    """Return the yearly factor of the largest system that stands, from a straight line through its log.

    A system is what one cloud has of one generation in one region: the model has no smaller unit that
    trains together.
    """
    chips, months = market.setup.scenario.chips, market.setup.scenario.months
    stands: dict[Pool, float] = {}
    largest = np.zeros(months + 1)
    for time, site in market.books.energisations:
        size = site.capacity_kw / 1000 * per_mw(chips[site.pool.chip])
        stands[site.pool] = stands.get(site.pool, 0.0) + size
        largest[max(math.ceil(time), 0)] = max(stands.values())
    path = np.log(np.maximum.accumulate(largest))
    return math.exp(YEAR * float(np.polyfit(np.arange(len(path)), path, 1)[0]))


def chips_over_capex(market: Market) -> float:
    """Return what chip sellers take in over the five firms' capital expenditure in 2025 and 2026."""
    sold = spent = 0.0
    for time, event in market.books.journal:
        if isinstance(event, Posted) and 0 < time <= NEAR:
            for posting in event.postings:
                sold += posting.cents / BESIDE_CHIPS * (posting.label == "chips")
                spent += posting.cents * (posting.label in CAPITAL and posting.payer in FIVE)
    return ratio(sold, spent)


def prices_in_order(market: Market) -> float:
    """Return 1 where contracts cost less than spot, and spot more than owning the incumbent chip, in 2025.

    Nobody posts list prices in the model; spot is what is asked of whoever has no contract.
    """
    spot = median(series(market, "price_spot")[:YEAR].ravel())
    contract = median(series(market, "price_contract")[:YEAR].ravel())
    return float(owning_cost(market) < spot and contract < spot)


def owning_cost(market: Market) -> float:
    """Return what an hour of the incumbent chip costs its owner in the largest region (cst-2, row U10)."""
    scenario, setup = market.setup.scenario, market.setup
    chip, region = scenario.chips[INCUMBENT_CHIP], scenario.regions[REGION]
    rate = (1 + scenario.clouds[LEADER].discount_per_year) ** (1 / 12) - 1
    rents = [d.rent_usd_per_kw_month for d in scenario.landlords.values() if d.region == REGION]
    return full_cost(
        capital_usd=chip.price_usd_per_h100e,
        life_months=scenario.building.server_life_months,
        rate_per_month=rate,
        rent_usd_per_month=min(rents) * 1000 / chip.h100e_per_mw,
        running_usd_per_hour=setup.running_cost(region, chip),
        operations_share_per_year=0.0,
        busy=scenario.building.busy,
    )


def _contracts(market: Market) -> Iterator[tuple[Contract, float]]:
    """Yield contracts with the month in which they ended or will."""
    c = market.books.contracts
    return zip(c.facts, c.end[: c.size].tolist(), strict=True)


def _columns(market: Market, clouds: tuple[str, ...]) -> list[int]:
    return [market.books.cloud_index[name] for name in clouds]


PATTERNS = (
    Pattern(key="P2", what="p90/p10, one chip", read=dispersion_one_chip, low=1.5, high=5),
    Pattern(key="P2", what="p90/p10, all chips", read=dispersion_all_chips),
    Pattern(
        key="P4",
        what="hazards fall with the stage",
        read=hazards_in_order,
        low=1,
        share_of_runs=ALMOST_ALL,
    ),
    *(
        Pattern(
            key="P4", what=f"hazard a month, {s.name.lower()}", read=lambda m, s=s: hazard(m, s)
        )
        for s in list(Stage)[:3]
    ),
    Pattern(
        key="P8",
        what="top customer, small less large clouds",
        read=small_over_large,
        low=0,
        share_of_runs=ALMOST_ALL,
    ),
    Pattern(key="P9", what="power of the leading system, a year", read=leading_power, covers=2.0),
    Pattern(key="P9", what="cost of the leading system, a year", read=leading_cost, covers=2.0),
    Pattern(key="P10", what="median delay, months", read=lambda m: median(delays(m)), low=0),
    Pattern(key="P10", what="skewness of delay", read=lambda m: float(skew(delays(m))), low=0),
    Pattern(
        key="P13",
        what="five firms' AI capex 2025, bn USD",
        read=five_firms_usd_bn,
        low=164,
        high=246,
    ),
    Pattern(
        key="P14", what="chips over five firms' capex", read=chips_over_capex, low=0.35, high=0.6
    ),
    Pattern(
        key="P15",
        what="top three share of revenue",
        read=lambda m: median(top_three_share(m)),
        low=0.59,
        high=0.67,
    ),
    Pattern(key="P15", what="move of that share, points", read=top_three_move, high=3),
    Pattern(key="P15", what="leader's slope, points a quarter", read=leader_slope, high=0),
    Pattern(key="P16", what="two largest quarters of backlog's rise", read=jumps, low=0.5),
    Pattern(
        key="P17",
        what="GW per bn USD of run-rate",
        read=gw_per_usd_bn,
        low=0.10 / 1.5,
        high=0.10 * 1.5,
    ),
    Pattern(key="P18", what="slope of price a year", read=price_slope, low=-0.4, high=-0.1),
    Pattern(
        key="P18",
        what="contracts below spot, spot above owning",
        read=prices_in_order,
        low=1,
        share_of_runs=ALMOST_ALL,
    ),
    Pattern(key="P19", what="cancelled leases re-let within a year", read=relet, low=0.3),
    Pattern(key="P20", what="log error of first forecasts", read=forecast_error, high=0),
)


def values(market: Market) -> Numbers:
    """Return the value of every pattern in a run."""
    return {f"{p.key} {p.what}": p.read(market) for p in PATTERNS}


def main() -> None:
    """Print value, band and verdict of each pattern."""
    chosen = options("Look for patterns in runs of the baseline.", seeds=20, workers=2)
    reading = read(BASELINE)
    runs = run_all(each_seed(reading, chosen.seeds, values), chosen.workers)
    for pattern in PATTERNS:
        given = np.array([n.get(f"{pattern.key} {pattern.what}", math.nan) for n in runs])
        given = given[np.isfinite(given)]
        low, high = np.quantile(given, [0.05, 0.95]) if len(given) else (math.nan, math.nan)
        inside = float(((given >= pattern.low) & (given <= pattern.high)).mean())
        bounded = math.isfinite(pattern.low) or math.isfinite(pattern.high)
        judged = bounded or pattern.covers is not None
        say(
            "pattern",
            [reading],
            runs=len(given),
            key=pattern.key,
            what=pattern.what,
            median=median(given),
            p05=float(low),
            p95=float(high),
            band=[b if math.isfinite(b) else None for b in (pattern.low, pattern.high)],
            covers=pattern.covers,
            share_of_runs_inside=inside if bounded else None,
            holds=holds(pattern, given, inside) if judged else None,
        )


def holds(pattern: Pattern, given: np.ndarray, inside: float) -> bool:
    """Return whether the runs meet the criterion."""
    if pattern.covers is not None:
        low, high = np.quantile(given, [0.05, 0.95]) if len(given) else (math.nan, math.nan)
        return bool(low <= pattern.covers <= high)
    if pattern.share_of_runs is not None:
        return inside >= pattern.share_of_runs
    return pattern.low <= median(given) <= pattern.high


if __name__ == "__main__":
    main()
