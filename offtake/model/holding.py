"""Talks that take time: the capacity is kept for the pair, and the signature waits for their end."""

from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.contracting import enter_into
from offtake.model.contracts import Contract, Site
from offtake.model.drafting import numbered
from offtake.model.events import Held, Withdrawn
from offtake.model.exclusivity import objection_now

if TYPE_CHECKING:
    from offtake.model.market import Market


def hold(
    market: "Market", contract: Contract, sites: tuple[Site, ...], delay_months: float
) -> None:
    """Keep the capacity of a contract, and room for its sites, until its pair has agreed (bar-5)."""
    cause = f"tender:{contract.buyer} {market.month}"
    later = tuple(_later(site, delay_months) for site in sites)
    market.offer_count += 1
    offered = replace(contract, name=f"offer {market.offer_count} to {contract.buyer}")
    market.apply(Held(contract=offered, until=contract.signed, sites=later, cause=cause))
    market.calendar.add(contract.signed, "talks", offered.name)


def end_talks(market: "Market", name: str) -> None:
    """Sign what a pair has come to, unless one has failed since or an exclusivity forbids it now."""
    held = market.books.notices.get(name)
    if not isinstance(held, Held):
        return
    objection = objection_now(market, held.contract)
    if objection:
        market.apply(Withdrawn(contract=name, cause=objection))
        return
    enter_into(market, numbered(market, held.contract), held.sites, held.cause, name)


def _later(site: Site, months: float) -> Site:
    return replace(
        site,
        opened=site.opened + months,
        promised=site.promised + months,
        first_promise=site.first_promise + months,
        deadline=site.deadline + months,
    )
