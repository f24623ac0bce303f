"""Labs and clouds, pair by pair: what is delivered, who may sign, what a change would cost."""

from typing import TYPE_CHECKING

import numpy as np

from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import SWITCHING_MONTHS
from offtake.model.preference import kept_out
from offtake.model.sums import summed
from offtake.model.warrants import rebates

if TYPE_CHECKING:
    from offtake.model.market import Market

AT_HOME = 0.05
"""Share of a lab's compute from which it counts as settled on a cloud."""


def promised_now_h100e(market: "Market") -> np.ndarray:
    """Return compute that contracts deliver now, by lab and cloud, H100e."""
    c, setup = market.books.contracts, market.setup
    n = c.size
    cell = c.lab[:n] * len(setup.clouds) + setup.pool_cloud[c.pool[:n]]
    shape = (len(setup.labs), len(setup.clouds))
    flat = summed(cell, c.delivered_kw[:n] * c.theta[:n], shape[0] * shape[1])
    return flat.reshape(shape)


def exposures(market: "Market") -> np.ndarray:
    """Return the share of each lab's present compute that comes from each cloud (pro-5)."""
    now = promised_now_h100e(market)
    return now / np.maximum(now.sum(axis=1, keepdims=True), 1e-9)


def may_deal(market: "Market") -> np.ndarray:
    """Return by lab and cloud whether policies let them sign, if no clause forbids it."""
    setup, failed = market.setup, market.books.failed | market.books.unformed
    labs = np.array([lab not in failed for lab in setup.labs])
    clouds = np.array([cloud not in failed for cloud in setup.clouds])
    return ~setup.barred & ~kept_out(market) & labs[:, None] & clouds[None, :]


def may_sign(market: "Market") -> np.ndarray:
    """Return by lab and cloud whether they may sign now (I5)."""
    setup, books = market.setup, market.books
    allowed = may_deal(market)
    for i, j in np.argwhere(allowed).tolist():
        allowed[i, j] = books.forbids(setup.labs[i], setup.clouds[j], market.time) is None
    return allowed


def switching_costs(market: "Market", exposure: np.ndarray) -> np.ndarray:
    """Return the cost of each cloud to each lab beyond its price, USD per H100e-hour (pro-5).

    Less what the lab earns of its equity by buying, as long as a warrant runs.
    """
    scenario = market.setup.scenario
    cost = scenario.procurement.porting_usd_per_h100e / (SWITCHING_MONTHS * HOURS_PER_MONTH)
    fixed = market.fixed_values > 0
    strange = 1 - np.minimum(exposure / AT_HOME, 1.0)
    earned = rebates(market) * market.contract_price if scenario.warrants else 0.0
    return market.setup.porting - earned + np.where(fixed[:, None], 0.0, cost * strange)
