"""Constants of one market, taken from its scenario once: places, pools, costs, paths of chance."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from offtake.model.chance import order, stream
from offtake.model.contracts import Pool
from offtake.model.control import homes, ultimate_parents
from offtake.model.months import HOURS_PER_MONTH, date_of, month_of
from offtake.model.pricing import betas
from offtake.model.scenario import GPU, Chip, ChipClass, PolicyGiven, Region, Scenario
from offtake.model.view import Rules

ROLES = {
    "labs": "lab",
    "clouds": "cloud",
    "landlords": "landlord",
    "investors": "investor",
    "lenders": "lender",
    "governments": "government",
}
"""Tables of participants in a scenario, in the order in which they enter."""
LEAST_RATE = 1e-3
"""Rate and payout, a year, below which option triggers are not defined."""
LONGEST_ROOM = 61
"""Months that profiles reach at least beyond the horizon and beyond the longest term."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generations:
    """Generations of one class of chips, oldest first."""

    months: tuple[float, ...]
    """Month in which each is released."""
    chips: tuple[tuple[str, Chip], ...]

    def released(self, month: float) -> tuple[tuple[str, Chip], ...]:
        """Return what can be fitted in a month, oldest first."""
        return self.chips[: bisect_right(self.months, month)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What does not change during a run.

    Participants stand in an order drawn for the run, so that equals are told apart by neither the order
    of a file nor their names (bar-3: residual ties by keyed random priority).
    """

    scenario: Scenario
    seed: int
    drawn_as: dict[str, str]
    """Name of each participant under which its draws stand."""
    place: dict[str, int]
    """Place of each participant among equals, drawn for the run."""
    parents: Mapping[str, str]
    """Ultimate parent of each participant: itself, where nobody is above it."""
    homes: Mapping[str, str | None]
    """Jurisdiction of the ultimate parent of each participant, where it is known."""
    policy_dates: Mapping[str, tuple[float, float]]
    """From when until when each policy is scheduled, months; a draft from infinity on."""
    labs: tuple[str, ...]
    clouds: tuple[str, ...]
    regions: tuple[str, ...]
    pools: tuple[Pool, ...]
    theta: np.ndarray
    """H100e per MW, by pool."""
    running: np.ndarray
    """Power and operation, USD per H100e-hour, by pool (cst-1)."""
    pool_cloud: np.ndarray
    cloud_pools: tuple[slice, ...]
    """Where the pools of each cloud stand: pools are sorted by cloud."""
    triggers: tuple[tuple[float, float], ...]
    """By cloud, V/I at which a merchant project starts and V/X at which it is given up (D1, D2)."""
    priority: np.ndarray
    """Lab with first call on each pool, -1 for none."""
    classes: Mapping[str, ChipClass]
    """Classes of chips: GPUs first, then the custom ones by name."""
    generations: Mapping[str, Generations]
    """Generations by class of chips."""
    pool_class: np.ndarray
    """Class of chips of each pool, by its place among the classes."""
    horizon: int
    rules: Rules
    hours_per_user: np.ndarray
    usage_path: np.ndarray
    """Common factor on usage from growth, efficiency and chance, by month (dem-4)."""
    price_sensitivity: np.ndarray
    """alpha by month, per USD a user-month: it falls as users would pay more."""
    appeal_path: np.ndarray
    """Shocks to appeal, by month and lab."""
    affiliates: np.ndarray
    """Whether lab and cloud belong to one group or venture, by lab and cloud."""
    barred: np.ndarray
    """Whether the scenario rules a pair out, by lab and cloud."""
    porting: np.ndarray
    """Extra cost of a cloud to a lab, USD per H100e-hour, by lab and cloud."""

    def placed[T](self, table: Mapping[str, T]) -> list[tuple[str, T]]:
        """Return the entries of a table by participant, in order of place."""
        return sorted(table.items(), key=lambda item: self.place[item[0]])

    def newest_chip(self, month: float, class_: str = GPU) -> tuple[str, Chip]:
        """Return the newest generation of a class that can be fitted in a month, or the first to come."""
        path = self.generations[class_]
        return path.chips[max(bisect_right(path.months, month) - 1, 0)]

    def running_cost(self, region: Region, chip: Chip) -> float:
        """Return avoidable cost, USD per H100e-hour: power at the meter and operation (cst-1)."""
        kw_per_h100e = 1000 / chip.h100e_per_mw
        operations = self.scenario.building.operations_share_per_year * chip.price_usd_per_h100e
        return running_cost(region, kw_per_h100e, operations)


def running_cost(region: Region, kw_per_h100e: float, operations_usd_per_year: float) -> float:
    """Return power and operation of one H100e, USD an hour."""
    power = kw_per_h100e * region.pue * region.power_usd_per_kwh
    return power + operations_usd_per_year / (12 * HOURS_PER_MONTH)


def set_up(scenario: Scenario, seed: int) -> Setup:
    """Return the constants of a market."""
    drawn_as = {
        n: data.drawn_as or n for table in ROLES for n, data in getattr(scenario, table).items()
    }
    ranks = {n: (order(seed, "place", known), known) for n, known in drawn_as.items()}
    place = {n: i for i, n in enumerate(sorted(ranks, key=ranks.__getitem__))}
    labs = tuple(sorted(scenario.labs, key=place.__getitem__))
    clouds = tuple(sorted(scenario.clouds, key=place.__getitem__))
    classes = classes_of(scenario)
    class_at = {name: i for i, name in enumerate(classes)}
    pools = tuple(sorted(_pools(scenario), key=lambda p: (place[p.cloud], p.region, p.chip)))
    regions, generations = scenario.regions, scenario.chips
    operations = scenario.building.operations_share_per_year
    lab_at = {name: i for i, name in enumerate(labs)}
    return Setup(
        scenario=scenario,
        seed=seed,
        drawn_as=drawn_as,
        place=place,
        parents=ultimate_parents(scenario),
        homes=homes(scenario),
        policy_dates={name: _dates(scenario, p) for name, p in scenario.policies.items()},
        labs=labs,
        clouds=clouds,
        regions=tuple(sorted(scenario.regions)),
        pools=pools,
        theta=np.array([generations[p.chip].h100e_per_mw for p in pools]),
        running=np.array(
            [
                running_cost(
                    regions[p.region],
                    1000 / generations[p.chip].h100e_per_mw,
                    operations * generations[p.chip].price_usd_per_h100e,
                )
                for p in pools
            ]
        ),
        pool_cloud=np.array([clouds.index(p.cloud) for p in pools]),
        cloud_pools=tuple(_pools_of(pools, cloud) for cloud in clouds),
        triggers=tuple(_triggers(scenario, cloud) for cloud in clouds),
        priority=np.array([lab_at.get(scenario.clouds[p.cloud].priority or "", -1) for p in pools]),
        classes=classes,
        generations={name: _generations(scenario, name) for name in classes},
        pool_class=np.array([class_at[generations[p.chip].class_] for p in pools]),
        horizon=scenario.months
        + max(*scenario.negotiation.terms_months, LONGEST_ROOM)
        + LONGEST_ROOM,
        rules=_rules(scenario),
        hours_per_user=np.array([scenario.labs[n].compute_h100e_hours_per_user for n in labs]),
        usage_path=_usage_path(scenario, seed),
        price_sensitivity=scenario.demand.price_sensitivity_per_usd
        * np.exp(-scenario.demand.willingness_growth_per_month * maturing(scenario)),
        appeal_path=_appeal_path(scenario, seed, [drawn_as[n] for n in labs]),
        affiliates=np.array([[_affiliated(scenario, n, c) for c in clouds] for n in labs]),
        barred=np.array([[_barred(scenario, n, c) for c in clouds] for n in labs]),
        porting=np.array(
            [
                [scenario.labs[n].porting_usd_per_h100e_hour.get(c, 0.0) for c in clouds]
                for n in labs
            ]
        ),
    )


def _dates(scenario: Scenario, given: PolicyGiven) -> tuple[float, float]:
    since, until = (
        math.inf if day is None else month_of(scenario.start, day)
        for day in (given.effective, given.until)
    )
    return since, until


def classes_of(scenario: Scenario) -> dict[str, ChipClass]:
    """Return the classes of chips: GPUs first, then the custom ones by name."""
    custom = sorted(scenario.classes.keys() - {GPU})
    return {GPU: scenario.classes.get(GPU, ChipClass())} | {n: scenario.classes[n] for n in custom}


def _generations(scenario: Scenario, class_: str) -> Generations:
    dated = sorted(
        (month_of(scenario.start, chip.released), name)
        for name, chip in scenario.chips.items()
        if chip.class_ == class_
    )
    return Generations(
        months=tuple(month for month, _ in dated),
        chips=tuple((name, scenario.chips[name]) for _, name in dated),
    )


def build_regions(scenario: Scenario, cloud: str) -> tuple[str, ...]:
    """Return where a cloud builds, most wanted first: as given, or where it stands already."""
    given = scenario.clouds[cloud].regions
    if given:
        return given
    stood = {s.region: None for s in scenario.sites.values() if s.cloud == cloud}
    return tuple(sorted(stood)) or tuple(sorted(scenario.regions))


def _pools(scenario: Scenario) -> set[Pool]:
    stood = {(site.cloud, site.region) for site in scenario.sites.values()}
    places = {(c, r) for c in scenario.clouds for r in build_regions(scenario, c)} | stood
    custom = classes_of(scenario)
    pools = {
        Pool(cloud=cloud, region=region, chip=name)
        for cloud, region in places
        for name, chip in scenario.chips.items()
        if custom[chip.class_].owner in (None, cloud)
    }
    return pools | {
        Pool(cloud=c.cloud, region=c.region, chip=c.chip) for c in scenario.contracts.values()
    }


def _pools_of(pools: tuple[Pool, ...], cloud: str) -> slice:
    mine = [i for i, pool in enumerate(pools) if pool.cloud == cloud]
    return slice(mine[0], mine[-1] + 1)


def _triggers(scenario: Scenario, cloud: str) -> tuple[float, float]:
    rate = max(scenario.clouds[cloud].discount_per_year, LEAST_RATE)
    payout = max(scenario.beliefs.price_decline_per_year, LEAST_RATE)
    start, stop = betas(rate, payout, scenario.negotiation.value_volatility_per_year)
    return start / (start - 1), stop / (stop - 1)


def _rules(scenario: Scenario) -> Rules:
    decline = -math.log(1 - scenario.beliefs.price_decline_per_year) / 12
    life = scenario.building.server_life_months
    lives = max(scenario.negotiation.terms_months) // life + 1
    return Rules(
        beliefs=scenario.beliefs,
        procurement=scenario.procurement,
        negotiation=scenario.negotiation,
        building=scenario.building,
        finance=scenario.finance,
        terms=np.array(scenario.negotiation.terms_months, dtype=float),
        floors=np.array(scenario.negotiation.take_or_pay),
        decline_per_month=decline,
        replacements=tuple(math.exp(-decline * k * life) for k in range(lives)),
    )


def _usage_path(scenario: Scenario, seed: int) -> np.ndarray:
    demand = scenario.demand
    growth = demand.usage_growth_per_month - demand.efficiency_growth_per_month
    shocks = stream(seed, "usage").standard_normal(scenario.months + 1)
    walk = np.cumsum(demand.usage_noise_per_month * shocks)
    return np.exp(growth * maturing(scenario) + walk)


def maturing(scenario: Scenario) -> np.ndarray:
    """Return by month the months of growth at its first rate that have passed: growth halves with time."""
    half = scenario.demand.growth_half_life_months / math.log(2)
    return half * (1 - np.exp(-np.arange(scenario.months + 1) / half))


def _appeal_path(scenario: Scenario, seed: int, labs: Sequence[str]) -> np.ndarray:
    demand = scenario.demand
    path = np.zeros((scenario.months + 1, len(labs)))
    for i, name in enumerate(labs):
        shocks = stream(seed, "appeal", name).standard_normal(scenario.months + 1)
        level = 0.0
        for month, shock in enumerate(shocks.tolist()):
            level = demand.quality_persistence * level + demand.quality_noise_per_month * shock
            path[month, i] = level
    return path


def _affiliated(scenario: Scenario, lab: str, cloud: str) -> bool:
    seller, buyer = scenario.clouds[cloud], scenario.labs[lab]
    same = seller.parent is not None and seller.parent == buyer.parent
    return same or seller.priority == lab or lab in seller.owners


def _barred(scenario: Scenario, lab: str, cloud: str) -> bool:
    buyer, seller = scenario.labs[lab], scenario.clouds[cloud]
    if buyer.invites and cloud not in buyer.invites:
        return True
    if seller.serves and lab not in seller.serves:
        return True
    deeded = seller.kind in ("self-builder", "captive")
    return deeded and seller.priority != lab and not seller.sells_surplus


def dates(scenario: Scenario, months: int) -> list:
    """Return the first day of each month."""
    return [date_of(scenario.start, m) for m in range(months)]
