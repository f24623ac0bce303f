"""The spot market: free capacity and unmet need meet in a call auction in each region."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.clearing import call_auction
from offtake.model.events import Cleared
from offtake.model.pairs import may_sign
from offtake.model.spot_demand import affordable_on_spot, gap_now, spot_bids, value_spot

if TYPE_CHECKING:
    from offtake.model.market import Market


def clear_spot(market: "Market") -> None:
    """Free energised capacity and unmet need meet in a call auction in each region (sec-1)."""
    books, setup = market.books, market.setup
    free = np.maximum(
        books.energised_kw - books.own_kw - books.committed_kw[:, market.month], 0
    ) * (setup.theta / 1000)
    gap, purse = gap_now(market), affordable_on_spot(market)
    allowed = may_sign(market)
    value_spot(market)
    for region in sorted(setup.scenario.regions):
        pools = [
            p
            for p in range(len(setup.pools))
            if setup.pools[p].region == region
            and free[p] >= 1
            and setup.pools[p].cloud not in books.failed
        ]
        cleared = _auction(market, region, pools, free, gap, purse, allowed)
        if cleared.h100e > 0 or region in books.spot:
            market.apply(cleared)


def _auction(
    market: "Market",
    region: str,
    pools: list[int],
    free: np.ndarray,
    gap: np.ndarray,
    purse: np.ndarray,
    allowed: np.ndarray,
) -> Cleared:
    setup = market.setup
    nothing = Cleared(
        region=region, price_usd_per_h100e_hour=0.0, h100e=0.0, purchases=(), cause="auction"
    )
    bidders = [
        i
        for i in range(len(setup.labs))
        if min(gap[i], purse[i]) >= 1 and any(allowed[i, setup.pool_cloud[p]] for p in pools)
    ]
    if not pools or not bidders:
        return nothing
    bids = [bid for i in bidders for bid in spot_bids(market, i, float(gap[i]), float(purse[i]))]
    offers = [(float(setup.running[p]), float(free[p])) for p in pools]
    quantity, lowest, highest = call_auction(bids, offers)
    if quantity <= 0:
        return nothing
    price = (lowest + highest) / 2
    purchases = _share_out(market, price, bidders, pools, free, gap, purse, allowed)
    return Cleared(
        region=region,
        price_usd_per_h100e_hour=price,
        h100e=math.fsum(h for _, _, h in purchases),
        purchases=tuple(purchases),
        cause="auction",
    )


def _share_out(
    market: "Market",
    price: float,
    bidders: list[int],
    pools: list[int],
    free: np.ndarray,
    gap: np.ndarray,
    purse: np.ndarray,
    allowed: np.ndarray,
) -> list[tuple[str, int, float]]:
    """Give each bidder that accepts the price its part of each pool, in proportion on both sides."""
    setup = market.setup
    purchases = []
    wants = {
        i: math.fsum(
            q for p, q in spot_bids(market, i, float(gap[i]), float(purse[i])) if p >= price
        )
        for i in bidders
    }
    for pool in sorted(pools, key=lambda p: (setup.running[p], p)):
        if setup.running[pool] > price:
            continue
        takers = [i for i in bidders if wants[i] > 0 and allowed[i, setup.pool_cloud[pool]]]
        total = math.fsum(wants[i] for i in takers)
        if total <= 0:
            continue
        part = min(1.0, float(free[pool]) / total)
        for i in takers:
            bought = wants[i] * part
            purchases.append((setup.labs[i], pool, bought))
            wants[i] -= bought
            gap[i] -= bought
            purse[i] -= bought
    return purchases
