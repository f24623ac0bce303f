"""Charts that need more than one kind of row: capacity, prices, funding, the network, the matrix."""

import math
from datetime import date

import altair as alt
import polars as pl
import pytest

import offtake as ot
from offtake.experiments import charts, look
from offtake.experiments.charts import events
from offtake.experiments.holdings import in_force
from offtake.experiments.tariffs import owning_cost, vintage_prices
from offtake.model.pricing import full_cost
from offtake.model.setup import build_regions

MARKS = [(date(2025, 3, day), f"Event {day}") for day in range(1, 9)]


@pytest.fixture(scope="module")
def result() -> ot.Result:
    return ot.run("duopoly", seeds=6)


@pytest.fixture(scope="module")
def tones(result):
    return charts.company_tones(result.trajectories)


def rows_with(chart: alt.TopLevelMixin, field: str) -> list[dict[str, object]]:
    sets = chart.to_dict()["datasets"].values()
    return [row for rows in sets for row in rows if field in row]


def test_stages_stack_to_the_mean_of_all_capacity(result):
    stack = rows_with(charts.capacity(result.trajectories), "lower")
    last = [row for row in stack if row["month"] == "Dec 2026"]
    stages = ("energised_mw", "pipeline_mw", "loi_mw")
    rows = result.trajectories.filter(
        pl.col("observable").is_in(stages), month=result.manifest["months"] - 1
    )
    assert math.isclose(
        math.fsum(float(str(row["mean"])) for row in last),
        rows["value"].sum() / len(result.seeds) / 1_000,
        rel_tol=1e-3,
    )


def test_capacity_says_how_much_of_the_need_is_met(result):
    spec = charts.capacity(result.trajectories).to_dict()
    rows = result.trajectories.filter(month=23)
    need, met = (
        rows.filter(observable=name).group_by("seed").agg(pl.col("value").sum())["value"].median()
        for name in ("need_h100e", "delivered_h100e")
    )
    assert f"{met / need:.0%} of the compute" in str(spec["title"])


def test_concentration_draws_three_indices_in_points(result):
    spec = str(charts.concentration(result.trajectories).to_dict())
    assert "Energised capacity (HHI)" in spec
    assert "points" in spec


def test_funding_shows_the_labs_asked_for(result):
    chart = charts.funding(result.trajectories, labs=("Lab B",))
    assert {row["name"] for row in rows_with(chart, "median")} == {"Lab B"}


def test_labs_take_no_colour_of_a_cloud(result):
    chart = charts.fan(result.trajectories, "cash_usd")
    colours = {look.PALETTE[at].fill for at in range(len(look.PALETTE))}
    assert not any(colour in str(chart.to_dict()) for colour in colours)


def test_owning_costs_what_the_formula_of_the_model_says(result):
    rows = owning_cost(result.scenario, result.trajectories)
    scenario = result.scenario
    chips = [c for c in scenario.chips.values() if c.released <= scenario.start]
    newest = max(chips, key=lambda chip: chip.released)
    price = result.trajectories.filter(observable="price_chips", name="gpu", month=0)["value"][0]
    kw, building = 1_000 / newest.h100e_per_mw, scenario.building
    costs = sorted(
        min(
            full_cost(
                capital_usd=price + building.shell_usd_per_kw * kw,
                life_months=building.server_life_months,
                rate_per_month=(1 + cloud.discount_per_year) ** (1 / 12) - 1,
                rent_usd_per_month=0.0,
                running_usd_per_hour=kw
                * scenario.regions[region].pue
                * scenario.regions[region].power_usd_per_kwh
                + building.operations_share_per_year * newest.price_usd_per_h100e / 8_766,
                operations_share_per_year=0.0,
                busy=building.busy,
            )
            for region in build_regions(scenario, name)
        )
        for name, cloud in scenario.clouds.items()
    )
    first = rows.filter(month=0, seed=1)["value"][0]
    assert math.isclose(first, (costs[0] + costs[-1]) / 2, rel_tol=1e-3)


def test_a_vintage_costs_the_mean_of_its_contracts(result):
    rows = vintage_prices(result.scenario, result.contracts, result.trajectories)
    free = result.contracts.filter(~pl.col("affiliate"), seed=1)
    some = free.filter(pl.col("start") <= date(2025, 12, 1), pl.col("end") > date(2025, 12, 1))
    chip = some["chip"][0]
    mine = some.filter(chip=chip)
    mean = (mine["price_usd_per_h100e_hour"] * mine["h100e"]).sum() / mine["h100e"].sum()
    drawn = rows.filter(seed=1, name=chip, date=date(2025, 12, 1))["value"][0]
    assert math.isclose(drawn, mean, rel_tol=1e-9)


def test_prices_put_owning_beside_contracts_and_spot(result):
    chart = charts.prices(
        result.trajectories,
        owning=owning_cost(result.scenario, result.trajectories),
        vintages=vintage_prices(result.scenario, result.contracts, result.trajectories),
    )
    names = {row["name"] for row in rows_with(chart, "median")}
    assert {"Contract price", "Spot price", "Cost of owning"} <= names
    assert names & set(result.scenario.chips)


def test_what_is_in_force_is_what_was_stepped_up_and_has_not_ended(result):
    when = date(2026, 12, 31)
    held = in_force(result.contracts, result.events, when).filter(seed=1)
    journal = result.events.filter(pl.col("date") <= when, seed=1)
    standing: dict[str, int] = {}
    for kind, name, kw in journal.select("kind", "detail", "capacity_kw").iter_rows():
        if kind == "Stepped":
            standing[name] = kw
        elif kind in ("Ended", "Terminated"):
            standing.pop(name, None)
    assert dict(held.select("contract", "capacity_kw").iter_rows()) == standing


def test_the_network_adds_up_to_what_is_in_force(result, tones):
    when = date(2026, 6, 30)
    held = in_force(result.contracts, result.events, when)
    chart = charts.network(held, when, tones=tones)
    ribbons = {str(row["ribbon"]): float(str(row["gw"])) for row in rows_with(chart, "ribbon")}
    drawn = math.fsum(gw for name, gw in ribbons.items() if name.startswith("Lab "))
    held_gw = math.fsum(held["capacity_kw"].to_list()) / len(result.seeds) / 1e6
    assert math.isclose(drawn, held_gw, rel_tol=0.02)


def test_a_network_without_contracts_is_refused(result, tones):
    when = date(2024, 1, 1)
    held = in_force(result.contracts, result.events, when)
    with pytest.raises(ValueError, match="no contract is in force on 2024-01-01"):
        charts.network(held, when, tones=tones)


def test_the_matrix_holds_every_pair_at_both_ends(result):
    cells = rows_with(charts.dependence_matrix(result.trajectories), "cloud")
    months = {str(row["month"]) for row in cells}
    assert months == {"Jan 2025", "Dec 2026"}
    pairs = {(row["lab"], row["cloud"]) for row in cells}
    assert len(pairs) == 2 * 2
    alone = [row for row in cells if row["lab"] == "Lab A" and row["month"] == "Jan 2025"]
    assert {str(row["median"]) for row in alone} == {"", "100%"}


def test_crowded_events_share_a_strip_in_a_narrow_panel_only(result):
    months = (date(2025, 1, 1), date(2026, 12, 1))
    some = events.events_within(MARKS, months)
    narrow = [layer.to_dict() for layer in events.event_rules(some, (200, 100))]
    wide = [layer.to_dict() for layer in events.event_rules(some, (800, 100))]
    assert "1\u20138" in str(narrow)
    assert "1\u20138" not in str(wide)
    assert len(events.event_rules(some[:1], (200, 100))) == 4
