"""Clouds' strategies: what they ask for capacity, and what they build."""

import math
from dataclasses import replace

import numpy as np
import pytest

from offtake.agents.clouds import (
    CostPlus,
    FinishWhatIsSigned,
    FixedFloor,
    OpportunityCost,
    RealOptions,
    free_parts,
    long_run_cost,
)
from offtake.model.contracts import Pool, Site, Stage
from offtake.model.market import Market
from offtake.model.proposals import Cancel, Equip, OpenSite, StartBuilding, TurnToLease
from offtake.model.reading import load_scenario
from offtake.model.view import Ask, CloudView, SiteCost

DUOPOLY = load_scenario("duopoly")


def cloud_view(cloud: str = "Cloud X") -> CloudView:
    market = Market(DUOPOLY, rng=1)
    market.step()
    return market.views[cloud]


VIEW = cloud_view()
POOL = next(i for i, pool in enumerate(VIEW.pools) if VIEW.free_kw[i].any())


def ask(view: CloudView, *starts: int) -> Ask:
    lots = len(starts)
    return Ask(
        lab=np.zeros(lots, dtype=int),
        start_months=np.array(starts),
        h100e=np.full(lots, 1_000.0),
        hazard_per_month=np.full(lots, 0.002),
        use=np.full((lots, len(view.rules.terms), len(view.rules.floors)), 0.9),
    )


def site(stage: Stage, **facts: object) -> Site:
    given = {
        "name": "site",
        "pool": Pool(cloud="Cloud X", region="home", chip="gpu-2"),
        "capacity_kw": 100_000,
        "stage": stage,
        "opened": 0.0,
        "promised": 13.0,
        "landlord": "Landlord",
        "rent_usd_per_kw_month": 130.0,
    }
    return Site(**given | facts)  # type: ignore[arg-type]


def with_site(one: Site, *, demand: float, price: float = 2.0, free: bool = True) -> CloudView:
    """Return a cloud that has one site, of which contracts need nothing, or all."""
    pool = VIEW.pools.index(next(o for o in VIEW.options).pool_index)
    free_kw = np.zeros_like(VIEW.free_kw)
    free_kw[pool, 12:] = one.capacity_kw if free else 0
    cost = SiteCost(
        pool_index=VIEW.pools[pool],
        h100e=160_000.0,
        ahead=12,
        remaining_usd=18_000.0,
        running_usd_per_hour=0.3,
        fee_usd=0.0,
        outdated=False,
    )
    return replace(
        VIEW,
        sites=(one,),
        costs={one.name: cost},
        free_kw=free_kw,
        own_free_h100e=np.zeros_like(VIEW.own_free_h100e),
        rivals_h100e=np.zeros_like(VIEW.rivals_h100e),
        demand_h100e=np.full_like(VIEW.demand_h100e, demand),
        contract_price=price,
        options=(),
    )


def test_no_kilowatt_is_offered_twice():
    """From now on 4 stay free, from month 3 on still 4, from month 5 on 30."""
    starts = np.array([0, 3, 5])
    parts = list(free_parts(np.array([4, 4, 30]), starts, starts, 1.0))
    assert [part.tolist() for part in parts] == [[4.0, 4.0, 4.0], [0.0, 0.0, 26.0]]


def test_what_is_smaller_than_a_contract_is_not_offered():
    starts = np.array([0, 3])
    assert list(free_parts(np.array([0, 499]), starts, starts, 500.0)) == []


def test_free_capacity_is_asked_at_its_running_cost_when_nobody_else_wants_it():
    idle = replace(VIEW, demand_h100e=np.zeros_like(VIEW.demand_h100e), options=())
    quote = OpportunityCost()(idle, ask(idle, 1))
    assert quote.columns
    assert all((column.capital == 0).all() for column in quote.columns)


def test_scarce_capacity_is_kept_back_for_a_better_price():
    scarce = replace(
        VIEW,
        demand_h100e=np.full_like(VIEW.demand_h100e, 1e9),
        contract_price=3.0,
        options=(),
    )
    column = OpportunityCost()(scarce, ask(scarce, 1)).columns[0]
    asked = column.capital + column.running
    np.testing.assert_allclose(asked, 3.0, rtol=1e-6)


def test_new_capacity_is_offered_only_to_lots_that_can_wait():
    lead = max(option.lead_months for option in VIEW.options)
    quote = OpportunityCost()(VIEW, ask(VIEW, 1, int(lead) + 1))
    new = [column for column in quote.columns if column.option is not None]
    assert new
    assert all(column.room_h100e[0] == 0 < column.room_h100e[1] for column in new)


