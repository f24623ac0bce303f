"""Tendering: labs put out to tender what they need and do not have."""

from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.contracting import leave
from offtake.model.events import Tendered
from offtake.model.seeing import lab_views

if TYPE_CHECKING:
    from offtake.model.market import Market


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
