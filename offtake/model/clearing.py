"""Scarcity is discovered by clearing: ascending rounds (bar-3) and the call auction (sec-1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

EXACT = 1e-9
"""Step to which columns count as equally good before any premium rises, USD per H100e-hour."""
DUST = 1e-9
"""Share of a bid or an offer below which what is left of it is rounding."""
LEAST = 1e-30
"""What keeps the part of a level without any pieces finite, H100e."""
WHOLE = 1 - 1e-6
"""Share of a piece from which it counts as taken in full."""
CLEARING_STEPS = 4
"""Increments within which clearing is exact: two for who gets what, two for what that leaves."""
TRANCHES = 4
"""Pieces in which a purchase meets the rising penalty of dependence (pro-5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bids:
    """Lots that look for capacity in columns (a cloud's pool, or what it could build).

    Attributes
    ----------
    surplus
        Joint surplus of lot and column, USD per H100e-hour, shape (lots, columns); minus infinity
        where the pair may not trade.
    wanted
        H100e asked by each lot.
    room
        H100e free in each column.
    limit
        Most of a column that a lot could use, shape (lots, columns).
    exposure
        Share of the lab's compute it has from the column's cloud already, shape (lots, columns).
    dependence
        psi of each lot, USD per H100e-hour (pro-5).
    scale
        Xbar of each lot: H100e in which exposure is measured.
    """

    surplus: np.ndarray
    wanted: np.ndarray
    room: np.ndarray
    limit: np.ndarray
    exposure: np.ndarray
    dependence: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Who gets what, and at what premium over the sellers' floors.

    Attributes
    ----------
    taken
        H100e by lot and column.
    premium
        USD per H100e-hour, by column.
    held
        Gain of each lot on the last unit it has of a column, after premium and penalty of dependence;
        plus infinity where it has none.
    open
        Gain of each lot on the next unit of a column; minus infinity where it has all it can use.
    """

    taken: np.ndarray
    premium: np.ndarray
    held: np.ndarray
    open: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pieces:
    """Columns cut into the pieces in which the penalty of dependence rises: arrays (lots, pieces)."""

    base: np.ndarray
    """Joint surplus less penalty, USD per H100e-hour."""
    size: np.ndarray
    """H100e."""
    column: np.ndarray
    wanted: np.ndarray
    room: np.ndarray

    def by_column(self, values: np.ndarray) -> np.ndarray:
        return values.reshape(len(self.wanted), len(self.room), -1)


def _cut(bids: Bids, pieces: int) -> _Pieces:
    """Return the pieces of ``max sum (v - p) x - (psi / 2) sum (X + x)^2 / Xbar`` (pro-5)."""
    lots, columns = bids.surplus.shape
    size = np.minimum(bids.limit, bids.wanted[:, None]) / pieces
    middle = (np.arange(pieces) + 0.5)[None, None, :]
    reached = bids.exposure[:, :, None] + middle * (size / bids.scale[:, None])[:, :, None]
    base = bids.surplus[:, :, None] - bids.dependence[:, None, None] * reached
    return _Pieces(
        base=base.reshape(lots, columns * pieces),
        size=np.repeat(size, pieces, axis=1),
        column=np.repeat(np.arange(columns), pieces),
        wanted=bids.wanted,
        room=bids.room,
    )


def demanded(bids: Bids, premium: np.ndarray, increment: float, pieces: int) -> np.ndarray:
    """Return what each lot takes of each column at the columns' price premia, H100e.

    Each lot fills its best columns first, and spreads evenly over columns that are equally good to the
    increment: lots that are alike then part instead of chasing one another.
    """
    cut = _cut(bids, pieces)
    return cut.by_column(_chosen(cut, premium, increment)).sum(axis=2)


def _chosen(cut: _Pieces, premium: np.ndarray, increment: float) -> np.ndarray:
    net = cut.base - premium[cut.column]
    sizes = np.where(net >= -1e-12, cut.size, 0.0)
    return sizes * _filled(np.round(net / increment), sizes, cut.wanted)


def _filled(level: np.ndarray, sizes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return by lot and piece the part that is filled: the highest level first, a level evenly."""
    order = np.argsort(-level, axis=1, kind="stable")
    rows = np.arange(len(level))[:, None]
    ranked, size = level[rows, order], sizes[rows, order]
    upto = np.cumsum(size, axis=1)
    first = np.ones(level.shape, dtype=bool)
    first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    last = np.ones(level.shape, dtype=bool)
    last[:, :-1] = first[:, 1:]
    before = np.maximum.accumulate(np.where(first, upto - size, 0.0), axis=1)
    after = np.minimum.accumulate(np.where(last, upto, np.inf)[:, ::-1], axis=1)[:, ::-1]
    part = np.clip((wanted[:, None] - before) / np.maximum(after - before, LEAST), 0.0, 1.0)
    result = np.empty_like(part)
    result[rows, order] = part
    return result


def ascend(bids: Bids, increment: float) -> Allocation:
    """Clear all lots and columns at once.

    Notes
    -----
    Over-demanded columns raise their premium, losers choose again (Crawford and Knoer 1981; Kelso and
    Crawford 1982). A rise is one increment, or as many at once as change nobody's choice. Where lots
    are within two increments of indifference, who gets what is settled for the largest joint surplus.
    No lot ends with a column on which it gains less than on one it could have had, but for
    `CLEARING_STEPS` increments. No participant moves first.
    """
    # a penalty below the price step cannot split a purchase
    split = float(bids.dependence.max(initial=0.0)) > increment
    cut = _cut(bids, TRANCHES if split else 1)
    premium = np.zeros(len(bids.room))
    taken = _chosen(cut, premium, EXACT)
    over = _over(cut, taken)
    if over.any():
        while over.any():
            premium[over] += _rise(cut, premium, taken, over, increment)
            taken = _chosen(cut, premium, increment)
            over = _over(cut, taken)
        taken = _settle(cut, premium, taken, 2 * increment)
    return _allocation(cut, premium, taken)


def _over(cut: _Pieces, taken: np.ndarray) -> np.ndarray:
    total = cut.by_column(taken).sum(axis=(0, 2))
    return total > cut.room * (1 + 1e-9) + 1e-9


def _rise(
    cut: _Pieces, premium: np.ndarray, taken: np.ndarray, over: np.ndarray, increment: float
) -> float:
    """Return the rise, in whole increments, up to where the first lot prefers what it does not have."""
    net = cut.base - premium[cut.column]
    contested = over[cut.column]
    open_ = ~contested & (taken < cut.size * WHOLE)
    other = np.where(open_, net, -np.inf).max(axis=1, initial=-np.inf)
    margin = np.where((taken > 1e-9) & contested, net - np.maximum(other, 0.0)[:, None], np.inf)
    return max(math.floor(float(margin.min()) / increment), 1) * increment


def _settle(cut: _Pieces, premium: np.ndarray, taken: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the allocation with the largest surplus among choices within `tolerance` of the best.

    A lot may use a piece iff it loses no more than the tolerance against the last one that it needs,
    and keeps what it took of pieces better than that: nobody could outbid it there.
    """
    net = cut.base - premium[cut.column]
    lots, pieces = net.shape
    needed = _last_needed(net, cut.size, cut.wanted)[:, None]
    pairs = np.flatnonzero(((net >= needed - tolerance) & (net >= -tolerance)).ravel())
    lot, piece = np.divmod(pairs, pieces)
    kept = np.where(net > needed + tolerance, taken * (1 - 2 * DUST), 0.0)
    ones = np.ones(len(pairs))
    at = np.arange(len(pairs))
    matrix = csr_array(
        (np.r_[ones, ones], (np.r_[lot, lots + cut.column[piece]], np.r_[at, at])),
        shape=(lots + len(cut.room), len(at)),
    )
    solution = linprog(
        -np.maximum(cut.base.ravel()[pairs], 0.0),
        A_ub=matrix,
        b_ub=np.r_[cut.wanted, cut.room],
        bounds=np.c_[kept.ravel()[pairs], cut.size.ravel()[pairs]],
        method="highs",
    )
    settled = np.zeros(lots * pieces)
    settled[pairs] = np.maximum(solution.x, 0.0)
    return settled.reshape(lots, pieces)


def _last_needed(net: np.ndarray, size: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the gain on the last piece each lot needs to fill its want, at least 0."""
    order = np.argsort(-net, axis=1, kind="stable")
    filled = np.cumsum(np.take_along_axis(size, order, axis=1), axis=1)
    last = np.minimum((filled < wanted[:, None] - 1e-9).sum(axis=1), net.shape[1] - 1)
    ranked = np.take_along_axis(net, order, axis=1)
    return np.maximum(ranked[np.arange(len(net)), last], 0.0)


def _allocation(cut: _Pieces, premium: np.ndarray, taken: np.ndarray) -> Allocation:
    net = cut.base - premium[cut.column]
    held = np.where(taken > 1e-9, net, np.inf)
    unfilled = np.where(taken < cut.size * WHOLE, net, -np.inf)
    return Allocation(
        taken=cut.by_column(taken).sum(axis=2),
        premium=premium,
        held=cut.by_column(held).min(axis=2),
        open=cut.by_column(unfilled).max(axis=2),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where demand and supply cross: the last orders that trade, and the first that do not."""

    quantity: float
    """H100e."""
    last_bid: float
    last_ask: float
    next_bid: float
    """The rest of the last bid where it trades in part; minus infinity for none."""
    next_ask: float
    """The rest of the last offer where it trades in part; infinity for none."""

    @property
    def interval(self) -> tuple[float, float]:
        """Return the lowest and the highest price at which the quantity clears."""
        return max(self.last_ask, self.next_bid), min(self.last_bid, self.next_ask)


def crossing(
    bids: Sequence[tuple[float, float]], offers: Sequence[tuple[float, float]]
) -> Crossing:
    """Return where (price, quantity) bids and offers cross; their order does not matter."""
    asked = sorted(offers)
    wanted = sorted(bids, reverse=True)
    i = j = 0
    bid_left = wanted[0][1] if wanted else 0.0
    ask_left = asked[0][1] if asked else 0.0
    traded = 0.0
    last_bid, last_ask = math.inf, -math.inf
    while i < len(wanted) and j < len(asked) and wanted[i][0] >= asked[j][0]:
        step = min(bid_left, ask_left)
        traded += step
        last_bid, last_ask = wanted[i][0], asked[j][0]
        bid_left -= step
        ask_left -= step
        if bid_left <= DUST * wanted[i][1]:
            i += 1
            bid_left = wanted[i][1] if i < len(wanted) else 0.0
        if ask_left <= DUST * asked[j][1]:
            j += 1
            ask_left = asked[j][1] if j < len(asked) else 0.0
    next_bid = wanted[i][0] if i < len(wanted) else -math.inf
    next_ask = asked[j][0] if j < len(asked) else math.inf
    return Crossing(
        quantity=traded,
        last_bid=last_bid,
        last_ask=last_ask,
        next_bid=next_bid,
        next_ask=next_ask,
    )


def call_auction(
    bids: Sequence[tuple[float, float]], offers: Sequence[tuple[float, float]]
) -> tuple[float, float, float]:
    """Clear (price, quantity) bids and offers at one price; return quantity, lowest and highest price.

    Uniform price; ties at the margin are left to the caller's rationing (sec-1, row M6).

    Examples
    --------
    >>> call_auction([(p, 1) for p in (10, 9, 8, 7, 6, 5)], [(p, 1) for p in (3, 4, 5, 6, 7, 8)])
    (4.0, 6, 7)
    """
    found = crossing(bids, offers)
    return found.quantity, *found.interval
