"""Re-letting: what nobody took over goes to the next contract that needs a shell there (cap-6)."""

from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.contracts import BEGUN, Site, Stage
from offtake.model.events import Advanced, Transferred
from offtake.model.fitting import power
from offtake.model.leases import lease_until, part_off, renew_promise

if TYPE_CHECKING:
    from offtake.model.market import Market


def relet(market: "Market", site: Site, cause: str) -> int:
    """Give a contract's site what stands vacant; return what is left to be opened anew, kW.

    Sites on which work has begun come first, because they are ready sooner, whoever their landlord in the
    region; then leases of the same landlord that nobody has started.
    """
    left = site.capacity_kw
    for vacant in _vacant(market, site):
        part = min(left, _free_kw(market, vacant))
        if part <= 0:
            continue
        if vacant.capacity_kw > part:
            vacant = part_off(market, vacant, part, cause)
        left -= part
        _let(market, vacant, site, cause)
    return left


def _free_kw(market: "Market", vacant: Site) -> int:
    """Return what of a vacant site can still be let: an unstarted lease is among the landlord's shells."""
    assert vacant.landlord is not None
    begun = market.books.given_up[vacant.name].stage in BEGUN
    shells = market.books.shells_left_kw(vacant.landlord)
    return vacant.capacity_kw if begun else min(vacant.capacity_kw, shells)


def _vacant(market: "Market", site: Site) -> list[Site]:
    """Return what a contract's site could stand on instead of a new shell, the soonest first."""
    books = market.books
    found = []
    for name, left in books.given_up.items():
        vacant = books.sites[name]
        here = vacant.landlord is not None and vacant.pool.region == site.pool.region
        if vacant.pool.cloud == site.pool.cloud and left.since >= market.time:
            continue  # it has just left
        unstarted = left.stage is Stage.LEASED and vacant.landlord == site.landlord
        if here and (left.stage in BEGUN or unstarted):
            found.append((-left.stage, vacant.promised, vacant))
    return [vacant for _, _, vacant in sorted(found, key=lambda item: item[:2])]


def _let(market: "Market", vacant: Site, site: Site, cause: str) -> None:
    """Let a vacant site on the terms of a contract's site, but not below its landlord's reserve."""
    assert vacant.landlord is not None
    begun = market.books.given_up[vacant.name].stage in BEGUN
    reserve = market.setup.scenario.landlords[vacant.landlord].rent_usd_per_kw_month
    own = site.own_kw * vacant.capacity_kw // site.capacity_kw
    market.apply(
        Transferred(
            site=vacant.name,
            to=site.pool.cloud,
            rent_usd_per_kw_month=max(site.rent_usd_per_kw_month, reserve),
            chip=site.pool.chip,
            own_kw=own,
            deadline=float("inf") if begun else lease_until(market, site),
            cause=cause,
        )
    )
    taken = market.books.sites[vacant.name]
    if begun:
        power(market, vacant.name)
        renew_promise(market, vacant.name)
    elif taken.promised != site.promised:
        market.apply(Advanced(site=replace(taken, promised=site.promised), cause=cause))
