"""First refusal: who is notified, what the holder would sign, and what comes of it."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.clauses import FirstRefusal
from offtake.model.contracting import enter_into
from offtake.model.contracts import Contract, Site
from offtake.model.drafting import draft, new_sites
from offtake.model.events import Noticed, Withdrawn
from offtake.model.negotiation import Deal
from offtake.model.porting import runs_on
from offtake.model.view import BuildOption

if TYPE_CHECKING:
    from offtake.model.market import Market


def notify(
    market: "Market", deal: Deal, contract: Contract, sites: tuple[Site, ...], clause: FirstRefusal
) -> None:
    """Notify a contract to the holder, who has the window of the clause to match it."""
    match, match_sites = _match(market, deal, contract.buyer, clause.holder, contract.capacity_kw)
    closes = clause.closes(contract.signed)  # notified when the talks have ended
    market.apply(
        Noticed(
            contract=contract,
            holder=clause.holder,
            closes=closes,
            match=match,
            sites=sites,
            match_sites=match_sites,
            cause=f"clause:first refusal of {clause.holder}",
        )
    )
    market.calendar.add(closes, "window", contract.name)


def close_window(market: "Market", name: str) -> None:
    """Sign what was notified: with the holder if it matches, with the notified seller otherwise."""
    notice = market.books.notices.get(name)
    if not isinstance(notice, Noticed):
        return
    cause = f"clause:first refusal of {notice.holder}"
    contract, sites = notice.contract, notice.sites
    if {contract.buyer, contract.seller} & market.books.failed:
        market.apply(Withdrawn(contract=name, cause="default"))
        return
    if notice.match is not None and notice.match.seller not in market.books.failed:
        market.apply(Withdrawn(contract=name, cause=f"{cause}, matched"))
        contract, sites = notice.match, notice.match_sites
    outcome = "matched" if contract is notice.match else "waived"
    enter_into(market, contract, sites, f"{cause}, {outcome}")


def _match(
    market: "Market", deal: Deal, buyer: str, holder: str, kw: int
) -> tuple[Contract | None, tuple[Site, ...]]:
    """Return what the holder would sign: it matches iff the terms cover its own floor (B13)."""
    assert market.table is not None
    table = market.table
    lot = next(i for i, r in enumerate(table.requests) if r is deal.request)
    index = market.books.cloud_index[holder]
    h100e = kw * float(market.setup.theta[deal.column.pool_index]) / 1000
    for j in np.flatnonzero(table.cloud == index).tolist():
        column = table.columns[j]
        if runs_on(market, deal.request.lab, column.pool_index) == 0:
            continue  # the lab refuses this class of chips
        own_kw = math.ceil(h100e / float(table.theta[j]))
        room = _room_left(market, column.pool_index, deal, column.option)
        if table.cost[lot, j] <= deal.effective_price and 0 < own_kw <= room:
            contract = draft(market, deal, buyer, own_kw, column.pool_index, column.option)
            return contract, new_sites(market, column.option, own_kw)
    return None, ()


def _room_left(market: "Market", pool_index: int, deal: Deal, option: BuildOption | None) -> int:
    if option is not None:
        left = option.room_kw
        if option.landlord is not None:
            left = min(left, market.books.shells_kw[option.landlord])
        return left
    start = market.month + deal.request.lot.start_months
    free = market.books.free_kw()[pool_index, start:]
    return int(free.min(initial=np.iinfo(np.int64).max))


def notified(market: "Market") -> np.ndarray:
    """Return by lab and cloud whether an offer must be notified to a holder of first refusal."""
    setup, books = market.setup, market.books
    return np.array(
        [
            [
                not setup.affiliates[i, j]
                and books.first_refusal(lab, cloud, market.time) is not None
                for j, cloud in enumerate(setup.clouds)
            ]
            for i, lab in enumerate(setup.labs)
        ]
    )
