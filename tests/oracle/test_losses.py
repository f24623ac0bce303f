"""Surplus that is missed, in markets where the cause is known by construction (row A5 by cause)."""

import itertools
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings

from offtake.model import losses
from offtake.model.losses import CAUSES
from offtake.model.market import Market
from offtake.model.scenario import Scenario
from tests.degenerate import UNIT_H100E, after, cloud, day, lab, scenario, trajectory
from tests.generated import played, scenarios

BUILDS: dict[str, Any] = {"strategies": {"pricer": "opportunity-cost"}}
LATER = {
    "procurement": {"lots_months": (36,)},
    "negotiation": {"terms_months": (66,)},  # the life of chips: nothing is left to the market
}
STATE = {"governments": {"State": {"cash_usd": 0.0}}}
TOLERANCE = 1e-6
"""Relative: what the solver leaves open."""


def missed(market: Market) -> dict[str, float]:
    """Return what is missed by cause, USD an hour, without what is not missed."""
    found = {cause: trajectory(market, "loss_by_cause", cause)[-1] for cause in CAUSES}
    return {cause: usd for cause, usd in found.items() if usd}


def possible(market: Market) -> float:
    return trajectory(market, "surplus_possible")[-1]


def to_build(**tables) -> Scenario:
    """Return a lab that needs capacity in three years and a cloud that could build it."""
    return scenario(
        {"Lab": lab(8.0)},
        {"Cloud": cloud(1.0, 0.0, **BUILDS)},
        **LATER,
        **tables,
    )


def control(**given) -> dict:
    policy = {"government": "State", "instrument": "export-control", "effective": day(0), **given}
    return STATE | {"policies": {"control": policy | {"destinations": ("home",)}}}


def exclusive(cloud_name: str) -> dict:
    agreement = {"lab": "Lab", "cloud": cloud_name, "exclusive_until": day(24)}
    return {"agreements": {"bond": agreement}}


def test_nothing_is_missed_where_nothing_stands_in_the_way():
    market = after(scenario({"Lab": lab(3.0)}, {"Cloud": cloud(1.0)}))
    assert missed(market) == {}
    assert possible(market) == pytest.approx(2 * UNIT_H100E)
    assert trajectory(market, "surplus_agreed") == [possible(market)]


def test_a_policy_that_forbids_the_only_efficient_pair_costs_its_whole_surplus():
    without, within = after(to_build()), after(to_build(**control()))
    assert missed(without) == {}
    assert possible(within) == possible(without) > 0
    assert missed(within) == {"policy": possible(without)}


def test_a_quota_costs_what_lies_beyond_it():
    within = after(to_build(**control(quota_h100e_per_year=0.4 * UNIT_H100E)))
    lost = missed(within).get("policy", 0.0)
    assert 0 < lost < possible(within)


def test_a_grid_that_is_made_slower_costs_what_comes_too_late():
    slow = {"government": "State", "instrument": "permitting", "effective": day(0)}
    slow |= {"regions": ("home",), "grid_multiplier": 10.0}
    within = after(to_build(**STATE, policies={"slow": slow}))
    assert missed(within) == {"policy": possible(within)}


def test_a_policy_that_helps_costs_nothing():
    fast = {"government": "State", "instrument": "permitting", "effective": day(0)}
    fast |= {"regions": ("home",), "grid_multiplier": 0.1}
    assert missed(after(to_build(**STATE, policies={"fast": fast}))) == {}


def test_an_exclusivity_with_the_dearer_cloud_costs_the_difference():
    clouds = {"Cheap": cloud(1.0), "Dear": cloud(2.5)}
    market = after(scenario({"Lab": lab(3.0)}, clouds, **exclusive("Dear")))
    assert missed(market) == {"clause": pytest.approx(1.5 * UNIT_H100E)}
    assert missed(after(scenario({"Lab": lab(3.0)}, clouds, **exclusive("Cheap")))) == {}


def test_a_bid_that_a_first_refusal_deters_is_missed_because_of_the_clause():
    refusal = {
        "lab": "Lab",
        "cloud": "Holder",
        "first_refusal_from": day(0),
        "first_refusal_until": day(12),
    }
    given = {"agreements": {"bond": refusal}, "negotiation": {"bid_cost_usd": 1e12}}
    clouds = {"Holder": cloud(2.0), "Rival": cloud(1.0)}
    assert missed(after(scenario({"Lab": lab(3.0)}, clouds, **given))) == {
        "clause": pytest.approx(UNIT_H100E)
    }


