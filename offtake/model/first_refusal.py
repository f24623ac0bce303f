"""First refusal: who is notified, what the holder would sign, and what comes of it."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.contracting import enter_into
from offtake.model.contracts import Contract, Site
from offtake.model.dealing import FirstRefusal
from offtake.model.drafting import draft, new_sites, numbered
from offtake.model.events import Noticed, Withdrawn
from offtake.model.exclusivity import objection_now
from offtake.model.negotiation import Deal
from offtake.model.pairs import may_deal
from offtake.model.porting import runs_on
from offtake.model.proposals import Column

if TYPE_CHECKING:
    from offtake.model.market import Market


def notify(
    market: "Market", deal: Deal, contract: Contract, sites: tuple[Site, ...], clause: FirstRefusal
) -> None:
    """Notify a contract to the holder, who has the window of the clause to match it.

    A contract that would have started by then starts when the window closes, for the same term.
    """
    market.offer_count += 1
    closes = clause.closes(contract.signed)  # notified when the talks have ended
    late = max(closes - contract.start, 0.0)
    offered = replace(
        contract,
        name=f"offer {market.offer_count} to {contract.buyer}",
        start=contract.start + late,
        end=contract.end + late,
    )
    match, match_sites = _match(market, deal, offered, clause.holder)
    market.apply(
        Noticed(
            contract=offered,
            holder=clause.holder,
            closes=closes,
            match=match,
            sites=sites,
            match_sites=match_sites,
            cause=f"clause:first refusal of {clause.holder}",
        )
    )
    market.calendar.add(closes, "window", offered.name)


def close_window(market: "Market", name: str) -> None:
    """Sign what was notified: with the holder if it matches, with the notified seller otherwise.

    Whoever has failed since, or may not sell to the lab any more, does not sign.
    """
    notice = market.books.notices.get(name)
    if not isinstance(notice, Noticed):
        return
    cause = f"clause:first refusal of {notice.holder}"
    contract, sites, offer = notice.contract, notice.sites, name
    objection = objection_now(market, contract)
    if objection == "default":
        market.apply(Withdrawn(contract=name, cause=objection))
        return
    if notice.match is not None and not objection_now(market, notice.match):
        market.apply(Withdrawn(contract=name, cause=f"{cause}, matched"))
        contract, sites, offer = notice.match, notice.match_sites, ""
    elif objection:
        market.apply(Withdrawn(contract=name, cause=objection))
        return
    outcome = "matched" if contract is notice.match else "waived"
    signed = numbered(market, replace(contract, signed=market.time))
    enter_into(market, signed, sites, f"{cause}, {outcome}", offer)


def _match(
    market: "Market", deal: Deal, offered: Contract, holder: str
) -> tuple[Contract | None, tuple[Site, ...]]:
    """Return what the holder would sign: the notified terms, iff they cover its own floor (B13).

    Price, term, floor, start, prepayment and compute are those of the offer; the holder must have the
    capacity from that start on, and be free to sell it to the lab.
    """
    assert market.table is not None
    table = market.table
    lot = next(i for i, r in enumerate(table.requests) if r is deal.request)
    best: tuple[float, Column, int] | None = None
    for j in np.flatnonzero(table.cloud == market.books.cloud_index[holder]).tolist():
        column = table.columns[j]
        if runs_on(market, deal.request.lab, column.pool_index) == 0:
            continue  # the lab refuses this class of chips
        own_kw = math.ceil(offered.h100e / float(table.theta[j]) - 1e-9)
        cost = _cost(market, column, lot, deal)
        if cost > deal.effective_price or (best is not None and cost >= best[0]):
            continue
        if 0 < own_kw <= _room_left(market, column, offered) and _may_match(
            market, offered, column, holder
        ):
            best = (cost, column, own_kw)
    return (None, ()) if best is None else _matching(market, deal, offered, *best)


def _cost(market: "Market", column: Column, lot: int, deal: Deal) -> float:
    """Return what the holder must receive per reserved hour under the term and floor of the deal."""
    rules, table = market.setup.rules, market.table
    assert table is not None
    term = int(np.flatnonzero(rules.terms == deal.term_months)[0])
    phi = int(np.flatnonzero(rules.floors == deal.floor_share)[0])
    use = float(table.use[lot, term * len(rules.floors) + phi])
    return float(column.capital[lot, term, phi]) + column.running * use


def _may_match(market: "Market", offered: Contract, column: Column, holder: str) -> bool:
    """Whether the holder may sell to the lab, and could by the offered start."""
    books, setup = market.books, market.setup
    option = column.option
    in_time = option is None or market.time + math.ceil(option.lead_months) <= offered.start
    region = setup.pools[column.pool_index].region
    deal = (offered.buyer, holder, market.time, offered.purpose, region)
    barred = not may_deal(market)[books.lab_index[offered.buyer], books.cloud_index[holder]]
    return in_time and not barred and books.forbids(*deal) is None and not books.breakable(*deal)


def _matching(
    market: "Market", deal: Deal, offered: Contract, cost: float, column: Column, kw: int
) -> tuple[Contract, tuple[Site, ...]]:
    contract = draft(market, deal, offered.buyer, kw, column.pool_index, column.option)
    floor = cost * deal.price / deal.effective_price if deal.effective_price > 0 else cost
    contract = replace(
        contract,
        name=f"{offered.name}, matched",
        start=offered.start,
        end=offered.end,
        prepayment=offered.prepayment,
        clauses=(),
        floor=floor,
        limits=(floor, deal.ceiling),
    )
    return contract, new_sites(market, column.option, kw)


def _room_left(market: "Market", column: Column, offered: Contract) -> int:
    option = column.option
    if option is not None:
        left = option.room_kw
        if option.landlord is not None:
            left = min(left, market.books.shells_left_kw(option.landlord))
        return left
    free = market.books.free_kw()[column.pool_index, int(offered.start) :]
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
