"""How concentrated compute is among clouds."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offtake.model.market import Market


def herfindahl(market: "Market") -> float:
    """Return the Herfindahl-Hirschman index of delivered compute by cloud, in [0, 1] (row M9)."""
    assert market.books.served is not None
    by_cloud = [math.fsum(column) for column in market.books.served.delivered_h100e.T.tolist()]
    total = math.fsum(by_cloud)
    return math.fsum((x / total) ** 2 for x in by_cloud) if total > 0 else 0.0
