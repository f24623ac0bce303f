"""The market: a Mesa model whose month is a page of phases and whose dates stand in a calendar."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import mesa
import numpy as np
from mesa.time import Priority, Schedule

from offtake.model.auctions import SpotAuction, spot_auction
from offtake.model.bargaining import Bargainer
from offtake.model.books import Books
from offtake.model.calendar import Calendar
from offtake.model.dates import run_due
from offtake.model.events import AnyEvent, Posted, Posting
from offtake.model.invariants import InvariantViolation, violations
from offtake.model.losses import Losses
from offtake.model.month import PHASES
from offtake.model.negotiation import Round, Table
from offtake.model.observables import HEADLINE, load_observables
from offtake.model.omissions import Omission
from offtake.model.opening import calibrated, date_everything, opening
from offtake.model.plugins import role
from offtake.model.policies import Policy, policy
from offtake.model.proposals import Tender
from offtake.model.protocols import bargainer
from offtake.model.recorder import Recorder
from offtake.model.scenario import Scenario
from offtake.model.setup import ROLES, set_up
from offtake.model.traces import Traces
from offtake.model.training import training_shares
from offtake.model.view import CloudView, LabView

__all__ = ["PHASES", "InvariantViolation", "Market"]


class Market(mesa.Model):
    """An AI-compute market as an ordinary Mesa model: `step()` is a month.

    Parameters
    ----------
    scenario
        What is given before the first month.
    rng
        Seed of the run, an integer: every draw is addressed by it and by its own name.
    check
        Whether the invariants are checked at the end of every month.
    trace
        Whether every negotiation is kept: its table, and each offer as a row of `negotiations`.
    strategies
        Strategies by participant and port, for those that the scenario does not name.
    without
        What is left out of an otherwise equal run, for counterfactuals.

    Examples
    --------
    >>> import offtake as ot
    >>> market = ot.Market(ot.load_scenario("duopoly"), rng=1)
    >>> market.run_until(2.5)
    >>> market.time
    2.5
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        rng: int = 1,
        check: bool = True,
        trace: bool = False,
        strategies: Mapping[str, Mapping[str, Any]] | None = None,
        without: Collection[Omission] = (),
    ) -> None:
        super().__init__(rng=int(rng))
        self.setup = set_up(scenario, int(rng))
        self.scenario_data = scenario
        self.check = check
        self.without = frozenset(without)
        self.traces = Traces() if trace else None
        rules = scenario.negotiation
        self.bargainer: Bargainer = bargainer(rules.bargainer, rules.protocol)
        self.spot_auction: SpotAuction = spot_auction(rules.spot_auction, rules.spot_k)
        self.calendar = Calendar()
        self.books = Books(
            labs=self.setup.labs,
            clouds=self.setup.clouds,
            pools=self.setup.pools,
            theta=self.setup.theta,
            priority=self.setup.priority,
            horizon=self.setup.horizon,
        )
        self.policies: dict[str, Policy] = {
            name: policy(name, given) for name, given in sorted(scenario.policies.items())
        }
        self.participants: dict[str, Any] = {}
        self._enter(strategies or {})
        for event in opening(self.setup, self.books):
            self.apply(event)
        assert self.books.served is not None
        self.appeal, self.conduct = calibrated(self.setup, self.books.served, self.books.reach())
        self.fixed_values = np.array(
            [scenario.labs[n].value_usd_per_h100e_hour for n in self.setup.labs]
        )
        self.fixed_training = np.array([scenario.labs[n].training_h100e for n in self.setup.labs])
        self.training_shares = training_shares(self)
        labs, clouds = len(self.setup.labs), len(self.setup.clouds)
        self.told_growth: dict[int, float] = {}
        self.burn_usd = np.zeros(labs)
        self.signed_prices: list[tuple[float, float]] = []
        self.awards_h100e = np.zeros((labs, clouds))
        self.delivered_h100e = np.zeros(0)
        self.delivered_kw = np.zeros(clouds)
        self.bought_h100e: dict[str, float] = {}
        self.delivered_by_class = np.zeros((labs, len(self.setup.classes)))
        self.used_h100e = np.zeros(0)
        self.posted_from = 0
        self.spot_values = np.zeros((2, labs))
        self.views: dict[str, CloudView] = {}
        self.lab_views: dict[str, LabView] = {}
        self.tenders: list[Tender] = []
        self.round: Round | None = None
        self.losses: Losses | None = None
        self.table: Table | None = None
        self.site_count: dict[str, int] = {}
        self.contract_count: dict[tuple[str, str], int] = {}
        load_observables()
        self.offer_count = 0
        self.recorder = Recorder(self.setup)
        self.datacollector = mesa.DataCollector(model_reporters=dict(HEADLINE))
        date_everything(self.setup, self.books, self.calendar)
        run_due(self, 0.0)
        self._wakes_at = math.inf
        self._wake_for_next()
        self.schedule_recurring(
            self._tick, Schedule(interval=1.0, start=1.0), priority=Priority.LOW
        )

    def step(self) -> None:
        """Do nothing: the month is a recurring event that closes its instant (row E2)."""

    # The clock

    def _tick(self) -> None:
        if self.month > self.setup.scenario.months:
            self.running = False
            return
        run_due(self, self.time)
        for phase in PHASES:
            phase.run(self)
        self.datacollector.collect(self)
        self.posted_from = len(self.books.postings)
        run_due(self, self.time)
        self._wake_for_next()
        if self.month >= self.setup.scenario.months:
            self.running = False

    def _wake(self) -> None:
        self._wakes_at = math.inf
        if self.time > self.setup.scenario.months:
            return  # the scenario has ended
        run_due(self, self.time)
        self._wake_for_next()

    def _wake_for_next(self) -> None:
        """Tell Mesa when to wake the market next; at whole months the tick is there already."""
        moment = self.calendar.next_time()
        between = math.isfinite(moment) and moment != math.floor(moment)
        if between and self.time < moment < self._wakes_at:
            self._wakes_at = moment
            self.schedule_event(self._wake, at=moment)

    @property
    def month(self) -> int:
        """Months that have ended."""
        return int(self.time)

    # Changing the books

    def apply(self, event: AnyEvent) -> int:
        """Make an event true now; return its number in the journal."""
        return self.books.apply(event, self.time)

    def post(self, entry: Posted | None) -> None:
        """Post an entry, if there is one."""
        if entry is not None and (entry.postings or entry.claims):
            self.apply(entry)

    # Numbers that several phases read

    @property
    def month_postings(self) -> list[Posting]:
        """Money that has moved since the last month was recorded."""
        return self.books.postings[self.posted_from :]

    @property
    def adopters_million(self) -> float:
        """Users of any lab or of the outside good, million."""
        assert self.books.served is not None
        return self.books.served.adopters_share * self.setup.scenario.demand.potential_users_million

    @property
    def contract_price(self) -> float:
        """Public index of contract prices, start price, USD per H100e-hour."""
        assert self.books.believed is not None
        return self.books.believed.contract_price

    # Looking at it

    def check_invariants(self) -> None:
        """Raise `InvariantViolation` if anything that must always hold does not (I1 to I11)."""
        broken = violations(self)
        if broken:
            raise InvariantViolation(self.time, broken)

    def frames(
        self, only: Collection[str] | None = None, *, observables: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Return the tables of the run as Polars frames: trajectories, contracts, sites, flows, events.

        Where the run is traced there is one more, negotiations. `only` names the tables that are
        made, `observables` those of the trajectories: what is not asked for costs nothing.
        """
        return self.recorder.frames(self, only, observables)

    def _enter(self, strategies: Mapping[str, Mapping[str, Any]]) -> None:
        for table, kind in ROLES.items():
            entrant = role(kind)
            for name, data in self.setup.placed(getattr(self.setup.scenario, table)):
                chosen = {**data.strategies, **strategies.get(name, {})}
                self.participants[name] = entrant(self, name=name, data=data, strategies=chosen)
