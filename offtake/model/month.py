"""The page of the month: twelve phases, each freezes what is seen, asks, resolves and applies."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.books import EXTERNAL
from offtake.model.cents import cents, split
from offtake.model.chance import order
from offtake.model.contracting import leave
from offtake.model.demand import (
    adoption,
    choice,
    service_price,
    stock_after,
    users_after,
    utilities,
)
from offtake.model.events import (
    Believed,
    Claim,
    Defaulted,
    Posted,
    Posting,
    Refused,
    Served,
    Tendered,
    Terminated,
)
from offtake.model.first_refusal import notified
from offtake.model.governing import enact
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import (
    PATIENT,
    SWITCHING_MONTHS,
    Request,
    Supplier,
    deterred,
    holdup,
    lay_out,
    negotiate,
    uses,
)
from offtake.model.opening import load
from offtake.model.pairs import exposures, may_sign, switching_costs
from offtake.model.proposals import (
    Tender,
)
from offtake.model.risks import hazard_of_failure, losing_users
from offtake.model.seeing import (
    cloud_views,
    committed_usd,
    lab_views,
    parent_funding_usd,
    runway_months,
)
from offtake.model.settlement import cloud_bills, income, lab_bills, paid
from offtake.model.signing import sign
from offtake.model.spot import clear_spot
from offtake.model.supply import plan_supply
from offtake.model.view import (
    Ask,
    CloudView,
    ForecastView,
    InvestorView,
    LabView,
)
from offtake.model.worth import hours_asked, training_efficiency, training_values

if TYPE_CHECKING:
    from offtake.model.market import Market

LEAST_STOCK = 1e-6
"""Training stock below which a lab's quality does not fall further, H100e-months."""
PRICE_MEMORY = 0.85
"""Weight of the past in the public index of contract prices, by month with signatures."""
OPERATING = frozenset(
    {
        "services",
        "parent",
        "overhead",
        "revenue share",
        "compute",
        "spot",
        "arrears",
        "other business",
    }
)
"""Labels of postings that count towards a lab's burn."""


def observe(market: "Market") -> None:
    """Everybody learns from the month before: growth, errors, prices, who wins."""
    books = market.books
    served, before = books.served, books.believed
    assert served is not None
    assert before is not None
    need = served.load_h100e + served.training_need_h100e
    growth, variance = before.growth.copy(), before.variance.copy()
    for i, name in enumerate(market.setup.labs):
        if name not in books.failed and market.month > 1:
            view = ForecastView(
                name=name,
                rules=market.setup.scenario.beliefs,
                growth_per_month=float(growth[i]),
                variance=float(variance[i]),
                need_before_h100e=max(float(before.need_h100e[i]), 1e-9),
                need_h100e=max(float(need[i]), 1e-9),
            )
            forecast = market.participants[name].decide("forecaster", view)
            growth[i], variance[i] = forecast.growth_per_month, forecast.variance
    for i, told in market.told_growth.items():
        growth[i] = told
    market.told_growth.clear()
    market.apply(
        Believed(
            growth=growth,
            variance=variance,
            need_h100e=need,
            contract_price=_contract_price(market, before),
            spot_price=_spot_price(market, before.spot_price),
            win_share=_win_share(market, before),
            revenue_usd=served.revenue_usd,
            revenue_growth=_revenue_growth(market, before, served),
            burn_usd=0.5 * before.burn_usd + 0.5 * market.burn_usd
            if market.month > 1
            else market.burn_usd,
            cause="observation",
        )
    )


def _revenue_growth(market: "Market", before: Believed, served: Served) -> np.ndarray:
    """Move believed growth of revenue towards the month's (exp-1)."""
    if market.month == 1:
        return before.revenue_growth
    both = (served.revenue_usd > 0) & (before.revenue_usd > 0)
    grown = np.log(np.where(both, served.revenue_usd, 1) / np.where(both, before.revenue_usd, 1))
    learning = market.setup.scenario.beliefs.learning
    return before.revenue_growth + learning * (grown - before.revenue_growth)


def _contract_price(market: "Market", before: Believed) -> float:
    """Return the index of contract prices: start prices signed lately, by quantity; it ages with cost."""
    price = before.contract_price * math.exp(-market.setup.rules.decline_per_month)
    quantity = math.fsum(h for _, h in market.signed_prices)
    if quantity > 0:
        new = math.fsum(p * h for p, h in market.signed_prices) / quantity
        price = PRICE_MEMORY * price + (1 - PRICE_MEMORY) * new
    market.signed_prices.clear()
    return price


