"""The semantics of Mesa that the market relies on, and what the market makes of them (rows E1 to E9).

The first part states what the installed Mesa does; it is to be read again on every upgrade.
"""

import functools
import gc
import inspect
import pickle
from typing import Any

import mesa
import pytest
from mesa.time import Priority, Schedule

from offtake.model.calendar import Calendar
from offtake.model.market import Market
from offtake.model.pairs import promised_now_h100e
from offtake.model.scenario import Scenario
from tests.degenerate import cloud, contract, lab, scenario, silent

# Mesa


class Steps(mesa.Model):
    """A model that works in `step`, and its log."""

    def __init__(self) -> None:
        super().__init__(rng=1)
        self.log: list[tuple[str, float]] = []

    def step(self) -> None:
        self.log.append(("step", self.time))

    def default(self) -> None:
        self.log.append(("default", self.time))

    def high(self) -> None:
        self.log.append(("high", self.time))

    def low(self) -> None:
        self.log.append(("low", self.time))


class Ticks(Steps):
    """A model that works in a recurring event of low priority, as the market does."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule_recurring(self.tick, Schedule(interval=1.0, start=1.0), priority=Priority.LOW)

    def step(self) -> None:
        pass

    def tick(self) -> None:
        self.log.append(("tick", self.time))


class Watcher(mesa.Agent[Any]):
    """An agent that an event is bound to."""

    def hit(self) -> None:
        self.model.log.append(("agent", self.model.time))


def test_mesas_step_does_not_close_its_instant() -> None:
    """E1: `step` runs before the default events of its time: a month in `step` would see too little."""
    model = Steps()
    model.schedule_event(model.default, at=1.0)
    model.schedule_event(model.low, at=1.0, priority=Priority.LOW)
    model.schedule_event(model.high, at=1.0, priority=Priority.HIGH)
    model.schedule_event(model.high, at=2.0, priority=Priority.HIGH)
    model.run_until(2.0)
    first = [("step", 1.0), ("high", 1.0), ("default", 1.0), ("low", 1.0)]
    assert model.log == [*first, ("high", 2.0), ("step", 2.0)]


def test_a_recurring_event_of_low_priority_closes_its_instant() -> None:
    """E2: a recurring event of low priority runs after them: so the month is one."""
    model = Ticks()
    for time in (1.0, 2.0):
        model.schedule_event(model.default, at=time)
        model.schedule_event(model.high, at=time, priority=Priority.HIGH)
    model.run_until(2.0)
    assert model.log == [
        (what, time) for time in (1.0, 2.0) for what in ("high", "default", "tick")
    ]


def test_mesa_refuses_an_inline_partial() -> None:
    """E3."""
    model = Steps()
    with pytest.raises(ValueError, match="alive"):
        model.schedule_event(functools.partial(model.log.append, ("partial", 0.0)), at=0.5)


def test_mesa_forgets_a_callback_that_nobody_else_holds() -> None:
    """E4: so the market's calendar names what happens and holds nothing weakly."""
    model = Steps()

    def schedule() -> None:
        callback = functools.partial(model.log.append, ("partial", 0.0))
        model.schedule_event(callback, at=0.5)

    schedule()
    gc.collect()
    model.run_until(0.9)
    assert model.log == []


@pytest.mark.parametrize(("kept", "log"), [(False, []), (True, [("agent", 0.5)])])
def test_an_event_of_a_removed_agent_hangs_on_garbage_collection(
    kept: bool, log: list[tuple[str, float]]
) -> None:
    """E5, E6: so participants are never removed and no event is bound to one."""
    model = Steps()
    agents = [Watcher(model)]
    model.schedule_event(agents[0].hit, at=0.5)
    agents[0].remove()
    if not kept:
        agents.clear()
    gc.collect()
    model.run_until(0.9)
    assert model.log == log


def test_mesas_events_take_no_arguments() -> None:
    """E7: so what an event is about must stand elsewhere."""
    parameters = inspect.signature(mesa.Model.schedule_event).parameters
    assert not [name for name in parameters if "arg" in name]


# The market


def small(months: int = 3, **tables: Any) -> Scenario:
    """Return a market with one contract."""
    return scenario(
        {"Lab": lab(10.0)},
        {"Cloud": cloud(1.0)},
        months=months,
        contracts={"base": contract("Lab", "Cloud", 1.0, 1.0)},
        region={"power_usd_per_kwh": 0.01},
        **tables,
    )


