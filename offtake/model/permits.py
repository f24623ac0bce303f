"""What policies in force permit: how fast the grid comes, and how many chips may be fitted where."""

import math
from typing import TYPE_CHECKING

from offtake.model.contracts import Pool, Stage
from offtake.model.policies import Policy, Shipment

if TYPE_CHECKING:
    from offtake.model.market import Market


def grid_multiplier(market: "Market", region: str) -> float:
    """Return the factor of all policies in force on the grid clock of a region."""
    return math.prod(
        market.policies[name].grid_multiplier(region) for name in sorted(market.books.policies)
    )


def objection_to_build(market: "Market", pool: Pool, h100e: float = 0.0) -> str | None:
    """Return why a cloud may not bring so much more compute to a pool now, if it may not."""
    shipment = _shipment(market, pool)
    for name in sorted(market.books.policies):
        rule = market.policies[name]
        if not rule.counts(shipment):
            continue
        fitted = _fitted_h100e(market, rule, rule.quota_of(shipment.chip_class))
        objection = rule.objection(shipment, fitted + h100e)
        if objection is not None:
            return objection
    return None


def room_under_quotas_h100e(market: "Market", pool: Pool, lead_months: float) -> float:
    """Return what quotas in force leave to a pool until a new site is powered, H100e."""
    shipment = _shipment(market, pool)
    room = math.inf
    for name in sorted(market.books.policies):
        rule = market.policies[name]
        if rule.counts(shipment):
            quota = rule.quota_of(shipment.chip_class)
            allowed = rule.yearly_h100e(quota) * (1 + lead_months / 12)
            taken = _fitted_h100e(market, rule, quota), _coming_h100e(market, rule, quota)
            room = min(room, allowed - taken[0] - taken[1])
    return max(room, 0.0)


def _shipment(market: "Market", pool: Pool) -> Shipment:
    scenario = market.setup.scenario
    return Shipment(
        destination=pool.region,
        parent=scenario.clouds[pool.cloud].parent or pool.cloud,
        chip=pool.chip,
        chip_class=scenario.chips[pool.chip].class_,
    )


def _falls_under(market: "Market", rule: Policy, quota: str, pool: Pool) -> bool:
    """Whether what is fitted in a pool counts against a quota of a rule."""
    shipment = _shipment(market, pool)
    return rule.counts(shipment) and rule.quota_of(shipment.chip_class) == quota


def _coming_h100e(market: "Market", rule: Policy, quota: str) -> float:
    """Return what the firm pipeline will fit under a quota of a rule, H100e."""
    chips = market.setup.scenario.chips
    return math.fsum(
        site.capacity_kw * chips[site.pool.chip].h100e_per_mw / 1000
        for site in (*market.books.sites.values(), *market.books.held_sites())
        if Stage.LEASED <= site.stage <= Stage.POWERED
        and _falls_under(market, rule, quota, site.pool)
    )


def _fitted_h100e(market: "Market", rule: Policy, quota: str) -> float:
    """Return what has been fitted under a quota of a rule within a year, H100e."""
    since = market.time - 12
    theta = market.setup.scenario.chips
    fitted = []
    for time, site in reversed(market.books.energisations):
        if time <= since:
            break
        if _falls_under(market, rule, quota, site.pool):
            fitted.append(site.capacity_kw * theta[site.pool.chip].h100e_per_mw / 1000)
    return math.fsum(fitted)
