"""Solvency: who has been in arrears for too long fails, and what is left is shared."""

from typing import TYPE_CHECKING

from offtake.model.cents import split
from offtake.model.events import Claim, Defaulted, Posted, Posting, Terminated

if TYPE_CHECKING:
    from offtake.model.market import Market


def check_solvency(market: "Market") -> None:
    """Whoever has been in arrears beyond the grace period fails: claims are paid pari passu (ins-1)."""
    grace = market.setup.scenario.finance.grace_months
    for name in sorted(market.books.arrears_since):
        if name in market.books.failed:
            continue
        if market.time - market.books.arrears_since[name] >= grace:
            _fail(market, name)


def _fail(market: "Market", name: str) -> None:
    books = market.books
    cause = f"event:{market.apply(Defaulted(name=name, cause='arrears beyond grace'))}"
    for row in range(books.contracts.size):
        contract = books.contracts.facts[row]
        if name in (contract.buyer, contract.seller) and books.contracts.state[row] in (
            "signed",
            "active",
        ):
            market.apply(Terminated(contract=contract.name, by=name, cause=cause))
    owed = sorted((k, c) for k, c in books.claims.items() if k[1] == name and k[2] != "equity")
    total = sum(c for _, c in owed)
    parts = split(min(max(books.deposits[name], 0), total), [c for _, c in owed])
    market.post(
        Posted(
            postings=tuple(
                Posting(name, k[0], part, "recovery", k[3])
                for (k, _), part in zip(owed, parts, strict=True)
                if part
            ),
            claims=tuple(Claim(*k[:3], -c, k[3]) for k, c in owed)
            + tuple(
                Claim(*k[:3], -c, k[3])
                for k, c in sorted(books.claims.items())
                if k[1:3] == (name, "equity")
            ),
            cause=cause,
        )
    )
