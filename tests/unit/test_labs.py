"""Labs' strategies as transcripts: what is seen, what is said."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.agents.labs import Adapt, AskOnce, CoverNeed, ExpectNoGrowth, mean_value
from offtake.model.market import Market
from offtake.model.proposals import Forecast, Lot, Tender
from offtake.model.reading import load_scenario
from offtake.model.scenario import Beliefs, Procurement
from offtake.model.view import ForecastView, LabView


def lab_view() -> LabView:
    """Return a lab that needs 100 H100e, 40 of it for users, has none and expects no growth."""
    market = Market(load_scenario("duopoly"), rng=1)
    market.step()
    seen = market.lab_views["Lab A"]
    procurement = Procurement(lots_months=(1, 12, 24), threshold=0.1, coverage_floor=0.5)
    return replace(
        seen,
        rules=replace(seen.rules, procurement=procurement),
        need_h100e=100.0,
        load_h100e=40.0,
        growth_per_month=0.0,
        variance=0.0,
        covered_h100e=np.zeros(61),
        inference_value=5.0,
        training_value=1.0,
        fixed_value=0.0,
        value_slope=0.5,
        contract_price=2.0,
        spot_price=2.0,
    )


VIEW = lab_view()
LEARNING = ForecastView(
    name="Lab A",
    rules=Beliefs(learning=0.25, error_memory=0.5),
    growth_per_month=0.0,
    variance=0.04,
    need_before_h100e=100.0,
    need_h100e=100.0 * float(np.exp(0.2)),
)


def lots(tender: Tender | None) -> list[tuple[int, Any]]:
    assert tender is not None
    return [(lot.start_months, pytest.approx(lot.h100e)) for lot in tender.lots]


def test_a_forecast_moves_a_quarter_of_the_way_to_what_happened():
    found = Adapt()(LEARNING)
    assert found.growth_per_month == pytest.approx(0.05)
    assert found.variance == pytest.approx(0.5 * 0.04 + 0.5 * 0.04)


def test_a_forecast_that_came_true_stays():
    seen = replace(LEARNING, growth_per_month=0.2)
    assert Adapt()(seen).growth_per_month == pytest.approx(0.2)


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(-1, 1), st.floats(0, 1))
def test_beliefs_stay_finite_and_uncertain(before, after, growth, variance):
    seen = replace(
        LEARNING,
        need_before_h100e=before,
        need_h100e=after,
        growth_per_month=growth,
        variance=variance,
    )
    found = Adapt()(seen)
    assert np.isfinite(found.growth_per_month)
    assert found.variance > 0


def test_the_naive_lab_expects_no_growth():
    assert ExpectNoGrowth()(LEARNING) == Forecast(growth_per_month=0.0, variance=0.04)


def test_a_lab_without_contracts_tenders_its_need_at_once():
    assert lots(CoverNeed()(VIEW)) == [(1, 100.0)]


def test_a_lab_that_is_covered_says_nothing():
    assert CoverNeed()(replace(VIEW, covered_h100e=np.full(61, 91.0))) is None


def test_a_lab_asks_only_for_what_is_missing():
    assert lots(CoverNeed()(replace(VIEW, covered_h100e=np.full(61, 60.0)))) == [(1, 40.0)]


def test_an_expiry_next_year_is_a_lot_of_its_own():
    covered = np.where(np.arange(61) < 12, 80.0, 30.0)
    assert lots(CoverNeed()(replace(VIEW, covered_h100e=covered))) == [(1, 20.0), (12, 50.0)]


def test_a_shortage_now_does_not_hide_the_growth_of_later():
    found = lots(CoverNeed()(replace(VIEW, growth_per_month=0.05)))
    assert [start for start, _ in found] == [1, 12, 24]


def test_dear_spot_raises_the_quantile_that_is_covered():
    unsure = replace(VIEW, variance=0.01)
    calm, dear = (CoverNeed().target_h100e(replace(unsure, spot_price=p), 12) for p in (2.0, 20.0))
    assert calm < 100.0 < dear


def test_a_lot_is_worth_inference_first_and_then_training():
    """From 5.0 for the first user to 2.5 for the last, 40 H100e; then what the budget pays."""
    assert mean_value(VIEW, 0.0, 40.0, 40.0) == pytest.approx(5.0 * (1 - 0.5 * 0.5))
    assert mean_value(VIEW, 0.0, 20.0, 40.0) == pytest.approx(5.0 * (1 - 0.5 * 0.25))
    assert mean_value(replace(VIEW, training_value=9.0), 40.0, 100.0, 40.0) == pytest.approx(9.0)


def test_training_is_worth_at_least_what_its_budget_pays():
    last = mean_value(VIEW, 99.99, 100.0, 40.0)
    assert last == pytest.approx(VIEW.contract_price, rel=1e-3)


def test_a_fixed_value_replaces_the_curve():
    tender = CoverNeed()(replace(VIEW, fixed_value=3.0))
    assert tender is not None
    assert [lot.value for lot in tender.lots] == [3.0]


def test_the_benchmark_asks_once_for_the_present_gap():
    seen = replace(VIEW, covered_h100e=np.full(61, 30.0), fixed_value=3.0)
    assert AskOnce()(seen) == Tender(
        lab="Lab A", lots=(Lot(start_months=1, h100e=70.0, value=3.0),)
    )
    assert AskOnce()(replace(seen, covered_h100e=np.full(61, 100.0))) is None


def test_the_cover_that_a_lab_sees_is_read_only():
    market = Market(load_scenario("duopoly"), rng=1)
    market.step()
    with pytest.raises(ValueError, match="read-only"):
        market.lab_views["Lab A"].covered_h100e[0] = 0.0
