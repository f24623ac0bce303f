"""Contracts: they are signed with their sites and prepayments, ramp up, end, or are left for a fee."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.clauses import Prepayment
from offtake.model.contracts import Contract, Site
from offtake.model.events import (
    Claim,
    Ended,
    NoticeGiven,
    Opened,
    Posted,
    Posting,
    Signed,
    Stepped,
    Terminated,
    Withdrawn,
)
from offtake.model.exclusivity import pay_damages
from offtake.model.most_favoured import follow_down
from offtake.model.omissions import Omission
from offtake.model.opening import schedule_contract
from offtake.model.pricing import annuity
from offtake.model.reletting import relet
from offtake.model.settlement import paid, pay_back
from offtake.model.ways_out import notice_fee_cents

if TYPE_CHECKING:
    from offtake.model.market import Market


def enter_into(
    market: "Market", contract: Contract, sites: tuple[Site, ...], cause: str, offer: str = ""
) -> None:
    """Sign a contract: its sites are opened, its prepayment is paid, its dates are set.

    `offer` names the notice that it comes from, if any.
    """
    if Omission("sign", contract.name) in market.without:
        if offer:
            market.apply(Withdrawn(contract=offer, cause="left out"))
        return
    if contract.prepayment.amount_cents > market.books.deposits[contract.buyer]:
        contract = replace(contract, prepayment=Prepayment(amount_cents=0))  # spent since
    for site in sites:
        _open_for(market, contract, site)
    market.apply(Signed(contract=contract, offer=offer, cause=cause))
    _prepay(market, contract)
    pay_damages(market, contract)
    follow_down(market, contract)
    schedule_contract(market.calendar, contract, market.time)
    _remember(market, contract)


def _open_for(market: "Market", contract: Contract, site: Site) -> None:
    """Open a site of a contract, on what stands vacant first.

    Where the landlord's shells are gone, the cloud owns the shell.
    """
    cause = f"contract:{contract.name}"
    new = relet(market, site, cause) if site.landlord is not None else site.capacity_kw
    if new == 0:
        return
    site = replace(site, capacity_kw=new, own_kw=site.own_kw * new // site.capacity_kw)
    left = market.books.shells_kw.get(site.landlord or "", 0)
    if site.landlord is not None and left < site.capacity_kw:
        site = replace(site, landlord=None, rent_usd_per_kw_month=0.0, deadline=math.inf)
    market.apply(Opened(site=site, cause=cause))


def _prepay(market: "Market", contract: Contract) -> None:
    amount = contract.prepayment.amount_cents
    if amount:
        buyer, seller, name = contract.buyer, contract.seller, contract.name
        prepaid = Posting(buyer, seller, amount, "prepayment", name)
        owed = Claim(buyer, seller, "prepayment", amount, name)
        market.post(Posted(postings=(prepaid,), claims=(owed,), cause=f"contract:{name}"))


def _remember(market: "Market", contract: Contract) -> None:
    """Keep award and price until everybody learns from them."""
    labs, clouds = market.books.lab_index, market.books.cloud_index
    market.awards_h100e[labs[contract.buyer], clouds[contract.seller]] += contract.h100e
    if not contract.affiliate:
        market.signed_prices.append((_start_price(market, contract), contract.h100e))


def _start_price(market: "Market", contract: Contract) -> float:
    """Return the start price that is worth a contract's prices, with the buyer's discount rate."""
    lab = market.setup.scenario.labs[contract.buyer]
    rate = (1 + lab.discount_per_year) ** (1 / 12) - 1
    decline = market.setup.rules.decline_per_month
    both = (1 + rate) * math.exp(decline) - 1
    level = float(annuity(both, contract.months)) * math.exp(decline)
    worth = float(annuity(rate, contract.months))
    if contract.indexation.moves:
        worth = contract.indexation.annuity(rate, decline, contract.months)
    return contract.price_usd_per_h100e_hour * worth / level


def leave(market: "Market", name: str, fee_cents: int) -> None:
    """End a contract for its buyer against the fee; what was prepaid counts towards it (B15).

    What was prepaid beyond the fee is owed back.
    """
    contract = market.books.contracts.facts[market.books.contracts.row[name]]
    prepaid = market.books.contracts.prepaid_cents.get(name, 0)
    cause = f"proposal:{contract.buyer} leaves"
    used = min(prepaid, fee_cents)
    if used:
        counted = Claim(contract.buyer, contract.seller, "prepayment", -used, name)
        market.post(Posted(postings=(), claims=(counted,), cause=cause))
    fee = Posting(contract.buyer, contract.seller, fee_cents - used, "termination", name)
    market.post(paid(market.books.deposits, [fee], cause=cause))
    pay_back(market, name, cause)
    market.apply(Terminated(contract=name, by=contract.buyer, cause=cause))


def walk_away(market: "Market", name: str) -> None:
    """End a contract for its buyer, free, because its long stop has passed; what was prepaid is owed back."""
    contract = market.books.contracts.facts[market.books.contracts.row[name]]
    cause = f"proposal:{contract.buyer} walks away"
    pay_back(market, name, cause)
    market.apply(Terminated(contract=name, by=contract.buyer, cause=cause))


def give_notice(market: "Market", name: str) -> None:
    """End a contract for its seller after the notice; the fee is paid now, in full, or there is no notice."""
    c = market.books.contracts
    contract = c.facts[c.row[name]]
    clause = contract.seller_termination
    assert clause is not None
    fee = notice_fee_cents(contract, clause, float(c.price[c.row[name]]), market.time)
    if name in c.under_notice or fee > market.books.deposits[contract.seller]:
        return
    cause = f"proposal:{contract.seller} gives notice"
    paid_now = Posting(contract.seller, contract.buyer, fee, "termination", name)
    market.post(Posted(postings=(paid_now,) if fee else (), cause=cause))
    end = market.time + clause.notice_months
    market.apply(NoticeGiven(contract=name, by=contract.seller, end=end, cause=cause))
    market.calendar.add(end, "expire", name, rank=2)


def expire(market: "Market", name: str) -> None:
    """End a contract whose notice is over; the month's settlement pays back what is left prepaid."""
    c = market.books.contracts
    if c.state[c.row[name]] in ("signed", "active"):
        seller = c.facts[c.row[name]].seller
        market.apply(Terminated(contract=name, by=seller, cause=f"notice:{name}"))


def step_up(market: "Market", name: str, step: int) -> None:
    """Bring a contract to a step of its ramp, counted from 0."""
    books = market.books
    row = books.contracts.row.get(name)
    if row is None or books.contracts.state[row] not in ("signed", "active"):
        return
    contract = books.contracts.facts[row]
    kw = contract.ramp.steps_kw(contract.capacity_kw)[step]
    market.apply(Stepped(contract=name, capacity_kw=kw, cause=f"contract:{name}"))


def end(market: "Market", name: str) -> None:
    """End a contract whose term is over."""
    row = market.books.contracts.row.get(name)
    if row is not None and market.books.contracts.state[row] in ("signed", "active"):
        market.apply(Ended(contract=name, cause=f"contract:{name}"))
