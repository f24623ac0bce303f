"""Loans: what clouds can borrow on contracted cash flow, and what they draw for a site."""

from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.contracts import Loan, Site
from offtake.model.credit import backing, spread_per_year
from offtake.model.events import Borrowed, Claim, Posted, Posting
from offtake.model.public_money import guarantee_for

if TYPE_CHECKING:
    from offtake.model.market import Market


def lending_rate_per_year(market: "Market", cloud: str) -> float:
    """Return what a loan to a cloud costs now, a year: the going rate and a spread for its tenants."""
    return market.setup.scenario.finance.debt_rate_per_year + spread_per_year(market, cloud)


def debt_room_cents(market: "Market", cloud: str, cover: float = 0.0) -> int:
    """Return what a cloud can still borrow on contracted cash flow, cents (fin-3, row D10)."""
    return max(debt_capacity_cents(market, cloud, cover) - debt_cents(market, cloud), 0)


def debt_capacity_cents(market: "Market", cloud: str, cover: float = 0.0) -> int:
    """Return the debt that a cloud's contracted cash flow carries at the cover lenders ask for, cents.

    A lender asks for that cover on what it may lose: where a share `cover` of the loss is borne by
    somebody else, on the rest of the debt only. No debt is larger than the cash flow is worth.
    """
    rate = lending_rate_per_year(market, cloud) / 12
    worth = 0.0
    for item in backing(market, cloud, rate):
        worth += item.worth_usd
    return cents(worth / max(market.setup.scenario.finance.dscr * (1 - cover), 1.0))


def debt_cents(market: "Market", cloud: str) -> int:
    """Return what is owed on loans against a cloud's cash flow, its own and those of its vehicle, cents."""
    return market.books.owed(cloud, "loan") + let_debt_cents(market, cloud)


def let_debt_cents(market: "Market", cloud: str) -> int:
    """Return what the vehicle of a cloud's sites owes for them, cents."""
    return sum(
        owed_on(market, loan) for loan in market.books.loans.values() if loan.lessee == cloud
    )


def owed_on(market: "Market", loan: Loan) -> int:
    """Return what is still owed on a loan, cents."""
    return market.books.claims.get((loan.lender, loan.borrower, "loan", loan.name), 0)


def loan_for(market: "Market", site: Site, cost: int) -> Loan | None:
    """Return what a cloud could borrow to fit a site out: a share of the cost, within its debt room.

    The lender's deposits bound it too, and a breach of a covenant rules it out. Nothing is drawn.
    """
    cloud = site.pool.cloud
    share = market.setup.scenario.clouds[cloud].debt_share
    lender = richest_lender(market)
    if share == 0 or lender is None or cloud in market.books.breached_since:
        return None
    guarantor, cover = guarantee_for(market, site.pool)
    wanted = min(round(cost * share), debt_room_cents(market, cloud, cover))
    amount = min(wanted, max(market.books.deposits[lender], 0))
    loan = _loan(market, site, lender, amount)
    return replace(loan, insurer=guarantor, cover=cover) if amount > 0 else None


def richest_lender(market: "Market") -> str | None:
    """Return the lender with most deposits."""
    lenders = [n for n in market.setup.scenario.lenders if n not in market.books.failed]
    deposits, place = market.books.deposits, market.setup.place
    return min(lenders, key=lambda name: (-deposits[name], place[name]), default=None)


def _loan(market: "Market", site: Site, lender: str, amount: int) -> Loan:
    kw = market.books.chips_kw.get(site.name, 0)
    vehicle = vehicle_of(market, site.pool.cloud)
    return project_loan(
        market,
        name=f"loan for {site.name} from {kw} kW on" if kw else f"loan for {site.name}",
        lender=lender,
        borrower=vehicle or site.pool.cloud,
        lessee=site.pool.cloud if vehicle else None,
        amount=amount,
        site=site.name,
    )


def vehicle_of(market: "Market", cloud: str) -> str | None:
    """Return the vehicle that buys the chips of a cloud's sites and lets them to it, if there is one."""
    vehicle = market.setup.scenario.clouds[cloud].site_vehicle
    return None if vehicle in market.books.failed else vehicle


def project_loan(
    market: "Market",
    *,
    name: str,
    lender: str,
    borrower: str,
    lessee: str | None,
    amount: int,
    site: str,
) -> Loan:
    """Return a loan on the terms of the day."""
    rules = market.setup.scenario.finance
    return Loan(
        name=name,
        lender=lender,
        borrower=borrower,
        principal_cents=amount,
        rate_per_year=lending_rate_per_year(market, lessee or borrower),
        start=market.time,
        months=rules.debt_term_months,
        site=site,
        lessee=lessee,
        amortisation=rules.debt_amortisation,
        interest_only_months=rules.debt_interest_only_months,
        balloon_cents=round(amount * rules.debt_balloon_share),
    )


def draw(market: "Market", loan: Loan, cause: str) -> None:
    """Pay a loan out; from now on it is owed."""
    amount = loan.principal_cents
    paid_out = Posting(loan.lender, loan.borrower, amount, "loan", loan.name)
    owed = Claim(loan.lender, loan.borrower, "loan", amount, loan.name)
    market.apply(Borrowed(loan=loan, cause=cause))
    market.post(Posted(postings=(paid_out,), claims=(owed,), cause=cause))
