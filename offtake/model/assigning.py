"""Contracts change hands: who needs a contract least passes it on to who gains most from it (1.7)."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offtake.model.cents import cents
from offtake.model.contracts import Contract
from offtake.model.demand import damped
from offtake.model.events import Assigned, Claim, Objected, Posted, Posting
from offtake.model.exclusivity import may_use
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pairs import promised_now_h100e
from offtake.model.porting import runs_on
from offtake.model.pricing import annuity, levelling
from offtake.model.risks import hazard_of_failure
from offtake.model.spot_demand import gap_now, spot_bids
from offtake.model.worth import training_values

if TYPE_CHECKING:
    from offtake.model.market import Market

LOOK_AHEAD_MONTHS = 12
"""Months ahead in which a lab must not need a contract that it passes on."""
LEAST_GAP_H100E = 1.0
"""Need below which a lab does not bid."""


class Transfer(NamedTuple):
    """A contract, who would take it over, and at what price."""

    row: int
    taker: int
    usd: float
    """What the taker pays; negative where it is paid to take the contract."""
    gain_usd: float
    """What the contract is worth to the taker beyond what it is worth to its buyer."""
    objections: tuple[tuple[int, str], ...]
    """Labs that would have paid more, and why the cloud does not have them."""


def assign_contracts(market: "Market") -> None:
    """Hold an auction of each contract that its buyer does not need and may pass on.

    The contract that gains most by changing hands goes first, and the others are looked at anew: the
    same need is not filled twice, and no order of contracts or labs matters.
    """
    seen: set[int] = set()
    while transfers := [t for t in _offered(market) if t.row not in seen]:
        best = max(transfers, key=lambda t: t.gain_usd)
        seen.add(best.row)
        assign(market, best, "worth more to its new buyer", "auction")


def _offered(market: "Market") -> Iterator[Transfer]:
    """Yield the transfers that would be agreed, contract by contract."""
    c = market.books.contracts
    rows = [r for r in market.books.active_rows().tolist() if may_be_assigned(c.facts[r])]
    if not rows:
        return
    worth = _training_values(market)
    for row in rows:
        lab = int(c.lab[row])
        if worth[lab] < c.price[row] and _spare(market, row) >= _h100e(market, row) > 0:
            keep = _worth_usd(market, row, lab, float(worth[lab]))
            cash = market.books.deposits[market.setup.labs[lab]] / 100
            transfer = auctioned(market, row, max(keep, -cash))
            if transfer is not None:
                yield transfer


def may_be_assigned(contract: Contract) -> bool:
    """Whether a contract may be passed on; one that brings standing clauses binds its own lab."""
    return contract.assignability.allowed and not contract.clauses


def auctioned(market: "Market", row: int, reserve_usd: float) -> Transfer | None:
    """Return who takes a contract over in a sealed-bid second-price auction; none below the reserve.

    Notes
    -----
    Bids are what the contract is worth to each lab, may be negative, and pay the second highest or the
    reserve: to bid its worth is then each lab's best (Vickrey 1961). Clouds' slots change hands in the
    same way (cap-6). A lab cannot bid more than it has, nor for what it may not sign (I5).
    """
    contract = market.books.contracts.facts[row]
    bids = sorted(
        ((usd, i) for i, usd in _bids(market, row) if usd > reserve_usd), key=lambda b: -b[0]
    )
    refused = []
    while bids and (reason := _objection(market, row, bids[0][1])) is not None:
        refused.append((bids.pop(0)[1], reason))
    accepted = [b for b in bids if _objection(market, row, b[1]) is None]
    if not accepted:
        _object(market, contract.name, tuple(refused))
        return None
    highest, taker = accepted[0]
    second = max([reserve_usd, *(usd for usd, _ in accepted[1:])])
    return Transfer(row, taker, second, highest - reserve_usd, tuple(refused))


def assign(market: "Market", transfer: Transfer, reason: str, cause: str) -> None:
    """Make a contract another lab's, with what is left of its prepayment."""
    books = market.books
    contract = books.contracts.facts[transfer.row]
    before, after = contract.buyer, market.setup.labs[transfer.taker]
    _object(market, contract.name, transfer.objections)
    paid = cents(transfer.usd)
    event = Assigned(
        contract=contract.name,
        lab=after,
        holder=before,
        affiliate=bool(market.setup.affiliates[transfer.taker, books.cloud_index[contract.seller]]),
        paid_cents=paid,
        reason=reason,
        cause=cause,
    )
    market.apply(event)
    left = books.contracts.prepaid_cents.get(contract.name, 0)
    postings = [_payment(before, after, paid, "assignment", contract.name)]
    postings += [_payment(before, after, left, "prepayment assigned", contract.name)]
    claims = [
        Claim(before, contract.seller, "prepayment", -left, contract.name),
        Claim(after, contract.seller, "prepayment", left, contract.name),
    ]
    market.post(
        Posted(
            postings=tuple(p for p in postings if p.cents),
            claims=tuple(claims) if left else (),
            cause=f"assigned:{contract.name}",
        )
    )


