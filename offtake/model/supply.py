"""Supply: clouds plan their sites, landlords let shells, what is given up finds its next tenant."""

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.adopting import adopt
from offtake.model.allotting import allot
from offtake.model.building import open_sites, start_building
from offtake.model.chance import order
from offtake.model.chips import count_shipments
from offtake.model.contracting import give_notice
from offtake.model.contracts import OPEN, Site, Stage
from offtake.model.events import Advanced
from offtake.model.fitting import energise
from offtake.model.leases import (
    defer,
    end_overdue,
    end_with_tenants,
    give_up,
    reduce,
    renew_promise,
    turn_to_lease,
)
from offtake.model.letting import let_shells, offer_shells
from offtake.model.proposals import (
    Cancel,
    Defer,
    Equip,
    GiveNotice,
    OpenSite,
    Reduce,
    Refit,
    SitePlan,
    StartBuilding,
    TurnToLease,
)
from offtake.model.seeing import cloud_views
from offtake.model.takeover import auction_vacant

if TYPE_CHECKING:
    from offtake.model.market import Market

ALLOWED: dict[type, tuple[Stage, ...]] = {
    TurnToLease: (Stage.LOI,),
    StartBuilding: (Stage.LEASED,),
    Equip: (Stage.BUILDING, Stage.POWERED),
    Cancel: OPEN,
    Reduce: (Stage.LOI, Stage.LEASED, Stage.BUILDING),
    Defer: (Stage.LOI, Stage.LEASED),
    Refit: OPEN,
}
"""Stages of a site at which a plan for it can be carried out."""


def plan_supply(market: "Market") -> None:
    """Clouds open, lease, defer, build, equip and give up sites; landlords let shells by auction."""
    offer_shells(market)
    _renew_promises(market)
    count_shipments(market)
    adopt(market)
    already = set(market.books.given_up)
    end_with_tenants(market)
    end_overdue(market)
    views, seen = cloud_views(market), len(market.books.journal)
    plans = [
        (name, plan)
        for name, view in views.items()
        for plan in market.participants[name].decide("builder", view)
    ]
    setup = market.setup
    ranks = {n: order(setup.seed, "plan", setup.drawn_as[n], market.month) for n in views}
    plans.sort(key=lambda item: ranks[item[0]])
    for name, plan in plans:
        _check(market, name, plan)
        _carry_out(market, name, plan)
    allot(market, [plan for _, plan in plans if isinstance(plan, Equip)])
    auction_vacant(market, already)
    let_shells(market, [(n, p) for n, p in plans if isinstance(p, OpenSite) and p.option.landlord])
    market.views = views if len(market.books.journal) == seen else {}


def _renew_promises(market: "Market") -> None:
    """Promise for later what is not energised in its promised month (P10)."""
    for name in list(market.books.sites):
        renew_promise(market, name)


def _check(market: "Market", cloud: str, plan: SitePlan) -> None:
    """Refuse a plan that is not the cloud's to make.

    Raises
    ------
    ValueError
        If the site is unknown, another cloud's, or past the stage of the plan.
    """
    said = f"{cloud} proposes {type(plan).__name__}"
    if isinstance(plan, OpenSite):
        if plan.option.pool.cloud != cloud:
            raise ValueError(f"{said} for {plan.option.pool.cloud}; a cloud opens its own sites")
        return
    if isinstance(plan, GiveNotice):
        return  # contracts have their own rules
    site = market.books.sites.get(plan.site)
    if site is None:
        close = difflib.get_close_matches(plan.site, market.books.sites, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{said} for {plan.site!r}, which is no site{hint}")
    if site.pool.cloud != cloud:
        raise ValueError(f"{said} for {site.name!r}, which is a site of {site.pool.cloud}")
    allowed = ALLOWED[type(plan)]
    if site.stage not in allowed:
        stages = " or ".join(stage.name.lower() for stage in allowed)
        raise ValueError(
            f"{said} for {site.name!r}, which is {site.stage.name.lower()}, not {stages}"
        )
    if isinstance(plan, Reduce) and not 0 < plan.capacity_kw < site.capacity_kw:
        raise ValueError(
            f"{said} for {site.name!r} by {plan.capacity_kw} kW; it has {site.capacity_kw} kW, "
            "and part of that can be given up"
        )
    if isinstance(plan, Defer):
        _check_deferral(market, site, said)


def _check_deferral(market: "Market", site: Site, said: str) -> None:
    most = market.setup.scenario.building.most_deferrals
    if site.landlord is None:
        raise ValueError(f"{said} for {site.name!r}, which has no landlord: it has no deadline")
    if site.deferred >= most:
        raise ValueError(
            f"{said} for {site.name!r}, which was deferred {site.deferred} times; most is {most}"
        )


def _carry_out(market: "Market", cloud: str, plan: SitePlan) -> None:
    cause = f"proposal:{type(plan).__name__} by {cloud}"
    match plan:
        case OpenSite():
            if plan.option.landlord is None:  # shells are let when everybody has bid
                open_sites(market, plan.option, plan.capacity_kw, cause, letter=plan.letter)
        case TurnToLease():
            leased = turn_to_lease(market, market.books.sites[plan.site])
            market.apply(Advanced(site=leased, cause=cause))
        case StartBuilding():
            start_building(market, market.books.sites[plan.site], cause)
        case Equip():
            _equip(market, plan, cause)
        case Refit():
            _refit(market, market.books.sites[plan.site], cause)
        case Cancel():
            site = market.books.sites[plan.site]
            give_up(market, site, f"{cause}: {plan.reason}", plan.because)
        case Reduce():
            reduce(market, plan, f"{cause}: {plan.reason}")
        case Defer():
            defer(market, plan.site, cause)
        case GiveNotice():
            give_notice(market, plan.contract)


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
