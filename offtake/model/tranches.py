"""Tranches: what was promised is paid on its day, in full, in part or not at all."""

from typing import TYPE_CHECKING

from offtake.model.chance import stream
from offtake.model.contracts import Tranche
from offtake.model.events import Claim, Posted, Posting, Reviewed, Settled
from offtake.model.stakes import cut, part_allowed, review

if TYPE_CHECKING:
    from offtake.model.market import Market

INVESTING_SHARE = 0.25
"""Share of its cash that a lab or a cloud puts into a venture at most."""


def pay_tranche(market: "Market", name: str) -> None:
    """Pay what is due of a tranche: all of it if its condition is met, and what can be raised."""
    tranche = market.books.tranches[name]
    if _waits_for_review(market, tranche):
        return
    owed, why = _due(market, tranche)
    passed = part_allowed(market, tranche.investor, tranche.issuer)
    owed, why = cut(owed, passed), why if passed == 1 else f"{why}, foreign or interlocking"
    amount = _raise_cash(market, tranche.investor, owed, name)
    cause = f"tranche:{name}, {why}"
    if amount > 0:
        payment = Posting(tranche.investor, tranche.issuer, amount, "tranche", name)
        equity = Claim(tranche.investor, tranche.issuer, "equity", amount)
        market.post(Posted(postings=(payment,), claims=(equity,), cause=cause))
    outcome = "paid" if amount == tranche.amount_cents else "reduced" if amount else "lapsed"
    market.apply(Settled(tranche=name, paid_cents=amount, outcome=outcome, cause=cause))


def _waits_for_review(market: "Market", tranche: Tranche) -> bool:
    """Whether a payment waits for its review, which begins on the day it is due."""
    months, rule = review(market, tranche.investor, tranche.issuer)
    if months == 0 or tranche.name in market.books.reviewed:
        return False
    until, cause = market.time + months, f"policy:{rule}"
    market.apply(Reviewed(tranche=tranche.name, until=until, policy=rule, cause=cause))
    market.calendar.add(until, "tranche", tranche.name)
    return True


def _due(market: "Market", tranche: Tranche) -> tuple[int, str]:
    """Return what a tranche asks of its investor today, cents, and why; a failed issuer gets nothing."""
    if tranche.issuer in market.books.failed:
        return 0, "issuer failed"
    met, why = _condition(market, tranche)
    return (tranche.amount_cents if met else tranche.reduced_cents), why


def _condition(market: "Market", tranche: Tranche) -> tuple[bool, str]:
    """Return whether the condition of a tranche is met, and which it is."""
    match tranche.condition:
        case "governance":
            draw = stream(market.setup.seed, "condition", tranche.condition_name).random()
            return draw < tranche.probability, "governance condition"
        case "energised-mw":
            return _energised_mw(market, tranche.issuer) >= tranche.at_least, "energised MW"
        case "revenue":
            return _run_rate_usd(market, tranche.issuer) >= tranche.at_least, "run-rate"
        case "policy":
            return tranche.policy in market.books.policies, f"policy {tranche.policy}"
        case _:
            return True, "unconditional"


def _energised_mw(market: "Market", issuer: str) -> float:
    if issuer not in market.books.cloud_index:
        return 0.0
    mine = market.setup.pool_cloud == market.books.cloud_index[issuer]
    return float(market.books.energised_kw[mine].sum()) / 1000


def _run_rate_usd(market: "Market", issuer: str) -> float:
    assert market.books.served is not None
    if issuer not in market.books.lab_index:
        return 0.0
    return 12 * float(market.books.served.revenue_usd[market.books.lab_index[issuer]])


def _raise_cash(market: "Market", investor: str, owed: int, reference: str) -> int:
    """Sell assets for what cash does not cover; return what can be paid, cents (fin-1)."""
    books = market.books
    if investor in books.failed:
        return 0
    cash = max(books.deposits[investor], 0)
    if books.kinds[investor] != "investor":
        return min(owed, int(cash * INVESTING_SHARE))
    sold = min(max(owed - cash, 0), books.assets[investor])
    if sold > 0:
        sale = Posting("Customers", investor, sold, "asset sale", reference)
        market.post(Posted(postings=(sale,), cause=f"tranche:{reference}"))
    return min(owed, cash + sold)
