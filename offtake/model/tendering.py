"""Tendering: labs put out to tender what they need and do not have."""

from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.contracting import leave, walk_away
from offtake.model.events import Tendered
from offtake.model.proposals import Tender
from offtake.model.seeing import lab_views
from offtake.model.view import LabView

if TYPE_CHECKING:
    from offtake.model.market import Market


def plan_demand(market: "Market") -> None:
    """Labs compare forecast need with cover and put what is missing out to tender (pro-1 to pro-4)."""
    market.lab_views = lab_views(market)
    market.tenders = []
    for name, view in market.lab_views.items():
        tender = market.participants[name].decide("procurer", view)
        if tender is not None:
            _leave(market, view, tender)
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


def _leave(market: "Market", view: LabView, tender: Tender) -> None:
    """Leave the contracts that a lab terminates: free where their long stop has passed.

    Raises
    ------
    ValueError
        If one of them cannot be left, or is named twice.
    """
    leavings = {leaving.contract: leaving for leaving in view.leavings}
    for contract in tender.terminate:
        if contract not in leavings or tender.terminate.count(contract) > 1:
            can = ", ".join(leavings) or "none"
            raise ValueError(
                f"{tender.lab} leaves {contract!r}, which it cannot leave now, or twice; it can leave: {can}"
            )
        if leavings[contract].walks:
            walk_away(market, contract)
        else:
            leave(market, contract, cents(leavings[contract].fee_usd))
