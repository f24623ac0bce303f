"""Most-favoured customers: prices that follow down, and what clouds know they would owe."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offtake.model.contracts import Contract
from offtake.model.events import Lowered
from offtake.model.view import Favoured

if TYPE_CHECKING:
    from offtake.model.market import Market


def follow_down(market: "Market", signed: Contract) -> None:
    """Bring prices of most-favoured customers down to that of a like contract just signed."""
    if signed.affiliate:
        return
    books = market.books
    price = signed.price_usd_per_h100e_hour
    for row, contract in _favoured(market, signed.seller):
        clause = contract.most_favoured
        assert clause is not None
        others = contract.pool == signed.pool and contract.buyer != signed.buyer
        mine = (float(books.contracts.price[row]), contract.months, contract.h100e)
        if others and clause.follows(*mine, price, signed.months, signed.h100e):
            market.apply(
                Lowered(
                    contract=contract.name,
                    price_usd_per_h100e_hour=price,
                    cause=f"contract:{signed.name}",
                )
            )


def _favoured(market: "Market", seller: str) -> Iterator[tuple[int, Contract]]:
    """Yield contracts in force that a seller has signed with most-favoured customers, by row."""
    c = market.books.contracts
    for row, contract in enumerate(c.facts):
        in_force = c.state[row] in ("signed", "active")
        if contract.most_favoured is not None and in_force and contract.seller == seller:
            yield row, contract


def favoured(market: "Market", seller: str) -> tuple[Favoured, ...]:
    """Return what a cloud has promised to most-favoured customers, the highest price first."""
    books = market.books
    promises = [
        Favoured(
            lab=books.lab_index[contract.buyer],
            pool_index=books.pool_index[contract.pool],
            price=float(books.contracts.price[row]),
            months=contract.months,
            months_left=contract.end - max(contract.start, market.time),
            h100e=contract.h100e,
        )
        for row, contract in _favoured(market, seller)
    ]
    return tuple(sorted(promises, key=lambda promise: -promise.price))
