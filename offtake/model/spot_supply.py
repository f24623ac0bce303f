"""What is offered on spot: clouds' free capacity, and compute that labs have bought and do not use."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offtake.model.backstop import reserve
from offtake.model.make_up import prices_of_more_use
from offtake.model.pairs import promised_now_h100e
from offtake.model.worth import training_values

if TYPE_CHECKING:
    from offtake.model.market import Market

LEAST_LOT_H100E = 1.0
"""Compute below which neither side of the spot auction bothers."""


class Offer(NamedTuple):
    """Compute for a month at a price or more."""

    pool: int
    ask: float
    """USD per H100e-hour."""
    h100e: float
    row: int = -1
    """Contract that it is let under; -1 for what its cloud has free."""


def free_offers(market: "Market") -> list[Offer]:
    """Return energised capacity that is neither committed nor in own use, at avoidable cost (cst-1).

    What a government would buy if nobody did is offered at its floor price.
    """
    books, setup = market.books, market.setup
    free_kw = books.energised_kw - books.own_kw - books.committed_kw[:, market.month]
    h100e = np.maximum(free_kw, 0) * (setup.theta / 1000)
    floor, part = reserve(market, h100e)
    offers = []
    for p in np.flatnonzero(h100e >= LEAST_LOT_H100E).tolist():
        if setup.pools[p].cloud not in books.failed | books.unformed:
            backed = float(h100e[p] * part[p])
            offers += [
                Offer(p, float(setup.running[p]), float(h100e[p]) - backed),
                Offer(p, float(floor[p]), backed),
            ]
    return [offer for offer in offers if offer.h100e >= LEAST_LOT_H100E]


def sublease_offers(market: "Market", gap: np.ndarray) -> list[Offer]:
    """Return what labs without a gap would let of contracts that may be let (sec-1, section 1.7).

    Notes
    -----
    Asked is what the lab would lose: where it would train with more than it needs, the value of that
    training; where the compute would stand dark, nothing below the take-or-pay floor, which is paid
    anyway, and the price of the contract above it, which is owed once somebody uses it.
    """
    c, books = market.books.contracts, market.books
    rows = [
        r
        for r in books.active_rows().tolist()
        if c.facts[r].assignability.allowed and gap[c.lab[r]] < LEAST_LOT_H100E
    ]
    offers = (o for o in _lettable(market, rows) if o.h100e >= LEAST_LOT_H100E)
    return [] if not rows else list(offers)


def _lettable(market: "Market", rows: list[int]) -> Iterator[Offer]:
    c, served = market.books.contracts, market.books.served
    assert served is not None
    promised = promised_now_h100e(market).sum(axis=1)
    left = np.maximum(promised - served.load_h100e, 0.0)
    surplus = np.maximum(left - served.training_need_h100e, 0.0)
    worth = training_values(market, served.users_million / market.adopters_million)
    more = prices_of_more_use(market)
    for row in rows:
        lab, pool = int(c.lab[row]), int(c.pool[row])
        price = float(c.price[row])
        h100e = float(c.delivered_kw[row] * c.theta[row])
        spare = h100e * float(left[lab] / max(promised[lab], 1e-12))
        if worth[lab] >= more[row]:
            beyond = spare * float(surplus[lab] / max(left[lab], 1e-12))
            yield Offer(pool, float(worth[lab]), beyond, row)
        else:
            owed = float(more[row]) / price  # share of the compute that is not paid for yet
            dark = max(spare - owed * h100e, 0.0)
            yield Offer(pool, 0.0, dark, row)
            yield Offer(pool, price, spare - dark, row)
