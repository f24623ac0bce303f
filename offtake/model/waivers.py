"""Waivers: lab and holder re-bargain exclusivity and first refusal; else the clause in force holds."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.bargaining import Match, OutsideOptions, power
from offtake.model.cents import cents
from offtake.model.clause_worth import WINS, Kind
from offtake.model.clauses import RevenueShare
from offtake.model.dealing import FirstRefusal, SupplyExclusivity
from offtake.model.demand import damped
from offtake.model.events import Agreed, Posted, Posting, Waived
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import PATIENT, SWITCHING_MONTHS, holdup
from offtake.model.risks import losing_users
from offtake.model.seeing import AHEAD, cloud_views, lab_views, need_ahead
from offtake.model.standing import Clause
from offtake.model.view import CloudView, LabView, WaiverView

if TYPE_CHECKING:
    from offtake.model.market import Market

LARGEST_SHARE = 0.5
"""Share of revenue beyond which a lab does not pay for a waiver."""
KEPT = 2
"""Multiple of a payment that whoever pays must have in cash."""
type Waivable = SupplyExclusivity | FirstRefusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Talks:
    """A clause that both sides talk about, with what they see."""

    clause: Waivable
    lab: LabView
    holder: CloudView
    lab_impatience: float
    holder_impatience: float
    months: int
    """Months that the clause has to run, as far as anybody looks ahead."""


def waive(market: "Market") -> None:
    """Labs and holders re-bargain clauses that cost the lab more than they are worth to the holder (1.7)."""
    clauses = _waivable(market)
    if not clauses:
        return
    labs, clouds = lab_views(market), cloud_views(market)
    for clause in clauses:
        if clause.lab in labs and clause.holder in clouds and clause.until > market.time + 1:
            _talk(market, _talks(market, clause, labs[clause.lab], clouds[clause.holder]))


def _waivable(market: "Market") -> list[Waivable]:
    agreements = market.setup.scenario.agreements
    open_ = {name for name, given in agreements.items() if given.waivable}
    return [
        clause
        for clause in market.books.clauses
        if isinstance(clause, SupplyExclusivity | FirstRefusal) and clause.agreement in open_
    ]


def _talks(market: "Market", clause: Waivable, lab: LabView, holder: CloudView) -> Talks:
    runway = 12 / max(lab.runway_months, 1.0)
    return Talks(
        clause=clause,
        lab=lab,
        holder=holder,
        lab_impatience=lab.discount_per_year + runway + losing_users(market, lab.name),
        holder_impatience=holder.discount_per_year + max(holder.idle_share, 0.0),
        months=int(min(clause.until - market.time, AHEAD)),
    )


def _talk(market: "Market", talks: Talks) -> None:
    """Make the change with the largest joint gain, at a price by impatience."""
    views = _views(market, talks)
    most = market.participants[talks.lab.name].decide("waiver", views[0])
    least = market.participants[talks.holder.name].decide("waiver", views[1])
    if most is None or least is None:
        return
    gains = np.array(most) - np.array(least)
    gains[np.array(most) > _breaking_usd(talks.clause, views[0])] = -np.inf
    best = int(gains.argmax())
    if gains[best] < 1.0:  # a dollar
        return
    usd = _price_usd(talks, most[best], least[best])
    for paid_usd, share in _means(market, talks, usd):
        _conclude(market, talks, views[0].instead[best], cents(paid_usd), share)


def _breaking_usd(clause: Waivable, seen: WaiverView) -> np.ndarray:
    """Return by change what the lab would owe if it broke the clause instead; infinity where it cannot, USD.

    Who would pay more than the damages breaks the clause, which moves the same money: nothing is left to
    gain by talking.
    """
    price = clause.breach_usd_per_h100e_hour if isinstance(clause, SupplyExclusivity) else None
    if price is None:
        return np.full(len(seen.instead), np.inf)
    bought = seen.later_h100e * seen.weights
    elsewhere = [((1 - WINS[kind] * seen.served) * bought).tolist() for kind in seen.instead]
    return price * np.array([math.fsum(part) for part in elsewhere])


def _views(market: "Market", talks: Talks) -> tuple[WaiverView, WaiverView]:
    """Return what lab and holder see: they know their own value and cost, and what prices are."""
    clause, lab, holder = talks.clause, talks.lab, talks.holder
    months = 1 + np.arange(talks.months)
    later = _later_h100e(market, clause, lab, months)
    free = holder.own_free_h100e[months]
    exclusive = isinstance(clause, SupplyExclusivity)
    options: tuple[Kind, ...] = ("first-refusal", "none") if exclusive else ("none",)
    rules, fall = market.setup.rules, market.setup.rules.decline_per_month
    porting = rules.procurement.porting_usd_per_h100e / (SWITCHING_MONTHS * HOURS_PER_MONTH)
    seen = WaiverView(
        name=lab.name,
        kind="supply" if exclusive else "first-refusal",
        instead=options,
        later_h100e=later,
        served=np.minimum(free / np.maximum(later, 1e-9), 1.0),
        lab_power=float(power(np.array(talks.lab_impatience), np.array(talks.holder_impatience))),
        dependence=0.0 if lab.fixed_value else holdup(rules, PATIENT, porting),
        wait=min(_window_months(market, clause) / max(talks.months / 2, 1.0), 1.0),
        contract_price=market.contract_price,
        own_price=lab.fixed_value or lab.inference_value * (1 - lab.value_slope / 2),
        weights=_weights(lab.discount_per_year, fall, months),
    )
    other = replace(
        seen,
        name=holder.name,
        own_price=float(holder.running.min()),
        weights=_weights(holder.discount_per_year, fall, months),
    )
    return seen, other


def _later_h100e(
    market: "Market", clause: Waivable, lab: LabView, months: np.ndarray
) -> np.ndarray:
    """Return by month what a lab has yet to buy that falls under a clause, H100e.

    Contracts serve its load first. Nothing ties need to a place: a region counts by its part of what clouds
    have promised.
    """
    i = market.books.lab_index[lab.name]
    need = need_ahead(market)[i, months]
    covered = market.books.covered_h100e[i, market.month + months]
    later = np.maximum(need - covered, 0.0)
    inference = np.maximum(need * lab.load_h100e / max(lab.need_h100e, 1e-9) - covered, 0.0)
    match clause.scope if isinstance(clause, SupplyExclusivity) else "all":
        case "inference":
            return inference
        case "training":
            return later - inference
        case "region":
            return later * _part_of_region(market, clause, months)
        case _:
            return later


def _part_of_region(market: "Market", clause: Waivable, months: np.ndarray) -> np.ndarray:
    """Return by month what part of all compute promised stands in the region of a clause."""
    books = market.books
    h100e = books.promised_kw[:, market.month + months] * (market.setup.theta / 1000)[:, None]
    inside = np.array([pool.region == getattr(clause, "region", None) for pool in books.pools])
    return h100e[inside].sum(axis=0) / np.maximum(h100e.sum(axis=0), 1e-9)


def _weights(discount_per_year: float, fall: float, months: np.ndarray) -> np.ndarray:
    return HOURS_PER_MONTH * (1 + discount_per_year) ** (-months / 12) * np.exp(-fall * months)


def _window_months(market: "Market", clause: Waivable) -> float:
    given = market.setup.scenario.agreements[clause.agreement]
    return given.first_refusal_days * 24 / HOURS_PER_MONTH


def _price_usd(talks: Talks, most: float, least: float) -> float:
    """Return what the lab pays: between both reservation values, by impatience (bar-1, bar-2)."""
    match = Match(
        ceiling=np.array([most]),
        floor=np.array([least]),
        excluded=np.array([-np.inf]),
        alternative=np.array([-np.inf]),
        lab_impatience=np.array([talks.lab_impatience]),
        cloud_impatience=np.array([talks.holder_impatience]),
    )
    return float(np.clip(OutsideOptions()(match).price[0], least, most))


def _means(market: "Market", talks: Talks, usd: float) -> Iterator[tuple[float, float]]:
    """Yield how a price is paid, as money and share of revenue: money if there is enough, else the share."""
    payer = talks.lab.name if usd >= 0 else talks.holder.name
    if KEPT * abs(usd) <= market.books.deposits[payer] / 100:
        yield usd, 0.0
    elif usd > 0:
        share = usd / max(_revenue_usd(market, talks), 1e-9)
        paid = sum(
            clause.share
            for clause in market.books.clauses
            if isinstance(clause, RevenueShare) and clause.lab == talks.lab.name
        )
        if paid + share <= LARGEST_SHARE:
            yield 0.0, share


def _revenue_usd(market: "Market", talks: Talks) -> float:
    """Return the present value to the holder of the lab's revenue while the clause runs, USD."""
    believed, served = market.books.believed, market.books.served
    assert believed is not None
    assert served is not None
    i = market.books.lab_index[talks.lab.name]
    months = 1 + np.arange(talks.months)
    damping = market.setup.scenario.beliefs.damping
    grown = np.exp(damped(float(believed.revenue_growth[i]), damping, months))
    discounted = (1 + talks.holder.discount_per_year) ** (-months / 12)
    return float(served.revenue_usd[i]) * float(np.sum(grown * discounted))


