"""From lots and quotes to deals: package by joint surplus, match by clearing, price by bargaining.

Inside, money is counted per reserved H100e-hour in start prices (`offtake.model.pricing`): what the
buyer expects to pay, used or not. A deal's price is turned into the fixed price of its contract, and
that into a first price of the same worth where contracts follow an index or an escalator.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from offtake.model.bargaining import Bargainer, Match, Outcome, bounds
from offtake.model.bundles import Bundles
from offtake.model.chance import stream
from offtake.model.clause_worth import KINDS, Kind
from offtake.model.clearing import CLEARING_STEPS, Allocation, Bids, ascend
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import annuity, expected_take, levelling
from offtake.model.proposals import Column, Lot, Quote
from offtake.model.transport import transport_optimum
from offtake.model.view import Rules
from offtake.model.wording import indexation_of

SWITCHING_MONTHS = 36
"""Months over which a lab spreads the cost of moving to a new cloud."""
ROUNDING = 1e-12
"""Share of a budget within which an obligation equals it."""
PATIENT = 0.5
"""Bargaining power a lab expects in a renegotiation (pro-5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A lot on tender with what the institution knows of its buyer."""

    lab: int
    lot: Lot
    impatience: float
    """rho_l, a year (bar-2)."""
    discount_per_year: float
    budget_usd: float
    """Present value of further take-or-pay that the buyer can bear (pro-6)."""
    dependence: float
    """psi, USD per H100e-hour (pro-5)."""
    need_h100e: float
    rank: int
    name: str = ""
    """Of the lab."""
    runway_months: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """What the institution knows of a cloud that quotes."""

    index: int
    impatience: float
    """rho_c, a year (bar-2)."""
    name: str = ""
    drawn_as: str = ""
    """Name under which its draws stand."""
    idle_share: float = 0.0
    """Share of its energised capacity that stands free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """An agreement in principle between a lot and a column."""

    request: Request
    column: Column
    cloud: int
    capacity_kw: int
    term_months: int
    floor_share: float
    price: float
    """Price of the contract, at its start where it is revised later, USD per H100e-hour."""
    effective_price: float
    """What the cloud expects to receive per reserved hour, a start price, to hold against its cost."""
    ceiling: float
    reservation: float
    limits: tuple[float, float]
    slack: float
    affiliate: bool
    delay_months: float = 0.0
    """Months that the talks go on; the signature waits for them."""
    promise: Kind = "none"
    """What the lab promises the cloud on later purchases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talks:
    """What the pairs that were matched in a month said to each other; arrays by pair."""

    requests: tuple[Request, ...]
    clouds: tuple[str, ...]
    outcome: Outcome
    price: np.ndarray
    """Start price, USD per H100e-hour."""
    agreed: np.ndarray
    scale: np.ndarray
    """What a start price is multiplied by to give the fixed price of the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The outcome of a month's negotiation."""

    deals: tuple[Deal, ...]
    unmet_h100e: np.ndarray
    """By lot."""
    reasons: tuple[str, ...]
    """Why each lot was not served in full; empty where it was."""
    surplus: float
    """Joint surplus of all deals, USD an hour."""
    optimum: float
    """Largest joint surplus with the same eligibility (row A5); NaN when not asked for."""
    talks: Talks | None = None
    """What was said; none unless traced, or where nobody was matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """The part of the menu that binds later purchases: by lot, cloud, term and promise (see `KINDS`).

    USD per reserved H100e-hour of the contract, start prices, against promising nothing.
    """

    lab: np.ndarray
    holder: np.ndarray
    open: np.ndarray
    """Whether it is on the menu for the pair."""

    @property
    def joint(self) -> np.ndarray:
        """What both gain; minus infinity off the menu."""
        return np.where(self.open, self.lab + self.holder, -np.inf)

    def gains(self, cost: np.ndarray, at: Any) -> np.ndarray:
        """Return what both gain by each promise with packages of some cost, which it pays for at most.

        Prices are not negative, so what a promise is worth to the holder beyond the cost could not be
        divided. `at` says where the packages stand among lots, clouds and terms.
        """
        kept = self.holder[at] <= cost[..., None]
        kept[..., 0] = True
        return np.where(kept, self.joint[at], -np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Lots against columns: what the best package of each pair is worth."""

    requests: tuple[Request, ...]
    columns: tuple[Column, ...]
    cloud: np.ndarray
    theta: np.ndarray
    """H100e per kW, by column."""
    value: np.ndarray
    """V by lot and column: expected use value less switching."""
    cost: np.ndarray
    """R by lot and column: what the cloud must receive."""
    package: np.ndarray
    """Index of the package chosen, by lot and column."""
    use: np.ndarray
    """Probability of use, by lot and package."""
    room: np.ndarray
    """H100e by lot and column."""
    allowed: np.ndarray
    wanted: np.ndarray
    promise: np.ndarray | None = None
    """Promise of the package chosen, an index of `KINDS`, by lot and column; none without a menu."""


def uses(rules: Rules, values: np.ndarray, reference: float) -> tuple[np.ndarray, np.ndarray]:
    """Return expected use value and probability of use by lot, term and floor."""
    years = np.maximum(rules.terms / 2, 1.0) / 12
    deviation = rules.negotiation.value_volatility_per_year * np.sqrt(years)
    return expected_take(
        values[:, None, None], reference, rules.floors[None, None, :], deviation[None, :, None]
    )


def lay_out(
    *,
    rules: Rules,
    requests: Sequence[Request],
    quotes: Sequence[tuple[int, Quote]],
    take: np.ndarray,
    use: np.ndarray,
    theta: np.ndarray,
    allowed: np.ndarray,
    switching: np.ndarray,
    reference: float,
    promises: Promises | None = None,
) -> Table:
    """Choose the package with the largest joint surplus for every pair of lot and column (rule 3).

    If another package had more, both could be made better off by switching to it and adjusting the
    price. Packages the buyer cannot bear are masked: limited cash breaks transferable utility.
    """
    columns = [column for _, quote in quotes for column in quote.columns]
    cloud = np.array([index for index, quote in quotes for _ in quote.columns], dtype=np.int64)
    lots = len(requests)
    wanted = np.array([r.lot.h100e for r in requests])
    bearable, wanted = _bearable(rules, requests, wanted, use, reference)
    running = np.array([c.running for c in columns])
    capital = np.stack([c.capital for c in columns], axis=1)
    cost = capital + running[None, :, None, None] * use[:, None]
    surplus = np.where(bearable[:, None], take[:, None] - cost, -np.inf)
    if promises is not None:
        surplus = surplus + promises.gains(cost, np.s_[:, cloud, :, None]).max(axis=-1)
    flat = surplus.reshape(lots, len(columns), -1)
    package = flat.argmax(axis=2)
    pick = package[:, :, None]
    value = np.take_along_axis(
        np.broadcast_to(take.reshape(lots, 1, -1), flat.shape), pick, axis=2
    )[:, :, 0]
    table = Table(
        requests=tuple(requests),
        columns=tuple(columns),
        cloud=cloud,
        theta=np.array([theta[c.pool_index] for c in columns]) / 1000,
        value=value - switching[:, cloud],
        cost=np.take_along_axis(cost.reshape(flat.shape), pick, axis=2)[:, :, 0],
        package=package,
        use=use.reshape(lots, -1),
        room=np.stack([c.room_h100e for c in columns], axis=1),
        allowed=allowed[:, cloud] & ~_standing_by(columns, lots) & np.isfinite(flat.max(axis=2)),
        wanted=wanted,
    )
    return table if promises is None else _with_promises(rules, table, promises)


def _with_promises(rules: Rules, table: Table, promises: Promises) -> Table:
    """Return the table with what the promises of the packages chosen change for both sides."""
    lots = np.arange(len(table.requests))[:, None]
    at = (lots, table.cloud[None, :], table.package // len(rules.floors))
    promise = promises.gains(table.cost, at).argmax(axis=-1)
    return replace(
        table,
        value=table.value + promises.lab[*at, promise],
        cost=table.cost - promises.holder[*at, promise],
        promise=promise,
    )


def _standing_by(columns: Sequence[Column], lots: int) -> np.ndarray:
    """Return by lot and column whether it is quoted to match others only."""
    none = np.zeros(lots, dtype=bool)
    return np.stack([none if c.standby is None else c.standby for c in columns], axis=1)


def deterred(rules: Rules, table: Table, notified: np.ndarray, bid_cost_usd: float) -> np.ndarray:
    """Return the pairs whose cloud does not bid, because a holder of first refusal may match (B13).

    A bid must pay for itself. Against a holder whose cost lies anywhere between nothing and the lab's
    value v, a cloud of cost r bids (r + v)/2 and is not matched with chance (v - r)/2v: it expects
    ``(v - r)^2 / 4v`` an hour. With r and k in units of v it stays out above ``1 - 2 sqrt(k)``.
    """
    gain = np.maximum(table.value - table.cost, 0.0) ** 2 / (4 * np.maximum(table.value, 1e-9))
    months = rules.terms * levelling(0.0, rules.decline_per_month, rules.terms)
    hours = HOURS_PER_MONTH * months[table.package // len(rules.floors)]
    return notified & (gain * table.wanted[:, None] * hours < bid_cost_usd)


def sealed_bid(floor: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Return the best reply to a holder that matches iff the bid covers its cost (row B13).

    Its cost is believed to be uniform up to the most that the lab would pay: ``(p - r)(hi - p)`` is
    largest half way between one's own cost and that.
    """
    return (floor + np.maximum(highest, floor)) / 2


def _bearable(
    rules: Rules, requests: Sequence[Request], wanted: np.ndarray, use: np.ndarray, reference: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return which packages each buyer can bear, and how much of its want it can bear at all (pro-6).

    A lab's budget is shared by its lots in proportion to what they ask. It asks for no more than it can bear
    for the shortest term with the least floor above nothing, whatever it then agrees on.
    """
    asked: dict[int, float] = {}
    for request in requests:
        asked[request.lab] = asked.get(request.lab, 0.0) + request.lot.h100e
    budget = np.array([r.budget_usd * r.lot.h100e / asked[r.lab] for r in requests])
    rate = np.array([(1 + r.discount_per_year) ** (1 / 12) - 1 for r in requests])
    level = np.array([levelling(x, rules.decline_per_month, rules.terms) for x in rate.tolist()])
    worth = annuity(rate[:, None], rules.terms[None, :]) * level * reference * HOURS_PER_MONTH
    per_h100e = worth[:, :, None] * rules.floors[None, None, :]
    bearable = np.maximum(budget, 0.0)
    least = float(rules.floors[rules.floors > 0].min(initial=1.0))
    most = bearable / np.maximum(worth.min(axis=1) * least, 1e-9)
    reduced = np.minimum(wanted, most) if rules.floors.max() > 0 else wanted
    owed = per_h100e * reduced[:, None, None]
    return owed <= (bearable * (1 + ROUNDING) + 1e-9)[:, None, None], reduced


def negotiate(
    *,
    rules: Rules,
    table: Table,
    suppliers: Sequence[Supplier],
    exposure: np.ndarray,
    affiliates: np.ndarray,
    bargainer: Bargainer,
    benchmark: bool,
    traced: bool = False,
    sealed: np.ndarray | None = None,
) -> Round:
    """Match lots and columns at once and price every match (bar-1 to bar-3)."""
    labs = np.array([r.lab for r in table.requests])
    room = table.room.max(axis=0)
    eligible = table.allowed & (table.room > 0)
    surplus = np.where(eligible, table.value - table.cost, -np.inf)
    bids = Bids(
        surplus=surplus,
        wanted=table.wanted,
        room=room,
        limit=np.minimum(table.room, table.wanted[:, None]),
        exposure=exposure[labs][:, table.cloud],
        dependence=np.array([r.dependence for r in table.requests]),
        scale=np.array([max(r.need_h100e, 1.0) for r in table.requests]),
    )
    increment = rules.negotiation.increment_usd_per_h100e_hour
    cleared = ascend(bids, increment)
    optimum = efficient(bids) if benchmark else math.nan
    met = _met(rules, table, cleared)
    match = _match(rules, table, suppliers, bids, cleared, met, traced)
    pairs = labs[met[0]], table.cloud[met[1]]
    within = affiliates[pairs]
    against = None if sealed is None else sealed[pairs]
    priced = _price(match, within, bargainer(match), against) if len(met[0]) else None
    deals = _deals(rules, table, cleared, met, match, priced, within) if priced else {}
    served = np.zeros(len(table.requests))
    gained = 0.0
    for (i, j), deal in deals.items():
        h100e = deal.capacity_kw * table.theta[j]
        served[i] += h100e
        gained += h100e * surplus[i, j]
    asked = np.array([r.lot.h100e for r in table.requests])
    unmet = np.maximum(asked - served, 0.0)
    return Round(
        deals=tuple(deals.values()),
        unmet_h100e=unmet,
        reasons=tuple(
            _reason(table, surplus, i, unmet[i], asked[i], _walked(met, priced, i))
            for i in range(len(table.requests))
        ),
        surplus=gained,
        optimum=optimum,
        talks=_talks(rules, table, match, met, priced) if traced and priced else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """The outcome of all matches; deals within a group are priced at cost, and never fail."""

    outcome: Outcome
    price: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    agreed: np.ndarray
    delay_months: np.ndarray

    def reason(self, pair: int) -> str:
        """Return why a pair walked away."""
        return self.outcome.reasons[pair] if self.outcome.reasons else "no agreement"


def _met(rules: Rules, table: Table, cleared: Allocation) -> tuple[np.ndarray, np.ndarray]:
    """Return lots and columns of the matches that are large enough for a contract."""
    least = max(rules.negotiation.smallest_mw * 1000, 1)
    lots, columns = np.nonzero(_kilowatts(cleared.taken, table.theta) >= least)
    return lots, columns


def _match(
    rules: Rules,
    table: Table,
    suppliers: Sequence[Supplier],
    bids: Bids,
    cleared: Allocation,
    met: tuple[np.ndarray, np.ndarray],
    traced: bool,
) -> Match:
    """Return what a protocol is told of the pairs that are matched."""
    lots, columns = met
    by_index = {s.index: s for s in suppliers}
    buyers = [table.requests[i] for i in lots.tolist()]
    sellers = [by_index[c] for c in table.cloud[columns].tolist()]
    return Match(
        ceiling=table.value[lots, columns],
        floor=table.cost[lots, columns],
        excluded=_replacement(bids, table, cleared)[lots, columns],
        alternative=_elsewhere(bids, table.cloud, cleared)[lots, columns],
        lab_impatience=np.array([b.impatience for b in buyers]),
        cloud_impatience=np.array([s.impatience for s in sellers]),
        lab=tuple(b.name for b in buyers),
        cloud=tuple(s.name for s in sellers),
        h100e=cleared.taken[lots, columns],
        runway_months=np.array([b.runway_months for b in buyers]),
        idle_share=np.array([s.idle_share for s in sellers]),
        rivals=_rivals(bids, table.cloud)[lots],
        slack=CLEARING_STEPS * rules.negotiation.increment_usd_per_h100e_hour,
        bundles=_bundles(table, bids, cleared, met, by_index),
        chance=_chance(table, met, by_index),
        traced=traced,
    )


def _rivals(bids: Bids, cloud: np.ndarray) -> np.ndarray:
    """Return by lot how many clouds beside one could serve it at a gain."""
    count = np.array([len(set(cloud[row].tolist())) for row in bids.surplus > 0])
    return np.maximum(count - 1.0, 0.0)  # a pair without any surplus has met all the same


def _bundles(
    table: Table,
    bids: Bids,
    cleared: Allocation,
    met: tuple[np.ndarray, np.ndarray],
    suppliers: dict[int, Supplier],
) -> Bundles:
    taken = np.zeros_like(cleared.taken)
    taken[met] = cleared.taken[met]
    return Bundles(
        labs=tuple(r.name for r in table.requests),
        clouds=tuple(suppliers[c].name for c in table.cloud.tolist()),
        value=np.where(np.isfinite(bids.surplus), table.value, -np.inf),
        taken=taken,
        wanted=bids.wanted,
        limit=bids.limit,
    )


def _chance(
    table: Table, met: tuple[np.ndarray, np.ndarray], suppliers: dict[int, Supplier]
) -> Callable[[int], np.random.Generator]:
    """Return the random numbers of a pair: of lab, month and lot, cloud and column."""
    lots, columns = met

    def drawn(pair: int) -> np.random.Generator:
        i, j = int(lots[pair]), int(columns[pair])
        request, supplier = table.requests[i], suppliers[int(table.cloud[j])]
        lot = sum(r.lab == request.lab for r in table.requests[:i])
        column = int((table.cloud[:j] == table.cloud[j]).sum())
        return stream(request.rank, "talks", lot, supplier.drawn_as, column)

    return drawn


def _price(
    match: Match, within: np.ndarray, outcome: Outcome, against: np.ndarray | None
) -> _Priced:
    """Return what the protocol found, and the cost where a deal stays within a group.

    `against` are the pairs in which the cloud bids sealed against a holder of first refusal: these do not
    talk, so there is nothing to wait for and nobody walks away.
    """
    price, lo, hi = outcome.price, outcome.lo, outcome.hi
    silent = within
    if against is not None:
        least, most = bounds(match)
        lo, hi = np.where(against, least, lo), np.where(against, most, hi)
        price = np.where(against, sealed_bid(match.floor, hi), price)
        silent = within | against
    price = np.where(within, match.floor, price)
    lo = np.where(within, match.floor, lo)
    hi = np.where(within, match.ceiling, hi)
    # Clearing is exact to some increments only: bounds that cross leave a price between them.
    price = np.where(lo <= hi, np.clip(price, lo, hi), (lo + hi) / 2)
    return _Priced(
        outcome=replace(outcome, offers=tuple(o for o in outcome.offers if not silent[o.pair])),
        price=np.clip(price, match.floor, match.ceiling),
        lo=lo,
        hi=hi,
        agreed=silent | outcome.agreed,
        delay_months=np.where(silent, 0.0, outcome.delay_months),
    )


def _deals(
    rules: Rules,
    table: Table,
    cleared: Allocation,
    met: tuple[np.ndarray, np.ndarray],
    match: Match,
    priced: _Priced,
    within: np.ndarray,
) -> dict[tuple[int, int], Deal]:
    """Return the deals of the pairs that agree, by lot and column."""
    floors = len(rules.floors)
    scales = _scales(rules, table, met)
    deals = {}
    for k in np.flatnonzero(priced.agreed).tolist():
        i, j = int(met[0][k]), int(met[1][k])
        term, phi = divmod(int(table.package[i, j]), floors)
        scale = scales[k]
        deals[i, j] = Deal(
            request=table.requests[i],
            column=table.columns[j],
            cloud=int(table.cloud[j]),
            capacity_kw=int(_kilowatts(cleared.taken[i, j], table.theta[j])),
            term_months=int(rules.terms[term]),
            floor_share=float(rules.floors[phi]),
            price=float(priced.price[k]) * scale,
            effective_price=float(priced.price[k]),
            ceiling=float(match.ceiling[k]) * scale,
            reservation=float(match.floor[k]) * scale,
            limits=(float(priced.lo[k]) * scale, float(priced.hi[k]) * scale),
            slack=match.slack * scale,
            affiliate=bool(within[k]),
            delay_months=float(priced.delay_months[k]),
            promise="none" if table.promise is None else KINDS[table.promise[i, j]],
        )
    return deals


def _scales(rules: Rules, table: Table, met: tuple[np.ndarray, np.ndarray]) -> list[float]:
    """Return by match what a start price is multiplied by to give the fixed price of its package."""
    moving = indexation_of(rules.negotiation)
    scales = []
    for i, j in zip(*(side.tolist() for side in met), strict=True):
        term, phi = divmod(int(table.package[i, j]), len(rules.floors))
        share = float(rules.floors[phi])
        committed = share + (1 - share) * float(table.use[i, table.package[i, j]])
        rate = (1 + table.requests[i].discount_per_year) ** (1 / 12) - 1
        months = rules.terms[term]
        scale = float(levelling(rate, rules.decline_per_month, months)) / committed
        if moving.moves:
            scale *= moving.first_price(rate, rules.decline_per_month, float(months))
        scales.append(scale)
    return scales


def _walked(met: tuple[np.ndarray, np.ndarray], priced: _Priced | None, lot: int) -> str:
    """Return why a pair of a lot walked away, if one did."""
    if priced is None:
        return ""
    gone = np.flatnonzero((met[0] == lot) & ~priced.agreed)
    return priced.reason(int(gone[0])) if len(gone) else ""


def _talks(
    rules: Rules,
    table: Table,
    match: Match,
    met: tuple[np.ndarray, np.ndarray],
    priced: _Priced,
) -> Talks:
    return Talks(
        requests=tuple(table.requests[i] for i in met[0].tolist()),
        clouds=match.cloud,
        outcome=priced.outcome,
        price=priced.price,
        agreed=priced.agreed,
        scale=np.array(_scales(rules, table, met)),
    )


def _kilowatts(h100e: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return whole kilowatts; a rounding error below a thousandth of one does not cost the last."""
    return np.floor(h100e / theta + 1e-3)


def _elsewhere(bids: Bids, cloud: np.ndarray, cleared: Allocation) -> np.ndarray:
    """Return by lot and column the largest gain the lot could have from another cloud.

    At a cloud with spare capacity that is the whole joint surplus (bar-1); at a full one, what is left
    after paying the premium that others pay there. What the lot takes in full already is no threat.
    What depending on a cloud costs is counted on both sides (pro-5).
    """
    gain = bids.surplus - cleared.premium
    penalty = np.where(np.isfinite(cleared.held), gain - cleared.held, 0.0)
    result = np.full(gain.shape, -np.inf)
    for index in np.unique(cloud):
        others = cleared.open[:, cloud != index]
        if others.shape[1]:
            result[:, cloud == index] = others.max(axis=1, keepdims=True)
    return np.where(result > 0, result + penalty, -np.inf)


def _replacement(bids: Bids, table: Table, cleared: Allocation) -> np.ndarray:
    """Return W by lot and column: what the best other lot would pay for a full column.

    It would pay up to where it gains as much as it does now, nothing if it was left out. The cost of
    serving it differs from the cost of serving the winner, so it is its surplus that counts. Clearing
    is exact to an increment, so W is held to the premium and to the winner's own value.
    """
    unmet = bids.wanted - cleared.taken.sum(axis=1) > 0.01 * bids.wanted
    held = cleared.held.min(axis=1)
    now = np.where(unmet | ~np.isfinite(held), 0.0, np.maximum(held, 0.0))
    margin = cleared.open + cleared.premium - now[:, None]
    result = np.full(margin.shape, -np.inf)
    for i in range(len(now)):
        best = np.delete(margin, i, axis=0).max(axis=0, initial=-np.inf)
        binds = (cleared.premium > 0) & (best > 0)
        result[i] = np.where(binds, table.cost[i] + np.minimum(best, cleared.premium), -np.inf)
    return np.minimum(result, table.value)


def _reason(
    table: Table, surplus: np.ndarray, i: int, unmet: float, asked: float, walked: str
) -> str:
    if unmet <= 0.01 * asked:
        return ""
    if walked:
        return walked
    if not table.columns or not table.allowed[i].any():
        return "no cloud may sell to it"
    if not (table.room[i] > 0).any():
        return "no capacity free at that time"
    if table.wanted[i] < asked * 0.99:
        return "it cannot bear more take-or-pay"
    if surplus[i].max() <= 0:
        return "no price suits both sides"
    return "outbid"


def efficient(bids: Bids) -> float:
    """Return the largest joint surplus with identical eligibility (transport LP, row A5), USD an hour."""
    return transport_optimum(bids.surplus, bids.wanted, bids.room, bids.limit)


def holdup(rules: Rules, lab_power: float, quasi_rent: float) -> float:
    """Return psi, the expected hold-up loss per unit of dependence, USD per H100e-hour (pro-5)."""
    return rules.procurement.renegotiation_per_year * (1 - lab_power) * max(quasi_rent, 0.0)
