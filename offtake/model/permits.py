"""What policies in force permit: how fast the grid comes, how many chips may be fitted where, and when."""

import math
from typing import TYPE_CHECKING

from offtake.model.contracts import Pool, Stage
from offtake.model.enforcing import in_force, since
from offtake.model.policies import Place, Policy, Shipment

if TYPE_CHECKING:
    from offtake.model.market import Market


def place_of(market: "Market", cloud: str, region: str) -> Place:
    """Return a place where a cloud builds, as policies see it."""
    kind = market.setup.scenario.clouds[cloud].kind
    return Place(region=region, cloud=cloud, kind=kind, home=market.setup.homes[cloud])


def grid_multiplier(market: "Market", cloud: str, region: str) -> float:
    """Return the factor of all policies in force on the grid clock of a cloud's sites in a region."""
    place = place_of(market, cloud, region)
    return math.prod(rule.grid_multiplier(place) for rule in in_force(market, "grid_multiplier"))


def objection_to_build(market: "Market", pool: Pool, h100e: float = 0.0) -> str | None:
    """Return why a cloud may not bring so much more compute to a pool now, if it may not."""
    shipment = _shipment(market, pool)
    for rule in in_force(market, "counts"):
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
    for rule in in_force(market, "counts"):
        if rule.counts(shipment):
            quota = rule.quota_of(shipment.chip_class)
            allowed = rule.yearly_h100e(quota) * (rule.period_months() / 12 + lead_months / 12)
            taken = _fitted_h100e(market, rule, quota), _coming_h100e(market, rule, quota)
            room = min(room, allowed - taken[0] - taken[1])
    return max(room, 0.0)


def licence_months(market: "Market", pool: Pool) -> float:
    """Return how long the slowest licence takes for chips on their way to a pool, months."""
    shipment = _shipment(market, pool)
    rules = in_force(market, "licence_months")
    return max((rule.licence_months(shipment) for rule in rules), default=0.0)


def licensed_from(market: "Market", pool: Pool, planned: float) -> float:
    """Return the month in which a site that was planned in another one has the last of its licences.

    A licence is asked for on the day a site is planned, or the policy comes into force if that is later.
    """
    shipment = _shipment(market, pool)
    return max(
        (
            max(planned, since(market, rule.name)) + rule.licence_months(shipment)
            for rule in in_force(market, "licence_months")
            if rule.licence_months(shipment) > 0
        ),
        default=-math.inf,
    )


def tariff_shares(market: "Market", pool: Pool) -> list[tuple[str, float]]:
    """Return the duties on chips on their way to a pool, share of their price, with who has them."""
    shipment = _shipment(market, pool)
    owed = [(r.government, r.tariff_share(shipment)) for r in in_force(market, "tariff_share")]
    return [(government, share) for government, share in owed if share > 0]


def _shipment(market: "Market", pool: Pool) -> Shipment:
    setup = market.setup
    return Shipment(
        destination=pool.region,
        parent=setup.parents[pool.cloud],
        chip=pool.chip,
        chip_class=setup.scenario.chips[pool.chip].class_,
        home=setup.homes[pool.cloud],
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
    """Return what has been fitted under a quota of a rule within its period, H100e."""
    first = market.time - rule.period_months()
    theta = market.setup.scenario.chips
    fitted = []
    for time, site in reversed(market.books.energisations):
        if time <= first:
            break
        if _falls_under(market, rule, quota, site.pool):
            fitted.append(site.capacity_kw * theta[site.pool.chip].h100e_per_mw / 1000)
    return math.fsum(fitted)
