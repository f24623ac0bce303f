"""What the page may see of a market: frozen at the end of a month, never touched again.

A market changes while it steps. Nothing of it that changes leaves this file: arrays are read-only views
of what the recorder has put away, and everything else is frozen data of the model or a tuple of it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from offtake.model.books import EXTERNAL
from offtake.model.contracts import Contract, Site
from offtake.model.events import Believed
from offtake.model.market import Market
from offtake.model.months import date_of, month_of
from offtake.model.observables import TABLE
from offtake.model.recorder import Telling
from offtake.model.scenario import Scenario
from offtake.model.setup import Setup
from offtake.model.standing import Clause

KW_PER_MW = 1000


class Mark(NamedTuple):
    """A dated event of the scenario."""

    month: float
    date: dt.date
    what: str


class Held(NamedTuple):
    """A contract in force: what was signed, and where it stands."""

    contract: Contract
    capacity_kw: int
    delivered_kw: int
    price_usd_per_h100e_hour: float


class Debt(NamedTuple):
    """What one participant owes another, or holds in it at cost."""

    holder: str
    issuer: str
    kind: str
    cents: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cast:
    """Who and what a market has from its first month to its last."""

    scenario: str
    question: str
    start: dt.date
    months: int
    seed: int
    labs: tuple[str, ...]
    clouds: tuple[str, ...]
    listed: tuple[str, ...]
    """Labs and clouds as the scenario lists them, labs first."""
    kinds: Mapping[str, str]
    """Role by participant, accounts of the rest of the world left out."""
    marks: tuple[Mark, ...]

    def date(self, month: float) -> dt.date:
        """Return the day that stands some months after the start."""
        return date_of(self.start, month)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A market at the end of a month."""

    month: int
    """Months that have ended."""
    values: Mapping[str, np.ndarray]
    """Every observable of the month, in the order of its index; read only."""
    capacity_h100e: float
    """Energised capacity that is for sale, H100e."""
    contracts: tuple[Held, ...]
    sites: tuple[Site, ...]
    deposits_cents: Mapping[str, int]
    debts: tuple[Debt, ...]
    clauses: tuple[Clause, ...]
    policies: frozenset[str]
    believed: Believed | None
    told: tuple[Mapping[str, Any], ...]
    """The month's events, as rows of the table of events."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """The months of a run so far, each a snapshot; a longer one shares all it has with a shorter one."""

    cast: Cast
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def month(self) -> int:
        """Months recorded."""
        return len(self.snapshots)

    @property
    def ended(self) -> bool:
        """Whether the scenario has come to its end."""
        return self.month >= self.cast.months

    def at(self, month: int) -> Snapshot | None:
        """Return the snapshot after a number of months; the last one where there are not as many."""
        return self.snapshots[min(month, self.month) - 1] if self.month and month > 0 else None

    def until(self, month: int) -> "Recording":
        """Return the recording as it was after a number of months."""
        return replace(self, snapshots=self.snapshots[:month])

    def values(self, observable: str) -> np.ndarray:
        """Return an observable, a row a month."""
        rows = [snapshot.values[observable] for snapshot in self.snapshots]
        return np.array(rows) if rows else np.zeros((0, 1))

    def total(self, observable: str) -> np.ndarray:
        """Return the sum of an observable over all it is about, month by month."""
        return np.nansum(self.values(observable), axis=1)

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield the events told so far, the latest first."""
        for snapshot in reversed(self.snapshots):
            yield from reversed(snapshot.told)

    def latest(self, count: int) -> list[Mapping[str, Any]]:
        """Return the latest events, the latest first."""
        return list(islice(self.events(), count))


