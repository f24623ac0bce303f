"""The market: a Mesa model whose month is a page of phases and whose dates stand in a calendar."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import mesa
import numpy as np
from mesa.time import Priority, Schedule

from offtake.model.bargaining import BARGAINERS, Bargainer
from offtake.model.books import Books
from offtake.model.calendar import Calendar, Entry
from offtake.model.chance import stream
from offtake.model.contracts import Stage, Tranche
from offtake.model.events import (
    Advanced,
    Agreed,
    AnyEvent,
    Cancelled,
    Claim,
    Ended,
    Happened,
    Lapsed,
    Posted,
    Posting,
    Settled,
    Stepped,
)
from offtake.model.first_refusal import close_window
from offtake.model.fitting import energise
from offtake.model.governing import change_policy
from offtake.model.invariants import InvariantViolation, violations
from offtake.model.month import PHASES
from offtake.model.negotiation import Round, Table
from offtake.model.observables import HEADLINE
from offtake.model.opening import (
    calibrated,
    clauses_at,
    date_everything,
    opening,
)
from offtake.model.plugins import role
from offtake.model.policies import Policy, policy
from offtake.model.proposals import Tender
from offtake.model.recorder import Recorder
from offtake.model.scenario import Scenario
from offtake.model.setup import set_up
from offtake.model.training import training_shares
from offtake.model.view import CloudView, LabView

ROLES = {
    "labs": "lab",
    "clouds": "cloud",
    "landlords": "landlord",
    "investors": "investor",
    "lenders": "lender",
    "governments": "government",
}
INVESTING_SHARE = 0.25
"""Share of its cash that a lab or a cloud puts into a venture at most."""

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
        Whether the table of every negotiation is kept.
    strategies
        Strategies by participant and port, for those that the scenario does not name.

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
    ) -> None:
        super().__init__(rng=int(rng))
        self.setup = set_up(scenario, int(rng))
        self.scenario_data = scenario
        self.check = check
        self.trace = trace
        self.bargainer: Bargainer = _bargainer(scenario.negotiation.bargainer)
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
        self.appeal, self.conduct = calibrated(self.setup, self.books.served)
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
        self.used_h100e = np.zeros(0)
        self.posted_from = 0
        self.spot_values = np.zeros((2, labs))
        self.views: dict[str, CloudView] = {}
        self.lab_views: dict[str, LabView] = {}
        self.tenders: list[Tender] = []
        self.round: Round | None = None
        self.table: Table | None = None
        self.tables: list[tuple[int, Table, Round]] = []
        self.site_count: dict[str, int] = {}
        self.contract_count: dict[tuple[str, str], int] = {}
        self.recorder = Recorder(self.setup)
        self.datacollector = mesa.DataCollector(model_reporters=dict(HEADLINE))
        date_everything(self.setup, self.books, self.calendar)
        self._run_due(0.0)
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
        self._run_due(self.time)
        for phase in PHASES:
            phase.run(self)
        self.datacollector.collect(self)
        self.posted_from = len(self.books.postings)
        self._run_due(self.time)
        self._wake_for_next()
        if self.month >= self.setup.scenario.months:
            self.running = False

    def _wake(self) -> None:
        self._wakes_at = math.inf
        if self.time > self.setup.scenario.months:
            return  # the scenario has ended
        self._run_due(self.time)
        self._wake_for_next()

    def _wake_for_next(self) -> None:
        """Tell Mesa when to wake the market next; at whole months the tick is there already."""
        moment = self.calendar.next_time()
        between = math.isfinite(moment) and moment != math.floor(moment)
        if between and self.time < moment < self._wakes_at:
            self._wakes_at = moment
            self.schedule_event(self._wake, at=moment)

    def _run_due(self, until: float) -> None:
        while (entry := self.calendar.due(until)) is not None:
            self._act(entry)

    def _act(self, entry: Entry) -> None:
        action, _, detail = entry.action.partition(" ")
        if action == "window":
            close_window(self, entry.name, detail)
        else:
            getattr(self, f"_on_{action}")(entry.name, detail)

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

    # What the calendar does

    def _on_step(self, name: str, detail: str) -> None:
        books = self.books
        row = books.contracts.row.get(name)
        if row is None or books.contracts.state[row] not in ("signed", "active"):
            return
        contract = books.contracts.facts[row]
        kw = contract.ramp.steps_kw(contract.capacity_kw)[int(detail)]
        self.apply(Stepped(contract=name, capacity_kw=kw, cause=f"contract:{name}"))

    def _on_end(self, name: str, _: str) -> None:
        row = self.books.contracts.row.get(name)
        if row is not None and self.books.contracts.state[row] in ("signed", "active"):
            self.apply(Ended(contract=name, cause=f"contract:{name}"))

    def _on_lapse(self, name: str, _: str) -> None:
        if self.books.sites[name].stage is Stage.LOI:
            self.apply(Cancelled(site=name, cause="deadline of the letter of intent"))

    def _on_power(self, name: str, _: str) -> None:
        site = self.books.sites[name]
        due = max(site.construction_at, site.grid_at)
        if site.stage not in (Stage.BUILDING, Stage.POWERED) or due > self.time:
            return  # cancelled, or its clock was moved
        cause = f"site:{name}"
        delivers = site.equipped and energise(self, name, cause)
        if not delivers and site.stage is Stage.BUILDING:
            self.apply(Advanced(site=replace(site, stage=Stage.POWERED), cause=cause))

    def _on_agreement(self, name: str, _: str) -> None:
        before = [c for c in self.books.clauses if self._clause_of(name, c)]
        now = clauses_at(self.setup.scenario, name, self.time)
        cause = f"scenario:agreements.{name}"
        for clause in before:
            if clause not in now:
                self.apply(Lapsed(clause=clause, cause=cause))
        for clause in now:
            if clause not in before:
                self.apply(Agreed(clause=clause, cause=cause))

    def _clause_of(self, name: str, clause: Any) -> bool:
        given = self.setup.scenario.agreements[name]
        other = getattr(clause, "holder", None) or getattr(clause, "cloud", None)
        return clause.lab == given.lab and other == given.cloud

    def _on_tranche(self, name: str, _: str) -> None:
        tranche = self.books.tranches[name]
        met, why = self._condition(tranche)
        owed = tranche.amount_cents if met else tranche.reduced_cents
        amount = self._raise_cash(tranche.investor, owed, name)
        cause = f"tranche:{name}, {why}"
        if amount > 0 and tranche.issuer not in self.books.failed:
            self.post(
                Posted(
                    postings=(Posting(tranche.investor, tranche.issuer, amount, "tranche", name),),
                    claims=(Claim(tranche.investor, tranche.issuer, "equity", amount),),
                    cause=cause,
                )
            )
        outcome = "paid" if amount == tranche.amount_cents else "reduced" if amount else "lapsed"
        self.apply(Settled(tranche=name, paid_cents=amount, outcome=outcome, cause=cause))

    def _condition(self, tranche: Tranche) -> tuple[bool, str]:
        match tranche.condition:
            case "governance":
                draw = stream(self.setup.seed, "condition", tranche.condition_name).random()
                return draw < tranche.probability, "governance condition"
            case "energised-mw":
                return self._energised_mw(tranche.issuer) >= tranche.at_least, "energised MW"
            case "revenue":
                return self._run_rate_usd(tranche.issuer) >= tranche.at_least, "run-rate"
            case "policy":
                return tranche.policy in self.books.policies, f"policy {tranche.policy}"
            case _:
                return True, "unconditional"

    def _energised_mw(self, issuer: str) -> float:
        if issuer not in self.books.cloud_index:
            return 0.0
        mine = self.setup.pool_cloud == self.books.cloud_index[issuer]
        return float(self.books.energised_kw[mine].sum()) / 1000

    def _run_rate_usd(self, issuer: str) -> float:
        assert self.books.served is not None
        if issuer not in self.books.lab_index:
            return 0.0
        return 12 * float(self.books.served.revenue_usd[self.books.lab_index[issuer]])

    def _raise_cash(self, investor: str, owed: int, reference: str) -> int:
        """Sell assets for what cash does not cover; return what can be paid, cents (fin-1)."""
        books = self.books
        if investor in books.failed:
            return 0
        cash = max(books.deposits[investor], 0)
        if books.kinds[investor] != "investor":
            return min(owed, int(cash * INVESTING_SHARE))
        sold = min(max(owed - cash, 0), books.assets[investor])
        if sold > 0:
            sale = Posting("Customers", investor, sold, "asset sale", reference)
            self.post(Posted(postings=(sale,), cause=f"tranche:{reference}"))
        return min(owed, cash + sold)

    def _on_enact(self, name: str, _: str) -> None:
        change_policy(self, name, True, "schedule")

    def _on_repeal(self, name: str, _: str) -> None:
        change_policy(self, name, False, "schedule")

    def _on_happen(self, name: str, _: str) -> None:
        event = self.setup.scenario.events[name]
        self.apply(
            Happened(
                event=name,
                usage_factor=1 + event.usage_shock,
                efficiency_factor=1 + event.efficiency_shock,
                cause=f"scenario:events.{name}",
            )
        )
        if event.growth_belief_per_month is not None and event.lab is not None:
            self.told_growth[self.books.lab_index[event.lab]] = event.growth_belief_per_month

    def _on_undo(self, name: str, _: str) -> None:
        event = self.setup.scenario.events[name]
        self.apply(
            Happened(
                event=name,
                usage_factor=1 / (1 + event.usage_shock),
                efficiency_factor=1 / (1 + event.efficiency_shock),
                cause=f"scenario:events.{name}",
            )
        )

    # Policies

    # Sites

    # Deals

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

    def frames(self) -> dict[str, Any]:
        """Return the tables of the run as Polars frames: trajectories, contracts, sites, flows, events."""
        return self.recorder.frames(self)

    def _enter(self, strategies: Mapping[str, Mapping[str, Any]]) -> None:
        for table, kind in ROLES.items():
            entrant = role(kind)
            for name, data in sorted(getattr(self.setup.scenario, table).items()):
                chosen = {**data.strategies, **strategies.get(name, {})}
                self.participants[name] = entrant(self, name=name, data=data, strategies=chosen)


def _bargainer(name: str) -> Bargainer:
    if name not in BARGAINERS:
        known = ", ".join(sorted(BARGAINERS))
        raise ValueError(f"negotiation.bargainer is {name!r}; known: {known}")
    return BARGAINERS[name]
