"""Credit: how likely tenants are believed to fail, and what lenders add to their rate for it (fin-3)."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from offtake.model.guarantees import credited_hazard
from offtake.model.indices import relative_price
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import annuity
from offtake.model.seeing import runway_months

if TYPE_CHECKING:
    from offtake.model.market import Market

COVER_MONTHS = 12
"""Months of contracted cash flow and of debt service that a cover compares."""


class Backing(NamedTuple):
    """What one contract adds to the cash flow that lenders lend against."""

    tenant: str
    worth_usd: float
    """Present value of what it pays above running cost, used or not."""


def backing(market: "Market", cloud: str, rate_per_month: float) -> Iterator[Backing]:
    """Yield what each of a cloud's contracts is worth to its lenders, over the term of a loan drawn now."""
    c, term = market.books.contracts, market.setup.scenario.finance.debt_term_months
    for row, contract in enumerate(c.facts):
        if contract.seller != cloud or c.state[row] not in ("signed", "active"):
            continue
        left = min(c.end[row] - max(market.time, c.start[row]), term)
        level = float(annuity(rate_per_month, max(left, 0)))
        yield Backing(contract.buyer, _net_usd(market, row, rate_per_month, max(left, 0)) * level)


def _net_usd(market: "Market", row: int, rate_per_month: float, months: float) -> float:
    """Return what a contract's floor brings a month above running cost, USD."""
    c = market.books.contracts
    contract = c.facts[row]
    price = c.price[row] * relative_price(market, row, rate_per_month, months)
    net = contract.take_or_pay.floor * price - market.setup.running[c.pool[row]]
    return max(net, 0.0) * contract.h100e * HOURS_PER_MONTH


def cash_flow_ahead_usd(market: "Market", cloud: str) -> float:
    """Return what contracts bring above running cost in the next twelve months, USD.

    A contract that is delivered in part counts for that part; one that has not started, from its start.
    """
    c, now = market.books.contracts, market.time
    total = []
    for row, contract in enumerate(c.facts):
        if contract.seller != cloud or c.state[row] not in ("signed", "active"):
            continue
        months = min(c.end[row], now + COVER_MONTHS) - max(c.start[row], now)
        part = float(c.delivered_kw[row] / c.kw[row]) if c.kw[row] else 1.0
        total.append(_net_usd(market, row, 0.0, max(months, 0.0)) * part * max(months, 0.0))
    return math.fsum(total)


def hazard_now(market: "Market", name: str) -> float:
    """Return the believed monthly hazard that a participant fails, by its runway of now and its guarantees.

    Only labs burn cash by plan; for others the base hazard stands.
    """
    rules, books = market.setup.scenario.finance, market.books
    assert books.believed is not None
    runway = math.inf
    if name in books.lab_index:
        burn = float(books.believed.burn_usd[books.lab_index[name]])
        runway = runway_months(books.deposits[name] / 100, burn)
    own = rules.base_hazard_per_month + rules.runway_hazard / max(runway, 1.0)
    return credited_hazard(market, name, own)


def spread_per_year(market: "Market", cloud: str) -> float:
    """Return what lenders add to the rate for the tenants of a cloud, a year.

    Notes
    -----
    A lender breaks even with the hazard of default times the loss given default (Duffie and Singleton
    1999, *Review of Financial Studies* 12(4) 687). Tenants count by what their contracts are worth.
    """
    rules = market.setup.scenario.finance
    if rules.lender_recovery == 1:
        return 0.0
    backed = list(backing(market, cloud, rules.debt_rate_per_year / 12))
    total = math.fsum(item.worth_usd for item in backed)
    if total == 0:
        return 0.0
    lost = math.fsum(item.worth_usd * hazard_now(market, item.tenant) for item in backed)
    return (1 - rules.lender_recovery) * 12 * lost / total
