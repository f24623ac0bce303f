"""Neither the order of a file nor the names of participants, nor the machine, changes a run."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from offtake.model.market import Market
from offtake.model.reading import load_scenario
from offtake.model.scenario import Scenario
from tests.generated import digest, played, renamed, reordered, scenarios

ROOT = Path(__file__).parents[2]
FEW = settings(max_examples=15)
SCRIPT = """
from offtake.model.reading import load_scenario
from tests.generated import digest, played
print(digest(played(load_scenario("duopoly"), seed=3, months=12)))
"""


def assert_same_frames(one: Market, other: Market) -> None:
    first, second = one.frames(), other.frames()
    assert first.keys() == second.keys()
    for name in first:
        assert_frame_equal(first[name], second[name], check_exact=True)


@FEW
@given(scenarios(), st.randoms(use_true_random=False))
def test_the_order_of_tables_changes_nothing(scenario: Scenario, chance):
    shuffled = reordered(scenario, lambda names: chance.sample(names, len(names)))
    assert_same_frames(played(scenario), played(shuffled))


@pytest.mark.parametrize("name", ["duopoly", "stargate-2025"])
def test_embedded_scenarios_read_backwards_give_the_same_frames(name: str):
    scenario = load_scenario(name)
    backwards = reordered(scenario, lambda names: names[::-1])
    assert list(backwards.labs) != list(scenario.labs)
    assert_same_frames(played(scenario, months=6), played(backwards, months=6))


@FEW
@given(scenarios(), st.integers(0, 2**32))
def test_a_seed_gives_the_same_run_twice(scenario: Scenario, seed: int):
    assert digest(played(scenario, seed=seed)) == digest(played(scenario, seed=seed))


def test_another_seed_gives_another_run():
    scenario = load_scenario("duopoly")
    assert digest(played(scenario, seed=1, months=6)) != digest(played(scenario, seed=2, months=6))


def test_the_hash_seed_of_python_changes_nothing():
    def said(hash_seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert said("0") == said("4242") == digest(played(load_scenario("duopoly"), seed=3, months=12))


# Names: whatever participants are called, the run is the same

QUIET = {"quality_noise_per_month": 0.0, "usage_noise_per_month": 0.0}
PARTICIPANTS = ("labs", "clouds", "landlords", "investors", "lenders", "governments")


def other_names(scenario: Scenario) -> dict[str, str]:
    """Return new names of all participants that sort the other way round."""
    names = sorted(name for table in PARTICIPANTS for name in getattr(scenario, table))
    return {name: f"Q{len(names) - i:03d}Q" for i, name in enumerate(names)}


def with_their_luck(scenario: Scenario) -> Scenario:
    """Return the scenario with each participant's draws tied to its present name."""
    tables = {
        table: {
            n: data.model_copy(update={"drawn_as": n})
            for n, data in getattr(scenario, table).items()
        }
        for table in PARTICIPANTS
    }
    return scenario.model_copy(update=tables)


