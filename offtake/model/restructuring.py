"""Restructuring: who is in arrears too long talks with its creditors before it fails (ins-1).

Contracts are renegotiated one by one by (bar-1), with what both sides would have in liquidation as the
point of disagreement; what is owed is rescheduled, and becomes equity as far as it cannot be borne: then
those who held equity before lose it (absolute priority). Creditors accept the whole if it gives them no
less than liquidation, their new equity not counted; enough of them bind the rest.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offtake.model.bargaining import Match, OutsideOptions
from offtake.model.bills import contract_bills_usd
from offtake.model.cents import split
from offtake.model.clauses import RevenueShare
from offtake.model.contracting import walk_away
from offtake.model.contracts import Loan
from offtake.model.demand import inference_value
from offtake.model.estate import estate_usd
from offtake.model.events import (
    Borrowed,
    Claim,
    Posted,
    Renegotiated,
    Restructured,
)
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import annuity, levelling
from offtake.model.risks import losing_users
from offtake.model.seeing import idle_shares, other_cash_flow_usd, parent_funding_usd
from offtake.model.site_finance import site_leases
from offtake.model.worth import hours_asked, training_values

if TYPE_CHECKING:
    from offtake.model.market import Market

NO_RUNWAY = 1.0
"""Months of runway of a party that cannot pay (bar-2)."""


LEAST_RATE = 1e-9
"""Rate a month below which an annuity is that of no interest at all."""
ROUNDING = 1e-9
"""Part of a debt that is no shortfall."""
CENT = 0.01
"""What rounding may add to a payment, USD."""


class NewTerms(NamedTuple):
    """What a contract becomes."""

    row: int
    price: float
    """USD per H100e-hour."""
    relet: float
    """What the seller has of the same capacity let anew, USD per H100e-hour."""
    capacity_kw: int
    """0 where it ends."""
    end: float
    worth_hours: float
    """H100e-hours that are left, discounted as the seller does."""

    @property
    def seller_gains_usd(self) -> float:
        """Present value to the seller beyond letting the capacity anew."""
        return (self.price - self.relet) * self.worth_hours

    def lowered(self, part: float) -> "NewTerms":
        """Return the terms with the price part of the way down to re-letting, if it is above that."""
        return self._replace(price=self.price - part * max(self.price - self.relet, 0.0))


class Plan(NamedTuple):
    """What a debtor offers its creditors."""

    terms: tuple[NewTerms, ...]
    kept: float
    """Part of what is owed that is rescheduled; the rest becomes equity."""


def restructure(market: "Market", name: str) -> bool:
    """Agree on a plan with enough creditors, if there is one that the debtor can bear; whether it is so."""
    rules, books = market.setup.scenario.finance, market.books
    debtor = name in books.lab_index or name in books.cloud_index
    done = books.restructured.get(name, 0)
    if not (rules.renegotiates and debtor and done < rules.most_restructurings):
        return False
    plan = _plan(market, name)
    if plan is None or not _accepted(market, name, plan):
        return False
    _carry_out(market, name, plan)
    return True


def _plan(market: "Market", name: str) -> Plan | None:
    """Return the plan that asks creditors for least; nothing if it has nothing left to repay with.

    Prices go below what is bargained for, all by the same part of the way to re-letting, only as far as
    the debtor cannot bear what it owes otherwise: limited cash, not value, then decides.
    """
    rules = market.setup.scenario.finance
    owed = sum(_owed(market, name).values()) / 100
    rate = max(rules.debt_rate_per_year / 12, LEAST_RATE)
    level = float(annuity(rate, rules.restructuring_months))
    terms = tuple(_new_terms(market, name)) if name in market.books.lab_index else ()
    high, low = (
        _free_usd(market, name, tuple(t.lowered(part) for t in terms)) - CENT for part in (0.0, 1.0)
    )
    part = min(max((owed / level - high) / (low - high), 0.0), 1.0) if low > high else 0.0
    bearable = (high + part * (low - high)) * level
    lowered = tuple(_extended(market, t.lowered(part)) for t in terms)
    kept = 1.0 if bearable >= owed * (1 - ROUNDING) else bearable / owed
    return Plan(lowered, kept) if bearable > 0 else None


def _extended(market: "Market", terms: NewTerms) -> NewTerms:
    """Return terms with a later end where the price is lowered and the seller has given no notice."""
    c = market.books.contracts
    name = c.facts[terms.row].name
    if terms.capacity_kw == 0 or terms.price >= c.price[terms.row] or name in c.under_notice:
        return terms
    return terms._replace(
        end=terms.end + market.setup.scenario.finance.restructuring_extension_months
    )


def _owed(market: "Market", name: str) -> dict[tuple[str, str, str, str], int]:
    """Return the claims that a plan reschedules: arrears and loans."""
    claims = market.books.claims
    return {k: c for k, c in claims.items() if k[1] == name and k[2] in ("arrears", "loan")}


# Contracts


def _new_terms(market: "Market", name: str) -> Iterator[NewTerms]:
    """Yield what each contract of a lab becomes: it gives back what it does not need, and pays by (bar-1)."""
    books = market.books
    c, lab = books.contracts, books.lab_index[name]
    rows = [r for r in books.active_rows().tolist() if c.lab[r] == lab]
    if not rows:
        return
    value, needed = value_of_compute(market, lab), _share_needed(market, lab, rows)
    idle = idle_shares(market)
    for row in rows:
        yield _renegotiated(market, row, value, needed, float(idle[books.pool_cloud[c.pool[row]]]))


def _renegotiated(market: "Market", row: int, value: float, needed: float, idle: float) -> NewTerms:
    c, setup = market.books.contracts, market.setup
    contract = c.facts[row]
    before = float(c.price[row])
    seller = setup.scenario.clouds[contract.seller]
    rate = (1 + seller.discount_per_year) ** (1 / 12) - 1
    left = float(c.end[row] - market.time)
    relet = relet_usd(market, row, rate, left)
    kw = math.floor(contract.capacity_kw * needed)
    hours = kw * float(c.theta[row]) * HOURS_PER_MONTH * float(annuity(rate, left))
    if value < relet or kw == 0:
        return NewTerms(row, before, relet, 0, market.time, 0.0)
    price = min(before, agreed_price(market, contract.buyer, contract.seller, value, relet, idle))
    return NewTerms(row, price, relet, kw, float(c.end[row]), hours)


def agreed_price(
    market: "Market", lab: str, cloud: str, value: float, relet: float, idle: float
) -> float:
    """Return the price by (bar-1) between what the lab loses and what the cloud gains by liquidation.

    The lab has no runway left: it concedes (bar-2).
    """
    data, seller = market.setup.scenario.labs[lab], market.setup.scenario.clouds[cloud]
    rush = data.discount_per_year + 12 / NO_RUNWAY + losing_users(market, lab)
    none = np.array([-np.inf])
    match = Match(
        ceiling=np.array([value]),
        floor=np.array([relet]),
        excluded=none,
        alternative=none,
        lab_impatience=np.array([rush]),
        cloud_impatience=np.array([seller.discount_per_year + max(idle, 0.0)]),
    )
    return float(OutsideOptions()(match).price[0])


def relet_usd(market: "Market", row: int, rate_per_month: float, left: float) -> float:
    """Return what a contract's capacity earns its cloud if it is let anew, USD per H100e-hour.

    At the going price for the term that is left, for the hours that merchant capacity sells.
    """
    rules = market.setup.rules
    running = float(market.setup.running[market.books.contracts.pool[row]])
    level = float(levelling(rate_per_month, rules.decline_per_month, np.array(left)))
    anew = market.contract_price * level
    return running + rules.building.busy * max(anew - running, 0.0)


def value_of_compute(market: "Market", lab: int) -> float:
    """Return what a lab's compute is worth to it on average, USD per H100e-hour (dem-9)."""
    served, fixed = market.books.served, float(market.fixed_values[lab])
    assert served is not None
    if fixed > 0:
        return fixed
    load, training = float(served.load_h100e[lab]), float(served.training_need_h100e[lab])
    first = float(inference_value(served.price_usd, hours_asked(market, market.month))[lab])
    mean = first * (1 - market.setup.scenario.demand.value_slope / 2)
    shares = served.users_million / market.adopters_million
    trained = float(training_values(market, shares)[lab])
    return (load * mean + training * trained) / max(load + training, 1e-9)