def test_a_higher_floor_lowers_what_a_cloud_needs_for_a_new_build():
    """Long take-or-pay replaces option value by commitment (cst-5)."""
    lead = int(max(option.lead_months for option in VIEW.options)) + 1
    column = next(c for c in OpportunityCost()(VIEW, ask(VIEW, lead)).columns if c.option)
    capital = column.capital[0]
    assert (np.diff(capital, axis=1) <= 1e-9).all()
    assert (np.diff(capital, axis=1) < 0).any()


def test_a_fixed_floor_is_what_is_asked_and_nothing_is_built():
    fixed = replace(VIEW, floor_usd_per_h100e_hour=1.7)
    quote = FixedFloor()(fixed, ask(fixed, 1, 30))
    assert all(column.option is None for column in quote.columns)
    assert [column.capital[0, 0, 0] + fixed.running[0] for column in quote.columns] == [
        pytest.approx(1.7)
    ] * len(quote.columns)


def test_cost_plus_asks_full_cost_whatever_the_scarcity():
    column = CostPlus()(VIEW, ask(VIEW, 1)).columns[0]
    assert column.capital[0, 0, 0] + VIEW.running[0] == pytest.approx(
        long_run_cost(VIEW, VIEW.options[0])
    )


def test_a_letter_of_intent_is_turned_into_a_lease_when_demand_pays_the_trigger():
    seen = with_site(site(Stage.LOI), demand=1e9, price=9.0)
    assert list(RealOptions()(seen)) == [TurnToLease(site="site")]


def test_a_letter_of_intent_is_held_when_it_does_not_pay():
    assert list(RealOptions()(with_site(site(Stage.LOI), demand=0.0))) == []


def test_an_uncommitted_lease_without_demand_is_given_up():
    (plan,) = RealOptions()(with_site(site(Stage.LEASED), demand=0.0))
    assert isinstance(plan, Cancel)


def test_what_a_contract_needs_is_built_without_regard_to_demand():
    seen = with_site(site(Stage.LEASED), demand=0.0, free=False)
    assert list(RealOptions()(seen)) == [StartBuilding(site="site")]


def test_a_powered_site_is_not_given_up_but_waits_without_chips():
    seen = with_site(site(Stage.POWERED, equipped=True), demand=0.0)
    assert list(RealOptions()(seen)) == [Equip(site="site", wanted=False)]


def test_a_powered_site_is_fitted_when_it_pays():
    seen = with_site(site(Stage.POWERED), demand=1e9, price=9.0)
    (plan,) = RealOptions()(seen)
    assert isinstance(plan, Equip)
    assert (plan.site, plan.wanted) == ("site", True)
    assert plan.limit_usd_per_h100e is not None
    assert seen.costs["site"].remaining_usd < plan.limit_usd_per_h100e < math.inf


def test_a_site_that_a_contract_needs_pays_for_its_chips_whatever_the_market_says():
    seen = with_site(site(Stage.POWERED), demand=0.0, price=0.01)
    seen = replace(seen, free_kw=np.zeros_like(seen.free_kw))
    (plan,) = RealOptions()(seen)
    assert isinstance(plan, Equip)
    assert plan.limit_usd_per_h100e == pytest.approx(seen.costs["site"].remaining_usd)


def test_expected_demand_opens_letters_of_intent_within_a_sites_size():
    wanting = replace(VIEW, sites=(), costs={}, demand_h100e=np.full_like(VIEW.demand_h100e, 1e9))
    (plan,) = RealOptions()(wanting)
    assert isinstance(plan, OpenSite)
    assert plan.letter
    most = min(VIEW.options[0].room_kw, int(VIEW.rules.building.largest_site_mw * 1000))
    assert plan.capacity_kw == most


def test_nothing_is_opened_without_expected_demand():
    calm = replace(VIEW, sites=(), costs={}, demand_h100e=np.zeros_like(VIEW.demand_h100e))
    assert list(RealOptions()(calm)) == []


def test_the_benchmark_brings_every_site_to_its_end_and_opens_none():
    plans = [
        list(FinishWhatIsSigned()(with_site(site(stage), demand=0.0)))
        for stage in (Stage.LOI, Stage.LEASED, Stage.BUILDING)
    ]
    assert plans == [
        [TurnToLease(site="site")],
        [StartBuilding(site="site")],
        [Equip(site="site")],
    ]


def test_clocks_are_hidden_in_no_field_of_a_view_but_the_sites_own():
    """A plan may not depend on when a clock will ring."""
    building = site(Stage.BUILDING, equipped=True, construction_at=20.0, grid_at=30.0)
    other = replace(building, construction_at=5.0, grid_at=6.0)
    for demand in (0.0, 1e9):
        assert list(RealOptions()(with_site(building, demand=demand))) == list(
            RealOptions()(with_site(other, demand=demand))
        )