def named_back(frame: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Return a table with the old names in every text, its rows in one order."""
    if names:
        texts = pl.col(pl.String).str.replace_many(list(names.values()), list(names))
        frame = frame.with_columns(texts)
    return frame.sort(frame.columns, nulls_last=True)


def assert_permuted(scenario: Scenario, months: int | None = None) -> None:
    names = other_names(scenario)
    before = played(scenario, months=months).frames()
    after = played(renamed(with_their_luck(scenario), names), months=months).frames()
    for table, frame in before.items():
        assert_frame_equal(named_back(after[table], names), named_back(frame, {}), check_exact=True)


@FEW
@given(scenarios())
def test_other_names_permute_every_table_exactly(scenario: Scenario):
    assert_permuted(scenario)


@pytest.mark.parametrize(("name", "months"), [("duopoly", 36), ("stargate-2025", 24)])
def test_other_names_permute_every_table_of_an_embedded_scenario_exactly(name: str, months: int):
    assert_permuted(load_scenario(name), months)


def alike(labs: int, clouds: int) -> Scenario:
    """Return a market of labs and clouds that differ in nothing but their names."""
    scenario = load_scenario("duopoly")
    demand = scenario.demand
    users = {"adopters_million": 600.0, "potential_users_million": 3000.0}
    lab, cloud = next(iter(scenario.labs.values())), next(iter(scenario.clouds.values()))
    site = next(s for s in scenario.sites.values() if s.stage == "energised")
    names = [f"Cloud {c}" for c in "PQRS"[:clouds]]
    return scenario.model_copy(
        update={
            "demand": demand.model_copy(update=QUIET | users),
            "labs": {f"Lab {c}": lab for c in "ABCD"[:labs]},
            "clouds": dict.fromkeys(names, cloud),
            "sites": {f"s-{i}": site.model_copy(update={"cloud": n}) for i, n in enumerate(names)},
            "contracts": {},
            "agreements": {},
            "tranches": {},
            "events": {},
            "policies": {},
        }
    )


def test_other_names_permute_a_market_of_equals_exactly():
    """Every choice is a tie: what decides is drawn, and does not go by name."""
    scenario = alike(3, 2)
    assert played(scenario, months=12).books.contracts.size > 6
    assert_permuted(scenario, 12)


# Draws: another place among equals changes no more than rounding where nobody is equal

SUMMED = 1e-9
"""Sums of floats by lab and cloud are taken in order of place."""


def quiet(scenario: Scenario) -> Scenario:
    """Return the scenario without any draw and without ties: no noise, no clocks, nobody alike."""
    labs, clouds = sorted(scenario.labs), sorted(scenario.clouds)
    unlike = {
        lab: {cloud: 0.01 * math.sqrt(2 + 7 * i + 3 * j) for j, cloud in enumerate(clouds)}
        for i, lab in enumerate(labs)
    }
    region = next(iter(scenario.regions.values()))
    own = {
        cloud: f"home of {i}" for i, cloud in enumerate(clouds)
    }  # so that no two pools cost alike
    return scenario.model_copy(
        update={
            "regions": scenario.regions
            | {
                own[cloud]: region.model_copy(update={"power_usd_per_kwh": 0.05 + 0.001 * i})
                for i, cloud in enumerate(clouds)
            },
            "policies": {},
            "procurement": scenario.procurement.model_copy(update={"lots_months": (1,)}),
            "demand": scenario.demand.model_copy(update=QUIET),
            "sites": {
                n: s.model_copy(update={"region": own[s.cloud]})
                for n, s in scenario.sites.items()
                if s.stage == "energised"
            },
            "contracts": {
                n: c.model_copy(update={"region": own[c.cloud]})
                for n, c in scenario.contracts.items()
                if c.chip != "new"
            },
            "tranches": {},
            "clouds": {
                n: scenario.clouds[n].model_copy(
                    update={
                        "strategies": {"builder": "finish-what-is-signed", "pricer": "fixed-floor"},
                        "floor_usd_per_h100e_hour": 1 + 0.1 * math.sqrt(2 + i),
                        "discount_per_year": 0.09 + 0.001 * math.sqrt(3 + i),
                    }
                )
                for i, n in enumerate(clouds)
            },
            "labs": {
                n: scenario.labs[n].model_copy(
                    update={
                        "porting_usd_per_h100e_hour": unlike[n],
                        "discount_per_year": 0.12 + 0.001 * math.sqrt(2 + i),
                    }
                )
                for i, n in enumerate(labs)
            },
        }
    )


def values_by_name(market: Market, back: dict[str, str]) -> dict[tuple, float]:
    table = market.frames()["trajectories"].fill_null(float("nan"))
    return {
        (
            row["observable"],
            back.get(row["name"], row["name"]),
            back.get(row["other"], row["other"]),
            row["month"],
        ): row["value"]
        for row in table.iter_rows(named=True)
    }


def swapped(scenario: Scenario) -> dict[str, str]:
    """Return new names of labs and clouds that sort the other way round."""
    labs, clouds = sorted(scenario.labs), sorted(scenario.clouds)
    names = dict(zip(labs, labs[::-1], strict=True)) | dict(zip(clouds, clouds[::-1], strict=True))
    return {old: f"{new} too" for old, new in names.items()}


def moved(scenario: Scenario, months: int, leave_out: frozenset[str] = frozenset()) -> list[tuple]:
    """Return what differs by more than rounding when participants get other places and draws."""
    names = swapped(scenario)
    before = values_by_name(played(scenario, months=months), {})
    renamed_back = {new: old for old, new in names.items()}
    after = values_by_name(played(renamed(scenario, names), months=months), renamed_back)
    assert before.keys() == after.keys()
    return [
        (key, before[key], after[key])
        for key in before
        if key[0] not in leave_out
        and not np.isclose(before[key], after[key], rtol=SUMMED, atol=1e-6, equal_nan=True)
    ]


OF_SIGNATURES = frozenset({"share_contracted", "coverage", "backlog_usd", "efficiency", "cash_usd"})


@FEW
@given(scenarios())
def test_another_place_among_equals_permutes_the_first_month(scenario: Scenario):
    """Demand, delivery, bills and beliefs; not yet what clearing makes of ties."""
    assert moved(quiet(scenario), 1, OF_SIGNATURES) == []


def test_another_place_among_equals_permutes_a_year_of_the_duopoly():
    assert moved(quiet(load_scenario("duopoly")), 12) == []