def _spot_price(market: "Market", before: float) -> float:
    cleared = [c for _, c in sorted(market.books.spot.items()) if c.h100e > 0]
    quantity = math.fsum(c.h100e for c in cleared)
    if quantity == 0:
        return before
    return math.fsum(c.price_usd_per_h100e_hour * c.h100e for c in cleared) / quantity


def _win_share(market: "Market", before: Believed) -> np.ndarray:
    """Move expected shares of a lab's awards towards its latest awards."""
    total = market.awards_h100e.sum(axis=1, keepdims=True)
    weight = market.setup.scenario.beliefs.learning * (total > 0)
    share = market.awards_h100e / np.maximum(total, 1e-9)
    market.awards_h100e[:] = 0.0
    return before.win_share + weight * (share - before.win_share)


def serve(market: "Market") -> None:
    """Capacity delivered in the month serves demand; what is left over trains."""
    books, setup = market.books, market.setup
    demand = setup.scenario.demand
    before = books.served
    assert before is not None
    delivered = _delivered_h100e(market)
    capacity = np.array([math.fsum(row) for row in delivered.tolist()])
    wanted = load(before.users_million, hours_asked(market, market.month - 1))
    served = np.minimum(wanted, capacity)
    unserved = 1 - served / np.maximum(wanted, 1e-12)
    shares = before.users_million / market.adopters_million
    revenue = before.price_usd * before.users_million * 1e6 * (1 - unserved)
    market.used_h100e = _used(market, served, capacity, shares)
    used = _by_lab(market, market.used_h100e) + _spot_by_lab(market)
    trained = np.maximum(used - served, 0.0)
    stock = np.maximum(
        stock_after(
            before.training_stock,
            trained,
            demand.training_decay_per_month,
            training_efficiency(market),
        ),
        LEAST_STOCK,
    )
    utility = utilities(
        appeal=market.appeal + setup.appeal_path[market.month - 1],
        stock=stock,
        price_usd=before.price_usd,
        unserved=unserved,
        reach=setup.reach,
        quality_return=demand.quality_return,
        price_sensitivity=float(setup.price_sensitivity[market.month - 1]),
        unserved_penalty=demand.unserved_penalty,
    )
    chosen, _ = choice(utility)
    share = adoption(
        before.adopters_share, demand.innovation_per_year, demand.imitation_per_year, 1 / 12
    )
    potential = demand.potential_users_million
    joined = (share - before.adopters_share) * potential
    users = users_after(
        before.users_million,
        before.adopters_share * potential,
        joined,
        chosen,
        demand.churn_per_month,
    )
    price = service_price(
        before.price_usd,
        hours_asked(market, market.month) * market.contract_price,
        chosen,
        market.conduct,
        float(setup.price_sensitivity[market.month]),
        demand.price_adjustment,
    )
    failed = np.array([name in books.failed for name in setup.labs])
    market.apply(
        Served(
            users_million=np.where(failed, 1e-9, users),
            adopters_share=share,
            training_stock=stock,
            price_usd=price,
            unserved=unserved,
            revenue_usd=np.where(failed, 0.0, revenue),
            load_h100e=load(users, hours_asked(market, market.month)),
            training_need_h100e=_training_need(market, revenue),
            delivered_h100e=delivered,
            used_share=np.where(capacity > 0, used / np.maximum(capacity, 1e-9), 0.0),
            cause="demand",
        )
    )


def _delivered_h100e(market: "Market") -> np.ndarray:
    """Return compute delivered in the month by lab and cloud, spot included, H100e."""
    books, setup = market.books, market.setup
    c = books.contracts
    n = c.size
    market.delivered_h100e = c.delivered_kw_months[:n] * c.theta[:n]
    market.delivered_kw = np.bincount(
        setup.pool_cloud[c.pool[:n]], weights=c.delivered_kw_months[:n], minlength=len(setup.clouds)
    )
    cell = c.lab[:n] * len(setup.clouds) + setup.pool_cloud[c.pool[:n]]
    matrix = np.bincount(
        cell, weights=market.delivered_h100e, minlength=len(setup.labs) * len(setup.clouds)
    ).reshape(len(setup.labs), len(setup.clouds))
    for region in sorted(books.spot):
        for lab, pool, h100e in books.spot[region].purchases:
            matrix[books.lab_index[lab], setup.pool_cloud[pool]] += h100e
    return matrix


