"""The estate of a failed cloud: its energised sites go to the cloud that bids most (ins-1, cap-6)."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offtake.model.borrowing import owed_on
from offtake.model.cents import cents
from offtake.model.chance import order
from offtake.model.chips import usable_from
from offtake.model.competition import objection_to_takeover
from offtake.model.contracts import Loan, Site, Stage
from offtake.model.events import Claim, Posted, Posting, Sold
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import earnings
from offtake.model.setup import build_regions
from offtake.model.takeover import second_price

if TYPE_CHECKING:
    from offtake.model.market import Market

MERCHANTS = ("hyperscaler", "neocloud")
"""Kinds of clouds that buy what others have built."""


class Sale(NamedTuple):
    """A site, who buys it, and for how much."""

    site: str
    buyer: str
    cents: int


def sell_sites(market: "Market", failed: str, cause: str) -> None:
    """Sell what a failed cloud has energised, site by site, the largest first."""
    for site in sites_of(market, failed):
        sale = auctioned(market, site)
        if sale is not None:
            _hand_over(market, site, sale, cause)


def sites_of(market: "Market", cloud: str) -> list[Site]:
    """Return the energised sites of a cloud, the largest first; equals in an order drawn for the run."""
    mine = [
        s
        for s in market.books.sites.values()
        if s.pool.cloud == cloud and s.stage is Stage.ENERGISED
    ]
    return sorted(
        mine, key=lambda s: (-s.capacity_kw, order(market.setup.seed, "estate", s.known_as))
    )


def auctioned(market: "Market", site: Site) -> Sale | None:
    """Return who buys a site in a sealed-bid second-price auction, if anybody bids; nothing changes.

    Each bids what the site will earn at the going price until its chips are worn out, as far as its
    cash goes: no other bid is better (Vickrey 1961).
    """
    setup = market.setup
    names = [n for n in setup.clouds if _may_buy(market, n, site)]
    names.sort(key=lambda n: order(setup.seed, "estate", setup.drawn_as[n], site.known_as))
    bids = {n: min(worth_usd(market, site, n), market.books.deposits[n] / 100) for n in names}
    found = second_price({n: bid for n, bid in bids.items() if bid > 0}, 0.0)
    return None if found is None else Sale(site.name, found[0], cents(found[1]))


def _may_buy(market: "Market", cloud: str, site: Site) -> bool:
    scenario, books = market.setup.scenario, market.books
    if cloud in books.failed or cloud == site.pool.cloud:
        return False
    if scenario.clouds[cloud].kind not in MERCHANTS:
        return False
    class_ = scenario.chips[site.pool.chip].class_
    return (
        site.pool.region in build_regions(scenario, cloud)
        and replace(site.pool, cloud=cloud) in books.pool_index
        and usable_from(market, cloud, class_) <= market.time
        and objection_to_takeover(market, cloud, site.capacity_kw, site.pool.cloud) is None
    )


def worth_usd(market: "Market", site: Site, cloud: str) -> float:
    """Return what a site earns a cloud at the going price over what is left of the life of its chips, USD."""
    setup, rules = market.setup, market.setup.rules
    index = market.books.pool_index[site.pool]
    per_mw = float(setup.theta[index])
    life = rules.building.server_life_months
    age = max(market.time - site.energised_at, 0.0) % life
    rent = site.rent_usd_per_kw_month * 1000 / per_mw / HOURS_PER_MONTH
    rate = (1 + setup.scenario.clouds[cloud].discount_per_year) ** (1 / 12) - 1
    earned = earnings(
        start=np.array([rules.building.busy * market.contract_price]),
        running=float(setup.running[index]) + rent,
        decline_per_month=rules.decline_per_month,
        rate_per_month=rate,
        months=np.array([life - age]),
    )
    return float(earned[0]) * site.capacity_kw * per_mw / 1000


def estate_usd(market: "Market", name: str) -> float:
    """Return what could be shared out if a participant failed now: its money, and its sites if sold."""
    sales = [auctioned(market, site) for site in sites_of(market, name)]
    return max(market.books.deposits[name], 0) / 100 + math.fsum(s.cents / 100 for s in sales if s)


def _hand_over(market: "Market", site: Site, sale: Sale, cause: str) -> None:
    """Make the buyer the owner; a lender that is secured by the site is paid first."""
    loans = [n for n in market.books.loans.values() if n.site == site.name]
    let = next((n.borrower for n in loans if n.lessee == site.pool.cloud), None)
    owner = let or site.pool.cloud
    market.apply(
        Sold(
            site=site.name,
            to=sale.buyer,
            seller=owner,
            failed=site.pool.cloud,
            paid_cents=sale.cents,
            cause=cause,
        )
    )
    if sale.cents:
        price = Posting(sale.buyer, owner, sale.cents, "site sale", site.name)
        market.post(Posted(postings=(price,), cause=cause))
    if market.setup.scenario.finance.debt_secured:
        _pay_secured(market, loans, owner, sale.cents, cause)


def _pay_secured(
    market: "Market", loans: list[Loan], owner: str, proceeds: int, cause: str
) -> None:
    """Pay the loans that a site secures out of what it fetched, the oldest first."""
    for loan in loans:
        part = min(owed_on(market, loan), proceeds) if loan.borrower == owner else 0
        if part:
            proceeds -= part
            moved = Posting(owner, loan.lender, part, "recovery", loan.name)
            repaid = Claim(loan.lender, owner, "loan", -part, loan.name)
            market.post(Posted(postings=(moved,), claims=(repaid,), cause=cause))
