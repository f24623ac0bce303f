"""Letting: landlords offer shells at their reserve rent, clouds bid, a call auction sets the rent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from offtake.model.building import open_sites
from offtake.model.chance import order
from offtake.model.clearing import call_auction
from offtake.model.events import ShellsCleared, ShellsOffered
from offtake.model.proposals import OpenSite
from offtake.model.shells import offered, smallest_kw

if TYPE_CHECKING:
    from offtake.model.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellBid:
    """A cloud's bid for shells of a region."""

    cloud: str
    plan: OpenSite
    rent_usd_per_kw_month: float
    rank: int
    """Settles equal bids."""


def offer_shells(market: "Market") -> None:
    """Bring the month's part of what landlords build a year, in whole kilowatts."""
    for name, data in market.setup.placed(market.setup.scenario.landlords):
        kw = round(data.new_mw_per_year * 1000 * market.month / 12)
        new = kw - round(data.new_mw_per_year * 1000 * (market.month - 1) / 12)
        if new > 0:
            market.apply(
                ShellsOffered(landlord=name, capacity_kw=new, cause=f"scenario:landlords.{name}")
            )


def let_shells(market: "Market", plans: Sequence[tuple[str, OpenSite]]) -> None:
    """Clear what clouds ask for against what landlords offer, region by region, at uniform rents."""
    regions = sorted({plan.option.pool.region for _, plan in plans})
    for region in regions:
        bids = [_bid(market, c, p) for c, p in plans if p.option.pool.region == region]
        _clear(market, region, sorted(bids, key=lambda b: (-b.rent_usd_per_kw_month, b.rank)))


def _bid(market: "Market", cloud: str, plan: OpenSite) -> ShellBid:
    said, asked = plan.bid_usd_per_kw_month, plan.option.rent_usd_per_kw_month
    return ShellBid(
        cloud=cloud,
        plan=plan,
        rent_usd_per_kw_month=asked if said is None else said,
        rank=order(market.setup.seed, "shell", market.setup.drawn_as[cloud], market.month),
    )


def _clear(market: "Market", region: str, bids: Sequence[ShellBid]) -> None:
    """Let a region's shells: the highest bids to the lowest reserves, all at the lowest clearing rent."""
    offers = offered(market, region)
    asked = [(reserve, float(market.books.shells_left_kw(name))) for name, reserve in offers]
    wanted = [(b.rent_usd_per_kw_month, float(b.plan.capacity_kw)) for b in bids]
    let, rent, _ = call_auction(wanted, asked)
    left = round(let)
    if left <= 0:
        return
    market.apply(
        ShellsCleared(
            region=region,
            rent_usd_per_kw_month=rent,
            capacity_kw=left,
            cause=f"auction:shells of {region}",
        )
    )
    for bid in bids:
        kw = min(bid.plan.capacity_kw, left)
        left -= kw
        _let(market, bid, [name for name, reserve in offers if reserve <= rent], kw, rent)


def _let(market: "Market", bid: ShellBid, landlords: list[str], kw: int, rent: float) -> None:
    """Open sites on the shells of one landlord after the other; what is too small is not opened."""
    least = min(smallest_kw(market), bid.plan.capacity_kw)
    for landlord in landlords:
        part = min(kw, market.books.shells_left_kw(landlord))
        if part >= least:
            kw -= part
            option = replace(bid.plan.option, landlord=landlord, rent_usd_per_kw_month=rent)
            cause = f"proposal:OpenSite by {bid.cloud}"
            open_sites(market, option, part, cause, letter=bid.plan.letter)
