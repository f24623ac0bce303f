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
    books = market.books
    price = signed.price_usd_per_h100e_hour
    for row, contract in _favoured(market, signed.seller):
        clause = contract.most_favoured
        assert clause is not None
        mine = (float(books.contracts.price[row]), contract.months, contract.h100e)
        if _alike(contract, signed) and clause.follows(*mine, price, signed.months, signed.h100e):
            market.apply(
                Lowered(
                    contract=contract.name,
                    price_usd_per_h100e_hour=price,
                    cause=f"contract:{signed.name}",
                )
            )


def keep_down(market: "Market") -> None:
    """Hold prices of most-favoured customers to those of like contracts signed since, as they are revised.

    A promise lasts as long as its contract: neither an own escalator nor the index of the other may leave
    its price above. Prices given by the scenario are in force as they are, and what is renegotiated with a
    lab in distress is no offer to others.
    """
    c = market.books.contracts
    open_ = [row for row in range(c.size) if c.state[row] in ("signed", "active")]
    for row in open_:
        contract, clause = c.facts[row], c.facts[row].most_favoured
        if clause is None:
            continue
        mine = (float(c.price[row]), contract.months, contract.h100e)
        since = [r for r in open_ if r > row and c.facts[r].signed > 0]
        since = [r for r in since if c.facts[r].buyer not in market.books.restructured]
        like = [r for r in since if _alike(contract, c.facts[r])]
        terms = [(float(c.price[r]), c.facts[r].months, c.facts[r].h100e, r) for r in like]
        lower = [(price, r) for price, *sizes, r in terms if clause.follows(*mine, price, *sizes)]
        if lower:
            price, of = min(lower)
            cause = f"contract:{c.facts[of].name}"
            market.apply(
                Lowered(contract=contract.name, price_usd_per_h100e_hour=price, cause=cause)
            )


def _alike(contract: Contract, other: Contract) -> bool:
    """Whether another customer buys of the same pool, at arm's length."""
    return other.pool == contract.pool and other.buyer != contract.buyer and not other.affiliate


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
