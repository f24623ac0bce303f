"""Compute that labs let to one another for the month: what of it was delivered (sec-1)."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from offtake.model.events import Cleared
    from offtake.model.market import Market


class Let(NamedTuple):
    """Compute delivered under a contract to another lab than its buyer."""

    cleared: "Cleared"
    lab: str
    """Who uses it."""
    lessor: str
    """Who has bought it from the cloud, and owes for it."""
    row: int
    h100e: float


def let(market: "Market") -> list[Let]:
    """Return what was let in the month; a contract that delivered less than was let serves in proportion."""
    agreed = [
        Let(cleared, s.lab, s.lessor, market.books.contracts.row[s.contract], s.h100e)
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
