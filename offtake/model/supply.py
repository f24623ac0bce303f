"""Supply: clouds plan their sites, landlords bring shells."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.adopting import adopt
from offtake.model.allotting import allot
from offtake.model.building import open_sites, start_building
from offtake.model.cents import cents
from offtake.model.chance import order
from offtake.model.chips import count_shipments
from offtake.model.contracting import give_notice
from offtake.model.contracts import OPEN, Site, Stage
from offtake.model.events import Advanced, Cancelled, Posting, ShellsOffered
from offtake.model.fitting import energise
from offtake.model.proposals import (
    Cancel,
    Equip,
    GiveNotice,
    OpenSite,
    Refit,
    SitePlan,
    StartBuilding,
    TurnToLease,
)
from offtake.model.seeing import cloud_views
from offtake.model.settlement import paid
from offtake.model.sites import fee_usd

if TYPE_CHECKING:
    from offtake.model.market import Market

DELAY_MONTHS = 3.0
"""Months by which a late site is promised anew."""


def plan_supply(market: "Market") -> None:
    """Clouds open, turn to lease, build, equip and cancel sites; landlords bring new shells."""
    _offer_shells(market)
    _renew_promises(market)
    count_shipments(market)
    adopt(market)
    views = cloud_views(market)
    plans = [
        (name, plan)
        for name, view in views.items()
        for plan in market.participants[name].decide("builder", view)
    ]
    setup = market.setup
    ranks = {n: order(setup.seed, "plan", setup.drawn_as[n], market.month) for n in views}
    for name, plan in sorted(plans, key=lambda item: ranks[item[0]]):
        _carry_out(market, name, plan)
    allot(market, [plan for _, plan in plans if isinstance(plan, Equip)])
    market.views = views if not plans else {}


def _offer_shells(market: "Market") -> None:
    """Bring the month's part of what landlords build a year, in whole kilowatts."""
    for name, data in market.setup.placed(market.setup.scenario.landlords):
        kw = round(data.new_mw_per_year * 1000 * market.month / 12)
        new = kw - round(data.new_mw_per_year * 1000 * (market.month - 1) / 12)
        if new > 0:
            market.apply(
                ShellsOffered(landlord=name, capacity_kw=new, cause=f"scenario:landlords.{name}")
            )


def _renew_promises(market: "Market") -> None:
    """Promise for later what is not energised in its promised month (P10)."""
    for site in list(market.books.sites.values()):
        if site.stage in OPEN and site.stage is not Stage.LOI and site.promised <= market.time + 1:
            market.apply(
                Advanced(site=replace(site, promised=market.time + DELAY_MONTHS), cause="delay")
            )


def _carry_out(market: "Market", cloud: str, plan: SitePlan) -> None:
    cause = f"proposal:{type(plan).__name__} by {cloud}"
    match plan:
        case OpenSite():
            open_sites(market, plan.option, plan.capacity_kw, cause, letter=plan.letter)
        case TurnToLease():
            _turn_to_lease(market, market.books.sites[plan.site], cause)
        case StartBuilding():
            start_building(market, market.books.sites[plan.site], cause)
        case Equip():
            _equip(market, plan, cause)
        case Refit():
            _refit(market, market.books.sites[plan.site], cause)
        case Cancel():
            _cancel(market, cloud, market.books.sites[plan.site], f"{cause}: {plan.reason}")
        case GiveNotice():
            give_notice(market, plan.contract)


def _turn_to_lease(market: "Market", site: Site, cause: str) -> None:
    leased = replace(site, stage=Stage.LEASED, deadline=math.inf)
    market.apply(Advanced(site=leased, cause=cause))


def _equip(market: "Market", plan: Equip, cause: str) -> None:
    """Order chips for a site or call them off; where power waits for them, fit them now."""
    site = market.books.sites[plan.site]
    if site.equipped != plan.wanted:
        market.apply(Advanced(site=replace(site, equipped=plan.wanted), cause=cause))
    if plan.wanted and site.stage is Stage.POWERED:
        energise(market, plan.site, cause)


def _refit(market: "Market", site: Site, cause: str) -> None:
    """Plan a site anew for the newest chips of its class on the day it is promised."""
    if site.name in market.books.chips_kw:
        return  # a part of its chips has come
    class_ = market.setup.scenario.chips[site.pool.chip].class_
    chip, _ = market.setup.newest_chip(max(site.promised, market.time), class_)
    pool = replace(site.pool, chip=chip)
    market.apply(Advanced(site=replace(site, pool=pool), cause=cause))


def _cancel(market: "Market", cloud: str, site: Site, cause: str) -> None:
    """Give a site up against the fee of its stage."""
    fee = cents(fee_usd(site, market.setup.scenario.building))
    if site.landlord is not None and fee > 0:
        bill = Posting(cloud, site.landlord, fee, "cancellation", site.name)
        market.post(paid(market.books.deposits, [bill], frozenset()))
    market.apply(Cancelled(site=site.name, cause=cause))