def _payment(before: str, after: str, amount: int, label: str, contract: str) -> Posting:
    """Return what the new buyer pays the old one, or the old one the new."""
    payer, payee = (after, before) if amount >= 0 else (before, after)
    return Posting(payer, payee, abs(amount), label, contract)


def _object(market: "Market", contract: str, refused: tuple[tuple[int, str], ...]) -> None:
    seller = market.books.contracts.facts[market.books.contracts.row[contract]].seller
    for lab, reason in refused:
        name = market.setup.labs[lab]
        market.apply(
            Objected(contract=contract, name=seller, lab=name, reason=reason, cause="auction")
        )


def _objection(market: "Market", row: int, lab: int) -> str | None:
    """Return why a cloud does not have a new buyer: it believes it more likely to fail (cst-4)."""
    contract = market.books.contracts.facts[row]
    if not contract.assignability.consent or contract.buyer in market.books.failed:
        return None
    known = hazard_of_failure(market, contract.buyer)
    if hazard_of_failure(market, market.setup.labs[lab]) > known:
        return "the new buyer is more likely to fail"
    return None


def _bids(market: "Market", row: int) -> Iterator[tuple[int, float]]:
    """Yield labs that may and can take a contract over, with what they bid, USD."""
    books, setup = market.books, market.setup
    contract = books.contracts.facts[row]
    pool = int(books.contracts.pool[row])
    allowed = may_use(market, contract.purpose, breaking=False)[:, pool]
    gap, h100e = gap_now(market), _h100e(market, row)
    prepaid = books.contracts.prepaid_cents.get(contract.name, 0) / 100
    for lab, name in enumerate(setup.labs):
        if not allowed[lab] or name == contract.buyer or gap[lab] < LEAST_GAP_H100E:
            continue
        if runs_on(market, lab, pool) == 0:
            continue
        cash = books.deposits[name] / 100 - prepaid
        if h100e > 0 and cash >= 0 and _bears(market, row, lab):
            bids = spot_bids(market, lab, float(gap[lab]), h100e)
            value = math.fsum(price * part for price, part in bids) / h100e
            yield lab, min(_worth_usd(market, row, lab, value), cash)


def _bears(market: "Market", row: int, lab: int) -> bool:
    """Whether a lab can take on what is left of the take-or-pay obligation (pro-6)."""
    view, c = market.lab_views.get(market.setup.labs[lab]), market.books.contracts
    if view is None:
        return False
    floor = float(c.floor[row] * c.price[row])
    owed = floor * _hours_left(market, row, lab)
    multiple = market.setup.scenario.procurement.affordability
    return view.obligations_usd + owed <= multiple * view.resources_usd


def _worth_usd(market: "Market", row: int, lab: int, value: float) -> float:
    """Return what a contract is worth to a lab to which its compute is worth `value` an H100e-hour.

    With it the lab uses the compute or pays the floor; without it, it buys anew at the going price or
    does without, as where it thinks of leaving (row B15).
    """
    c = market.books.contracts
    price, floor = float(c.price[row]), float(c.floor[row])
    left = float(c.end[row] - market.time)
    decline = market.setup.rules.decline_per_month
    anew = market.contract_price * float(levelling(_rate(market, lab), decline, np.array(left)))
    gain = max(value - price, -floor * price) - max(value - anew, 0.0)
    return gain * _hours_left(market, row, lab)


def _hours_left(market: "Market", row: int, lab: int) -> float:
    """Return the H100e-hours left of a contract, discounted as a lab does."""
    left = float(market.books.contracts.end[row] - market.time)
    return _h100e(market, row) * HOURS_PER_MONTH * float(annuity(_rate(market, lab), left))


def _rate(market: "Market", lab: int) -> float:
    data = market.setup.scenario.labs[market.setup.labs[lab]]
    return (1 + data.discount_per_year) ** (1 / 12) - 1


def _h100e(market: "Market", row: int) -> float:
    c = market.books.contracts
    return float(c.delivered_kw[row] * c.theta[row])


def _training_values(market: "Market") -> np.ndarray:
    served = market.books.served
    assert served is not None
    return training_values(market, served.users_million / market.adopters_million)


def _spare(market: "Market", row: int) -> float:
    """Return compute that its buyer has beyond need, now or later, whichever is less, H100e.

    Later is in a year, or in the last whole month of the contract if that comes first.
    """
    books, lab = market.books, int(market.books.contracts.lab[row])
    assert books.served is not None
    assert books.believed is not None
    need = float(books.served.load_h100e[lab] + books.served.training_need_h100e[lab])
    damping = market.setup.scenario.beliefs.damping
    last = math.ceil(books.contracts.end[row] - market.time) - 1
    ahead = min(LOOK_AHEAD_MONTHS, max(last, 0))
    later = need * float(np.exp(damped(books.believed.growth[lab], damping, ahead)))
    now = float(promised_now_h100e(market)[lab].sum()) - need
    return min(now, float(books.covered_h100e[lab, market.month + ahead]) - later)
