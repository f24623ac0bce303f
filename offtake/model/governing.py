"""Governments: policies come into force and end, and clocks that run follow."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from offtake.model.concentration import herfindahl
from offtake.model.contracts import Stage
from offtake.model.events import Advanced, Enacted, Repealed
from offtake.model.months import month_of
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
            scheduled={p: policy_dates(market, p) for p in mine},
            in_force=frozenset(market.books.policies & set(mine)),
            hhi=hhi,
        )
        for change in market.participants[name].decide("regulator", view):
            change_policy(market, change.policy, isinstance(change, Enact), f"proposal:{name}")


def policy_dates(market: "Market", name: str) -> tuple[float, float]:
    """Return from when until when a policy is scheduled, months."""
    given = market.setup.scenario.policies[name]
    until = math.inf if given.until is None else month_of(market.setup.scenario.start, given.until)
    return month_of(market.setup.scenario.start, given.effective), until


def change_policy(market: "Market", name: str, enacted: bool, cause: str) -> None:
    """Bring a policy into force or end it; clocks that still run follow a new permitting rule."""
    if enacted == (name in market.books.policies):
        return
    before = {r: grid_multiplier(market, r) for r in market.setup.scenario.regions}
    market.apply((Enacted if enacted else Repealed)(policy=name, cause=cause))
    for region, old in before.items():
        new = grid_multiplier(market, region)
        if new != old:
            _move_grid_clocks(market, region, new / old, f"policy:{name}")


def _move_grid_clocks(market: "Market", region: str, factor: float, cause: str) -> None:
    for name, site in list(market.books.sites.items()):
        left = market.books.given_up.get(name)
        stage = left.stage if left else site.stage
        waits = stage is Stage.BUILDING and site.grid_at > market.time
        if site.pool.region == region and waits:
            grid_at = market.time + (site.grid_at - market.time) * factor
            market.apply(Advanced(site=replace(site, grid_at=grid_at), cause=cause))
            due = max(site.construction_at, grid_at)
            market.calendar.add(max(due, market.time), "power", name, rank=1)
