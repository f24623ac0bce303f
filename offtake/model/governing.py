"""Governments: policies come into force and end, and clocks that run follow."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.chance import stream
from offtake.model.competition import void_unlawful
from offtake.model.concentration import herfindahl
from offtake.model.contracts import Site, Stage
from offtake.model.control import foreign_part
from offtake.model.events import Advanced, Enacted, Repealed
from offtake.model.omissions import Omission
from offtake.model.permits import grid_multiplier
from offtake.model.proposals import Enact
from offtake.model.view import GovernmentView

if TYPE_CHECKING:
    from offtake.model.market import Market


def enact(market: "Market") -> None:
    """Governments may change policy by their own reaction rules (1.11)."""
    scenario = market.setup.scenario
    hhi = herfindahl(market)
    for name, _ in market.setup.placed(scenario.governments):
        mine = {p: g for p, g in sorted(scenario.policies.items()) if g.government == name}
        view = GovernmentView(
            name=name,
            time=market.time,
            scheduled={p: market.setup.policy_dates[p] for p in mine},
            in_force=frozenset(market.books.policies & set(mine)),
            instruments={p: g.instrument for p, g in mine.items()},
            hhi=hhi,
            foreign_share=foreign_share(market, name),
            scarcity=scarcity(market),
            draw=float(
                stream(
                    market.setup.seed, "regulator", market.setup.drawn_as[name], market.month
                ).random()
            ),
        )
        for change in market.participants[name].decide("regulator", view):
            change_policy(market, change.policy, isinstance(change, Enact), f"proposal:{name}")


def foreign_share(market: "Market", government: str) -> float:
    """Return the part of energised capacity at home that is owned from abroad, in [0, 1]."""
    setup = market.setup
    home = [p for p, pool in enumerate(setup.pools) if _at_home(market, pool.region, government)]
    total = math.fsum(market.books.energised_kw[home].tolist())
    foreign = math.fsum(
        float(market.books.energised_kw[p])
        * foreign_part(setup.scenario, setup.homes, setup.pools[p].cloud, government)
        for p in home
        if market.books.energised_kw[p] > 0
    )
    return foreign / total if total > 0 else 0.0


def _at_home(market: "Market", region: str, government: str) -> bool:
    return market.setup.scenario.regions[region].domestic_to == government


def scarcity(market: "Market") -> float:
    """Return the share of labs' need that no compute meets this month, in [0, 1]."""
    served = market.books.served
    assert served is not None
    need = served.load_h100e + served.training_need_h100e
    met = np.minimum(served.delivered_h100e.sum(axis=1), need)
    total = math.fsum(need.tolist())
    return 1 - math.fsum(met.tolist()) / total if total > 0 else 0.0


def change_policy(market: "Market", name: str, enacted: bool, cause: str) -> None:
    """Bring a policy into force or end it; clocks that still run follow a new permitting rule."""
    if enacted == (name in market.books.policies):
        return
    if Omission("enact" if enacted else "repeal", name) in market.without:
        return
    waiting = _waiting(market)
    places = {(s.pool.cloud, s.pool.region) for s in waiting}
    before = {place: grid_multiplier(market, *place) for place in places}
    market.apply((Enacted if enacted else Repealed)(policy=name, cause=cause))
    for site in waiting:
        place = (site.pool.cloud, site.pool.region)
        new = grid_multiplier(market, *place)
        if new != before[place]:
            _move_grid_clock(market, site, new / before[place], f"policy:{name}")
    void_unlawful(market)


def _waiting(market: "Market") -> list[Site]:
    """Return the sites whose grid clock runs, those without a tenant included."""
    books = market.books
    stage = {name: left.stage for name, left in books.given_up.items()}
    return [
        site
        for name, site in books.sites.items()
        if stage.get(name, site.stage) is Stage.BUILDING and site.grid_at > market.time
    ]


def _move_grid_clock(market: "Market", site: Site, factor: float, cause: str) -> None:
    grid_at = market.time + (site.grid_at - market.time) * factor
    market.apply(Advanced(site=replace(site, grid_at=grid_at), cause=cause))
    due = max(site.construction_at, grid_at)
    market.calendar.add(max(due, market.time), "power", site.name, rank=1)
