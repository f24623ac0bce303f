"""What policies in force permit: how fast the grid comes, and how many chips may be fitted where."""

import math
from typing import TYPE_CHECKING

from offtake.model.contracts import Stage
from offtake.model.policies import Policy

if TYPE_CHECKING:
    from offtake.model.market import Market


def grid_multiplier(market: "Market", region: str) -> float:
    """Return the factor of all policies in force on the grid clock of a region."""
    return math.prod(
        market.policies[name].grid_multiplier(region) for name in sorted(market.books.policies)
    )


def objection_to_build(market: "Market", cloud: str, region: str, h100e: float = 0.0) -> str | None:
    """Return why a cloud may not bring so much more compute to a region now, if it may not."""
    parent = market.setup.scenario.clouds[cloud].parent or cloud
    for name in sorted(market.books.policies):
        rule = market.policies[name]
        if not rule.counts(destination=region, parent=parent):
            continue
        objection = rule.objection(
            destination=region, parent=parent, h100e=_fitted_h100e(market, rule) + h100e
        )
        if objection is not None:
            return objection
    return None


def room_under_quotas_h100e(market: "Market", cloud: str, region: str, lead_months: float) -> float:
    """Return what quotas in force leave to a cloud in a region until a new site is powered, H100e."""
    parent = market.setup.scenario.clouds[cloud].parent or cloud
    room = math.inf
    for name in sorted(market.books.policies):
        rule = market.policies[name]
        if rule.counts(destination=region, parent=parent):
            quota = rule.yearly_h100e() * (1 + lead_months / 12)
            room = min(room, quota - _fitted_h100e(market, rule) - _coming_h100e(market, rule))
    return max(room, 0.0)


def _coming_h100e(market: "Market", rule: Policy) -> float:
    """Return what the firm pipeline will fit under a rule, H100e."""
    clouds, chips = market.setup.scenario.clouds, market.setup.scenario.chips
    return math.fsum(
        site.capacity_kw * chips[site.pool.chip].h100e_per_mw / 1000
        for site in market.books.sites.values()
        if Stage.LEASED <= site.stage <= Stage.POWERED
        and rule.counts(
            destination=site.pool.region,
            parent=clouds[site.pool.cloud].parent or site.pool.cloud,
        )
    )


def _fitted_h100e(market: "Market", rule: Policy) -> float:
    """Return what has been fitted under a rule within a year, H100e."""
    since = market.time - 12
    clouds, theta = market.setup.scenario.clouds, market.setup.scenario.chips
    fitted = []
    for time, site in reversed(market.books.energisations):
        if time <= since:
            break
        parent = clouds[site.pool.cloud].parent or site.pool.cloud
        if rule.counts(destination=site.pool.region, parent=parent):
            fitted.append(site.capacity_kw * theta[site.pool.chip].h100e_per_mw / 1000)
    return math.fsum(fitted)
