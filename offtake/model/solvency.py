"""Solvency: who has been in arrears for too long fails, and what is left is shared."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offtake.model.assigning import assign, auctioned, may_be_assigned
from offtake.model.cents import cents, split
from offtake.model.contracts import Contract
from offtake.model.covenants import check_covenants
from offtake.model.estate import sell_sites
from offtake.model.events import Claim, Defaulted, Lapsed, Posted, Posting, Terminated
from offtake.model.guarantees import call_guarantees
from offtake.model.months import HOURS_PER_MONTH, month_of
from offtake.model.public_money import called
from offtake.model.restructuring import restructure
from offtake.model.settlement import pay_back
from offtake.model.standing import parties

if TYPE_CHECKING:
    from offtake.model.market import Market

CONTAGION_MONTHS = 12
"""Months for which a loss to a failed participant counts as a cause of one's own failure."""


def check_solvency(market: "Market") -> None:
    """Whoever has been in arrears beyond the grace period fails: claims are paid pari passu (ins-1)."""
    check_covenants(market)
    for name, cause in _let_fail(market):
        if name not in market.books.failed:
            fail(market, name, cause)
    grace = market.setup.scenario.finance.grace_months
    for name in list(market.books.arrears_since):
        since = market.books.arrears_since.get(name)
        if since is None or name in market.books.failed:
            continue
        if market.time - since >= grace and not restructure(market, name):
            fail(market, name, "arrears beyond grace")


def _let_fail(market: "Market") -> Iterator[tuple[str, str]]:
    """Yield whom the scenario lets fail by now, once the month's bills are settled, and why."""
    scenario = market.setup.scenario
    for name, event in sorted(scenario.events.items()):
        if event.fails is not None and month_of(scenario.start, event.on) <= market.time:
            yield event.fails, f"scenario:events.{name}"


def fail(market: "Market", name: str, why: str) -> None:
    """Let a participant default: sellers accelerate, its contracts end, what it has is shared out."""
    told = Defaulted(name=name, following=_following(market, name), cause=why)
    cause = f"event:{market.apply(told)}"
    accelerate(market, name, cause)
    _end_contracts(market, name, cause)
    _lapse(market, name, cause)
    sell_sites(market, name, cause)
    call_guarantees(market, name)
    _share_out(market, name, cause)


def _following(market: "Market", name: str) -> tuple[str, ...]:
    """Return whose failures have cost a participant money or contracts of late."""
    place = market.setup.place
    hit = market.books.hit.get(name, {})
    late = [n for n, when in hit.items() if market.time - when <= CONTAGION_MONTHS]
    return tuple(sorted(late, key=place.__getitem__))


def accelerate(market: "Market", failed: str, cause: str) -> None:
    """Sellers end the contracts of others that a failure lets them end, and claim what is left of the floor.

    Such a claim on a party that has not failed is due at once (1.7).
    """
    contracts = market.books.contracts
    for row in range(contracts.size):
        contract, clause = contracts.facts[row], contracts.facts[row].cross_default
        in_force = contracts.state[row] in ("signed", "active")
        if contract.buyer == failed or clause is None or not in_force:
            continue
        if clause.triggered_by(contract.buyer, {failed}) and _may_claim(market, contract):
            market.post(_damages(market, row, cause, due=True))
            market.apply(Terminated(contract=contract.name, by=contract.seller, cause=cause))


def _may_claim(market: "Market", contract: Contract) -> bool:
    return contract.cross_default is not None and contract.seller not in market.books.failed


def _damages(market: "Market", row: int, cause: str, *, due: bool) -> Posted:
    """Return the claim on what is left of a contract's floor, less what was prepaid."""
    contracts = market.books.contracts
    contract = contracts.facts[row]
    clause, buyer, seller, name = (
        contract.cross_default,
        contract.buyer,
        contract.seller,
        contract.name,
    )
    assert clause is not None
    monthly = cents(
        float(contracts.floor[row] * contracts.price[row]) * contract.h100e * HOURS_PER_MONTH
    )
    left = float(contracts.end[row]) - max(contract.start, market.time)
    prepaid = contracts.prepaid_cents.get(name, 0)
    owed = clause.damages_cents(monthly, left)
    claims = [Claim(buyer, seller, "prepayment", -min(prepaid, owed), name)] if prepaid else []
    rest = owed - min(prepaid, owed)
    if rest:
        kind, reference = ("arrears", "") if due else ("damages", name)
        claims.append(Claim(seller, buyer, kind, rest, reference))
    return Posted(postings=(), claims=tuple(claims), cause=cause)


def _lapse(market: "Market", name: str, cause: str) -> None:
    """Clauses of whoever has failed bind nobody."""
    for clause in list(market.books.clauses):
        if name in parties(clause):
            market.apply(Lapsed(clause=clause, cause=cause))


def _end_contracts(market: "Market", name: str, cause: str) -> None:
    """End the contracts of whoever has failed, unless another lab takes its place.

    A seller with a cross-default clause claims what is left of the floor only where nobody does: the claim
    ranks with all others (1.7).
    """
    contracts = market.books.contracts
    for row in range(contracts.size):
        contract = contracts.facts[row]
        runs = contracts.state[row] in ("signed", "active")
        if name in (contract.buyer, contract.seller) and runs:
            if name == contract.buyer:
                if _taken_over(market, row, cause):
                    continue
                if _may_claim(market, contract):
                    market.post(_damages(market, row, cause, due=False))
                pay_back(market, contract.name, cause)
            market.apply(Terminated(contract=contract.name, by=name, cause=cause))


def _taken_over(market: "Market", row: int, cause: str) -> bool:
    """Whether another lab pays anything for a failed lab's contract, which then goes on."""
    contracts = market.books.contracts
    if not (may_be_assigned(contracts.facts[row]) and contracts.live[row]):
        return False
    transfer = auctioned(market, row, 0.0)
    if transfer is not None:
        assign(market, transfer, "its buyer has failed", cause)
    return transfer is not None


def _share_out(market: "Market", name: str, cause: str) -> None:
    """Pay claims pari passu from what deposits are left; the rest of them and equity are written off."""
    held = [(k, c) for k, c in market.books.claims.items() if k[1] == name]
    owed = [(k, c) for k, c in held if k[2] != "equity"]
    total = sum(c for _, c in owed)
    parts = split(min(max(market.books.deposits[name], 0), total), [c for _, c in owed])
    recovered = [
        Posting(name, k[0], part, "recovery", k[3])
        for (k, _), part in zip(owed, parts, strict=True)
        if part
    ]
    recovered += called(market, [(k, c - part) for (k, c), part in zip(owed, parts, strict=True)])
    equity = [(k, c) for k, c in held if k[2] == "equity"]
    gone = [Claim(*k[:3], -c, k[3]) for k, c in (*owed, *equity)]
    market.post(Posted(postings=tuple(recovered), claims=tuple(gone), cause=cause))
