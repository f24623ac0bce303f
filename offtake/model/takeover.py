"""Takeover: what was given up goes to the cloud that bids most, at the second highest bid (cap-6)."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.chance import order
from offtake.model.chips import usable_from
from offtake.model.competition import objection_to_takeover
from offtake.model.contracts import BEGUN, Site, Stage
from offtake.model.events import Transferred
from offtake.model.fitting import power
from offtake.model.leases import lease_until, renew_promise
from offtake.model.opening import own_kw
from offtake.model.permits import objection_to_build, room_under_quotas_h100e
from offtake.model.public_money import own_part
from offtake.model.seeing import cloud_views, site_cost
from offtake.model.setup import build_regions
from offtake.model.shells import outside_rent
from offtake.model.view import CloudView, Slot

if TYPE_CHECKING:
    from offtake.model.market import Market


def second_price(bids: Mapping[str, float], reserve: float) -> tuple[str, float] | None:
    """Return who wins a sealed-bid auction and what it pays: the next bid, or the reserve if higher.

    Nobody gains by another bid than its worth: it decides who wins and never what the winner pays
    (Vickrey 1961, *Journal of Finance* 16(1) 8). Equal bids go by the order of `bids`.

    Examples
    --------
    >>> second_price({"a": 140.0, "b": 155.0, "c": 150.0}, 130.0)
    ('b', 150.0)
    >>> second_price({"a": 140.0}, 130.0), second_price({"a": 120.0}, 130.0)
    (('a', 130.0), None)
    """
    accepted = {name: bid for name, bid in bids.items() if bid >= reserve}
    if not accepted:
        return None
    winner = max(accepted, key=accepted.__getitem__)  # the first of equals
    return winner, max([bid for n, bid in accepted.items() if n != winner], default=reserve)


def auction_vacant(market: "Market", before: set[str]) -> None:
    """Auction what was given up in this month, and what stands vacant with work begun on it.

    Parameters
    ----------
    before
        Sites that had been given up before this month; their last tenants may have them back.
    """
    slots = _vacant(market, before)
    if not slots:
        return
    views = cloud_views(market)
    won: dict[str, list[Slot]] = {name: [] for name in views}
    for site in slots:
        barred = site.pool.cloud if site.name not in before else None
        _auction(market, site, {n: v for n, v in views.items() if n != barred}, won)


def _vacant(market: "Market", before: set[str]) -> list[Site]:
    """Return the let sites that are without a tenant, as they stand, the largest first."""
    books, seed = market.books, market.setup.seed
    vacant = [
        replace(books.sites[name], stage=left.stage)
        for name, left in books.given_up.items()
        if left.stage in BEGUN or (left.stage is Stage.LEASED and name not in before)
    ]
    let = [site for site in vacant if site.landlord is not None]
    rank = {s.name: order(seed, "slot", s.known_as, market.month) for s in let}
    return sorted(let, key=lambda s: (-s.capacity_kw, rank[s.name]))


def _auction(
    market: "Market", site: Site, views: Mapping[str, CloudView], won: dict[str, list[Slot]]
) -> None:
    """Ask for sealed bids on one slot and give it to the winner at the second price."""
    assert site.landlord is not None
    reserve = outside_rent(market, site.landlord)
    slots = {
        name: slot
        for name, view in views.items()
        if (slot := slot_for(market, view, site, reserve, won[name])) is not None
    }
    said = {n: market.participants[n].decide("bidder", views[n], slot) for n, slot in slots.items()}
    setup = market.setup
    order_of = {n: order(setup.seed, "takeover", setup.drawn_as[n], site.known_as) for n in said}
    bids = {n: bid for n in sorted(said, key=order_of.__getitem__) if (bid := said[n]) is not None}
    found = second_price(bids, reserve)
    if found is not None:
        won[found[0]].append(slots[found[0]])
        _hand_over(market, site, *found)


def slot_for(
    market: "Market", view: CloudView, site: Site, reserve: float, won: list[Slot]
) -> Slot | None:
    """Return a slot as a cloud may take it over; nothing if region, policy or money forbid it."""
    cloud, scenario = view.name, market.setup.scenario
    region, data = site.pool.region, scenario.clouds[cloud]
    if region not in build_regions(scenario, cloud):
        return None
    pool = replace(site.pool, cloud=cloud)
    if pool not in market.books.pool_index:
        return None  # chips of another cloud's own class
    own = own_kw(scenario, cloud, site.capacity_kw, site.stage)
    mine = replace(
        site,
        pool=pool,
        own_kw=own,
        rent_usd_per_kw_month=0.0,
        deferred=0,
        construction_at=math.inf,
        grid_at=math.inf,
    )
    cost = site_cost(market, mine)
    spent = math.fsum(s.cost.remaining_usd * s.cost.h100e for s in won)
    equity = (1 - data.debt_share) * own_part(market, mine.pool)
    price = (cost.remaining_usd * cost.h100e + spent) * equity
    wins = math.fsum(s.cost.h100e for s in won)
    if price > view.spendable_usd or objection_to_build(market, mine.pool) is not None:
        return None
    taken_kw = site.capacity_kw + sum(s.site.capacity_kw for s in won)
    if objection_to_takeover(market, cloud, taken_kw) is not None:
        return None
    class_ = scenario.chips[mine.pool.chip].class_
    if usable_from(market, cloud, class_) > market.time + cost.ahead:
        return None
    if cost.h100e + wins > room_under_quotas_h100e(market, mine.pool, float(cost.ahead)):
        return None
    return Slot(site=mine, cost=cost, reserve_usd_per_kw_month=reserve, won_h100e=wins)


def _hand_over(market: "Market", site: Site, cloud: str, rent: float) -> None:
    """Make the winner the tenant; if the shell has power by now, it is fitted or waits for chips."""
    begun = site.stage in BEGUN
    market.apply(
        Transferred(
            site=site.name,
            to=cloud,
            rent_usd_per_kw_month=rent,
            chip=site.pool.chip,
            own_kw=own_kw(market.setup.scenario, cloud, site.capacity_kw, site.stage),
            deadline=math.inf if begun else lease_until(market, site),
            cause=f"auction:takeover from {site.pool.cloud}",
        )
    )
    if begun:
        power(market, site.name)
    renew_promise(market, site.name)