def market(given: Scenario) -> Market:
    return Market(given, rng=1, strategies={"Lab": {"procurer": silent}})


def bills(run: Market) -> int:
    """Return how many months have been settled."""
    flows = run.frames()["flows"]
    return flows.filter(flows["label"] == "compute")["month"].n_unique()


def test_a_step_is_a_month() -> None:
    run = market(small())
    for month in (1, 2, 3):
        run.step()
        assert (run.time, run.month, bills(run)) == (month, month, month)


@pytest.mark.parametrize("priority", [Priority.HIGH, Priority.DEFAULT])
def test_the_month_closes_its_instant(priority: Priority) -> None:
    """E1, E2: what is dated for the end of a month is seen before the month is settled."""
    run = market(small())
    seen: list[int] = []

    def look() -> None:
        seen.append(bills(run))

    run.schedule_event(look, at=1.0, priority=priority)
    run.schedule_event(look, at=2.0, priority=priority)
    run.run_until(2.0)
    assert seen == [0, 1]


def test_a_contract_that_starts_with_the_tick_is_in_force_when_the_tick_looks() -> None:
    """Dates of the calendar come before the phases of their instant."""
    given = small(months=2)
    table = given.contracts["base"].model_copy(
        update={"start": given.start.replace(month=2), "end": given.start.replace(month=6)}
    )
    run = market(given.model_copy(update={"contracts": {"base": table}}))
    run.run_until(1.0)
    assert run.books.contracts.state == ["active"]
    assert bills(run) == 0  # it is in force from now on, and has delivered nothing yet
    assert promised_now_h100e(run).tolist() == [[1000.0]]


@pytest.mark.parametrize(
    "stops", [(3.0,), (0.4, 0.8, 2.5, 3.0), (1.0, 2.0, 3.0), (2.999, 3.0)], ids=str
)
def test_stopping_on_the_way_changes_nothing(stops: tuple[float, ...]) -> None:
    """`run_until` with fractions: the same journal, however the run is cut."""
    sites = {
        "late": {
            "cloud": "Cloud",
            "region": "home",
            "capacity_mw": 1.0,
            "stage": "building",
            "construction_months": 1.5,
            "grid_months": 1.5,
        }
    }
    whole, cut = market(small(sites=sites)), market(small(sites=sites))
    whole.run_until(3.0)
    for stop in stops:
        cut.run_until(stop)
        assert cut.time == stop
    told = [(time, type(event).__name__, event.cause) for time, event in whole.books.journal]
    assert [(t, type(e).__name__, e.cause) for t, e in cut.books.journal] == told
    assert any(name == "Energised" and time % 1 for time, name, _ in told)
    assert cut.books.deposits == whole.books.deposits


def test_run_for_and_steps_agree() -> None:
    one, other = market(small()), market(small())
    one.run_for(3)
    for _ in range(3):
        other.step()
    assert one.books.deposits == other.books.deposits
    assert one.time == other.time == 3.0


def test_a_market_stops_at_its_last_month() -> None:
    run = market(small(months=2))
    run.run_until(5.0)
    assert not run.running
    assert bills(run) == 2


def test_what_is_dated_survives_without_anybody_holding_it() -> None:
    """E4 to E6 do not touch the calendar: it holds names, and garbage collection changes nothing."""
    run = market(small())
    gc.collect()
    run.run_until(3.0)
    assert bills(run) == 3
    assert all(isinstance(entry.action, str) for entry in run.calendar.entries)


def test_equal_dates_run_as_dated_in_a_resumed_run_too() -> None:
    """E8, E9: the order does not hang on a counter of the process."""
    calendar = Calendar()
    for name in ("c", "a"):
        calendar.add(1.5, "end", name)
    calendar = pickle.loads(pickle.dumps(calendar))
    calendar.add(1.5, "end", "b")
    calendar.add(1.5, "power", "d", rank=1)
    drained = [calendar.due(2.0) for _ in range(4)]
    assert [entry.name for entry in drained if entry is not None] == ["d", "c", "a", "b"]


def test_participants_of_a_kind_are_agents_of_a_type() -> None:
    """Mesa's own view of the market: everybody is an agent and stays one."""
    run = market(small())
    run.run_until(3.0)
    assert sorted(agent.name for agent in run.agents) == ["Cloud", "Lab"]
    assert {kind.__name__ for kind in run.agents_by_type} == {"Lab", "Cloud"}
    assert len(run.datacollector.get_model_vars_dataframe()) == 3
