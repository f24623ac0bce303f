"""The journal alone rebuilds the books, and chance is addressed by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.model.books import Books
from offtake.model.contracts import Stage
from offtake.model.events import Advanced
from offtake.model.market import Market
from offtake.model.reading import load_scenario
from offtake.model.scenario import Scenario
from tests.generated import digest, played, scenarios

FEW = settings(max_examples=15)
COLUMNS = (
    "kw",
    "delivered_kw",
    "pool",
    "lab",
    "price",
    "floor",
    "theta",
    "start",
    "end",
    "live",
    "late_kw_months",
)
PROFILES = ("energised_kw", "own_kw", "promised_kw", "committed_kw", "covered_h100e")


def assert_same_books(books: Books, again: Books) -> None:
    assert again.deposits == books.deposits
    assert again.claims == books.claims
    assert again.sites == books.sites
    assert again.contracts.facts == books.contracts.facts
    assert again.contracts.state == books.contracts.state
    assert again.contracts.prepaid_cents == books.contracts.prepaid_cents
    for fact in ("banked", "index_level", "damages_cents", "under_notice"):
        assert getattr(again.contracts, fact) == getattr(books.contracts, fact)
    for column in COLUMNS:
        np.testing.assert_array_equal(
            getattr(again.contracts, column)[: again.contracts.size],
            getattr(books.contracts, column)[: books.contracts.size],
        )
    for profile in PROFILES:
        np.testing.assert_array_equal(getattr(again, profile), getattr(books, profile))
    for fact in ("shells_kw", "created_kw", "cancelled_kw", "notices", "clauses", "tranches"):
        assert getattr(again, fact) == getattr(books, fact)
    for fact in ("loans", "policies", "usage_factor", "efficiency_factor", "failed", "capital"):
        assert getattr(again, fact) == getattr(books, fact)
    assert again.arrears_since == books.arrears_since
    assert again.last_round == books.last_round
    assert len(again.journal) == len(books.journal)


@FEW
@given(scenarios())
def test_the_journal_rebuilds_the_books(scenario: Scenario):
    market = played(scenario)
    assert_same_books(market.books, market.books.replay())


def test_the_journal_of_the_baseline_rebuilds_the_books():
    market = played(load_scenario("stargate-2025"), months=9)
    assert_same_books(market.books, market.books.replay())


@FEW
@given(scenarios())
def test_every_event_says_why(scenario: Scenario):
    market = played(scenario)
    assert all(event.cause for _, event in market.books.journal)


@FEW
@given(scenarios())
def test_the_journal_is_in_order_of_time(scenario: Scenario):
    times = [time for time, _ in played(scenario).books.journal]
    assert times == sorted(times)


# Time


@FEW
@given(scenarios(), st.lists(st.floats(0.01, 2.5), min_size=1, max_size=8))
def test_a_run_in_fractional_pieces_is_the_run(scenario: Scenario, pieces: list[float]):
    whole = played(scenario)
    broken = Market(scenario, rng=1)
    time = 0.0
    for piece in [*pieces, scenario.months]:
        if time < scenario.months:
            time = min(time + piece, scenario.months)
            broken.run_until(time)
    assert digest(broken) == digest(whole)


def test_run_for_months_run_until_and_steps_agree():
    scenario = load_scenario("duopoly")
    steps, for_, until = (Market(scenario, rng=1) for _ in range(3))
    for _ in range(6):
        steps.step()
    for_.run_for(2.25)
    for_.run_for(3.75)
    until.run_until(6)
    assert digest(steps) == digest(for_) == digest(until)


@pytest.mark.parametrize("name", ["duopoly", "stargate-2025"])
def test_a_longer_horizon_has_the_same_beginning(name: str):
    scenario = load_scenario(name).model_copy(update={"months": 8})
    twice = scenario.model_copy(update={"months": 16})
    short, long = played(scenario), Market(twice, rng=1)
    long.run_until(8)
    assert short.recorder.values.keys() == long.recorder.values.keys()
    for observable, months in short.recorder.values.items():
        np.testing.assert_array_equal(months, long.recorder.values[observable], err_msg=observable)
    assert short.books.deposits == long.books.deposits


# Common random numbers


def with_idlers(scenario: Scenario) -> Scenario:
    """Return the duopoly with a lab and a cloud that have nothing and do nothing."""
    lab = scenario.labs["Lab B"].model_copy(
        update={
            "cash_usd": 0.0,
            "users_million": 1e-6,
            "training_h100e": 0.0,
            "compute_h100e_hours_per_user": 1e-6,
        }
    )
    cloud = scenario.clouds["Cloud Y"].model_copy(update={"cash_usd": 0.0, "serves": ("Aalto",)})
    return scenario.model_copy(
        update={
            "labs": {"Aalto": lab} | scenario.labs,
            "clouds": {"Abacus": cloud} | scenario.clouds,
        }
    )


def test_an_idle_newcomer_leaves_every_draw_of_the_others_as_it_was():
    scenario = load_scenario("duopoly")
    before, after = Market(scenario, rng=7), Market(with_idlers(scenario), rng=7)
    np.testing.assert_array_equal(before.setup.usage_path, after.setup.usage_path)
    others = [after.setup.labs.index(name) for name in before.setup.labs]
    assert others == sorted(others)
    np.testing.assert_array_equal(before.setup.appeal_path, after.setup.appeal_path[:, others])
    assert before.setup.appeal_path.any()
    for name, site in before.books.sites.items():
        assert after.books.sites[name] == site


def clock_months(market: Market) -> dict[str, float]:
    """Return how long the construction clock of each site begun in the run takes."""
    begun = {}
    for time, event in market.books.journal:
        if isinstance(event, Advanced) and event.site.stage is Stage.BUILDING:
            begun.setdefault(event.site.name, round(event.site.construction_at - time, 9))
    return begun


def test_an_idle_newcomer_leaves_the_clocks_of_later_sites_as_they_were():
    scenario = load_scenario("duopoly")
    before = clock_months(played(scenario, seed=7, months=8))
    after = clock_months(played(with_idlers(scenario), seed=7, months=8))
    both = before.keys() & after.keys()
    assert len(both) >= 3
    assert {n: before[n] for n in both} == {n: after[n] for n in both}


def test_a_change_of_strategy_leaves_every_draw_as_it_was():
    scenario = load_scenario("duopoly")
    other = {"Lab A": {"forecaster": "expect-no-growth"}}
    before, after = Market(scenario, rng=3), Market(scenario, rng=3, strategies=other)
    np.testing.assert_array_equal(before.setup.appeal_path, after.setup.appeal_path)
    assert before.books.sites == after.books.sites
