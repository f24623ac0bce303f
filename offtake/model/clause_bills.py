"""What standing clauses make due each month, beyond the bills of contracts."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.events import Posting
from offtake.model.standing import Clause, ClauseView, Due, parties

if TYPE_CHECKING:
    from offtake.model.market import Market


def clause_bills(
    market: "Market", used: np.ndarray, billed_usd: np.ndarray, payers: Collection[str]
) -> Iterator[Posting]:
    """Yield what clauses in force say that some participants owe for the month.

    Raises
    ------
    ValueError
        If a clause names anybody but its parties, or an amount that is not whole cents.
    """
    for clause, reference, rows in _in_force(market):
        for due in clause.owes(_told(market, clause, rows, used, billed_usd)):
            _check(clause, due)
            if due.payer in payers and due.payer not in market.books.failed:
                yield Posting(due.payer, due.payee, due.cents, clause.label, reference)


def _in_force(market: "Market") -> Iterator[tuple[Clause, str, np.ndarray]]:
    """Yield clauses with the contracts they are about: the pair's, or the one they stand in."""
    books = market.books
    c = books.contracts
    lab, cloud = c.lab[: c.size], books.pool_cloud[c.pool[: c.size]]
    for clause in books.clauses:
        buyer, seller = parties(clause)
        pair = (lab == books.lab_index[buyer]) & (cloud == books.cloud_index[seller])
        yield clause, "", np.flatnonzero(pair)
    for name, clauses in books.clauses_of_contracts.items():
        row = c.row[name]
        if c.start[row] < market.time and market.time - 1 < c.end[row]:  # it ran in the month
            for clause in clauses:
                yield clause, name, np.array([row])


def _told(
    market: "Market", clause: Clause, rows: np.ndarray, used: np.ndarray, billed_usd: np.ndarray
) -> ClauseView:
    books = market.books
    assert books.served is not None
    return ClauseView(
        time=market.time,
        revenue_usd=float(books.served.revenue_usd[books.lab_index[parties(clause)[0]]]),
        delivered_h100e=float(market.delivered_h100e[rows].sum()),
        used_h100e=float(used[rows].sum()),
        billed_usd=float(billed_usd[rows].sum()),
    )


def _check(clause: Clause, due: Due) -> None:
    name, pair = type(clause).__name__, parties(clause)
    if {due.payer, due.payee} != set(pair):
        raise ValueError(
            f"{name} moves money from {due.payer!r} to {due.payee!r}; a clause moves money between "
            f"its own parties only, {pair[0]!r} and {pair[1]!r}"
        )
    if type(due.cents) is not int or due.cents < 0:
        raise ValueError(
            f"{name} makes {due.cents!r} due; amounts are whole cents, at least 0: "
            "turn dollars into cents with offtake.model.cents.cents, and exchange payer and payee "
            "where an amount is negative"
        )
