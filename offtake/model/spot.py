"""The spot market: free capacity and unmet need meet in a call auction in each region."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.clearing import call_auction
from offtake.model.events import Cleared
from offtake.model.pairs import may_sign
from offtake.model.spot_demand import affordable_on_spot, gap_now, spot_bids, value_spot

if TYPE_CHECKING:
    from offtake.model.market import Market

LEAST_H100E = 1e-6
"""Compute below which what is left of a bid or an offer is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of a month's auctions; gap and purse shrink from region to region."""

    free: np.ndarray
    """By pool, H100e."""
    gap: np.ndarray
    """By lab, H100e."""
    purse: np.ndarray
    """What labs can pay for, by lab, H100e."""
    allowed: np.ndarray
    """Whether a lab may buy from a cloud."""


def clear_spot(market: "Market") -> None:
    """Free energised capacity and unmet need meet in a call auction in each region (sec-1)."""
    sides = _sides(market)
    value_spot(market)
    for region in sorted(market.setup.scenario.regions):
        cleared = _auction(market, region, sides)
        if cleared.h100e > 0 or region in market.books.spot:
            market.apply(cleared)


def _sides(market: "Market") -> Sides:
    books = market.books
    free_kw = books.energised_kw - books.own_kw - books.committed_kw[:, market.month]
    return Sides(
        free=np.maximum(free_kw, 0) * (market.setup.theta / 1000),
        gap=gap_now(market),
        purse=affordable_on_spot(market),
        allowed=may_sign(market),
    )


def _auction(market: "Market", region: str, sides: Sides) -> Cleared:
    pools = _pools(market, region, sides)
    bidders = _bidders(market, pools, sides)
    if not pools or not bidders:
        return _cleared(region, 0.0, [])
    bids = [bid for i in bidders for bid in _bids(market, i, sides)]
    offers = [(float(market.setup.running[p]), float(sides.free[p])) for p in pools]
    quantity, lowest, highest = call_auction(bids, offers)
    if quantity <= 0:
        return _cleared(region, 0.0, [])
    price = (lowest + highest) / 2
    return _cleared(region, price, _share_out(market, price, bidders, pools, sides))


def _pools(market: "Market", region: str, sides: Sides) -> list[int]:
    """Return the pools of a region with an H100e or more to offer."""
    pools, failed = market.setup.pools, market.books.failed
    return [
        p
        for p in range(len(pools))
        if pools[p].region == region and sides.free[p] >= 1 and pools[p].cloud not in failed
    ]


def _bidders(market: "Market", pools: list[int], sides: Sides) -> list[int]:
    """Return labs that lack an H100e or more, can pay for it and may buy from one of the pools."""
    cloud = market.setup.pool_cloud
    return [
        i
        for i in range(len(market.setup.labs))
        if min(sides.gap[i], sides.purse[i]) >= 1 and any(sides.allowed[i, cloud[p]] for p in pools)
    ]


def _bids(market: "Market", lab: int, sides: Sides) -> list[tuple[float, float]]:
    return spot_bids(market, lab, float(sides.gap[lab]), float(sides.purse[lab]))


def _cleared(region: str, price: float, purchases: list[tuple[str, int, float]]) -> Cleared:
    return Cleared(
        region=region,
        price_usd_per_h100e_hour=price,
        h100e=math.fsum(h for _, _, h in purchases),
        purchases=tuple(purchases),
        cause="auction",
    )


def _share_out(
    market: "Market", price: float, bidders: list[int], pools: list[int], sides: Sides
) -> list[tuple[str, int, float]]:
    """Give each bidder that accepts the price its part of each pool, in proportion on both sides."""
    setup = market.setup
    purchases = []
    wants = {i: math.fsum(q for p, q in _bids(market, i, sides) if p >= price) for i in bidders}
    for cost in sorted({float(setup.running[p]) for p in pools if setup.running[p] <= price}):
        alike = [p for p in pools if setup.running[p] == cost]
        for i, pool, bought in _proportionate(market, wants, alike, sides):
            purchases.append((setup.labs[i], pool, bought))
            wants[i] -= bought
            sides.gap[i] -= bought
            sides.purse[i] -= bought
    return purchases


def _proportionate(
    market: "Market", wants: dict[int, float], pools: list[int], sides: Sides
) -> list[tuple[int, int, float]]:
    """Return what each lab gets of pools that cost alike; neither side's order matters.

    Each lab spreads what it wants over the pools it may use by what they have; a pool that is asked for
    more than it has serves all in proportion; what is missing is asked for again where more is left.
    """
    left = {p: float(sides.free[p]) for p in pools}
    missing = dict(wants)
    sold: dict[tuple[int, int], float] = {}
    for _ in range(len(pools)):
        for i, p, h100e in _one_pass(market, missing, left, sides.allowed):
            sold[i, p] = sold.get((i, p), 0.0) + h100e
            missing[i] -= h100e
            left[p] = max(left[p] - h100e, 0.0)
    return [(i, p, h100e) for (i, p), h100e in sold.items()]


def _one_pass(
    market: "Market", wants: dict[int, float], left: dict[int, float], allowed: np.ndarray
) -> list[tuple[int, int, float]]:
    cloud = market.setup.pool_cloud
    asked: dict[int, list[tuple[int, float]]] = {p: [] for p in left}
    for i, want in wants.items():
        usable = {p: h for p, h in left.items() if h > LEAST_H100E and allowed[i, cloud[p]]}
        size = math.fsum(usable.values())
        if want > LEAST_H100E and usable:
            for p, h100e in usable.items():
                asked[p].append((i, want * h100e / size))
    sold = []
    for p, demands in asked.items():
        total = math.fsum(d for _, d in demands)
        part = min(1.0, left[p] / total) if total > 0 else 0.0
        sold.extend((i, p, demand * part) for i, demand in demands)
    return sold
