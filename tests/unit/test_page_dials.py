"""Dials: what they are made of, and what moving one means."""

import datetime as dt

import pytest

from offtake.app.dials import GROUPS, dials_of, overrides, scenario_file
from offtake.app.session import standing
from offtake.model.problems import ScenarioError
from offtake.model.reading import digest, load_scenario, read
from offtake.model.scenario import Scenario

BASELINE = "stargate-2025"


@pytest.fixture(scope="module")
def reading():
    return read(BASELINE)


@pytest.fixture(scope="module")
def dials(reading):
    return dials_of(reading)


def by_path(dials):
    return {dial.path: dial for dial in dials}


def test_every_group_has_dials_and_no_path_has_two(dials):
    assert {dial.group for dial in dials} == set(GROUPS)
    assert len(by_path(dials)) == len(dials)


def test_a_dial_has_the_unit_range_and_meaning_of_the_parameter_table(dials, reading):
    fact = next(f for f in reading.facts if f.path == "building.fee_leased")
    dial = by_path(dials)["building.fee_leased"]
    assert (dial.baseline, dial.low, dial.high) == (fact.value, fact.low, fact.high)
    assert dial.unit == "ratio"
    assert dial.meaning == "Fee for cancelling a signed lease, years of rent."


@pytest.mark.parametrize(
    ("path", "group", "kind"),
    [
        ("agreements.azure-openai.exclusive_until", "Contracts", "date"),
        ("agreements.azure-openai.first_refusal_days", "Contracts", "whole"),
        ("negotiation.take_or_pay", "Contracts", "choice"),
        ("regions.us.grid_mean_months", "Supply", "number"),
        ("building.fee_leased", "Supply", "number"),
        ("tranches.openai-first-softbank.amount_usd", "Finance", "number"),
        ("clouds.Azure.discount_per_year", "Finance", "number"),
        ("policies.us-ai-diffusion", "Policy", "switch"),
        ("chips.rubin.price_usd_per_h100e", "Chips", "number"),
        ("demand.quality_return", "Demand", "number"),
    ],
)
def test_the_dials_a_strategist_asks_for_are_there(dials, path, group, kind):
    dial = by_path(dials)[path]
    assert (dial.group, dial.kind) == (group, kind)


def test_every_dial_stands_at_the_scenarios_own_value(dials, reading):
    assert standing(dials, reading.scenario) == {}


def test_every_dial_can_be_moved_and_is_then_read_back(dials):
    moved = {}
    for dial in dials:
        match dial.kind:
            case "number" | "whole" if dial.table.split(".")[0] != "tranches":
                middle = (dial.low + dial.baseline) / 2
                moved[dial.path] = round(middle) if dial.kind == "whole" else middle
            case "switch" if not dial.takes_out:
                moved[dial.path] = not dial.baseline
            case "choice":
                moved[dial.path] = next(o for o in dial.options if o != dial.baseline)
    moved = {path: value for path, value in moved.items() if value != by_path(dials)[path].baseline}
    assert len(moved) > 200
    turned = load_scenario(BASELINE, overrides=overrides(dials, moved))
    assert standing(dials, turned) == moved


def test_a_policy_is_taken_out_with_what_was_dialled_of_it(dials):
    moved = {
        "policies.us-ai-diffusion": False,
        "policies.us-ai-diffusion.quota_h100e_per_year": 1e5,
    }
    assert overrides(dials, moved) == ('remove=["policies.us-ai-diffusion"]',)
    scenario = load_scenario(BASELINE, overrides=overrides(dials, moved))
    assert "us-ai-diffusion" not in scenario.policies


def test_a_day_is_dialled_as_a_day(dials):
    moved = {"agreements.azure-openai.exclusive_until": "2027-01-01"}
    scenario = load_scenario(BASELINE, overrides=overrides(dials, moved))
    assert scenario.agreements["azure-openai"].exclusive_until == dt.date(2027, 1, 1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("negotiation.take_or_pay", "[0.1, 9]"),
        ("building.fee_leased", "much"),
        ("agreements.azure-openai.exclusive_until", "soon"),
    ],
)
def test_a_dial_refuses_what_it_cannot_be(dials, path, value):
    with pytest.raises(ValueError, match=r".+"):
        by_path(dials)[path].override(value)


def test_moved_dials_are_saved_as_a_scenario_that_runs_alike(dials, tmp_path):
    moved = {
        "building.fee_leased": 1.25,
        'clouds."xAI Colossus".discount_per_year': 0.2,
        "negotiation.take_or_pay": "[0.8, 0.9, 1]",
        "agreements.azure-openai.exclusive_until": "2027-01-01",
        "policies.us-ai-diffusion": False,
    }
    file = tmp_path / "saved.toml"
    file.write_text(scenario_file(file.stem, BASELINE, dials, moved), "utf-8")
    saved = load_scenario(file)
    dialled = load_scenario(BASELINE, overrides=overrides(dials, moved))
    assert saved.name == "saved"
    assert digest(saved.model_copy(update={"name": BASELINE})) == digest(dialled)


@pytest.mark.parametrize("name", ["", "../up", "Two words", "a" * 70])
def test_a_scenario_is_saved_under_a_usable_name_only(dials, name):
    with pytest.raises(ValueError, match="no usable name"):
        scenario_file(name, BASELINE, dials, {})


def test_a_contradiction_of_two_dials_is_told_as_of_every_scenario(dials):
    moved = {"agreements.azure-openai.first_refusal_until": "2025-01-01"}
    with pytest.raises(ScenarioError, match="first_refusal_until"):
        load_scenario(BASELINE, overrides=overrides(dials, moved))


def test_every_embedded_scenario_has_dials():
    for name in ("duopoly", "no-softbank", "arm-push", "exclusivity-kept"):
        reading = read(name)
        assert isinstance(reading.scenario, Scenario)
        assert standing(dials_of(reading), reading.scenario) == {}
