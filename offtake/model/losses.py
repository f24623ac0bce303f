"""What the month's deals leave of the largest joint surplus, split by cause (1.13, row A5).

Optima over sets of allocations, each of which contains the next one, are compared at the same worth of
every pair; so the differences are at least zero and add up. Nothing in the market depends on them.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.exclusivity import damages_usd
from offtake.model.negotiation import Request, Round, Table, uses
from offtake.model.pairs import exposures, may_deal, switching_costs
from offtake.model.porting import ported, porting_usd_per_hour
from offtake.model.proposals import Column, Quote
from offtake.model.seeing import cloud_views
from offtake.model.transport import transport_optimum
from offtake.model.view import Ask

if TYPE_CHECKING:
    from offtake.model.market import Market

CAUSES = ("policy", "clause", "information", "friction")
"""Why surplus is missed, in the order in which the causes bind."""
BARRED = 1e9
"""What a pair would lose that cannot deal because the lab's software does not run there, USD."""
GRAIN = 1024
"""Parts of a dollar an hour to which surplus is rounded, a power of two: then sums are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Surplus of the lots on tender in a month, USD an hour, as fewer and fewer causes bind."""

    free: float
    """What could be had without policies and whatever else is named below."""
    lawful: float
    """With the policies in force."""
    agreed: float
    """Within what clauses forbid as well."""
    believed: float
    """Between pairs that both sides believe to gain from."""
    affordable: float
    """Within what buyers can bear (pro-6)."""
    ranked: float
    """If nothing were missed of what the parties believe to be there."""
    achieved: float
    """In the deals of the month."""

    def by_cause(self) -> tuple[float, ...]:
        """Return what each of `CAUSES` costs."""
        information = (self.agreed - self.believed) + (self.affordable - self.ranked)
        friction = self.means + (self.ranked - self.achieved)
        return self.free - self.lawful, self.lawful - self.agreed, information, friction

    @property
    def means(self) -> float:
        """Part of the friction that is due to what buyers can bear."""
        return self.believed - self.affordable


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worth:
    """What every pair of lot and column is worth with its best package, at the truth."""

    best: np.ndarray
    """USD per H100e-hour by lot and column."""
    room: np.ndarray
    cloud: np.ndarray

    def optimum(self, wanted: np.ndarray, allowed: np.ndarray) -> float:
        """Return the largest surplus between pairs that are allowed."""
        return _optimum(self.best, self.room, wanted, allowed)


def losses(
    market: "Market",
    requests: Sequence[Request],
    ask: Ask,
    table: Table | None,
    deals: Round | None,
) -> Losses:
    """Return the surplus of a month's lots as causes are lifted one by one.

    Notes
    -----
    *Worth.* A pair is worth what the lot would pay less what the cloud would ask if it saw all that
    its rivals have free (exp-5 with full visibility): the truth as far as it exists in the month. What
    comes later, need and prices, is known to nobody, and is no loss.

    *Policy.* Clouds quote again as though no policy were in force: where they may build, how much, how
    soon, at what cost and to whom. The optimum may use these quotes or those of the month. What policies
    have stopped before is not undone.

    *Clause.* Every pair that could deal at all may deal: exclusivities, their damages, and whoever stays
    out of a tender because of a first refusal are lifted. What promises on later purchases are worth
    to a pair is no surplus of this month's lots.

    *Information.* Pairs are open that the cloud's own floor, believing in scarcity, closes; and what
    deals miss at the truth beyond what they miss at the values both sides believe in.

    *Friction.* What buyers cannot bear, and what deals miss at the values both sides believe in, by
    clearing in increments, least sizes, whole kilowatts, and what labs give up so as to depend less.
    """
    wanted = np.array([r.lot.h100e for r in requests])
    open_ = may_deal(market)[ask.lab]
    free = _quoted(market, ask, lifted=True) if market.books.policies else []
    truth = _quoted(market, ask, lifted=False)
    switching = switching_costs(market, exposures(market))[ask.lab]
    steps = [0.0] * 6
    if table is not None:
        columns = _matched(table, truth)
        worth = _worth(market, requests, ask, columns, table.cloud, switching)
        own = _worth(market, requests, ask, table.columns, table.cloud, switching)
        damages = _damages(market, table)  # money that changes hands: no loss, but a bar
        known = table.allowed & (own.best > damages)
        paid = np.minimum(table.value + damages - table.cost + worth.best - own.best, worth.best)
        achieved, affordable = _achieved(table, deals, paid), _affordable(table, paid)
        steps = [
            achieved,
            min(achieved + (max(deals.optimum - deals.surplus, 0.0) if deals else 0.0), affordable),
            affordable,
            worth.optimum(wanted, known),
            worth.optimum(wanted, table.allowed & (np.maximum(worth.best, own.best) > damages)),
            worth.optimum(wanted, open_[:, table.cloud]),
        ]
    unbound_pairs = may_deal(_seeing_all(market, lifted=True))[ask.lab]
    steps.append(_best_of(market, requests, ask, free, switching, unbound_pairs))
    achieved, ranked, affordable, believed, agreed, lawful, unbound = nested(steps)
    return Losses(
        free=unbound,
        lawful=lawful,
        agreed=agreed,
        believed=believed,
        affordable=affordable,
        ranked=ranked,
        achieved=achieved,
    )


