"""Make-up: what a month draws from and adds to the banks of compute that was paid for and not used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.events import Banked
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.terms import Deficiency

if TYPE_CHECKING:
    from offtake.model.market import Market


def drawn_hours(market: "Market", used: np.ndarray) -> dict[int, int]:
    """Return by row what the month draws from each bank, H100e-hours; only where it draws."""
    banks = market.books.contracts.banked
    rows = (market.books.contracts.row[name] for name in banks)
    drawn = {row: _after(market, row, used)[1] for row in rows}
    return {row: hours for row, hours in drawn.items() if hours}


def bank_changes(market: "Market", used: np.ndarray) -> Iterator[Banked]:
    """Yield the banks that the month has changed; that of a contract that is over is forfeited."""
    c = market.books.contracts
    for row in np.flatnonzero(c.makes_up[: c.size]).tolist():
        name = c.facts[row].name
        bank, drawn = _after(market, row, used)
        if c.state[row] not in ("signed", "active"):
            bank = ()
        if bank != c.banked.get(name, ()):
            yield Banked(
                contract=name, deficiencies=bank, drawn_hours=drawn, cause=f"contract:{name}"
            )


def prices_of_more_use(market: "Market") -> np.ndarray:
    """Return by contract what an hour beyond the floor costs, USD per H100e-hour of the whole contract.

    ``p max(1 - phi - bank / q, 0)``: what is banked costs nothing (rows B14; section 1.7).
    """
    c = market.books.contracts
    n = c.size
    price = (1 - c.floor[:n]) * c.price[:n]
    for name, bank in c.banked.items():
        row = c.row[name]
        delivered_hours = float(market.delivered_h100e[row]) * HOURS_PER_MONTH
        if delivered_hours > 0:
            free = sum(deficiency.hours for deficiency in bank) / delivered_hours
            price[row] = max(1 - c.floor[row] - free, 0.0) * c.price[row]
    return price


def _after(market: "Market", row: int, used: np.ndarray) -> tuple[tuple[Deficiency, ...], int]:
    """Return the bank of a contract at the end of the month, and what the month draws."""
    c = market.books.contracts
    clause = c.facts[row].make_up
    assert clause is not None
    return clause.after(
        c.banked.get(c.facts[row].name, ()),
        market.month,
        floor_hours=float(c.floor[row] * market.delivered_h100e[row]) * HOURS_PER_MONTH,
        used_hours=float(used[row]) * HOURS_PER_MONTH,
    )
