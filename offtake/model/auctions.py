"""Protocols of the spot auctions: pure functions of bids and offers, one signature (sec-1; row M6)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from offtake.model.clearing import Crossing, crossing

Orders = Sequence[tuple[float, float]]
"""(price, quantity) pairs: USD per H100e-hour, H100e."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an auction decides; participants that are alike are treated alike, whatever their order."""

    bought: tuple[float, ...]
    """Of each bid, H100e."""
    sold: tuple[float, ...]
    """Of each offer, H100e."""
    spare: tuple[float, ...]
    """Of each offer: what more it would sell at the price, should an eligible buyer have no other."""
    pays: float
    """Price of buyers, USD per H100e-hour."""
    receives: float
    """Price of sellers, USD per H100e-hour; a market maker keeps the difference."""


class SpotAuction(Protocol):
    """A double auction: bids and offers as (price, quantity), order of no account."""

    def __call__(self, bids: Orders, offers: Orders) -> Outcome:
        """Return who trades how much, and at what prices."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KDouble:
    """One price for all, at a share k of the interval of clearing prices.

    Every gain from trade is realised; whoever sets the price could gain by shading (none does here).

    References
    ----------
    Chatterjee and Samuelson 1983; Satterthwaite and Williams 1989.

    Examples
    --------
    >>> bids, offers = [(p, 1) for p in (10, 9, 8, 7, 6, 5)], [(p, 1) for p in (3, 4, 5, 6, 7, 8)]
    >>> outcome = KDouble(k=0.25)(bids, offers)
    >>> outcome.pays, sum(outcome.bought)
    (6.25, 4.0)
    """

    k: float = 0.5
    """Weight of the upper end of the interval: 0 is the buyers' price, 1 the sellers', 1/2 the middle."""

    def __call__(self, bids: Orders, offers: Orders) -> Outcome:
        """Return the trades of the crossing, the best orders first, equals in proportion."""
        found = crossing(bids, offers)
        if found.quantity <= 0:
            return _nothing(bids, offers)
        low, high = found.interval
        price = (1 - self.k) * low + self.k * high
        sold = _best_first([ask for ask, _ in offers], [q for _, q in offers], found.quantity)
        spare = [q - s if ask <= price else 0.0 for (ask, q), s in zip(offers, sold, strict=True)]
        return Outcome(
            bought=_best_first([-bid for bid, _ in bids], [q for _, q in bids], found.quantity),
            sold=sold,
            spare=tuple(spare),
            pays=price,
            receives=price,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class McAfee:
    """Truth pays: no trader with one bid or offer can gain by another price than its own (McAfee 1992).

    Notes
    -----
    With ``b``, ``a`` the last bid and offer that trade and ``b'``, ``a'`` the first that do not: if
    ``(b' + a') / 2`` lies in [a, b], all trade at it. If not, or if there is no next order, the last bid
    and the last offer stand aside, buyers pay b, sellers receive a, and a market maker keeps ``b - a``:
    at most one trade is lost, and it is the least valuable. Orders are of any size here, so the longer
    side is then rationed in proportion to size, which no price can influence. A trader with several
    orders could gain from the first by misstating the last, as in any of these auctions.

    References
    ----------
    McAfee, R. P. (1992). A dominant strategy double auction. Journal of Economic Theory 56, 434-450.

    Examples
    --------
    >>> McAfee()([(9, 1), (8, 1), (3, 1)], [(1, 1), (7, 1), (9, 1)]).bought
    (1.0, 0.0, 0.0)
    """

    def __call__(self, bids: Orders, offers: Orders) -> Outcome:
        """Return the trades of the crossing at a price between the next orders, or all but the last."""
        found = crossing(bids, offers)
        if found.quantity <= 0:
            return _nothing(bids, offers)
        middle = (found.next_bid + found.next_ask) / 2
        if math.isfinite(middle) and found.last_ask <= middle <= found.last_bid:
            return _all_at(middle, found, bids, offers)
        return _all_but_the_last(found, bids, offers)


def _all_at(price: float, found: Crossing, bids: Orders, offers: Orders) -> Outcome:
    return Outcome(
        bought=_best_first([-bid for bid, _ in bids], [q for _, q in bids], found.quantity),
        sold=_best_first([ask for ask, _ in offers], [q for _, q in offers], found.quantity),
        spare=(0.0,) * len(offers),
        pays=price,
        receives=price,
    )


def _all_but_the_last(found: Crossing, bids: Orders, offers: Orders) -> Outcome:
    """Return the trades left when the orders that set the prices stand aside."""
    in_bids = [_rank(bid - found.last_bid) for bid, _ in bids]
    in_offers = [_rank(found.last_ask - ask) for ask, _ in offers]
    wanted, had = [q for _, q in bids], [q for _, q in offers]
    quantity = min(
        _without_last(in_bids, wanted, found.quantity),
        _without_last(in_offers, had, found.quantity),
    )
    return Outcome(
        bought=_best_first(in_bids, wanted, quantity),
        sold=_best_first(in_offers, had, quantity),
        spare=(0.0,) * len(offers),
        pays=found.last_bid,
        receives=found.last_ask,
    )


def _rank(gain: float) -> float:
    """Return 0 for an order better than the last that trades, 1 for one as good, infinity for worse."""
    return 0.0 if gain > 0 else 1.0 if gain == 0 else math.inf


def _without_last(ranks: Sequence[float], sizes: Sequence[float], quantity: float) -> float:
    """Return what trades on one side once the last order stands aside; of equals, the largest."""
    last = [q for rank, q in zip(ranks, sizes, strict=True) if rank == 1]
    better = math.fsum(q for rank, q in zip(ranks, sizes, strict=True) if rank == 0)
    return max(quantity - min(max(last), quantity - better), 0.0)


def _best_first(
    ranks: Sequence[float], sizes: Sequence[float], quantity: float
) -> tuple[float, ...]:
    """Share a quantity among orders: the lowest rank first, orders of one rank in proportion to size."""
    parts = [0.0] * len(sizes)
    for level in sorted({rank for rank in ranks if rank < math.inf}):
        alike = [i for i, rank in enumerate(ranks) if rank == level]
        size = math.fsum(sizes[i] for i in alike)
        part = min(quantity / size, 1.0) if size > 0 else 0.0
        for i in alike:
            parts[i] = sizes[i] * part
        quantity = max(quantity - size, 0.0)
    return tuple(parts)


def _nothing(bids: Orders, offers: Orders) -> Outcome:
    nobody = (0.0,) * len(offers)
    return Outcome(bought=(0.0,) * len(bids), sold=nobody, spare=nobody, pays=0.0, receives=0.0)


SPOT_AUCTIONS: dict[str, Callable[[float], SpotAuction]] = {
    "uniform": lambda _: KDouble(k=0.5),
    "k-double": lambda k: KDouble(k=k),
    "mcafee": lambda _: McAfee(),
}
"""Protocols a scenario may name as `negotiation.spot_auction`, made from `negotiation.spot_k`."""


def spot_auction(name: str, k: float) -> SpotAuction:
    """Return the protocol that a scenario names."""
    if name not in SPOT_AUCTIONS:
        known = ", ".join(sorted(SPOT_AUCTIONS))
        raise ValueError(f"negotiation.spot_auction is {name!r}; known: {known}")
    return SPOT_AUCTIONS[name](k)
