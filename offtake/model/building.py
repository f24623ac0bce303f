"""How sites come about: they are opened, named and built."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.contracts import Site, Stage
from offtake.model.events import Advanced, Opened, Posted, Posting
from offtake.model.opening import own_kw
from offtake.model.owners import agree
from offtake.model.permits import grid_multiplier
from offtake.model.public_money import grants
from offtake.model.sites import clock
from offtake.model.venture import call_capital
from offtake.model.view import BuildOption

if TYPE_CHECKING:
    from offtake.model.market import Market


def open_sites(
    market: "Market", option: BuildOption, capacity_kw: int, cause: str, *, letter: bool
) -> list[Site]:
    """Open one or more sites of a build option, on what the landlord has left."""
    if option.landlord is not None:
        capacity_kw = min(capacity_kw, market.books.shells_left_kw(option.landlord))
    opened = []
    for part in parts_kw(market, capacity_kw):
        site = new_site(market, option, part, letter=letter)
        kept = own_kw(market.setup.scenario, option.pool.cloud, part, site.stage)
        site = replace(site, own_kw=kept)
        market.apply(Opened(site=site, cause=cause))
        if letter:
            market.calendar.add(site.deadline, "lapse", site.name)
        opened.append(site)
    return opened


def parts_kw(market: "Market", capacity_kw: int) -> list[int]:
    """Return the sites that capacity comes in: none of them above the largest size."""
    largest = int(market.setup.scenario.building.largest_site_mw * 1000)
    left = capacity_kw % largest
    return [largest] * (capacity_kw // largest) + ([left] if left else [])


def new_site(market: "Market", option: BuildOption, capacity_kw: int, *, letter: bool) -> Site:
    """Return a site of a build option, with a name of its own; its clocks start with construction."""
    market.site_count[option.pool.cloud] = market.site_count.get(option.pool.cloud, 0) + 1
    number = market.site_count[option.pool.cloud]
    promised = market.time + math.ceil(option.lead_months)
    rules, place = market.setup.scenario.building, f" {option.pool.region} {number}"
    months = (
        rules.loi_months if letter else math.inf if option.landlord is None else rules.lease_months
    )
    return Site(
        name=f"{option.pool.cloud}{place}",
        drawn_as=f"{market.setup.drawn_as[option.pool.cloud]}{place}",
        pool=option.pool,
        capacity_kw=capacity_kw,
        stage=Stage.LOI if letter else Stage.LEASED,
        opened=market.time,
        promised=promised,
        first_promise=promised,
        landlord=option.landlord,
        rent_usd_per_kw_month=option.rent_usd_per_kw_month,
        deadline=market.time + months,
    )


def start_building(market: "Market", site: Site, cause: str) -> None:
    """Start both clocks of a site and pay for an owned shell (cap-1), if the owners of a venture agree."""
    if not agree(market, site.pool.cloud):
        return
    if site.landlord is None and not _buy_shell(market, site, cause):
        return
    construction, grid = _clocks(market, site)
    started = replace(
        site,
        stage=Stage.BUILDING,
        construction_at=market.time + construction,
        grid_at=market.time + grid,
        equipped=True,
    )
    market.apply(Advanced(site=started, cause=cause))
    market.calendar.add(market.time + max(construction, grid), "power", site.name, rank=1)


def _buy_shell(market: "Market", site: Site, cause: str) -> bool:
    """Pay for an owned shell at once, if there is the cash; return whether it is paid."""
    cost = cents(market.setup.scenario.building.shell_usd_per_kw * site.capacity_kw)
    aid = grants(market, site, cost)
    own = cost - sum(p.cents for p in aid)
    missing = own - market.books.deposits[site.pool.cloud]
    if missing > 0:
        call_capital(market, site.pool.cloud, missing, cause)
    if market.books.deposits[site.pool.cloud] < own:
        return False
    bill = Posting(site.pool.cloud, "Suppliers", cost, "shell", site.name)
    market.post(Posted(postings=(*aid, bill), cause=cause))
    return True


def _clocks(market: "Market", site: Site) -> tuple[float, float]:
    """Draw how long construction and grid connection take from now, months."""
    setup, name = market.setup, site.known_as
    region = setup.scenario.regions[site.pool.region]
    head = setup.scenario.building.head_start
    construction_mean = region.construction_mean_months * head
    grid_mean = (
        region.grid_mean_months * head * grid_multiplier(market, site.pool.cloud, site.pool.region)
    )
    return (
        clock(setup.seed, "construction", name, construction_mean, region.clock_shape),
        clock(setup.seed, "grid", name, grid_mean, region.clock_shape),
    )
