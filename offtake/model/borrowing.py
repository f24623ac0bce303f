"""Loans: what clouds can borrow on contracted cash flow, and what they draw for a site."""

from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.contracts import Loan, Site
from offtake.model.events import Borrowed, Claim, Posted, Posting
from offtake.model.indices import relative_price
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import annuity

if TYPE_CHECKING:
    from offtake.model.market import Market


def debt_room_cents(market: "Market", cloud: str) -> int:
    """Return what a cloud can still borrow on contracted cash flow, cents (fin-3, row D10)."""
    rules = market.setup.scenario.finance
    rate = rules.debt_rate_per_year / 12
    c = market.books.contracts
    worth = 0.0
    for row, contract in enumerate(c.facts):
        if contract.seller != cloud or c.state[row] not in ("signed", "active"):
            continue
        left = min(c.end[row] - max(market.time, c.start[row]), rules.debt_term_months)
        level = float(annuity(rate, max(left, 0)))
        price = c.price[row] * relative_price(market, row, rate, max(left, 0))
        net = contract.take_or_pay.floor * price - market.setup.running[c.pool[row]]
        worth += max(net, 0.0) * contract.h100e * HOURS_PER_MONTH * level
    owed = market.books.owed(cloud, "loan")
    return max(cents(worth / rules.dscr) - owed, 0)


def loan_for(market: "Market", site: Site, cost: int) -> Loan | None:
    """Return what a cloud could borrow to fit a site out: a share of the cost, within its debt room.

    The lender's deposits bound it too. Nothing is drawn.
    """
    share = market.setup.scenario.clouds[site.pool.cloud].debt_share
    lender = _lender(market)
    if share == 0 or lender is None:
        return None
    wanted = min(round(cost * share), debt_room_cents(market, site.pool.cloud))
    amount = min(wanted, max(market.books.deposits[lender], 0))
    return _loan(market, site, lender, amount) if amount > 0 else None


def _lender(market: "Market") -> str | None:
    """Return the lender with most deposits."""
    lenders = [n for n in market.setup.scenario.lenders if n not in market.books.failed]
    deposits, place = market.books.deposits, market.setup.place
    return min(lenders, key=lambda name: (-deposits[name], place[name]), default=None)


def _loan(market: "Market", site: Site, lender: str, amount: int) -> Loan:
    rules = market.setup.scenario.finance
    kw = market.books.chips_kw.get(site.name, 0)
    return Loan(
        name=f"loan for {site.name} from {kw} kW on" if kw else f"loan for {site.name}",
        lender=lender,
        borrower=site.pool.cloud,
        principal_cents=amount,
        rate_per_year=rules.debt_rate_per_year,
        start=market.time,
        months=rules.debt_term_months,
    )


def draw(market: "Market", loan: Loan, cause: str) -> None:
    """Pay a loan out; from now on it is owed."""
    amount = loan.principal_cents
    paid_out = Posting(loan.lender, loan.borrower, amount, "loan", loan.name)
    owed = Claim(loan.lender, loan.borrower, "loan", amount, loan.name)
    market.apply(Borrowed(loan=loan, cause=cause))
    market.post(Posted(postings=(paid_out,), claims=(owed,), cause=cause))
