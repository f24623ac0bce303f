"""Tranches: what was promised is paid on its day, in full, in part or not at all (fin-1, fin-5)."""

from typing import TYPE_CHECKING

from offtake.model.adopting import energised_mw
from offtake.model.chance import stream
from offtake.model.circularity import credit
from offtake.model.contracts import Tranche
from offtake.model.events import Claim, Posted, Posting, Reviewed, Settled
from offtake.model.liquidity import raise_cash
from offtake.model.stakes import cut, part_allowed, review

if TYPE_CHECKING:
    from offtake.model.market import Market


def pay_tranche(market: "Market", name: str) -> None:
    """Pay what is due of a tranche: all of it if its condition is met, and what can be raised.

    A tranche whose condition is not met yet waits for it as long as it was agreed.
    """
    if name not in market.books.tranches:
        return
    tranche = market.books.tranches[name]
    met, why = _condition(market, tranche)
    if not met and market.time < tranche.due + tranche.waits_months:
        again = min(market.time + 1, tranche.due + tranche.waits_months)
        market.calendar.add(again, "tranche", name)
        return
    if _waits_for_review(market, tranche):
        return
    passed = min(part_allowed(market, n, tranche.issuer) for n in tranche.parts_cents(0))
    why = why if passed == 1 else f"{why}, foreign or interlocking"
    cause = f"tranche:{name}, {why}"
    nobody = why.startswith((FAILED, UNFORMED))
    owed = tranche.amount_cents if met else 0 if nobody else tranche.reduced_cents
    amount = sum(_pay(market, tranche, owed, cause))
    if amount > 0:
        _prepay(market, tranche, amount, cause)
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


FAILED = "issuer failed"
UNFORMED = "issuer not formed"


def _pay(market: "Market", tranche: Tranche, owed: int, cause: str) -> list[int]:
    """Let lead and syndicate pay their parts, as far as policies let these pass.

    A lead that underwrites pays what members cannot.
    """
    parts = {
        name: cut(part, part_allowed(market, name, tranche.issuer))
        for name, part in tranche.parts_cents(owed).items()
    }
    missing = 0
    paid = []
    for investor in [n for n in parts if n != tranche.investor] + [tranche.investor]:
        wanted = parts[investor]
        if investor == tranche.investor and tranche.underwritten:
            wanted += missing
        amount = raise_cash(market, investor, wanted, tranche.name, cause)
        missing += parts[investor] - min(amount, parts[investor])
        paid.append(amount)
        if amount > 0:
            payment = Posting(investor, tranche.issuer, amount, "tranche", tranche.name)
            equity = Claim(investor, tranche.issuer, "equity", amount)
            market.post(Posted(postings=(payment,), claims=(equity,), cause=cause))
    return paid


def _prepay(market: "Market", tranche: Tranche, amount: int, cause: str) -> None:
    """Turn the part that is agreed to be paid in compute into a prepayment of the lab."""
    part = round(amount * tranche.compute_share)
    if tranche.issuer in market.books.lab_index and part > 0:
        postings, claims = credit(market, tranche.issuer, part, tranche.compute_from)
        market.post(Posted(postings=postings, claims=claims, cause=cause))


def _condition(market: "Market", tranche: Tranche) -> tuple[bool, str]:
    """Return whether the condition of a tranche is met, and which it is.

    An issuer that has failed, or is not formed, gets nothing.
    """
    if tranche.issuer in market.books.failed:
        return False, FAILED
    if tranche.issuer in market.books.unformed:
        return False, UNFORMED
    match tranche.condition:
        case "governance":
            draw = stream(market.setup.seed, "condition", tranche.condition_name).random()
            return draw < tranche.probability, "governance condition"
        case "energised-mw":
            found = _energised_mw(market, tranche.venture or tranche.issuer)
            return found >= tranche.at_least, "energised MW"
        case "revenue":
            return _run_rate_usd(market, tranche.issuer) >= tranche.at_least, "run-rate"
        case "policy":
            return tranche.policy in market.books.policies, f"policy {tranche.policy}"
        case "listing":
            return tranche.issuer in market.books.listed, "listing"
        case _:
            return True, "unconditional"


def _energised_mw(market: "Market", issuer: str) -> float:
    return energised_mw(market, issuer) if issuer in market.books.cloud_index else 0.0


def _run_rate_usd(market: "Market", issuer: str) -> float:
    assert market.books.served is not None
    if issuer not in market.books.lab_index:
        return 0.0
    return 12 * float(market.books.served.revenue_usd[market.books.lab_index[issuer]])
