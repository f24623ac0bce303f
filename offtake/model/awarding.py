"""Awarding: clouds quote on tenders, and deals are found for all lots at once."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.chance import order
from offtake.model.events import Refused
from offtake.model.exclusivity import within_exclusivities
from offtake.model.first_refusal import notified
from offtake.model.losses import losses
from offtake.model.menu import promises
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import (
    PATIENT,
    SWITCHING_MONTHS,
    Request,
    Supplier,
    Table,
    deterred,
    holdup,
    lay_out,
    negotiate,
    uses,
)
from offtake.model.pairs import exposures, may_sign, switching_costs
from offtake.model.porting import ported, porting_usd_per_hour
from offtake.model.proposals import Lot, Tender
from offtake.model.risks import hazard_of_failure, losing_users
from offtake.model.seeing import cloud_views
from offtake.model.view import Ask, CloudView, LabView

if TYPE_CHECKING:
    from offtake.model.market import Market


def negotiate_capacity(market: "Market") -> None:
    """Clouds quote; packages, matches and prices are found for all lots at once (bar-1 to bar-3)."""
    market.round = market.losses = None
    if not market.tenders:
        return
    requests = [r for tender in market.tenders for r in _requests(market, tender)]
    views = market.views or cloud_views(market)  # plans for sites may have changed what is free
    table = _table(market, requests, views)
    every = market.setup.rules.negotiation.benchmark_every_months
    compared = every > 0 and market.month % every == 0
    if table is not None:
        _agree(market, table, views, compared)
    if compared:
        market.losses = losses(market, requests, _ask(market, requests), table, market.round)
    if table is not None:
        _refuse(market, requests)


def _agree(market: "Market", table: Table, views: dict[str, CloudView], compared: bool) -> None:
    market.round = negotiate(
        rules=market.setup.rules,
        table=table,
        suppliers=_suppliers(market, views),
        exposure=exposures(market),
        affiliates=market.setup.affiliates,
        bargainer=market.bargainer,
        benchmark=compared,
        traced=market.traces is not None,
        sealed=notified(market) if market.setup.rules.negotiation.sealed_bids else None,
    )
    market.table = table
    if market.traces is not None:
        market.traces.note(market.month, table, market.round)


def _requests(market: "Market", tender: Tender) -> list[Request]:
    view: LabView = market.lab_views[tender.lab]
    rules = market.setup.scenario
    runway = view.runway_months
    impatience = view.discount_per_year + 12 / max(runway, 1.0) + losing_users(market, tender.lab)
    budget = rules.procurement.affordability * view.resources_usd - view.obligations_usd
    porting = rules.procurement.porting_usd_per_h100e / (SWITCHING_MONTHS * HOURS_PER_MONTH)
    psi = holdup(market.setup.rules, PATIENT, porting) if not view.fixed_value else 0.0
    drawn_as = market.setup.drawn_as[tender.lab]
    return [
        Request(
            lab=market.books.lab_index[tender.lab],
            lot=lot,
            impatience=impatience,
            discount_per_year=view.discount_per_year,
            budget_usd=budget,
            dependence=psi,
            need_h100e=view.need_h100e,
            rank=_rank(market, drawn_as, lot),
            name=tender.lab,
            runway_months=runway,
        )
        for lot in tender.lots
    ]


def _rank(market: "Market", drawn_as: str, lot: Lot) -> int:
    purpose = () if lot.purpose == "any" else (lot.purpose,)
    return order(market.setup.seed, "lot", drawn_as, market.month, lot.start_months, *purpose)


def _table(market: "Market", requests: list[Request], views: dict[str, CloudView]) -> Table | None:
    """Lay out what clouds quote to the requests; return nothing if nobody quotes."""
    rules = market.setup.rules
    values = np.array([r.lot.value for r in requests])
    take, use = uses(rules, values, market.contract_price)
    ask = _ask(market, requests)
    quotes = [(v.index, market.participants[n].decide("pricer", v, ask)) for n, v in views.items()]
    if not any(quote.columns for _, quote in quotes):
        return None
    table = lay_out(
        rules=rules,
        requests=requests,
        quotes=quotes,
        take=take,
        use=use,
        theta=market.setup.theta,
        allowed=may_sign(market)[ask.lab],
        switching=switching_costs(market, exposures(market))[ask.lab],
        reference=market.contract_price,
        promises=promises(market, requests, views, _suppliers(market, views)),
    )
    if len(market.setup.classes) > 1:
        table = _with_porting(market, table, ask.lab)
    table = within_exclusivities(market, _within_deeds(market, table, ask.lab))
    cost = rules.negotiation.bid_cost_usd
    return _without_deterred(market, table, ask.lab, cost) if cost > 0 else table


def _within_deeds(market: "Market", table: Table, labs: np.ndarray) -> Table:
    """Return the table without what ventures would build for others: only their surplus may be sold."""
    clouds = market.setup.scenario.clouds
    deeds = [clouds[market.setup.clouds[c]] for c in table.cloud.tolist()]
    bound = np.array(
        [
            column.option is not None and deed.kind in ("captive", "self-builder")
            for column, deed in zip(table.columns, deeds, strict=True)
        ]
    )
    if not bound.any():
        return table
    first = np.array([market.books.lab_index.get(d.priority or "", -1) for d in deeds])
    return replace(table, allowed=table.allowed & (~bound | (labs[:, None] == first)))


def _with_porting(market: "Market", table: Table, labs: np.ndarray) -> Table:
    """Return the table with what a column's class of chips costs each lab, or bars it (chp-2)."""
    classes = market.setup.pool_class[[column.pool_index for column in table.columns]]
    cell = np.ix_(labs, classes)
    return replace(
        table,
        value=table.value - porting_usd_per_hour(market)[cell],
        allowed=table.allowed & (ported(market)[cell] > 0),
    )


def _ask(market: "Market", requests: list[Request]) -> Ask:
    values = np.array([r.lot.value for r in requests])
    _, use = uses(market.setup.rules, values, market.contract_price)
    labs = np.array([r.lab for r in requests])
    hazards = [hazard_of_failure(market, market.setup.labs[i]) for i in labs]
    return Ask(
        lab=labs,
        start_months=np.array([r.lot.start_months for r in requests]),
        h100e=np.array([r.lot.h100e for r in requests]),
        hazard_per_month=np.array(hazards),
        use=use,
    )


def _without_deterred(
    market: "Market", table: Table, labs: np.ndarray, bid_cost_usd: float
) -> Table:
    """Return the table without clouds whose expected gain does not cover the cost of a bid."""
    stay_out = deterred(
        market.setup.rules, table, notified(market)[labs][:, table.cloud], bid_cost_usd
    )
    return replace(table, allowed=table.allowed & ~stay_out)


def _suppliers(market: "Market", views: dict[str, CloudView]) -> list[Supplier]:
    return [
        Supplier(
            index=v.index,
            impatience=v.discount_per_year + max(v.idle_share, 0.0),
            name=name,
            drawn_as=market.setup.drawn_as[name],
            idle_share=max(v.idle_share, 0.0),
        )
        for name, v in views.items()
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