def _by_lab(market: "Market", by_contract: np.ndarray) -> np.ndarray:
    c = market.books.contracts
    return np.bincount(c.lab[: c.size], weights=by_contract, minlength=len(market.setup.labs))


def _spot_by_lab(market: "Market") -> np.ndarray:
    bought = np.zeros(len(market.setup.labs))
    for region in sorted(market.books.spot):
        for lab, _, h100e in market.books.spot[region].purchases:
            bought[market.books.lab_index[lab]] += h100e
    return bought


def _used(
    market: "Market", served: np.ndarray, capacity: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Return what is used of each contract: inference evenly, then training where it is worth its price.

    A unit beyond the floor is used for training iff v^T reaches ``(1 - phi) p`` (row B14).
    """
    c = market.books.contracts
    n = c.size
    inference = served / np.maximum(capacity, 1e-12)
    worth = training_values(market, shares)[c.lab[:n]]
    trains = worth >= (1 - c.floor[:n]) * c.price[:n]
    part = inference[c.lab[:n]]
    return market.delivered_h100e * (part + (1 - part) * trains)


def _training_need(market: "Market", revenue: np.ndarray) -> np.ndarray:
    """Return the training that the budget buys at the going price, H100e (dem-7).

    ``B = rho R + rho_f (funding draw)``.
    """
    budgets = market.training_shares[0] * revenue + market.training_shares[1] * funding_draw_usd(
        market
    )
    need = budgets / (market.contract_price * HOURS_PER_MONTH)
    return np.where(market.fixed_values > 0, market.fixed_training, need)


def funding_draw_usd(market: "Market") -> np.ndarray:
    """Return what each lab plans to spend of its money a month, USD.

    The draw spreads cash and committed tranches over the months a lab plans for, so that the day a
    tranche is paid changes nothing by itself.
    """
    scenario = market.setup.scenario
    draws = np.zeros(len(market.setup.labs))
    for i, name in enumerate(market.setup.labs):
        money = max(market.books.deposits[name], 0) / 100 + committed_usd(market, name)
        parent = parent_funding_usd(scenario.labs[name], market.time)
        draws[i] = money / scenario.finance.draw_months + parent
    return draws


def settle(market: "Market") -> None:
    """Bills of the month are paid: revenue, compute, revenue shares, rent, running cost, debt service."""
    books = market.books
    overdraft = frozenset(EXTERNAL)
    received = paid(books.deposits, income(market), overdraft)
    bills, draws = lab_bills(market, market.used_h100e)
    market.post(received)
    if draws:
        market.apply(Posted(postings=(), claims=tuple(draws), cause="settlement"))
    market.post(paid(books.deposits, bills, overdraft))
    market.post(paid(books.deposits, cloud_bills(market, market.used_h100e), overdraft))
    market.burn_usd = _burn_usd(market)


def _burn_usd(market: "Market") -> np.ndarray:
    """Return what each lab spends on its operation beyond what it takes in, USD this month."""
    burn = dict.fromkeys(market.setup.labs, 0)
    for posting in market.month_postings:
        if posting.label in OPERATING:
            if posting.payer in burn:
                burn[posting.payer] += posting.cents
            if posting.payee in burn:
                burn[posting.payee] -= posting.cents
    return np.array([burn[name] / 100 for name in market.setup.labs])


def check_solvency(market: "Market") -> None:
    """Whoever has been in arrears beyond the grace period fails: claims are paid pari passu (ins-1)."""
    grace = market.setup.scenario.finance.grace_months
    for name in sorted(market.books.arrears_since):
        if name in market.books.failed:
            continue
        if market.time - market.books.arrears_since[name] >= grace:
            _fail(market, name)


def _fail(market: "Market", name: str) -> None:
    books = market.books
    cause = f"event:{market.apply(Defaulted(name=name, cause='arrears beyond grace'))}"
    for row in range(books.contracts.size):
        contract = books.contracts.facts[row]
        if name in (contract.buyer, contract.seller) and books.contracts.state[row] in (
            "signed",
            "active",
        ):
            market.apply(Terminated(contract=contract.name, by=name, cause=cause))
    owed = sorted((k, c) for k, c in books.claims.items() if k[1] == name and k[2] != "equity")
    total = sum(c for _, c in owed)
    parts = split(min(max(books.deposits[name], 0), total), [c for _, c in owed])
    market.post(
        Posted(
            postings=tuple(
                Posting(name, k[0], part, "recovery", k[3])
                for (k, _), part in zip(owed, parts, strict=True)
                if part
            ),
            claims=tuple(Claim(*k[:3], -c, k[3]) for k, c in owed)
            + tuple(
                Claim(*k[:3], -c, k[3])
                for k, c in sorted(books.claims.items())
                if k[1:3] == (name, "equity")
            ),
            cause=cause,
        )
    )


def finance(market: "Market") -> None:
    """Labs with a short runway look for a round that doubles the target; investors answer (fin-6)."""
    books, scenario = market.books, market.setup.scenario
    rules = scenario.finance
    believed, served = books.believed, books.served
    assert believed is not None
    assert served is not None
    for i, name in enumerate(market.setup.labs):
        burn = float(believed.burn_usd[i])
        cash = books.deposits[name] / 100
        if name in books.failed or runway_months(cash, burn) >= rules.runway_target_months:
            continue
        last = books.last_round.get(name, -math.inf)
        if market.time - last < rules.round_interval_months:
            continue
        asked = 2 * rules.runway_target_months * burn - cash
        growth = math.exp(12 * float(believed.revenue_growth[i])) - 1
        forward = 12 * float(served.revenue_usd[i]) * math.sqrt(1 + max(growth, 0.0))
        for investor in sorted(scenario.investors):
            if scenario.investors[investor].joins_rounds and asked > 0:
                asked -= _ask_investor(market, investor, name, asked, forward, growth)


def _ask_investor(
    market: "Market", investor: str, lab: str, asked: float, forward: float, growth: float
) -> float:
    books, scenario = market.books, market.setup.scenario
    data = scenario.investors[investor]
    promised = sum(t.amount_cents for t in books.tranches.values() if t.investor == investor)
    view = InvestorView(
        name=investor,
        time=market.time,
        finance=scenario.finance,
        cash_usd=books.deposits[investor] / 100,
        committed_usd=promised / 100,
        hurdle_per_year=data.hurdle_per_year,
        lab=lab,
        asked_usd=asked,
        forward_revenue_usd=forward,
        growth_per_year=growth,
    )
    fund = market.participants[investor].decide("financier", view)
    if fund is None:
        return 0.0
    amount = min(cents(fund.usd), max(books.deposits[investor], 0))
    market.post(
        Posted(
            postings=(Posting(investor, lab, amount, "round"),),
            claims=(Claim(investor, lab, "equity", amount),),
            cause=f"proposal:round of {lab}",
        )
    )
    return amount / 100


def plan_demand(market: "Market") -> None:
    """Labs compare forecast need with cover and put what is missing out to tender (pro-1 to pro-4)."""
    market.lab_views = lab_views(market)
    market.tenders = []
    for name, view in market.lab_views.items():
        tender = market.participants[name].decide("procurer", view)
        if tender is not None:
            fees = {x.contract: x.fee_usd for x in view.leavings}
            for contract in tender.terminate:
                leave(market, contract, cents(fees[contract]))
        if tender is not None and tender.lots:
            market.tenders.append(tender)
            market.apply(
                Tendered(
                    lab=name,
                    tender=f"{name} {market.month}",
                    lots=tuple((lot.start_months, lot.h100e) for lot in tender.lots),
                    cause="proposal:gap between need and cover",
                )
            )


def negotiate_capacity(market: "Market") -> None:
    """Clouds quote; packages, matches and prices are found for all lots at once (bar-1 to bar-3)."""
    market.round = None
    if not market.tenders:
        return
    setup, rules = market.setup, market.setup.rules
    requests = [r for tender in market.tenders for r in _requests(market, tender)]
    views = market.views or cloud_views(market)  # plans for sites may have changed what is free
    values = np.array([r.lot.value for r in requests])
    take, use = uses(rules, values, market.contract_price)
    labs = np.array([r.lab for r in requests])
    ask = Ask(
        lab=labs,
        start_months=np.array([r.lot.start_months for r in requests]),
        h100e=np.array([r.lot.h100e for r in requests]),
        hazard_per_month=np.array([hazard_of_failure(market, setup.labs[i]) for i in labs]),
        use=use,
    )
    quotes = [(v.index, market.participants[n].decide("pricer", v, ask)) for n, v in views.items()]
    if not any(quote.columns for _, quote in quotes):
        return
    exposure = exposures(market)
    table = lay_out(
        rules=rules,
        requests=requests,
        quotes=quotes,
        take=take,
        use=use,
        theta=setup.theta,
        allowed=may_sign(market)[labs],
        switching=switching_costs(market, exposure)[labs],
        reference=market.contract_price,
    )
    if rules.negotiation.bid_cost_usd > 0:
        stay_out = deterred(
            table, notified(market)[labs][:, table.cloud], rules.negotiation.bid_cost_usd
        )
        table = replace(table, allowed=table.allowed & ~stay_out)
    every = rules.negotiation.benchmark_every_months
    market.round = negotiate(
        rules=rules,
        table=table,
        suppliers=_suppliers(views),
        exposure=exposure,
        affiliates=setup.affiliates,
        bargainer=market.bargainer,
        benchmark=every > 0 and market.month % every == 0,
    )
    market.table = table
    if market.trace:
        market.tables.append((market.month, table, market.round))
    _refuse(market, requests)


def _requests(market: "Market", tender: Tender) -> list[Request]:
    view: LabView = market.lab_views[tender.lab]
    rules = market.setup.scenario
    runway = view.runway_months
    impatience = view.discount_per_year + 12 / max(runway, 1.0) + losing_users(market, tender.lab)
    budget = rules.procurement.affordability * view.resources_usd - view.obligations_usd
    porting = rules.procurement.porting_usd_per_h100e / (SWITCHING_MONTHS * HOURS_PER_MONTH)
    psi = holdup(market.setup.rules, PATIENT, porting) if not view.fixed_value else 0.0
    return [
        Request(
            lab=market.books.lab_index[tender.lab],
            lot=lot,
            impatience=impatience,
            discount_per_year=view.discount_per_year,
            budget_usd=budget,
            dependence=psi,
            need_h100e=view.need_h100e,
            rank=order(market.setup.seed, "lot", tender.lab, market.month, lot.start_months),
        )
        for lot in tender.lots
    ]


def _suppliers(views: dict[str, CloudView]) -> list[Supplier]:
    return [
        Supplier(
            index=v.index,
            impatience=v.discount_per_year + max(v.idle_share, 0.0),
        )
        for v in views.values()
    ]


def _refuse(market: "Market", requests: list[Request]) -> None:
    assert market.round is not None
    for request, unmet, reason in zip(
        requests, market.round.unmet_h100e.tolist(), market.round.reasons, strict=True
    ):
        if reason:
            name = market.setup.labs[request.lab]
            market.apply(
                Refused(
                    lab=name,
                    tender=f"{name} {market.month}",
                    start_months=request.lot.start_months,
                    h100e=unmet,
                    reason=reason,
                    cause=f"tender:{name} {market.month}",
                )
            )


def record(market: "Market") -> None:
    """Observables are read, invariants checked."""
    market.recorder.record(market)
    if market.check:
        market.check_invariants()


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One line of the month."""

    name: str
    what: str
    writes: str
    run: Callable[["Market"], None]


def _phase(run: Callable[["Market"], None], writes: str, name: str = "") -> Phase:
    what = (run.__doc__ or "").splitlines()[0]
    return Phase(name=name or run.__name__, what=what, writes=writes, run=run)


PHASES = (
    _phase(observe, "beliefs"),
    _phase(serve, "users, training stock, revenue"),
    _phase(settle, "deposits, claims"),
    _phase(check_solvency, "status, contracts"),
    _phase(finance, "deposits, equity"),
    _phase(plan_supply, "sites"),
    _phase(plan_demand, "tenders"),
    _phase(negotiate_capacity, "deals", "negotiate"),
    _phase(sign, "contracts, calendar"),
    _phase(clear_spot, "spot price, spot purchases"),
    _phase(enact, "policies"),
    _phase(record, "tables"),
)
"""The month, in order; `offtake schedule` prints it."""
