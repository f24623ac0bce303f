"""Guarantees: a richer party pays what a debtor does not, up to a limit and against a fee (1.9)."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.contracts import Loan
from offtake.model.events import Borrowed, Called, Claim, Posted, Posting
from offtake.model.months import HOURS_PER_MONTH, month_of
from offtake.model.scenario import GuaranteeGiven

if TYPE_CHECKING:
    from offtake.model.market import Market

GUARANTEED = ("arrears", "loan", "damages")
"""Kinds of claims that a guarantee covers once its debtor has failed; before that, arrears."""


def in_force(market: "Market") -> Iterator[tuple[str, GuaranteeGiven]]:
    """Yield the guarantees that run now, whose parties have not failed."""
    scenario, failed = market.setup.scenario, market.books.failed
    for name, given in sorted(scenario.guarantees.items()):
        since = month_of(scenario.start, given.from_) if given.from_ else 0.0
        until = month_of(scenario.start, given.until) if given.until else float("inf")
        if since <= market.time < until and given.guarantor not in failed:
            yield name, given


def left_cents(market: "Market", name: str) -> int:
    """Return what a guarantee can still be called for, cents."""
    given = market.setup.scenario.guarantees[name]
    return cents(given.limit_usd) - market.books.called_cents.get(name, 0)


def guarantee_fees(market: "Market", payers: Collection[str]) -> Iterator[Posting]:
    """Yield what debtors owe their guarantors for the month: a share of what can still be called."""
    for name, given in in_force(market):
        if given.debtor in payers and given.debtor not in market.books.failed:
            fee = round(given.fee_per_year / 12 * left_cents(market, name))
            yield Posting(given.debtor, given.guarantor, fee, "guarantee fee", name)


def call_guarantees(market: "Market", failed: str | None = None) -> None:
    """Let guarantors pay arrears of their debtors, or all that a failed one owes, as far as it goes.

    A guarantor that has paid has a claim of its own instead: without interest, for which it has its fee,
    and not due before the term of project debt is over, so that it does not press its debtor.
    """
    kinds = ("arrears",) if failed is None else GUARANTEED
    for name, given in in_force(market):
        debtor = given.debtor
        if (debtor in market.books.failed) if failed is None else (debtor != failed):
            continue
        for key, owed in list(market.books.claims.items()):
            holder, issuer, kind, _ = key
            covered = given.beneficiary in (None, holder) and holder != given.guarantor
            if issuer == debtor and kind in kinds and covered:
                _pay(market, name, given, key, owed)


def _pay(
    market: "Market",
    name: str,
    given: GuaranteeGiven,
    key: tuple[str, str, str, str],
    owed: int,
) -> None:
    able = max(market.books.deposits[given.guarantor], 0)
    amount = min(owed, left_cents(market, name), able)
    if amount <= 0:
        return
    holder, debtor, kind, reference = key
    cause = f"guarantee:{name}"
    market.apply(
        Called(guarantee=name, name=given.guarantor, holder=debtor, paid_cents=amount, cause=cause)
    )
    number = sum(1 for loan in market.books.loans.values() if loan.name.startswith(cause)) + 1
    months = market.setup.scenario.finance.debt_term_months
    loan = Loan(
        name=f"{cause}, call {number}",
        lender=given.guarantor,
        borrower=debtor,
        principal_cents=amount,
        rate_per_year=0.0,
        start=market.time,
        months=months,
        interest_only_months=months,
    )
    market.apply(Borrowed(loan=loan, cause=cause))
    paid = Posting(given.guarantor, holder, amount, "guarantee", name)
    claims = (
        Claim(holder, debtor, kind, -amount, reference),
        Claim(given.guarantor, debtor, "loan", amount, loan.name),
    )
    market.post(Posted(postings=(paid,), claims=claims, cause=cause))


def credited_hazard(market: "Market", name: str, own: float) -> float:
    """Return the hazard that creditors of a participant count: its guarantor's for what is guaranteed.

    The guaranteed part is the limit over the take-or-pay that is still to be billed; a guarantor is
    believed to fail no likelier than anybody with ample money.
    """
    limit = sum(left_cents(market, g) for g, x in in_force(market) if x.debtor == name)
    if limit <= 0:
        return own
    due = 100 * _take_or_pay_usd(market, name)
    part = min(limit / due, 1.0) if due > 0 else 1.0
    base = market.setup.scenario.finance.base_hazard_per_month
    return own - part * max(own - base, 0.0)


def _take_or_pay_usd(market: "Market", lab: str) -> float:
    """Return the take-or-pay that a lab has still to be billed under signed contracts, USD."""
    c = market.books.contracts
    total = 0.0
    for row, contract in enumerate(c.facts):
        if contract.buyer == lab and c.state[row] in ("signed", "active"):
            left = max(float(c.end[row]) - max(float(c.start[row]), market.time), 0.0)
            total += float(c.floor[row] * c.price[row]) * contract.h100e * HOURS_PER_MONTH * left
    return total
