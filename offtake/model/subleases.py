"""Compute that labs let to one another for the month: what of it was delivered (sec-1)."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offtake.model.events import Sublease

if TYPE_CHECKING:
    from offtake.model.market import Market


class Let(NamedTuple):
    """Compute delivered under a contract to another lab than its buyer."""

    agreed: Sublease
    row: int
    """Of the contract."""
    h100e: float
    """What of it was delivered."""


def let(market: "Market") -> list[Let]:
    """Return what was let in the month; a contract that delivered less than was let serves in proportion."""
    agreed = [
        Let(s, market.books.contracts.row[s.contract], s.h100e)
        for _, cleared in sorted(market.books.spot.items())
        for s in cleared.subleases
    ]
    total = {
        row: math.fsum(x.h100e for x in agreed if x.row == row) for row in {x.row for x in agreed}
    }
    part = {row: min(float(market.delivered_h100e[row]) / h, 1.0) for row, h in total.items()}
    return [x._replace(h100e=x.h100e * part[x.row]) for x in agreed]


def let_by_contract(market: "Market") -> np.ndarray:
    """Return what of each contract others used, H100e."""
    h100e = np.zeros(len(market.delivered_h100e))
    for item in let(market):
        h100e[item.row] += item.h100e
    return h100e
