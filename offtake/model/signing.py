"""Deals are signed, or wait: for the end of talks, or for the holder of a first refusal."""

from typing import TYPE_CHECKING

from offtake.model.contracting import enter_into
from offtake.model.drafting import draft, new_sites, numbered
from offtake.model.first_refusal import notify
from offtake.model.holding import hold
from offtake.model.negotiation import Deal

if TYPE_CHECKING:
    from offtake.model.market import Market


def sign(market: "Market") -> None:
    """Deals are signed, or notified to a holder of first refusal whose window then opens."""
    if market.round is None:
        return
    for deal in sorted(
        market.round.deals,
        key=lambda d: (d.request.rank, d.cloud, d.column.pool_index, d.column.option is not None),
    ):
        conclude(market, deal)


def conclude(market: "Market", deal: Deal) -> None:
    """Sign a deal, or keep its capacity while talks go on or a holder of first refusal decides."""
    buyer, seller = market.setup.labs[deal.request.lab], market.setup.clouds[deal.cloud]
    kw = deal.capacity_kw
    option = deal.column.option
    if option is not None and option.landlord is not None:
        kw = min(kw, market.books.shells_left_kw(option.landlord))
    if kw <= 0:
        return
    contract = draft(market, deal, buyer, kw, deal.column.pool_index, option)
    sites = new_sites(market, option, kw)
    clause = market.books.first_refusal(buyer, seller, market.time)
    if clause is not None and not deal.affiliate and clause.holder not in market.books.failed:
        notify(market, deal, contract, sites, clause)
    elif deal.delay_months > 0:
        hold(market, contract, sites, deal.delay_months)
    else:
        signed = numbered(market, contract)
        enter_into(market, signed, sites, f"tender:{buyer} {market.month}")
