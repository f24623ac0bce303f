"""Covenants: lenders hold borrowers to a cover of debt service by contracted cash flow (fin-3)."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.borrowing import owed_on
from offtake.model.contracts import Loan
from offtake.model.credit import COVER_MONTHS, cash_flow_ahead_usd
from offtake.model.events import Amended, Breached, Claim, Cured, Posted
from offtake.model.scenario import Finance

if TYPE_CHECKING:
    from offtake.model.market import Market


def check_covenants(market: "Market") -> None:
    """Find who is in breach of its covenant, who has cured a breach, and what follows (fin-3)."""
    rules = market.setup.scenario.finance
    if rules.covenant_dscr == 0:
        return
    for cloud in market.setup.clouds:
        if cloud not in market.books.failed:
            _test(market, cloud, rules.covenant_dscr)


def _test(market: "Market", cloud: str, least: float) -> None:
    books, rules = market.books, market.setup.scenario.finance
    found = cover(market, cloud)
    since = books.breached_since.get(cloud)
    if found >= least:
        if since is not None:
            market.apply(Cured(name=cloud, cause=f"cover {found:.3f}"))
    elif since is None:
        told = market.apply(Breached(name=cloud, cover=found, cause=f"cover below {least:g}"))
        if rules.covenant_remedy == "reprice":
            _reprice(market, cloud, rules.covenant_margin_per_year, f"event:{told}")
    elif _may_be_called(rules, market.time - since):
        _call(market, cloud, "covenant not cured in time")


def _may_be_called(rules: Finance, months: float) -> bool:
    return rules.covenant_remedy == "accelerate" and months >= rules.covenant_cure_months


def cover(market: "Market", cloud: str) -> float:
    """Return contracted cash flow over debt service, both of the next twelve months; infinity without debt.

    What is due in one sum at the end of a term is left out: it is refinanced or it is not.
    """
    service = sum(_service_ahead(market, loan) for loan in loans_of(market, cloud))
    return cash_flow_ahead_usd(market, cloud) / (service / 100) if service else math.inf


def _service_ahead(market: "Market", loan: Loan) -> int:
    """Return interest and repayment of a loan over the next twelve months, cents."""
    owed, total = owed_on(market, loan), 0
    for month in range(1, COVER_MONTHS + 1):
        time = market.time + month
        interest = loan.interest_cents(owed)
        last = time >= loan.start + loan.months
        repaid = max(owed - loan.balloon_cents, 0) if last else loan.repayment_cents(owed, time)
        total += interest + repaid
        owed = 0 if last else owed - repaid
    return total


def loans_of(market: "Market", cloud: str) -> list[Loan]:
    """Return the loans against a cloud's cash flow that are not repaid yet."""
    return [n for n in market.books.loans.values() if n.cloud == cloud and owed_on(market, n)]


def _reprice(market: "Market", cloud: str, margin: float, cause: str) -> None:
    for loan in loans_of(market, cloud):
        dearer = replace(loan, rate_per_year=loan.rate_per_year + margin)
        market.apply(Amended(loan=dearer, cause=cause))


def _call(market: "Market", cloud: str, cause: str) -> None:
    """Make all that is owed against a cloud's cash flow due at once."""
    claims: list[Claim] = []
    for loan in loans_of(market, cloud):
        if loan.borrower not in market.books.failed:
            owed = owed_on(market, loan)
            claims.append(Claim(loan.lender, loan.borrower, "loan", -owed, loan.name))
            claims.append(Claim(loan.lender, loan.borrower, "arrears", owed, ""))
    market.post(Posted(postings=(), claims=tuple(claims), cause=f"accelerated: {cause}"))
