"""What labs bid for spot compute: their gap, their purse and the value of each part."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.demand import budget_value, inference_value
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pairs import promised_now_h100e
from offtake.model.worth import hours_asked, training_values

if TYPE_CHECKING:
    from offtake.model.market import Market

SPOT_BLOCKS = 4
"""Steps in which a lab's value curve is bid in the call auction."""
LEAST_PRICE = 1e-6
"""Spot price below which compute is free, USD per H100e-hour."""
SPOT_CASH = 0.1
"""Share of its cash that a lab spends on spot compute in a month at most."""


def gap_now(market: "Market") -> np.ndarray:
    """Return need that contracts do not meet now, by lab, H100e."""
    served = market.books.served
    assert served is not None
    need = served.load_h100e + served.training_need_h100e
    gap = np.maximum(need - promised_now_h100e(market).sum(axis=1), 0.0)
    failed = np.array([name in market.books.failed for name in market.setup.labs])
    return np.where(failed, 0.0, gap)


def affordable_on_spot(market: "Market") -> np.ndarray:
    """Return what a lab's cash buys for a month at the last spot price, by lab, H100e (pro-6)."""
    assert market.books.believed is not None
    cash = np.array([max(market.books.deposits[n], 0) / 100 for n in market.setup.labs])
    price = max(market.books.believed.spot_price, LEAST_PRICE)
    return SPOT_CASH * cash / (price * HOURS_PER_MONTH)


def value_spot(market: "Market") -> None:
    """Put a value on spot compute for the month, by lab: inference first, then training (dem-9)."""
    served = market.books.served
    assert served is not None
    inference = inference_value(served.price_usd, hours_asked(market, market.month))
    shares = served.users_million / market.adopters_million
    market.spot_values = np.stack([inference, training_values(market, shares)])


def spot_bids(
    market: "Market", lab: int, gap: float, most: float = math.inf
) -> list[tuple[float, float]]:
    """Return (price, H100e) bids for a gap on the curve of (dem-9), the most valued first.

    `most` is what the lab can pay for.
    """
    bids = []
    for price, h100e in _curve(market, lab, gap):
        part = min(h100e, most)
        if part > 0:
            bids.append((price, part))
            most -= part
    return bids


def _curve(market: "Market", lab: int, gap: float) -> Iterator[tuple[float, float]]:
    served = market.books.served
    assert served is not None
    if market.fixed_values[lab] > 0:
        yield float(market.fixed_values[lab]), gap
        return
    load = float(served.load_h100e[lab])
    wanted = float(served.training_need_h100e[lab])
    met = load + wanted - gap
    if met < load:
        step = (load - met) / SPOT_BLOCKS
        slope = market.setup.scenario.demand.value_slope
        for k in range(SPOT_BLOCKS):
            middle = met + (k + 0.5) * step
            yield float(market.spot_values[0, lab]) * (1 - slope * middle / load), step
    training = gap - max(load - met, 0.0)
    if training > 0:
        paid = budget_value(market.contract_price, wanted, wanted - training, wanted)
        yield max(float(market.spot_values[1, lab]), paid), training
