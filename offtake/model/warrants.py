"""Warrants against volume: a customer earns equity of its cloud by what it buys (1.9)."""

from typing import TYPE_CHECKING

import numpy as np

from offtake.model.cents import cents, split
from offtake.model.events import Claim, Posted, Vested
from offtake.model.months import month_of
from offtake.model.scenario import WarrantGiven

if TYPE_CHECKING:
    from offtake.model.market import Market


def vest(market: "Market") -> None:
    """Give customers the equity that their purchases have earned since the last time."""
    for name, given in sorted(market.setup.scenario.warrants.items()):
        before = market.books.vested.get(name, 0)
        steps = _steps(market, given)
        if steps > before and is_open(market, given):
            _give(market, name, given, before, steps)


def is_open(market: "Market", given: WarrantGiven) -> bool:
    """Whether a warrant can still vest."""
    start = market.setup.scenario.start
    until = month_of(start, given.until) if given.until else float("inf")
    return market.time < until and not {given.lab, given.cloud} & market.books.failed


def _steps(market: "Market", given: WarrantGiven) -> int:
    bought = market.books.purchased_cents.get((given.lab, given.cloud), 0)
    target = max(cents(given.purchases_usd), 1)
    return min(bought * given.steps // target, given.steps)


def _give(market: "Market", name: str, given: WarrantGiven, before: int, steps: int) -> None:
    """Issue the equity of the steps reached; the customer pays nothing more for it."""
    parts = split(cents(given.equity_usd), [1] * given.steps)
    amount = sum(parts[before:steps])
    cause = f"warrant:{name}"
    market.apply(
        Vested(
            warrant=name,
            lab=given.lab,
            holder=given.cloud,
            steps=steps,
            paid_cents=amount,
            cause=cause,
        )
    )
    equity = Claim(given.lab, given.cloud, "equity", amount)
    market.post(Posted(postings=(), claims=(equity,), cause=cause))


def rebates(market: "Market") -> np.ndarray:
    """Return by lab and cloud the part of a payment for compute that comes back as equity."""
    books = market.books
    found = np.zeros((len(market.setup.labs), len(market.setup.clouds)))
    for _, given in sorted(market.setup.scenario.warrants.items()):
        if is_open(market, given) and _steps(market, given) < given.steps:
            cell = books.lab_index[given.lab], books.cloud_index[given.cloud]
            found[cell] += given.equity_usd / given.purchases_usd
    return found
