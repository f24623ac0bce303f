"""The spot market: free and sublet compute meets unmet need in one joint call auction (sec-1)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.assigning import assign_contracts
from offtake.model.auctions import Outcome
from offtake.model.backstop import buy_unsold
from offtake.model.events import Cleared, Purchase, Sublease
from offtake.model.placing import LEAST_H100E, place
from offtake.model.porting import ported
from offtake.model.spot_bidders import Bidders, bidders_of
from offtake.model.spot_demand import gap_now, value_spot
from offtake.model.spot_supply import LEAST_LOT_H100E, Offer, free_offers, sublease_offers

if TYPE_CHECKING:
    from offtake.model.market import Market

Venue = tuple[str, str]
"""Region and class of chips."""
MISS = 0.01
"""Share of what a lab has bought that may go missing in placing it before its market is parted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What one buyer gets of one offer."""

    lab: int
    offer: Offer
    h100e: float
    pays: float
    receives: float


def clear_spot(market: "Market") -> None:
    """Contracts change hands where they may; free and sublet compute meets unmet need (sec-1)."""
    value_spot(market)
    assign_contracts(market)
    trades: dict[Venue, list[Trade]] = {}
    free = _free(market)
    for trade in _trades(market):
        trades.setdefault(venue_of(market, trade.offer.pool), []).append(trade)
        if trade.offer.row < 0:
            free[trade.offer.pool] -= trade.h100e
    for venue in venues(market):
        if venue in trades or venue in market.books.spot:
            market.apply(_cleared(market, venue, trades.get(venue, [])))
    buy_unsold(market, free)


def _free(market: "Market") -> dict[int, float]:
    """Return what clouds have free, by pool, H100e."""
    free: dict[int, float] = {}
    for offer in free_offers(market):
        free[offer.pool] = free.get(offer.pool, 0.0) + offer.h100e
    return free


def venues(market: "Market") -> list[Venue]:
    """Return every region with every class of chips."""
    setup = market.setup
    return [
        (region, kind)
        for region in sorted(setup.scenario.regions)
        for kind in sorted(setup.classes)
    ]


def venue_of(market: "Market", pool: int) -> Venue:
    """Return the region and the class of chips of a pool."""
    stands = market.setup.pools[pool]
    return stands.region, market.setup.scenario.chips[stands.chip].class_


def _trades(market: "Market") -> Iterator[Trade]:
    """Yield what the joint auction decides.

    Compute in one place serves as well as in another, so a bid is good wherever the lab may buy, and
    venues that share bidders have one price. All of them clear in one step: no unit of need is bought
    twice, and no region comes first.
    """
    gap = gap_now(market)
    offers = free_offers(market) + sublease_offers(market, gap)
    them = bidders_of(market, gap)
    allowed = _allowed(market, offers, them)
    places = [venue_of(market, offer.pool) for offer in offers]
    for who, at in joined(allowed, places):
        yield from _auction(market, who, [offers[o] for o in at], allowed[np.ix_(who, at)], them)


def _allowed(market: "Market", offers: list[Offer], them: Bidders) -> np.ndarray:
    """Return by bidder and offer whether it may take it and its software runs there, if it bids."""
    pools = np.array([offer.pool for offer in offers], dtype=np.int64)
    runs = ported(market)[np.ix_(them.lab, market.setup.pool_class[pools])] > 0
    bids = np.minimum(them.gap, them.purse) >= LEAST_LOT_H100E
    return them.allowed[:, pools] & runs & bids[:, None]


def joined(allowed: np.ndarray, places: list[Venue]) -> list[tuple[list[int], list[int]]]:
    """Return bidders and offers, apart where no bidder may buy on both sides.

    Examples
    --------
    >>> far, near = ("far", "gpu"), ("near", "gpu")
    >>> joined(np.array([[True, False, False], [False, True, True]]), [far, near, near])
    [([0], [0]), ([1], [1, 2])]
    """
    groups: list[tuple[set[int], set[Venue]]] = []
    for lab in np.flatnonzero(allowed.any(axis=1)).tolist():
        mine = {places[o] for o in np.flatnonzero(allowed[lab]).tolist()}
        touched = [g for g in groups if g[1] & mine]
        groups = [g for g in groups if not g[1] & mine]
        labs = {lab}.union(*(g[0] for g in touched))
        groups.append((labs, mine.union(*(g[1] for g in touched))))
    return [
        (sorted(labs), [o for o, place in enumerate(places) if place in at]) for labs, at in groups
    ]


def _auction(
    market: "Market",
    bidders: list[int],
    offers: list[Offer],
    allowed: np.ndarray,
    them: Bidders,
) -> Iterator[Trade]:
    """Yield the trades of venues that share bidders.

    Where some bidders find too little of what they have bought, what is open to them is scarcer than the
    rest: it is sold to them apart, at a price of its own, and the others trade what is left. So prices
    part where eligibility parts buyers, and nowhere else (Hall 1935 on who can be served).
    """
    bids = [(i, bid) for i, who in enumerate(bidders) for bid in them.bids(market, who)]
    outcome = market.spot_auction([bid for _, bid in bids], [(o.ask, o.h100e) for o in offers])
    wants = _by_bidder(len(bidders), bids, outcome.bought)
    given = _placed(wants, outcome, allowed)
    missing = np.array(wants) - given.sum(axis=1)
    short = missing > np.maximum(MISS * np.array(wants), LEAST_H100E)
    scarce = allowed[short].any(axis=0)
    if short.any() and not (short.all() and scarce.all()):
        for some, of in ((short, scarce), (~short, ~scarce)):
            who = [bidder for bidder, is_in in zip(bidders, some, strict=True) if is_in]
            what = [offer for offer, is_in in zip(offers, of, strict=True) if is_in]
            if who and what:
                yield from _auction(market, who, what, allowed[np.ix_(some, of)], them)
        return
    for i, o in np.argwhere(given > LEAST_H100E).tolist():
        yield Trade(
            lab=int(them.lab[bidders[i]]),
            offer=offers[o],
            h100e=float(given[i, o]),
            pays=outcome.pays,
            receives=outcome.receives,
        )


def _by_bidder(
    count: int, bids: list[tuple[int, tuple[float, float]]], bought: tuple[float, ...]
) -> list[float]:
    return [
        math.fsum(q for (who, _), q in zip(bids, bought, strict=True) if who == i)
        for i in range(count)
    ]


def _placed(wants: list[float], outcome: Outcome, allowed: np.ndarray) -> np.ndarray:
    """Return who gets what: of what is sold first, then of what else would sell at the price."""
    given = place(wants, outcome.sold, allowed)
    missing = np.array(wants) - given.sum(axis=1)
    if missing.max() <= LEAST_H100E:
        return given
    left = np.array(outcome.sold) + np.array(outcome.spare) - given.sum(axis=0)
    return given + place(missing.tolist(), np.maximum(left, 0.0).tolist(), allowed)


def _cleared(market: "Market", venue: Venue, trades: list[Trade]) -> Cleared:
    setup, facts = market.setup, market.books.contracts.facts
    h100e = math.fsum(t.h100e for t in trades)
    prices = {t.pays for t in trades}
    paid = math.fsum(t.pays * t.h100e for t in trades)
    return Cleared(
        region=venue[0],
        chip_class=venue[1],
        price_usd_per_h100e_hour=paid / h100e if len(prices) > 1 else max(prices, default=0.0),
        h100e=h100e,
        purchases=tuple(
            Purchase(setup.labs[t.lab], t.offer.pool, t.h100e, t.pays, t.receives)
            for t in trades
            if t.offer.row < 0
        ),
        subleases=tuple(
            Sublease(
                setup.labs[t.lab],
                facts[t.offer.row].buyer,
                facts[t.offer.row].name,
                t.h100e,
                t.pays,
                t.receives,
            )
            for t in trades
            if t.offer.row >= 0
        ),
        cause="auction",
    )
