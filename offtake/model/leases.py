"""Leases on their way: they are deferred, given up whole or in part, and end with their tenant."""

from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.contracts import OPEN, Because, Site, Stage
from offtake.model.events import Advanced, Cancelled, Deferred, Parted, Posted, Posting
from offtake.model.proposals import Reduce
from offtake.model.settlement import paid
from offtake.model.sites import fee_usd, holding_usd

if TYPE_CHECKING:
    from offtake.model.market import Market

DELAY_MONTHS = 3.0
"""Months by which a late site is promised anew."""
PART = " part "
"""Stands between the name of a site and the number of a part of it."""


def give_up(market: "Market", site: Site, cause: str, because: Because) -> None:
    """End a tenancy against the fee of its stage (cap-4); what the tenant cannot pay is owed."""
    fee = cents(fee_usd(site, market.setup.scenario.building))
    if site.landlord is not None and fee > 0:
        bill = Posting(site.pool.cloud, site.landlord, fee, "cancellation", site.name)
        market.post(paid(market.books.deposits, [bill], cause=cause))
    market.apply(Cancelled(site=site.name, because=because, cause=cause))


def reduce(market: "Market", plan: Reduce, cause: str) -> None:
    """Give up part of a site: the fee is in proportion, the rest stays as it is."""
    site = market.books.sites[plan.site]
    part = part_off(market, site, plan.capacity_kw, cause)
    give_up(market, part, cause, plan.because)


def part_off(market: "Market", site: Site, capacity_kw: int, cause: str) -> Site:
    """Make part of a site a site of its own, on the same clocks and dates."""
    whole, parts = site.name.partition(PART)[0], 2
    while (name := f"{whole}{PART}{parts}") in market.books.sites:
        parts += 1
    drawn_as = f"{site.known_as.partition(PART)[0]}{PART}{parts}"
    market.apply(
        Parted(site=site.name, part=name, drawn_as=drawn_as, capacity_kw=capacity_kw, cause=cause)
    )
    part = market.books.sites[name]
    left = market.books.given_up.get(name)
    stage = left.stage if left else part.stage
    if part.stage is Stage.LOI:
        market.calendar.add(part.deadline, "lapse", name)
    elif stage is Stage.BUILDING:
        due = max(part.construction_at, part.grid_at)
        market.calendar.add(max(due, market.time), "power", name, rank=1)
    return part


def defer(market: "Market", name: str, cause: str) -> None:
    """Take the holding cost and move the deadline, if there is the cash (cap-5)."""
    rules, site = market.setup.scenario.building, market.books.sites[name]
    assert site.landlord is not None
    cost = cents(holding_usd(site, rules))
    if market.books.deposits[site.pool.cloud] < cost:
        return
    if cost > 0:
        bill = Posting(site.pool.cloud, site.landlord, cost, "holding", name)
        market.post(Posted(postings=(bill,), cause=cause))
    market.apply(Deferred(site=name, months=float(rules.defer_months), cause=cause))
    if site.stage is Stage.LOI:
        market.calendar.add(market.books.sites[name].deadline, "lapse", name)


def lapse(market: "Market", name: str) -> None:
    """Give up a letter of intent that has reached its deadline, unless the deadline has been moved."""
    site = market.books.sites[name]
    if site.stage is Stage.LOI and site.deadline <= market.time:
        cause = "deadline of the letter of intent"
        market.apply(Cancelled(site=name, because="deadline", cause=cause))


def end_overdue(market: "Market") -> None:
    """End leases on which construction has not started in time, against their fee.

    A fee that cannot be paid keeps a lease alive: the landlord would rather wait than have a claim.
    """
    rules = market.setup.scenario.building
    for site in list(market.books.sites.values()):
        overdue = site.stage is Stage.LEASED and site.deadline <= market.time
        cash = market.books.deposits[site.pool.cloud]
        if overdue and cents(fee_usd(site, rules)) <= cash:
            give_up(market, site, "deadline of the lease", "deadline")


def end_with_tenants(market: "Market") -> None:
    """End the leases of tenants that have failed: landlords take back what does not deliver yet."""
    for site in list(market.books.sites.values()):
        if site.landlord and site.stage in OPEN and site.pool.cloud in market.books.failed:
            cause = f"default of {site.pool.cloud}"
            market.apply(Cancelled(site=site.name, because="default", cause=cause))


def renew_promise(market: "Market", name: str) -> None:
    """Promise a site for later that is not energised in its promised month (P10)."""
    site = market.books.sites[name]
    if site.stage in OPEN and site.stage is not Stage.LOI and site.promised <= market.time + 1:
        late = replace(site, promised=market.time + DELAY_MONTHS)
        market.apply(Advanced(site=late, cause="delay"))


def lease_until(market: "Market", site: Site) -> float:
    """Return by when construction on a lease signed now must start; an own plot waits for ever."""
    owned = site.landlord is None
    return float("inf") if owned else market.time + market.setup.scenario.building.lease_months


def turn_to_lease(market: "Market", site: Site) -> Site:
    """Return a letter of intent as a lease."""
    return replace(site, stage=Stage.LEASED, deadline=lease_until(market, site), deferred=0)
