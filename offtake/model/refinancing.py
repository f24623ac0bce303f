"""Refinancing: loans that end, or that have become dear, are replaced as far as lenders lend (fin-3)."""

from typing import TYPE_CHECKING

from offtake.model.borrowing import (
    debt_capacity_cents,
    debt_cents,
    lending_rate_per_year,
    owed_on,
    project_loan,
    richest_lender,
)
from offtake.model.contracts import Loan
from offtake.model.events import Borrowed, Claim, Posted, Posting

if TYPE_CHECKING:
    from offtake.model.market import Market


def refinance(market: "Market") -> None:
    """Replace loans whose balloon is due next, and those that another undercuts by more than its fee."""
    if not market.setup.scenario.finance.refinances:
        return
    for loan in list(market.books.loans.values()):
        if loan.cloud in market.setup.clouds and _may_be_replaced(market, loan):
            _replace(market, loan)


def _may_be_replaced(market: "Market", loan: Loan) -> bool:
    books = market.books
    lost = {loan.cloud, loan.borrower, loan.lender} & books.failed
    return not lost and loan.cloud not in books.breached_since and owed_on(market, loan) > 0


def _replace(market: "Market", loan: Loan) -> None:
    owed = owed_on(market, loan)
    lender = richest_lender(market)
    if lender is None:
        return
    has = max(market.books.deposits[lender], 0) + (owed if lender == loan.lender else 0)
    other = debt_cents(market, loan.cloud) - owed
    most = min(owed, debt_capacity_cents(market, loan.cloud) - other, has)
    ends = market.time + 1 >= loan.start + loan.months and owed > loan.payment_cents()
    if most > 0 and (ends or (most == owed and _saves(market, loan, owed))):
        _draw_anew(market, loan, lender, most)


def _saves(market: "Market", loan: Loan, owed: int) -> bool:
    """Whether another loan is cheaper over what is left of the term, by more than its fee.

    What is owed falls to nothing by then, so half of it is owed on average.
    """
    years = (loan.start + loan.months - market.time) / 12
    saved = (loan.rate_per_year - lending_rate_per_year(market, loan.cloud)) * years / 2
    return saved > market.setup.scenario.finance.refinancing_fee


def _draw_anew(market: "Market", old: Loan, lender: str, amount: int) -> None:
    """Repay as much of the old loan as the new one brings; the borrower pays the fee."""
    fee = round(amount * market.setup.scenario.finance.refinancing_fee)
    if market.books.deposits[old.borrower] < fee:
        return
    new = project_loan(
        market,
        name=f"{old.name.partition(', renewed')[0]}, renewed in month {market.month}",
        lender=lender,
        borrower=old.borrower,
        lessee=old.lessee,
        amount=amount,
        site=old.site,
    )
    cause = f"refinancing:{old.name}"
    market.apply(Borrowed(loan=new, cause=cause))
    moved = [
        Posting(lender, old.borrower, amount, "loan", new.name),
        Posting(old.borrower, old.lender, amount, "principal", old.name),
        Posting(old.borrower, lender, fee, "refinancing fee", new.name),
    ]
    claims = (
        Claim(lender, old.borrower, "loan", amount, new.name),
        Claim(old.lender, old.borrower, "loan", -amount, old.name),
    )
    market.post(Posted(postings=tuple(p for p in moved if p.cents), claims=claims, cause=cause))