def _share_needed(market: "Market", lab: int, rows: list[int]) -> float:
    c, served = market.books.contracts, market.books.served
    assert served is not None
    has = math.fsum(float(c.kw[r] * c.theta[r]) for r in rows)
    need = float(served.load_h100e[lab] + served.training_need_h100e[lab])
    return min(need / has, 1.0) if has > 0 else 1.0


# Money


def _free_usd(market: "Market", name: str, terms: tuple[NewTerms, ...]) -> float:
    """Return what a debtor has left each month at new terms, before debt service, USD."""
    if name in market.books.lab_index:
        return _free_of_lab_usd(market, name, terms)
    return _free_of_cloud_usd(market, name)


def _free_of_lab_usd(market: "Market", name: str, terms: tuple[NewTerms, ...]) -> float:
    books, data = market.books, market.setup.scenario.labs[name]
    served, c = books.served, books.contracts
    assert served is not None
    revenue = float(served.revenue_usd[books.lab_index[name]])
    shared = math.fsum(
        x.share for x in books.clauses if isinstance(x, RevenueShare) and x.lab == name
    )
    bills = contract_bills_usd(market, market.used_h100e)
    compute = [
        float(bills[t.row])
        * (t.price / float(c.price[t.row]) if c.price[t.row] else 1.0)
        * t.capacity_kw
        / c.facts[t.row].capacity_kw
        for t in terms
        if t.row < len(bills)
    ]
    income = revenue * (1 - data.overhead_revenue_share - shared)
    return income + parent_funding_usd(data, market.time) - math.fsum(compute)


