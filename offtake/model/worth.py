"""What labs ask of compute, and what training with it is worth to them."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.demand import LEAST_TRAINED, training_value, worth_months
from offtake.model.pairs import promised_now_h100e

if TYPE_CHECKING:
    from offtake.model.market import Market


def hours_asked(market: "Market", month: int) -> np.ndarray:
    """Return H100e-hours that a user asks for in a month, by lab (dem-4)."""
    path = market.setup.usage_path
    factor = path[min(month, len(path) - 1)] * market.books.usage_factor
    return market.setup.hours_per_user * (factor / market.books.efficiency_factor)


def training_efficiency(market: "Market") -> float:
    """Return what an H100e-month of training yields against the start (dem-7)."""
    growth = market.setup.scenario.demand.training_efficiency_growth_per_month
    return math.exp(growth * market.month)


def training_values(market: "Market", shares: np.ndarray) -> np.ndarray:
    """Return v^T by lab at what it trains now, USD per H100e-hour (dem-7, dem-9)."""
    served, believed = market.books.served, market.books.believed
    assert served is not None
    assert believed is not None
    scenario = market.setup.scenario
    discount = np.array([scenario.labs[n].discount_per_year for n in market.setup.labs])
    worth = worth_months(
        believed.growth,
        discount,
        scenario.demand.training_decay_per_month,
        scenario.beliefs.damping,
    )
    value = training_value(
        served.revenue_usd,
        served.training_stock,
        shares,
        scenario.demand.quality_return,
        worth,
        training_efficiency(market),
    )
    wanted = served.training_need_h100e
    now = np.maximum(promised_now_h100e(market).sum(axis=1) - served.load_h100e, 1e-9)
    paid = market.contract_price * np.minimum(wanted / now, 1 / LEAST_TRAINED)
    value = np.maximum(value, paid)
    return np.where(market.fixed_values > 0, market.fixed_values, value)
