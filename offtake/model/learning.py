"""Learning: everybody's beliefs follow what the month before has shown."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.events import Believed, Served
from offtake.model.view import ForecastView

if TYPE_CHECKING:
    from offtake.model.market import Market

PRICE_MEMORY = 0.85
"""Weight of the past in the public index of contract prices, by month with signatures."""


def observe(market: "Market") -> None:
    """Everybody learns from the month before: growth, errors, prices, who wins."""
    served, before = market.books.served, market.books.believed
    assert served is not None
    assert before is not None
    need = served.load_h100e + served.training_need_h100e
    growth, variance = _forecasts(market, before, need)
    market.apply(
        Believed(
            growth=growth,
            variance=variance,
            need_h100e=need,
            contract_price=_contract_price(market, before),
            spot_price=_spot_price(market, before.spot_price),
            win_share=_win_share(market, before),
            revenue_usd=served.revenue_usd,
            revenue_growth=_revenue_growth(market, before, served),
            burn_usd=_burn_usd(market, before),
            cause="observation",
        )
    )


def _forecasts(
    market: "Market", before: Believed, need: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return growth and its variance as each lab forecasts them; news that labs are told comes last."""
    growth, variance = before.growth.copy(), before.variance.copy()
    for i, name in enumerate(market.setup.labs):
        if name not in market.books.failed and market.month > 1:
            view = ForecastView(
                name=name,
                rules=market.setup.scenario.beliefs,
                growth_per_month=float(growth[i]),
                variance=float(variance[i]),
                need_before_h100e=max(float(before.need_h100e[i]), 1e-9),
                need_h100e=max(float(need[i]), 1e-9),
            )
            forecast = market.participants[name].decide("forecaster", view)
            growth[i], variance[i] = forecast.growth_per_month, forecast.variance
    for i, told in market.told_growth.items():
        growth[i] = told
    market.told_growth.clear()
    return growth, variance


def _burn_usd(market: "Market", before: Believed) -> np.ndarray:
    if market.month == 1:
        return market.burn_usd
    return 0.5 * before.burn_usd + 0.5 * market.burn_usd


def _revenue_growth(market: "Market", before: Believed, served: Served) -> np.ndarray:
    """Move believed growth of revenue towards the month's (exp-1)."""
    if market.month == 1:
        return before.revenue_growth
    both = (served.revenue_usd > 0) & (before.revenue_usd > 0)
    grown = np.log(np.where(both, served.revenue_usd, 1) / np.where(both, before.revenue_usd, 1))
    learning = market.setup.scenario.beliefs.learning
    return before.revenue_growth + learning * (grown - before.revenue_growth)


def _contract_price(market: "Market", before: Believed) -> float:
    """Return the index of contract prices: start prices signed lately, by quantity; it ages with cost."""
    price = before.contract_price * math.exp(-market.setup.rules.decline_per_month)
    quantity = math.fsum(h for _, h in market.signed_prices)
    if quantity > 0:
        new = math.fsum(p * h for p, h in market.signed_prices) / quantity
        price = PRICE_MEMORY * price + (1 - PRICE_MEMORY) * new
    market.signed_prices.clear()
    return price


def _spot_price(market: "Market", before: float) -> float:
    cleared = [c for _, c in sorted(market.books.spot.items()) if c.h100e > 0]
    quantity = math.fsum(c.h100e for c in cleared)
    if quantity == 0:
        return before
    return math.fsum(c.price_usd_per_h100e_hour * c.h100e for c in cleared) / quantity


def _win_share(market: "Market", before: Believed) -> np.ndarray:
    """Move expected shares of a lab's awards towards its latest awards."""
    total = market.awards_h100e.sum(axis=1, keepdims=True)
    weight = market.setup.scenario.beliefs.learning * (total > 0)
    share = market.awards_h100e / np.maximum(total, 1e-9)
    market.awards_h100e[:] = 0.0
    return before.win_share + weight * (share - before.win_share)
