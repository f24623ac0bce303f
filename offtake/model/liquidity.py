"""Liquidity: what an investor can pay, by its cash, by a loan on its assets, and by selling them (fin-1)."""

from typing import TYPE_CHECKING

from offtake.model.borrowing import draw, richest_lender
from offtake.model.contracts import Loan
from offtake.model.events import Posted, Posting

if TYPE_CHECKING:
    from offtake.model.market import Market

INVESTING_SHARE = 0.25
"""Share of its cash that a lab or a cloud puts into a venture at most."""


def raise_cash(market: "Market", name: str, owed: int, reference: str, cause: str) -> int:
    """Borrow on assets, then sell them, for what cash does not cover; return what can be paid, cents."""
    books = market.books
    if name in books.failed:
        return 0
    if books.kinds[name] != "investor":
        return min(owed, int(max(books.deposits[name], 0) * INVESTING_SHARE))
    _borrow(market, name, owed - max(books.deposits[name], 0), cause)
    sold = min(max(owed - max(books.deposits[name], 0), 0), books.assets[name])
    if sold > 0:
        sale = Posting("Customers", name, sold, "asset sale", reference)
        market.post(Posted(postings=(sale,), cause=cause))
    return min(owed, max(books.deposits[name], 0))


def _borrow(market: "Market", investor: str, missing: int, cause: str) -> None:
    """Borrow what is missing, within the investor's limit and the lender's deposits."""
    books, rules = market.books, market.setup.scenario.finance
    limit = round(
        market.setup.scenario.investors[investor].borrowing_limit * books.assets[investor]
    )
    lender = richest_lender(market)
    if limit == 0 or lender is None:
        return
    room = min(limit - books.owed(investor, "loan"), max(books.deposits[lender], 0))
    amount = min(max(missing, 0), room)
    if amount <= 0:
        return
    number = sum(1 for loan in books.loans.values() if loan.borrower == investor) + 1
    loan = Loan(
        name=f"loan on assets of {investor} {number}",
        lender=lender,
        borrower=investor,
        principal_cents=amount,
        rate_per_year=rules.debt_rate_per_year,
        start=market.time,
        months=rules.debt_term_months,
    )
    draw(market, loan, cause)


def raise_for_bills(market: "Market", bills: list[Posting]) -> None:
    """Let investors raise what their debts ask of them this month."""
    due: dict[str, int] = {}
    for bill in bills:
        if market.books.kinds[bill.payer] == "investor":
            due[bill.payer] = due.get(bill.payer, 0) + bill.cents
    for name, owed in due.items():
        if owed > market.books.deposits[name]:
            raise_cash(market, name, owed, "debt service", "settlement")
