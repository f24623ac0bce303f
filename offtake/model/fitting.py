"""Fitting: a powered site is fitted with chips when policy and money allow, and then delivers."""

from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.borrowing import draw, loan_for
from offtake.model.cents import cents
from offtake.model.chips import is_allotted, price_usd, usable_from
from offtake.model.contracts import Site, Stage
from offtake.model.events import Advanced, Energised, Posted, Posting
from offtake.model.permits import licensed_from, objection_to_build
from offtake.model.public_money import credit_for, duties, grants
from offtake.model.site_finance import buy_through_vehicle
from offtake.model.venture import call_capital

if TYPE_CHECKING:
    from offtake.model.market import Market


def energise(market: "Market", name: str, cause: str) -> bool:
    """Fit a powered site with chips, if policy and money allow; return whether it delivers now.

    Chips of a class with an allotment come through the month's rationing instead.
    """
    site = market.books.sites[name]
    chip = market.setup.scenario.chips[site.pool.chip]
    if is_allotted(market, site.pool.chip) or not can_be_fitted(market, site):
        return False
    h100e = site.capacity_kw * chip.h100e_per_mw / 1000
    cost = cents(h100e * price_usd(market, site.pool.chip))
    if not pay_for_chips(market, site, cost, cause):
        return False
    market.apply(Energised(site=name, cause=cause))
    return True


def can_be_fitted(market: "Market", site: Site) -> bool:
    """Whether a site has power and licences, its cloud the class of its chips, and nobody objects to them."""
    if max(site.construction_at, site.grid_at) > market.time:
        return False
    cloud, chip = site.pool.cloud, market.setup.scenario.chips[site.pool.chip]
    if (
        cloud in market.books.failed | market.books.unformed
        or usable_from(market, cloud, chip.class_) > market.time
    ):
        return False
    h100e = site.capacity_kw * chip.h100e_per_mw / 1000
    if licensed_from(market, site.pool, site.opened) > market.time:
        return False
    return objection_to_build(market, site.pool, h100e) is None


def pay_for_chips(market: "Market", site: Site, cost: int, cause: str) -> bool:
    """Pay for chips and the duty on them, in part with what can be borrowed; return whether they are paid."""
    cloud = site.pool.cloud
    aid, duty = grants(market, site, cost), duties(market, site, cost)
    outlay = cost + sum(p.cents for p in duty) - sum(p.cents for p in aid)
    public = credit_for(market, site, outlay)
    lent = sum(loan.principal_cents for loan in public)
    private = loan_for(market, site, outlay - lent)
    loans = public if private is None else [*public, private]
    own = outlay - sum(loan.principal_cents for loan in loans)
    if own > market.books.deposits[cloud]:
        call_capital(market, cloud, own - market.books.deposits[cloud], cause)
    if market.books.deposits[cloud] < own:
        return False
    for loan in public:
        draw(market, loan, cause)
    if aid or duty:
        market.post(Posted(postings=(*aid, *duty), cause=cause))
    if private is not None and private.lessee is not None:
        return buy_through_vehicle(market, private, cloud, cost, cause, site.name)
    if private is not None:
        draw(market, private, cause)
    bill = Posting(cloud, "Suppliers", cost, "chips", site.name)
    market.post(Posted(postings=(bill,), cause=cause))
    return True


def power(market: "Market", name: str) -> None:
    """Power a site when both of its clocks have rung; if it is equipped, it is energised at once."""
    site = market.books.sites[name]
    due = max(site.construction_at, site.grid_at)
    if site.stage not in (Stage.BUILDING, Stage.POWERED) or due > market.time:
        return  # cancelled, or its clock was moved
    cause = f"site:{name}"
    delivers = site.equipped and energise(market, name, cause)
    if not delivers and site.stage is Stage.BUILDING:
        market.apply(Advanced(site=replace(site, stage=Stage.POWERED), cause=cause))
