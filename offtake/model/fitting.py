"""Fitting: a powered site is fitted with chips when policy and money allow, and then delivers."""

from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.borrowing import draw, loan_for
from offtake.model.cents import cents
from offtake.model.chips import is_allotted, price_usd, usable_from
from offtake.model.contracts import Site, Stage
from offtake.model.events import Advanced, Energised, Posted, Posting
from offtake.model.permits import objection_to_build
from offtake.model.site_finance import buy_through_vehicle

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
    """Whether a site has power, its cloud the class of its chips, and nobody objects to them."""
    if max(site.construction_at, site.grid_at) > market.time:
        return False
    cloud, chip = site.pool.cloud, market.setup.scenario.chips[site.pool.chip]
    if cloud in market.books.failed or usable_from(market, cloud, chip.class_) > market.time:
        return False
    h100e = site.capacity_kw * chip.h100e_per_mw / 1000
    return objection_to_build(market, site.pool, h100e) is None


def pay_for_chips(market: "Market", site: Site, cost: int, cause: str) -> bool:
    """Pay for chips, in part with what can be borrowed for the site; return whether they are paid."""
    cloud = site.pool.cloud
    loan = loan_for(market, site, cost)
    if market.books.deposits[cloud] + (loan.principal_cents if loan else 0) < cost:
        return False
    if loan is not None and loan.lessee is not None:
        return buy_through_vehicle(market, loan, cloud, cost, cause, site.name)
    if loan is not None:
        draw(market, loan, cause)
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