class Watcher:
    """Takes a snapshot of a market for each month that has ended.

    The recorder's lists only grow, one observable after the other: a month counts as ended once every
    observable has it. What is read is never half a month, even if another thread is stepping the market.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._telling = Telling(market)
        self.recording = Recording(cast=cast_of(market.setup, market.books.kinds))

    def look(self) -> Recording:
        """Return the recording up to the last month that has ended."""
        recorded = self._market.recorder.values
        ended = min(map(len, recorded.values()))
        known = self.recording.month
        if ended > known:
            taken = tuple(self._snapshot(month) for month in range(known, ended))
            shots = (*self.recording.snapshots, *taken)
            self.recording = replace(self.recording, snapshots=shots)
        return self.recording

    def _snapshot(self, row: int) -> Snapshot:
        books, setup = self._market.books, self._market.setup
        recorded = self._market.recorder.values
        for_sale_kw = books.energised_kw - books.own_kw
        deposits = {n: c for n, c in books.deposits.copy().items() if n not in EXTERNAL}
        return Snapshot(
            month=row + 1,
            values=MappingProxyType({o.name: _read_only(recorded[o.name][row]) for o in TABLE}),
            capacity_h100e=float(for_sale_kw @ setup.theta) / KW_PER_MW,
            contracts=tuple(_in_force(self._market)),
            sites=tuple(books.sites.copy().values()),
            deposits_cents=MappingProxyType(deposits),
            debts=tuple(
                Debt(*key[:3], cents) for key, cents in books.claims.copy().items() if cents
            ),
            clauses=tuple(books.clauses),
            policies=frozenset(books.policies.copy()),
            believed=books.believed,
            told=tuple(MappingProxyType(event) for event in self._telling.more()),
        )


def _read_only(values: np.ndarray) -> np.ndarray:
    view = values.view()
    view.flags.writeable = False
    return view


def _in_force(market: Market) -> Iterator[Held]:
    columns = market.books.contracts
    live = np.flatnonzero(columns.live[: columns.size]).tolist()
    for row in live:
        yield Held(
            columns.facts[row],
            int(columns.kw[row]),
            int(columns.delivered_kw[row]),
            float(columns.price[row]),
        )


def cast_of(setup: Setup, kinds: Mapping[str, str]) -> Cast:
    """Return who and what a market has."""
    scenario = setup.scenario
    return Cast(
        scenario=scenario.name,
        question=scenario.question,
        start=scenario.start,
        months=scenario.months,
        seed=setup.seed,
        labs=tuple(setup.labs),
        clouds=tuple(setup.clouds),
        listed=(*scenario.labs, *scenario.clouds),
        kinds=MappingProxyType({n: k for n, k in kinds.items() if n not in EXTERNAL}),
        marks=_marks(setup),
    )


def _marks(setup: Setup) -> tuple[Mark, ...]:
    """Return what the scenario dates and happens in its months, in order."""
    scenario = setup.scenario
    dated = ((day, what) for day, what in _dated(scenario) if day is not None)
    marks = (Mark(month_of(scenario.start, day), day, what) for day, what in dated)
    return tuple(sorted(mark for mark in marks if 0 < mark.month <= scenario.months))


def _dated(scenario: Scenario) -> Iterator[tuple[dt.date | None, str]]:
    """Yield events, policies, tranches and the ends of clauses with their days."""
    for event in scenario.events.values():
        yield event.on, event.what
    for name, policy in scenario.policies.items():
        yield policy.effective, f"{name} takes effect"
        yield policy.until, f"{name} ends"
    for name, tranche in scenario.tranches.items():
        yield tranche.due, f"{name} falls due"
    for name, agreement in scenario.agreements.items():
        yield agreement.exclusive_until, f"{name}: exclusivity ends"
        yield agreement.first_refusal_until, f"{name}: first refusal ends"
        yield agreement.revenue_share_until, f"{name}: revenue share ends"
        yield agreement.reach_until, f"{name}: exclusive channel ends"


_WATCHER = "page_watcher"


def recording_of(seen: Market | Recording) -> Recording:
    """Return a recording as it is, and of a market what has ended of it.

    This is what lets the page's components stand on Mesa's own page too, which hands them the model. The
    watcher stays with its market, so that both go together.
    """
    if isinstance(seen, Recording):
        return seen
    watcher: Watcher = vars(seen).setdefault(_WATCHER, Watcher(seen))
    return watcher.look()
