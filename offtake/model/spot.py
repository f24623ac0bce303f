"""The spot market: free capacity and unmet need meet in a call auction in each region."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.clearing import call_auction
from offtake.model.events import Cleared
from offtake.model.exclusivity import may_use
from offtake.model.seeing import bound_by_purpose
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
    lab: np.ndarray
    """Lab of each bidder: one that is bound for one purpose only bids for each apart."""
    gap: np.ndarray
    """By bidder, H100e."""
    after: np.ndarray
    """Less valued need of the same lab that another bidder stands for, by bidder, H100e."""
    purse: np.ndarray
    """What bidders can pay for, H100e."""
    allowed: np.ndarray
    """Whether a bidder may buy from a pool."""


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
    lab, gap = np.arange(len(market.setup.labs)), gap_now(market)
    purse, allowed = affordable_on_spot(market), may_use(market, "any", on_spot=True)
    after = np.zeros_like(gap)
    for i in lab.tolist():
        if bound_by_purpose(market, market.setup.labs[i]):
            lab, gap, after, purse, allowed = _apart(market, i, lab, gap, after, purse, allowed)
    free = np.maximum(free_kw, 0) * (market.setup.theta / 1000)
    return Sides(free=free, lab=lab, gap=gap, after=after, purse=purse, allowed=allowed)


def _apart(
    market: "Market",
    i: int,
    lab: np.ndarray,
    gap: np.ndarray,
    after: np.ndarray,
    purse: np.ndarray,
    allowed: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Return the bidders with a lab's inference in its place and its training at the end."""
    assert market.books.served is not None
    training = min(float(market.books.served.training_need_h100e[i]), float(gap[i]))
    inference = float(gap[i]) - training
    spent = min(inference, float(purse[i]))
    after, gap, purse, allowed = after.copy(), gap.copy(), purse.copy(), allowed.copy()
    after[i], gap[i], left = training, inference, purse[i] - spent
    purse[i] = spent
    allowed[i] = may_use(market, "inference", on_spot=True)[i]
    trains = may_use(market, "training", on_spot=True)[i]
    return (
        np.append(lab, i),
        np.append(gap, training),
        np.append(after, 0.0),
        np.append(purse, left),
        np.vstack([allowed, trains]),
    )


def _auction(market: "Market", region: str, sides: Sides) -> Cleared:
    pools = _pools(market, region, sides)
    bidders = _bidders(pools, sides)
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


def _bidders(pools: list[int], sides: Sides) -> list[int]:
    """Return bidders that lack an H100e or more, can pay for it and may buy from one of the pools."""
    return [
        i
        for i in range(len(sides.lab))
        if min(sides.gap[i], sides.purse[i]) >= 1 and sides.allowed[i, pools].any()
    ]


def _bids(market: "Market", bidder: int, sides: Sides) -> list[tuple[float, float]]:
    gap, purse = float(sides.gap[bidder]), float(sides.purse[bidder])
    least = min(gap, purse) if sides.after[bidder] else purse
    return spot_bids(market, int(sides.lab[bidder]), gap + float(sides.after[bidder]), least)


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
        for i, pool, bought in _proportionate(wants, alike, sides):
            purchases.append((setup.labs[sides.lab[i]], pool, bought))
            wants[i] -= bought
            sides.gap[i] -= bought
            sides.purse[i] -= bought
    return purchases


def _proportionate(
    wants: dict[int, float], pools: list[int], sides: Sides
) -> list[tuple[int, int, float]]:
    """Return what each lab gets of pools that cost alike; neither side's order matters.

    Each lab spreads what it wants over the pools it may use by what they have; a pool that is asked for
    more than it has serves all in proportion; what is missing is asked for again where more is left.
    """
    left = {p: float(sides.free[p]) for p in pools}
    missing = dict(wants)
    sold: dict[tuple[int, int], float] = {}
    for _ in range(len(pools)):
        for i, p, h100e in _one_pass(missing, left, sides.allowed):
            sold[i, p] = sold.get((i, p), 0.0) + h100e
            missing[i] -= h100e
            left[p] = max(left[p] - h100e, 0.0)
    return [(i, p, h100e) for (i, p), h100e in sold.items()]


def _one_pass(
    wants: dict[int, float], left: dict[int, float], allowed: np.ndarray
) -> list[tuple[int, int, float]]:
    asked: dict[int, list[tuple[int, float]]] = {p: [] for p in left}
    for i, want in wants.items():
        usable = {p: h for p, h in left.items() if h > LEAST_H100E and allowed[i, p]}
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
