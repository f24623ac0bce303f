"""Awarding: clouds quote on tenders, and deals are found for all lots at once."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.chance import order
from offtake.model.events import Refused
from offtake.model.first_refusal import notified
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
from offtake.model.pairs import exposures, may_sign, switching_costs
from offtake.model.proposals import Tender
from offtake.model.risks import hazard_of_failure, losing_users
from offtake.model.seeing import cloud_views
from offtake.model.view import Ask, CloudView, LabView

if TYPE_CHECKING:
    from offtake.model.market import Market


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