def nested(steps: Sequence[float]) -> list[float]:
    """Return optima over growing sets as sums that are exact in binary, none below the one before.

    A set holds the solutions of the smaller one: where its optimum falls short, that is the tolerance
    of the solver.

    Examples
    --------
    >>> nested([2.0, 2.0 - 1e-9, 3.5])
    [2.0, 2.0, 3.5]
    """
    return [round(step * GRAIN) / GRAIN for step in accumulate(steps, max)]


def _quoted(market: "Market", ask: Ask, *, lifted: bool) -> list[tuple[int, Quote]]:
    """Return what clouds would quote if they saw all that is free, with or without policies."""
    views = cloud_views(_seeing_all(market, lifted=lifted))
    return [(v.index, market.participants[n].decide("pricer", v, ask)) for n, v in views.items()]


def _seeing_all(market: "Market", *, lifted: bool) -> "Market":
    """Return the market to look at as though rivals hid nothing, and no policy were in force.

    It is a shallow copy for views, which only read; the market itself stays as it is.
    """
    scenario = market.setup.scenario
    beliefs = scenario.beliefs.model_copy(update={"visibility": 1.0})
    other = copy.copy(market)
    other.setup = replace(market.setup, scenario=scenario.model_copy(update={"beliefs": beliefs}))
    if lifted:
        other.books = copy.copy(market.books)
        other.books.policies = set()
    return other


def _damages(market: "Market", table: Table) -> np.ndarray:
    """Return by lot and column what breaking exclusivities costs the lab, USD per H100e-hour."""
    pools = [column.pool_index for column in table.columns]
    return np.stack([damages_usd(market, r.lot.purpose)[r.lab, pools] for r in table.requests])


def _matched(table: Table, quotes: Sequence[tuple[int, Quote]]) -> Sequence[Column]:
    """Return the columns of a table with the truth in them; those of a cloud that quotes others stay."""
    told: Mapping[int, Sequence[Column]] = {index: quote.columns for index, quote in quotes}
    columns = list(table.columns)
    for index in np.unique(table.cloud).tolist():
        mine = np.flatnonzero(table.cloud == index).tolist()
        found = told.get(index, ())
        if [_place(columns[j]) for j in mine] == [_place(column) for column in found]:
            for j, column in zip(mine, found, strict=True):
                columns[j] = column
    return columns


def _place(column: Column) -> tuple[int, bool]:
    return column.pool_index, column.option is not None


def _worth(
    market: "Market",
    requests: Sequence[Request],
    ask: Ask,
    columns: Sequence[Column],
    cloud: np.ndarray,
    switching: np.ndarray,
) -> _Worth:
    values = np.array([r.lot.value for r in requests])
    take, use = uses(market.setup.rules, values, market.contract_price)
    capital = np.stack([c.capital for c in columns], axis=1)
    running = np.array([c.running for c in columns])[None, :, None, None]
    surplus = take[:, None] - capital - running * use[:, None]
    best = surplus.reshape(len(requests), len(columns), -1).max(axis=2) - switching[:, cloud]
    if len(market.setup.classes) > 1:
        cell = np.ix_(ask.lab, market.setup.pool_class[[c.pool_index for c in columns]])
        runs = ported(market)[cell] > 0
        best = np.where(runs, best - porting_usd_per_hour(market)[cell], -BARRED)
    room = np.stack([c.room_h100e for c in columns], axis=1)
    return _Worth(best=best, room=room, cloud=cloud)


def _optimum(
    surplus: np.ndarray, room: np.ndarray, wanted: np.ndarray, allowed: np.ndarray
) -> float:
    worth = np.where(allowed & (room > 0), surplus, -np.inf)
    return transport_optimum(worth, wanted, room.max(axis=0), np.minimum(room, wanted[:, None]))


def _best_of(
    market: "Market",
    requests: Sequence[Request],
    ask: Ask,
    quotes: Sequence[tuple[int, Quote]],
    switching: np.ndarray,
    open_: np.ndarray,
) -> float:
    """Return the optimum over other quotes than those of the month."""
    columns = [column for _, quote in quotes for column in quote.columns]
    if not columns:
        return 0.0
    cloud = np.array([index for index, quote in quotes for _ in quote.columns])
    worth = _worth(market, requests, ask, columns, cloud, switching)
    return worth.optimum(np.array([r.lot.h100e for r in requests]), open_[:, cloud])


def _affordable(table: Table, worth: np.ndarray) -> float:
    return _optimum(worth, table.room, table.wanted, table.allowed & (table.value > table.cost))


def _achieved(table: Table, deals: Round | None, worth: np.ndarray) -> float:
    lots = {id(request): i for i, request in enumerate(table.requests)}
    columns = {id(column): j for j, column in enumerate(table.columns)}
    gained = []
    for deal in deals.deals if deals else ():
        i, j = lots[id(deal.request)], columns[id(deal.column)]
        gained.append(deal.capacity_kw * float(table.theta[j] * worth[i, j]))
    return math.fsum(gained)
