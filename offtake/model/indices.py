"""Prices that follow an index: levels of the indices, and the yearly revisions (section 1.7)."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.books import Books
from offtake.model.chips import price_usd
from offtake.model.events import Repriced
from offtake.model.pricing import annuity
from offtake.model.setup import Setup
from offtake.model.terms import MONTHS_PER_YEAR, PriceIndex

if TYPE_CHECKING:
    from offtake.model.market import Market


def index_level(setup: Setup, books: Books, index: PriceIndex) -> float:
    """Return the level of an index at the start, before any volume has moved the prices of chips."""
    match index:
        case "none":
            return 1.0
        case "contract-price":
            assert books.believed is not None
            return books.believed.contract_price
        case "chip":
            return setup.newest_chip(books.time - 1)[1].price_usd_per_h100e


def level_now(market: "Market", index: PriceIndex) -> float:
    """Return the level of an index as the month before has shown it.

    The index of contract prices is that of signatures until a month ago, in start prices; chips are the
    newest generation of a month ago, USD per H100e, on the curve of their class and with its last markup.
    """
    if index == "chip":
        return price_usd(market, market.setup.newest_chip(market.books.time - 1)[0])
    return index_level(market.setup, market.books, index)


def first_levels(setup: Setup, books: Books) -> Iterator[Repriced]:
    """Yield the index levels of contracts that run at the start, whose prices are in force there."""
    c = books.contracts
    for row in np.flatnonzero(c.moves[: c.size] & (c.start[: c.size] <= 0)).tolist():
        level = index_level(setup, books, c.facts[row].indexation.index)
        yield _repriced(books, row, 1.0, level)


def revise_prices(market: "Market") -> bool:
    """Revise prices on the first whole month from each anniversary on; return whether any was.

    Levels of indices are noted at the start.

    The bills of the month are written before: a new price holds for the months that follow.
    """
    books, c = market.books, market.books.contracts
    revised = False
    for row in np.flatnonzero(c.moves[: c.size] & c.live[: c.size]).tolist():
        contract = c.facts[row]
        before = c.index_level.get(contract.name)
        if before is None:
            level = level_now(market, contract.indexation.index)
            market.apply(_repriced(books, row, 1.0, level))
        elif months_until_revision(contract.start, market.month) == MONTHS_PER_YEAR:
            level = level_now(market, contract.indexation.index)
            change = contract.indexation.change(level / before)
            market.apply(_repriced(books, row, change, level))
            revised = True
    return revised


def months_until_revision(start: float, month: int) -> int:
    """Return the months from now to the next revision, 1 to 12; 12 on the day of one or before the start."""
    since = max(month - math.ceil(start), 0)
    return MONTHS_PER_YEAR - since % MONTHS_PER_YEAR


def relative_price(market: "Market", row: int, rate_per_month: float, months: float) -> float:
    """Return the fixed price over some months that is worth a contract's prices, over its price of now."""
    contract = market.books.contracts.facts[row]
    if not contract.indexation.moves or months <= 0:
        return 1.0
    return contract.indexation.annuity(
        rate_per_month,
        market.setup.rules.decline_per_month,
        months,
        months_until_revision(contract.start, market.month),
    ) / float(annuity(rate_per_month, months))


def _repriced(books: Books, row: int, change: float, level: float) -> Repriced:
    contract = books.contracts.facts[row]
    return Repriced(
        contract=contract.name,
        price_usd_per_h100e_hour=float(books.contracts.price[row]) * change,
        index_level=level,
        cause=f"contract:{contract.name}",
    )
