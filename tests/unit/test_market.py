"""A market is an ordinary Mesa model."""

import math
from typing import Any

import mesa
import pytest

import offtake as ot
from offtake.agents.clouds import Cloud, FinishWhatIsSigned
from offtake.agents.governments import Government
from offtake.agents.investors import Investor, Lender
from offtake.agents.labs import ExpectNoGrowth, Lab
from offtake.agents.landlords import Landlord
from offtake.model.market import Market
from offtake.model.month import PHASES
from offtake.model.observables import HEADLINE, TABLE

DUOPOLY = ot.load_scenario("duopoly")


class Dialled(ot.Market):
    """The duopoly with two dials, as a page or a batch gives them."""

    def __init__(self, months: int = 24, usage_growth: float = 0.07, rng: Any = None) -> None:
        demand = DUOPOLY.demand.model_copy(update={"usage_growth_per_month": usage_growth})
        super().__init__(
            DUOPOLY.model_copy(update={"months": months, "demand": demand}), rng=rng or 1
        )


def test_batch_run_takes_a_market_with_dials():
    rows = mesa.batch_run(
        Dialled,
        parameters={"months": 4, "usage_growth": [0.0, 0.1]},
        rng=[1, 2],
        number_processes=1,
        max_steps=100,
        display_progress=False,
    )
    assert len(rows) == 4
    assert {row["usage_growth"] for row in rows} == {0.0, 0.1}
    assert all(set(HEADLINE) <= row.keys() for row in rows)
    assert len({row["delivered_h100e"] for row in rows}) > 1


def test_batch_run_is_repeatable():
    def prices() -> list[float]:
        rows = mesa.batch_run(
            Dialled, parameters={"months": 6}, rng=[5], number_processes=1, display_progress=False
        )
        return [row["price_new"] for row in rows]

    assert prices() == prices()


def test_a_step_is_a_month():
    market = Market(DUOPOLY, rng=1)
    market.step()
    assert (market.time, market.month, market.steps) == (1, 1, 1)
    assert len(market.datacollector.get_model_vars_dataframe()) == 1


def test_running_turns_false_at_the_end():
    market = Market(DUOPOLY.model_copy(update={"months": 3}), rng=1)
    states = []
    for _ in range(3):
        market.step()
        states.append(market.running)
    assert states == [True, True, False]


def test_months_after_the_end_are_not_recorded():
    market = Market(DUOPOLY.model_copy(update={"months": 2}), rng=1)
    market.run_until(6)
    assert len(market.recorder.values["price_new"]) == 2


def test_nothing_happens_after_the_end():
    market = Market(DUOPOLY.model_copy(update={"months": 2}), rng=1)
    market.run_until(2)
    length = len(market.books.journal)
    market.run_until(6)
    assert len(market.books.journal) == length


def test_run_until_stops_between_months():
    market = Market(DUOPOLY, rng=1)
    market.run_until(2.5)
    assert market.time == 2.5
    assert market.month == 2


def test_agents_stand_by_type():
    market = Market(DUOPOLY, rng=1)
    counts = {kind: len(market.agents_by_type[kind]) for kind in market.agents_by_type}
    assert counts == {Lab: 2, Cloud: 2, Landlord: 1, Investor: 1, Lender: 1, Government: 1}
    assert sorted(lab.name for lab in market.agents_by_type[Lab]) == ["Lab A", "Lab B"]


def test_the_data_collector_offers_the_headline_as_an_ordinary_frame():
    market = Market(DUOPOLY, rng=1)
    market.run_until(3)
    frame = market.datacollector.get_model_vars_dataframe()
    assert list(frame.columns) == list(HEADLINE)
    assert len(frame) == 3
    assert frame["hhi_compute"].between(0.5, 1).all()
    assert frame["energised_mw"].iloc[0] == 410.0
    assert math.isclose(frame["price_contract"].iloc[0], 2.0)


def test_strategies_may_be_handed_over_or_named():
    named = DUOPOLY.clouds["Cloud X"].model_copy(
        update={"strategies": {"builder": "finish-what-is-signed"}}
    )
    scenario = DUOPOLY.model_copy(update={"clouds": DUOPOLY.clouds | {"Cloud X": named}})
    market = Market(scenario, rng=1, strategies={"Lab A": {"forecaster": ExpectNoGrowth()}})
    assert market.participants["Cloud X"].strategies["builder"] == FinishWhatIsSigned()
    assert market.participants["Lab A"].strategies["forecaster"] == ExpectNoGrowth()


def test_a_misspelt_strategy_is_named_with_its_neighbour():
    with pytest.raises(ValueError, match="did you mean 'cover-need'"):
        Market(DUOPOLY, rng=1, strategies={"Lab A": {"procurer": "cover-needs"}})


def test_a_port_that_a_role_has_not_is_refused():
    with pytest.raises(
        ValueError, match="Lab A has no port 'pricer'; a lab has forecaster, procurer"
    ):
        Market(DUOPOLY, rng=1, strategies={"Lab A": {"pricer": "cost-plus"}})


def test_an_unknown_bargainer_is_refused_with_those_known():
    negotiation = DUOPOLY.negotiation.model_copy(update={"bargainer": "coin"})
    with pytest.raises(
        ValueError, match="known: nash-in-nash, outside-options, private-information"
    ):
        Market(DUOPOLY.model_copy(update={"negotiation": negotiation}), rng=1)


def test_the_month_has_thirteen_phases_in_the_order_of_the_page():
    assert [phase.name for phase in PHASES] == [
        "observe",
        "serve",
        "settle",
        "check_solvency",
        "finance",
        "plan_supply",
        "waive",
        "plan_demand",
        "negotiate",
        "sign",
        "clear_spot",
        "enact",
        "record",
    ]


def test_every_participant_has_a_row_every_month():
    market = Market(DUOPOLY, rng=1)
    market.run_until(5)
    table = market.frames()["trajectories"]
    many = {"lab": 2, "cloud": 2, "region": 1, "class": 1, "cause": 4}
    for item in TABLE:
        rows = table.filter(table["observable"] == item.name)
        assert len(rows) == 5 * math.prod(many[name] for name in item.index)
        assert set(rows["unit"]) == {item.unit}
