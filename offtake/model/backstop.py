"""Backstop: governments buy compute that nobody takes, month by month, at a floor price (1.11)."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offtake.model.cents import cents
from offtake.model.enforcing import in_force
from offtake.model.events import Posted, Posting
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.permits import place_of

if TYPE_CHECKING:
    from offtake.model.market import Market


class Commitment(NamedTuple):
    """What a government would pay for compute that nobody takes."""

    policy: str
    government: str
    prices: np.ndarray
    """USD per H100e-hour by pool; 0 where it does not buy."""
    h100e: float
    """Most that it buys, and can pay for at its highest price."""


def commitments(market: "Market") -> list[Commitment]:
    """Return the commitments in force of governments that have money."""
    pools = market.setup.pools
    found = []
    for rule in in_force(market, "floor_usd_per_h100e_hour"):
        prices = np.array(
            [rule.floor_usd_per_h100e_hour(place_of(market, p.cloud, p.region)) for p in pools]
        )
        dearest = float(prices.max(initial=0.0)) * HOURS_PER_MONTH
        if dearest > 0:
            payable = max(market.books.deposits[rule.government], 0) / 100 / dearest
            most = min(rule.most_h100e(), payable)
            found.append(Commitment(rule.name, rule.government, prices, most))
    return found


def reserve(market: "Market", free_h100e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by pool at which price a government takes what nobody does, and which part of it.

    Where it cannot take all, every seller can leave it the same part of what is free. Of several
    governments the first by name buys in a pool.
    """
    price, part = np.zeros(len(free_h100e)), np.zeros(len(free_h100e))
    for offer in commitments(market):
        pays = (offer.prices > market.setup.running) & (price == 0)
        offered = math.fsum(free_h100e[pays].tolist())
        price[pays] = offer.prices[pays]
        part[pays] = min(offer.h100e / offered, 1.0) if offered > 0 else 1.0
    return price, part


def buy_unsold(market: "Market", unsold_h100e: Mapping[int, float]) -> None:
    """Pay clouds for compute of the coming month that stands free, and let them run it (W of bar-1).

    What is bought serves public users: it is neither delivered to labs nor counted as committed.
    """
    for offer in commitments(market):
        asked = {
            pool: h100e
            for pool, h100e in sorted(unsold_h100e.items())
            if offer.prices[pool] > market.setup.running[pool] and h100e > 0
        }
        total = math.fsum(asked.values())
        part = min(offer.h100e / total, 1.0) if total > 0 else 0.0
        postings = [p for k, x in asked.items() for p in _purchase(market, offer, k, x * part)]
        if postings:
            market.post(Posted(postings=tuple(postings), cause=f"policy:{offer.policy}"))
        unsold_h100e = {k: x for k, x in unsold_h100e.items() if k not in asked}


def _purchase(market: "Market", offer: Commitment, pool: int, h100e: float) -> list[Posting]:
    """Return what the government pays for a month of a pool's compute, and what running it costs."""
    cloud, hours = market.setup.pools[pool].cloud, h100e * HOURS_PER_MONTH
    paid = math.floor(float(offer.prices[pool]) * hours * 100)
    running = min(cents(float(market.setup.running[pool]) * hours), paid)
    if paid <= 0:
        return []
    return [
        Posting(offer.government, cloud, paid, "backstop", offer.policy),
        Posting(cloud, "Suppliers", running, "running", offer.policy),
    ]
