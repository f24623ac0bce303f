"""Porting: how far each lab's software runs on each class of chips, and what that costs it (chp-2)."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.events import Ported
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import SWITCHING_MONTHS
from offtake.model.scenario import GPU
from offtake.model.setup import Setup
from offtake.model.subleases import let
from offtake.model.sums import summed

if TYPE_CHECKING:
    from offtake.model.market import Market


def first_shares(setup: Setup) -> np.ndarray:
    """Return by lab and class how much of its software runs there at the start: all of it on GPUs."""
    labs = [setup.scenario.labs[name] for name in setup.labs]
    return np.array(
        [
            [1.0 if n == GPU else lab.ported.get(n, c.ported) for n, c in setup.classes.items()]
            for lab in labs
        ]
    )


def ported_after(shares: np.ndarray, use: np.ndarray, half_months: np.ndarray) -> np.ndarray:
    """Return porting stocks after a month: what is left falls by half in some months of full use (chp-2).

    `use` is the class's share of the lab's compute. Without use nothing is learnt.
    """
    return 1 - (1 - shares) * 0.5 ** (use / half_months)


def ported(market: "Market") -> np.ndarray:
    """Return S, how much of each lab's software runs on each class now, by lab and class."""
    shares = market.books.ported
    return np.ones((len(market.setup.labs), 1)) if shares is None else shares


def runs_on(market: "Market", lab: int, pool: int) -> float:
    """Return how much of a lab's software runs on a pool's chips, both by place; 0 if it refuses them."""
    return float(ported(market)[lab, market.setup.pool_class[pool]])


def porting_usd_per_hour(market: "Market") -> np.ndarray:
    """Return what a class costs each lab beyond its price, USD per H100e-hour (chp-2).

    ``porting / (T S)``, T as for a new cloud: what is ported ill takes the longer to pay.
    """
    cost = np.array([c.porting_usd_per_h100e for c in market.setup.classes.values()])
    spread = cost / (SWITCHING_MONTHS * HOURS_PER_MONTH)
    stock = ported(market)
    return np.where(stock > 0, spread / np.maximum(stock, 1e-12), 0.0)


def delivered_by_class(market: "Market") -> np.ndarray:
    """Return compute delivered in the month by the lab that uses it and class, spot included, H100e."""
    setup, books = market.setup, market.books
    n, classes = len(market.delivered_h100e), len(setup.classes)
    c = books.contracts
    cell = c.lab[:n] * classes + setup.pool_class[c.pool[:n]]
    shape = (len(setup.labs), classes)
    found = summed(cell, market.delivered_h100e, shape[0] * shape[1]).reshape(shape)
    for venue in sorted(books.spot):
        for bought in books.spot[venue].purchases:
            found[books.lab_index[bought.lab], setup.pool_class[bought.pool]] += bought.h100e
    for item in let(market):
        kind = setup.pool_class[c.pool[item.row]]
        owner = books.lab_index[item.agreed.lessor]
        found[books.lab_index[item.agreed.lab], kind] += item.h100e
        found[owner, kind] = max(found[owner, kind] - item.h100e, 0.0)
    return found


def learn_to_port(market: "Market") -> None:
    """Move porting stocks by the month's use: learning by using (chp-2; path dependence)."""
    market.delivered_by_class = delivered_by_class(market)
    if len(market.setup.classes) == 1:
        return
    delivered = market.delivered_by_class
    total = np.array([math.fsum(row) for row in delivered.tolist()])
    use = delivered / np.maximum(total, 1e-9)[:, None]
    half = np.array([c.porting_half_months for c in market.setup.classes.values()])
    shares = ported_after(ported(market), use, half)
    market.apply(Ported(shares=shares, cause="use"))
