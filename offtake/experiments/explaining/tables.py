"""What was on the table: each cloud's best column for each lot, and why the lot went there or not."""

import math
from typing import Any

import numpy as np

from offtake.model.market import Market
from offtake.model.negotiation import Deal, Round, Table
from offtake.model.pairs import may_sign
from offtake.model.preference import kept_out
from offtake.model.standing import Clause, parties
from offtake.model.traces import Traces

BIDS = {
    "month": int,
    "lab": str,
    "lot": int,
    "lot_start_months": int,
    "lot_h100e": float,
    "cloud": str,
    "region": str,
    "chip": str,
    "room_h100e": float,
    "worth_usd": float,
    "needs_usd": float,
    "surplus_usd": float,
    "taken_h100e": float,
    "price_usd": float,
    "status": str,
    "reason": str,
}
"""Prices are start prices, USD per H100e-hour; `price_usd` is that of the contract signed."""
WON, OUTBID, GONE, NO_GAIN, NO_ROOM, BARRED, NO_QUOTE = (
    "won",
    "outbid",
    "gone",
    "no gain",
    "no room",
    "barred",
    "no quote",
)

type Row = tuple[Any, ...]
"""Values of a row of the table of bids."""


class Listener(Traces):
    """Hears every negotiation of the labs it watches, while the market that explains it is there."""

    def __init__(self, market: Market, watched: frozenset[str]) -> None:
        super().__init__()
        self.market = market
        self.watched = watched
        self.heard: list[Row] = []
        self.best: dict[int, float] = {}
        """Largest joint gain of each lot that was served, in the month heard last."""

    def note(self, month: int, table: Table, found: Round) -> None:
        """Keep what each cloud had for each lot."""
        allowed = may_sign(self.market)
        deals: dict[tuple[int, int], list[Deal]] = {}
        lots = {id(request): at for at, request in enumerate(table.requests)}
        for deal in found.deals:
            deals.setdefault((lots[id(deal.request)], deal.cloud), []).append(deal)
        self.best = _gains(table, deals)
        for lot, request in enumerate(table.requests):
            if request.name in self.watched:
                for cloud in range(len(self.market.setup.clouds)):
                    signed = deals.get((lot, cloud), [])
                    mine = bool(allowed[request.lab, cloud])
                    self.heard.append(self._row(month, table, lot, cloud, signed, may=mine))

    def _row(
        self, month: int, table: Table, lot: int, cloud: int, deals: list[Deal], *, may: bool
    ) -> Row:
        request, name = table.requests[lot], self.market.setup.clouds[cloud]
        columns = np.flatnonzero(table.cloud == cloud)
        known = (month, request.name, lot, request.lot.start_months, request.lot.h100e, name)
        if not may:
            return (*known, "", "", *NOTHING, BARRED, self.bar(request.name, name))
        if not len(columns):
            return (*known, "", "", *NOTHING, NO_QUOTE, NOTHING_TO_QUOTE)
        best = _best(table, lot, columns)
        pool = self.market.setup.pools[table.columns[best].pool_index]
        room = float(table.room[lot, columns].max())
        worth, needs = float(table.value[lot, best]), float(table.cost[lot, best])
        taken = sum(
            d.capacity_kw * float(self.market.setup.theta[d.column.pool_index]) / 1000
            for d in deals
        )
        price = deals[0].price if deals else None
        status, reason = self._judged(table, lot, best, columns, deals)
        return (
            *known,
            pool.region,
            pool.chip,
            room,
            worth,
            needs,
            worth - needs,
            taken,
            price,
            status,
            reason,
        )

    def _judged(
        self, table: Table, lot: int, best: int, columns: np.ndarray, deals: list[Deal]
    ) -> tuple[str, str]:
        """Return what became of a cloud's best column for a lot, and why."""
        if deals:
            return WON, f"signed for {deals[0].term_months} months"
        if not table.allowed[lot, columns].any():
            return BARRED, self.bar_of_columns(table, lot, columns)
        if not (table.room[lot, columns] > 0).any():
            return NO_ROOM, "no capacity free from that start on"
        worth, needs = float(table.value[lot, best]), float(table.cost[lot, best])
        if worth <= needs:
            return NO_GAIN, f"must receive ${needs:.2f}, worth ${worth:.2f} to the lab"
        if worth - needs > self.best.get(lot, -math.inf) + NEARLY:
            return (
                GONE,
                f"its capacity went to lots that gained more than ${worth - needs:.2f} an hour",
            )
        return OUTBID, f"joint gain ${worth - needs:.2f} an hour; the lot gained more elsewhere"

    def bar(self, lab: str, cloud: str) -> str:
        """Return why a pair may not sign: a default, who serves whom, or a clause with its agreement."""
        market = self.market
        failed = [name for name in (lab, cloud) if name in market.books.failed]
        if failed:
            return f"{failed[0]} has failed"
        clause = market.books.forbids(lab, cloud, market.time)
        if clause is not None:
            return clause_text(clause)
        i, j = market.books.lab_index[lab], market.books.cloud_index[cloud]
        if kept_out(market)[i, j]:
            return f"a policy in force keeps it out ({', '.join(sorted(market.books.policies))})"
        return "the scenario does not let them deal (serves or invites)"

    def bar_of_columns(self, table: Table, lot: int, columns: np.ndarray) -> str:
        """Return why none of a cloud's columns may be signed for a lot, though the pair may deal."""
        market, request = self.market, table.requests[lot]
        lab = market.setup.labs[request.lab]
        cloud = market.setup.clouds[int(table.cloud[columns[0]])]
        for column in columns.tolist():
            pool = market.setup.pools[table.columns[column].pool_index]
            clause = market.books.forbids(lab, cloud, market.time, request.lot.purpose, pool.region)
            if clause is not None:
                return clause_text(clause)
        if all(table.columns[j].standby is not None for j in columns.tolist()):
            return "it waits to match others by its first refusal"
        return "its chips do not run the lab's software, damages bar it, or a bid does not pay"


NEARLY = 0.02
"""Clearing is exact to a few price steps, USD per H100e-hour."""
NOTHING = (0.0, None, None, None, 0.0, None)
NOTHING_TO_QUOTE = "nothing free, and nothing it could build in time or pay for"


def _gains(table: Table, deals: dict[tuple[int, int], list[Deal]]) -> dict[int, float]:
    """Return by lot the largest joint gain of its deals, start prices, USD per H100e-hour."""
    places = {id(column): at for at, column in enumerate(table.columns)}
    gains: dict[int, float] = {}
    for (lot, _), some in deals.items():
        for deal in some:
            at = places[id(deal.column)]
            gain = float(table.value[lot, at] - table.cost[lot, at])
            gains[lot] = max(gains.get(lot, gain), gain)
    return gains


def _best(table: Table, lot: int, columns: np.ndarray) -> int:
    """Return the column that gains most, of those open to the lot if there are any."""
    surplus = table.value[lot, columns] - table.cost[lot, columns]
    open_ = table.allowed[lot, columns] & (table.room[lot, columns] > 0)
    ranked = np.where(open_, surplus, surplus - 1e6)
    return int(columns[int(np.argmax(ranked))])


def clause_text(clause: Clause) -> str:
    """Return a clause in words: its kind, its parties and the agreement it stands in."""
    lab, cloud = parties(clause)
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(clause).__name__).strip()
    agreement = getattr(clause, "agreement", "")
    return f"{words} of {cloud} over {lab}" + (f" ({agreement})" if agreement else "")