def _conclude(market: "Market", talks: Talks, kind: Kind, paid_cents: int, share: float) -> None:
    clause = talks.clause
    instead = _instead(market, clause, kind)
    told = market.apply(
        Waived(
            clause=clause,
            instead=instead,
            paid_cents=paid_cents,
            revenue_share=share,
            cause=f"proposal:{clause.lab} and {clause.holder} re-bargain",
        )
    )
    cause = f"event:{told}"
    if paid_cents:
        between = (clause.lab, clause.holder) if paid_cents > 0 else (clause.holder, clause.lab)
        entry = Posting(*between, abs(paid_cents), "waiver", clause.agreement)
        market.post(Posted(postings=(entry,), claims=(), cause=cause))
    left: list[Clause] = [] if instead is None else [instead]
    if share > 0:
        until = market.time + talks.months
        left.append(RevenueShare(lab=clause.lab, cloud=clause.holder, share=share, until=until))
    for new in left:
        market.apply(Agreed(clause=new, cause=cause))
        until = getattr(new, "until", np.inf)
        if np.isfinite(until):
            market.calendar.add(until, "waiver", clause.agreement, rank=4)


def _instead(market: "Market", clause: Waivable, kind: Kind) -> FirstRefusal | None:
    if kind != "first-refusal":
        return None
    given = market.setup.scenario.agreements[clause.agreement]
    return FirstRefusal(
        lab=clause.lab,
        holder=clause.holder,
        since=market.time,
        until=clause.until,
        window_days=given.first_refusal_days,
        agreement=clause.agreement,
    )
