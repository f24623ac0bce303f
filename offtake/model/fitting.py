"""Chips: a powered site is fitted with them when policy and money allow, and then delivers."""

from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.borrowing import borrow_for
from offtake.model.cents import cents
from offtake.model.contracts import Stage
from offtake.model.events import Advanced, Energised, Posted, Posting
from offtake.model.permits import objection_to_build

if TYPE_CHECKING:
    from offtake.model.market import Market


def energise(market: "Market", name: str, cause: str) -> bool:
    """Fit a powered site with chips, if policy and money allow; return whether it delivers now."""
    site = market.books.sites[name]
    if max(site.construction_at, site.grid_at) > market.time:
        return False
    cloud = site.pool.cloud
    chip = market.setup.scenario.chips[site.pool.chip]
    h100e = site.capacity_kw * chip.h100e_per_mw / 1000
    if cloud in market.books.failed or objection_to_build(market, cloud, site.pool.region, h100e):
        return False
    cost = cents(h100e * chip.price_usd_per_h100e)
    borrow_for(market, site, cost, cause)
    if market.books.deposits[cloud] < cost:
        return False
    market.post(Posted(postings=(Posting(cloud, "Suppliers", cost, "chips", name),), cause=cause))
    market.apply(Energised(site=name, cause=cause))
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
