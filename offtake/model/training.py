"""Training budgets: the part of revenue and of money that goes into training, and what it buys."""

from typing import TYPE_CHECKING

import numpy as np

from offtake.model.months import HOURS_PER_MONTH
from offtake.model.seeing import committed_usd, parent_funding_usd

if TYPE_CHECKING:
    from offtake.model.market import Market


def funding_draw_usd(market: "Market") -> np.ndarray:
    """Return what each lab plans to spend of its money a month, USD.

    The draw spreads cash and committed tranches over the months a lab plans for, so that the day a
    tranche is paid changes nothing by itself.
    """
    scenario = market.setup.scenario
    draws = np.zeros(len(market.setup.labs))
    for i, name in enumerate(market.setup.labs):
        money = max(market.books.deposits[name], 0) / 100 + committed_usd(market, name)
        parent = parent_funding_usd(scenario.labs[name], market.time)
        draws[i] = money / scenario.finance.draw_months + parent
    return draws


def training_need_h100e(market: "Market", revenue: np.ndarray) -> np.ndarray:
    """Return the training that the budget buys at the going price, H100e (dem-7).

    ``B = rho R + rho_f (funding draw)``.
    """
    budgets = market.training_shares[0] * revenue + market.training_shares[1] * funding_draw_usd(
        market
    )
    need = budgets / (market.contract_price * HOURS_PER_MONTH)
    return np.where(market.fixed_values > 0, market.fixed_training, need)


def training_shares(market: "Market") -> tuple[np.ndarray, np.ndarray]:
    """Return rho and rho_f by lab; rho_f, where not given, makes the first month's training true."""
    assert market.books.served is not None
    labs = [market.setup.scenario.labs[n] for n in market.setup.labs]
    revenue = market.books.served.revenue_usd
    spent = market.fixed_training * market.contract_price * HOURS_PER_MONTH
    rho = np.array([lab.training_revenue_share for lab in labs])
    given = np.array([lab.training_funding_share is not None for lab in labs])
    most = np.where(given, rho, np.minimum(rho, spent / np.maximum(revenue, 1e-9)))
    draw = funding_draw_usd(market)
    rest = np.where(draw > 0, (spent - most * revenue) / np.where(draw > 0, draw, 1.0), 0.0)
    funding = np.array([lab.training_funding_share or 0.0 for lab in labs])
    return most, np.where(given, funding, np.maximum(rest, 0.0))
