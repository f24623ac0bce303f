"""Site finance off the balance sheet: a vehicle borrows, buys the chips and lets them to the cloud."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offtake.model.borrowing import draw, owed_on
from offtake.model.contracts import Loan
from offtake.model.events import Claim, Posted, Posting

if TYPE_CHECKING:
    from offtake.model.market import Market


def buy_through_vehicle(
    market: "Market", loan: Loan, cloud: str, cost: int, cause: str, site: str
) -> bool:
    """Let the vehicle buy a site's chips with its loan and with equity of the cloud; whether they are paid.

    The debt is the vehicle's alone: lenders have no recourse to the cloud.
    """
    equity = cost - loan.principal_cents
    if market.books.deposits[cloud] < equity:
        return False
    draw(market, loan, cause)
    vehicle = loan.borrower
    bought = [Posting(vehicle, "Suppliers", cost, "chips", site)]
    claims = []
    if equity > 0:
        bought.insert(0, Posting(cloud, vehicle, equity, "vehicle equity", site))
        claims.append(Claim(cloud, vehicle, "equity", equity, ""))
    market.post(Posted(postings=tuple(bought), claims=tuple(claims), cause=cause))
    return True


def site_leases(market: "Market") -> Iterator[Posting]:
    """Yield what clouds owe their vehicles for the month: what the loans ask of these."""
    for loan in market.books.loans.values():
        if loan.lessee is not None and loan.borrower not in market.books.failed:
            due = sum(bill.cents for bill in debt_service(market, loan))
            yield Posting(loan.lessee, loan.borrower, due, "site lease", loan.name)


def debt_service(market: "Market", loan: Loan) -> Iterator[Posting]:
    """Yield interest and principal of a loan; what is left at the end of its term is due at once."""
    owed = owed_on(market, loan)
    if owed > 0:
        principal = loan.repayment_cents(owed, market.time)
        interest = loan.interest_cents(owed)
        yield Posting(loan.borrower, loan.lender, interest, "interest", loan.name)
        yield Posting(loan.borrower, loan.lender, principal, "principal", loan.name)