def test_what_two_causes_forbid_counts_for_the_first():
    """A pair that a policy and a clause forbid is missed as long as the policy stands."""
    labs, clouds = {"Lab": lab(8.0)}, {"Builder": cloud(1.0, 0.0, **BUILDS), "Holder": cloud(9.0)}
    tables = control() | exclusive("Holder")
    market = after(scenario(labs, clouds, **LATER, **tables))
    assert missed(market) == {"policy": possible(market)}
    clouds["Builder"] |= {"regions": ("home",)}
    tables = exclusive("Holder")
    market = after(scenario(labs, clouds, **LATER, **tables))
    assert missed(market) == {"clause": possible(market)}


def test_a_least_size_is_a_friction():
    given = scenario(
        {"Lab": lab(3.0)}, {"Cloud": cloud(1.0, 3.0)}, negotiation={"smallest_mw": 2.0}
    )
    market = after(given)
    assert trajectory(market, "surplus_agreed") == [0.0]
    assert missed(market) == {"friction": pytest.approx(2 * UNIT_H100E)}


def test_what_a_buyer_cannot_bear_is_a_friction_of_means():
    poor = scenario({"Lab": lab(3.0)}, {"Cloud": cloud(1.0)}, procurement={"affordability": 0.0})
    market = after(poor)
    assert missed(market) == {"friction": pytest.approx(2 * UNIT_H100E)}
    assert trajectory(market, "loss_of_means") == [pytest.approx(2 * UNIT_H100E)]


def hidden(visibility: float) -> Market:
    """Return a market whose cloud holds back for demand that a rival, seen or not, could serve."""
    return after(
        scenario(
            {"Lab": lab(0.2), "Other": lab(9.0, 0.5, invites=("Rival",))},
            {"Cloud": cloud(1.0, **BUILDS), "Rival": cloud(1.0, 40.0, serves=("Other",))},
            beliefs={"visibility": visibility},
        )
    )


def test_a_floor_that_fears_scarcity_is_missed_information():
    seen, unseen = hidden(1.0), hidden(0.0)
    assert missed(seen) == {}
    assert possible(unseen) == pytest.approx(possible(seen))
    assert set(missed(unseen)) == {"information"}
    gained = [trajectory(m, "surplus_agreed")[0] for m in (seen, unseen)]
    assert gained[0] > gained[1]
    assert missed(unseen)["information"] == pytest.approx(gained[0] - gained[1])


def test_nothing_is_compared_where_nobody_asks_for_it():
    given = scenario(
        {"Lab": lab(3.0)}, {"Cloud": cloud(1.0)}, negotiation={"benchmark_every_months": 0}
    )
    market = Market(given, rng=1)
    with patch("offtake.model.awarding.losses", side_effect=AssertionError):
        market.run_until(1)
    assert trajectory(market, "loss_by_cause", "policy") == [None]
    assert trajectory(market, "surplus_possible") == [None]


def compared(given: Scenario) -> Scenario:
    every = given.negotiation.model_copy(update={"benchmark_every_months": 1})
    return given.model_copy(update={"negotiation": every})


@settings(max_examples=8)
@given(scenarios(exclusive=True, months=8))
def test_causes_are_never_negative_and_add_up_exactly(given: Scenario):
    values = played(compared(given)).recorder.values
    for k, parts in enumerate(values["loss_by_cause"]):
        whole = values["surplus_possible"][k] - values["surplus_agreed"][k]
        if not np.isnan(whole):
            assert (parts >= 0).all()
            assert sum(parts) == whole


@settings(max_examples=8)
@given(scenarios(exclusive=True, months=8))
def test_each_optimum_is_over_a_set_that_holds_the_smaller_one(given: Scenario):
    seen = []

    def watched(steps):
        seen.append(steps)
        return real(steps)

    real = losses.nested
    with patch.object(losses, "nested", watched):
        played(compared(given))
    for achieved, ranked, affordable, *wider, free in seen:
        tolerance = TOLERANCE * max(1.0, *wider)
        assert achieved - tolerance <= ranked <= affordable + tolerance
        assert all(a <= b + tolerance for a, b in itertools.pairwise([affordable, *wider]))
        assert free >= 0


@settings(max_examples=5)
@given(scenarios(months=8))
def test_comparing_changes_nothing(given: Scenario):
    never = given.negotiation.model_copy(update={"benchmark_every_months": 0})
    plain = played(given.model_copy(update={"negotiation": never}))
    assert played(compared(given)).books.digest() == plain.books.digest()