def _free_of_cloud_usd(market: "Market", name: str) -> float:
    """Return what a cloud's contracts bring above power, operation, rents and site leases, USD a month."""
    books, c = market.books, market.books.contracts
    used = market.used_h100e
    mine = [r for r in books.active_rows().tolist() if r < len(used) and c.facts[r].seller == name]
    bills = contract_bills_usd(market, used)
    running = market.setup.running
    margin = [float(bills[r] - running[c.pool[r]] * used[r] * HOURS_PER_MONTH) for r in mine]
    rents = [
        s.rent_usd_per_kw_month * s.capacity_kw
        for s in books.sites.values()
        if s.pool.cloud == name
        and s.landlord is not None
        and s.stage.name in ("POWERED", "ENERGISED")
    ]
    leases = [bill.cents / 100 for bill in site_leases(market) if bill.payer == name]
    other = other_cash_flow_usd(market.setup.scenario.clouds[name], market.time)
    return other + math.fsum(margin) - math.fsum(rents) - math.fsum(leases)


# Creditors


def _accepted(market: "Market", name: str, plan: Plan) -> bool:
    """Whether creditors with enough of what is owed have no less by the plan than by liquidation."""
    owed: dict[str, int] = {}
    for (holder, *_), amount in _owed(market, name).items():
        owed[holder] = owed.get(holder, 0) + amount
    total = market.books.owed(name) - market.books.owed(name, "equity")
    recovered = min(estate_usd(market, name) / (total / 100), 1.0) if total else 1.0
    gains: dict[str, float] = {}
    for terms in plan.terms:
        seller = market.books.contracts.facts[terms.row].seller
        gains[seller] = gains.get(seller, 0.0) + terms.seller_gains_usd
    agreed = sum(
        amount
        for holder, amount in owed.items()
        if plan.kept * amount / 100 + gains.get(holder, 0.0) >= recovered * amount / 100
    )
    least = market.setup.scenario.finance.restructuring_majority
    return agreed >= least * sum(owed.values())


def _carry_out(market: "Market", name: str, plan: Plan) -> None:
    owed = _owed(market, name)
    total = sum(owed.values())
    kept = split(round(total * plan.kept), list(owed.values()))
    told = market.apply(
        Restructured(
            name=name,
            owed_cents=total,
            swapped_cents=total - sum(kept),
            cause="arrears beyond grace",
        )
    )
    for terms in plan.terms:
        _amend(market, terms, f"event:{told}")
    _reschedule(market, name, dict(zip(owed, kept, strict=True)))
    left = {k: owed[k] - part for k, part in zip(owed, kept, strict=True) if owed[k] > part}
    if left:
        _swap(market, name, left, f"event:{told}")


def _swap(
    market: "Market", name: str, left: dict[tuple[str, str, str, str], int], cause: str
) -> None:
    """Turn claims that are not rescheduled into equity, and write off what equity there was before."""
    old = [(k, c) for k, c in market.books.claims.items() if k[1] == name and k[2] == "equity"]
    gone = tuple(Claim(*k[:3], -c, k[3]) for k, c in old)
    market.post(Posted(postings=(), claims=gone, cause=cause))
    swapped = [
        claim
        for k, part in left.items()
        for claim in (Claim(*k[:3], -part, k[3]), Claim(k[0], name, "equity", part))
    ]
    market.post(Posted(postings=(), claims=tuple(swapped), cause=f"restructuring:{name}"))


def _amend(market: "Market", terms: NewTerms, cause: str) -> None:
    c = market.books.contracts
    contract = c.facts[terms.row]
    if terms.capacity_kw == 0:
        walk_away(market, contract.name)
        return
    same = terms.price == c.price[terms.row] and terms.capacity_kw == contract.capacity_kw
    if same and terms.end == contract.end:
        return
    market.apply(
        Renegotiated(
            contract=contract.name,
            price_usd_per_h100e_hour=terms.price,
            capacity_kw=terms.capacity_kw,
            end=terms.end,
            cause=cause,
        )
    )
    if terms.end != contract.end:
        market.calendar.drop("end", contract.name)
        market.calendar.add(terms.end, "end", contract.name, rank=2)


def _reschedule(market: "Market", name: str, kept: dict[tuple[str, str, str, str], int]) -> None:
    """Turn what stays owed into one loan of each creditor, in level payments."""
    rules, cause = market.setup.scenario.finance, f"restructuring:{name}"
    number = market.books.restructured[name]
    for holder in dict.fromkeys(key[0] for key in kept):
        parts = {key: part for key, part in kept.items() if key[0] == holder and part}
        if not parts:
            continue
        loan = Loan(
            name=f"debt of {name} to {holder}, restructured {number}",
            lender=holder,
            borrower=name,
            principal_cents=sum(parts.values()),
            rate_per_year=rules.debt_rate_per_year,
            start=market.time,
            months=rules.restructuring_months,
        )
        market.apply(Borrowed(loan=loan, cause=cause))
        old = [Claim(*k[:3], -part, k[3]) for k, part in parts.items()]
        new = Claim(holder, name, "loan", loan.principal_cents, loan.name)
        market.post(Posted(postings=(), claims=(*old, new), cause=cause))
