"""Ways out of contracts: what a seller may leave, and what a buyer may walk away from (section 1.7)."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.cents import cents
from offtake.model.contracts import Contract
from offtake.model.indices import relative_price
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import annuity, levelling
from offtake.model.terms import SellerTermination
from offtake.model.view import Exit

if TYPE_CHECKING:
    from offtake.model.market import Market


def may_walk(market: "Market", row: int) -> bool:
    """Return whether the long stop of a contract lets its buyer walk away."""
    c = market.books.contracts
    clause = c.facts[row].long_stop
    if clause is None:
        return False
    since = market.time - c.facts[row].start
    return clause.lets_go(since, int(c.delivered_kw[row]), int(c.kw[row]))


def notice_fee_cents(
    contract: Contract, clause: SellerTermination, price: float, time: float
) -> int:
    """Return what giving notice now costs the seller, at the price of now."""
    month = cents(price * contract.h100e * HOURS_PER_MONTH)
    return clause.fee_cents(month, contract.end - time, contract.months)


def exits_of(market: "Market", cloud: int) -> Iterator[Exit]:
    """Yield the contracts that a cloud may leave: those delivered now, with more left than their notice."""
    c, setup = market.books.contracts, market.setup
    n = c.size
    mine = c.seller_may_leave[:n] & c.live[:n] & (setup.pool_cloud[c.pool[:n]] == cloud)
    for row in np.flatnonzero(mine & (c.delivered_kw[:n] > 0)).tolist():
        contract = c.facts[row]
        clause = contract.seller_termination
        assert clause is not None
        left = contract.end - market.time - clause.notice_months
        if left > 0 and contract.name not in c.under_notice:
            yield _exit(market, row, clause.notice_months, left)


def _exit(market: "Market", row: int, notice: int, left: float) -> Exit:
    """Return what leaving a contract would cost, keep and bring, in present values (row B15)."""
    c, setup = market.books.contracts, market.setup
    contract = c.facts[row]
    clause = contract.seller_termination
    assert clause is not None
    discount = setup.scenario.clouds[contract.seller].discount_per_year
    rate = (1 + discount) ** (1 / 12) - 1
    decline = setup.rules.decline_per_month
    running = float(setup.running[c.pool[row]])
    use = _share_used(market, row)
    price = float(c.price[row]) * relative_price(market, row, rate, notice + left)
    anew = market.contract_price * math.exp(-decline * notice)
    anew *= float(levelling(rate, decline, np.array(left)))
    h100e = float(c.delivered_kw[row] * c.theta[row])
    months = float(annuity(rate, left)) * (1 + rate) ** -notice
    worth = h100e * HOURS_PER_MONTH * months
    return Exit(
        contract=contract.name,
        h100e=h100e,
        notice_months=notice,
        kept_usd=(price * max(use, float(c.floor[row])) - running * use) * worth,
        elsewhere_usd=setup.rules.building.busy * max(anew - running, 0.0) * worth,
        fee_usd=notice_fee_cents(contract, clause, float(c.price[row]), market.time) / 100,
    )


def _share_used(market: "Market", row: int) -> float:
    """Return the share of the month's delivery that was used; all of it where nothing is known."""
    if row >= len(market.used_h100e) or market.delivered_h100e[row] <= 0:
        return 1.0
    return float(market.used_h100e[row] / market.delivered_h100e[row])
