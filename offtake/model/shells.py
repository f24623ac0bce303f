"""Shells to let: what landlords offer at their reserve rents, and what stands empty."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from offtake.model.contracts import BEGUN

if TYPE_CHECKING:
    from offtake.model.market import Market

RENT_MONTHS = 1.0
"""Months for which a cleared rent is what landlords of the region ask."""


def smallest_kw(market: "Market") -> int:
    """Return the least size of a new site, kW."""
    return math.ceil(market.setup.scenario.building.smallest_site_mw * 1000)


def offered(market: "Market", region: str) -> list[tuple[str, float]]:
    """Return who has a site's worth of shells to let in a region, with its reserve, the lowest first."""
    least = smallest_kw(market)
    letting = [
        (data.rent_usd_per_kw_month, -market.books.shells_left_kw(name), place, name)
        for place, (name, data) in enumerate(market.setup.placed(market.setup.scenario.landlords))
        if data.region == region and market.books.shells_left_kw(name) >= least
    ]
    return [(name, reserve) for reserve, _, _, name in sorted(letting)]


def outside_rent(market: "Market", landlord: str) -> float:
    """Return what a landlord gets for a shell elsewhere: the rent just cleared, or its reserve."""
    data = market.setup.scenario.landlords[landlord]
    when, cleared = market.books.rents.get(data.region, (-math.inf, 0.0))
    recent = when >= market.time - RENT_MONTHS
    return max(data.rent_usd_per_kw_month, cleared) if recent else data.rent_usd_per_kw_month


def landlord_with_shells(market: "Market", region: str) -> str | None:
    """Return the landlord of a region with the lowest reserve that has a site's worth of shells."""
    return next((name for name, _ in offered(market, region)), None)


def shells_of(market: "Market", region: str) -> int:
    """Return what landlords of a region have to let in parts of a site's worth, kW."""
    return sum(market.books.shells_left_kw(name) for name, _ in offered(market, region))


def vacant_in(market: "Market", region: str) -> Iterator[int]:
    """Yield the empty capacity of a region: shells to let, and sites begun that stand vacant, kW."""
    landlords = market.setup.scenario.landlords
    for name, kw in market.books.shells_kw.items():
        if landlords[name].region == region:
            yield kw
    for name, left in market.books.given_up.items():
        site = market.books.sites[name]
        if site.landlord and site.pool.region == region and left.stage in BEGUN:
            yield site.capacity_kw
