import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.model import demand


def test_adoption_over_twelve_months_is_adoption_over_a_year():
    share = 0.1
    for _ in range(12):
        share = demand.adoption(share, 0.03, 0.38, 1 / 12)
    assert share == pytest.approx(demand.adoption(0.1, 0.03, 0.38, 1.0), rel=1e-12)


@given(st.floats(0, 1), st.floats(0, 0.1), st.floats(0, 1), st.floats(0, 10))
def test_adopters_never_leave_and_never_exceed_the_potential(share, p, q, years):
    assert share - 1e-12 <= demand.adoption(share, p, q, years) <= 1 + 1e-12


def test_without_innovation_adoption_is_logistic():
    odds = 0.2 / 0.8 * math.exp(0.5 * 2)
    assert demand.adoption(0.2, 0.0, 0.5, 2.0) == pytest.approx(odds / (1 + odds))


def test_adoption_stands_still_without_either():
    assert demand.adoption(0.3, 0.0, 0.0, 5.0) == 0.3


def test_choice_is_logit_with_an_outside_good():
    shares, outside = demand.choice(np.log([1.0, 2.0]))
    assert shares.tolist() == pytest.approx([0.25, 0.5])
    assert outside == pytest.approx(0.25)


def test_choice_survives_utilities_beyond_the_exponential():
    shares, outside = demand.choice(np.array([1e4, -1e4]))
    assert shares.tolist() == [1.0, 0.0]
    assert outside == 0.0


def test_users_churn_towards_their_shares():
    after = demand.users_after(np.array([80.0, 20.0]), 120.0, 0.0, np.array([0.5, 0.25]), 0.1)
    assert after.tolist() == [72 + 6, 18 + 3]


def test_a_share_gap_halves_in_the_half_life_of_churn():
    """Row D8: ln 2 / -ln(1 - mu)."""
    users, gap = np.array([60.0, 40.0]), []
    for _ in range(28):
        users = demand.users_after(users, 100.0, 0.0, np.array([0.5, 0.5]), 0.05)
        gap.append(float(users[0] - users[1]))
    half = math.log(2) / -math.log(0.95)
    assert gap[math.floor(half) - 1] > 10 > gap[math.ceil(half) - 1]


def test_the_service_price_rests_at_cost_plus_logit_markup():
    share, alpha = np.array([0.2]), 1.5
    rest = 1.0 + 1 / (alpha * 0.8)
    still = demand.service_price(np.array([rest]), np.array([1.0]), share, np.ones(1), alpha, 0.1)
    assert still.tolist() == pytest.approx([rest])


def test_the_training_stock_decays_and_takes_up_training():
    after = demand.stock_after(np.array([100.0]), np.array([10.0]), 0.05, 2.0)
    assert after.tolist() == [115.0]


def test_the_first_unit_of_load_is_worth_price_over_hours():
    assert demand.inference_value(np.array([2.0]), np.array([0.5])).tolist() == [4.0]


def test_a_budget_pays_the_price_for_what_it_buys():
    """Unit elasticity: half as much is worth twice the price at the margin."""
    at = demand.budget_value(2.0, 100.0, 99.999, 100.001)
    half = demand.budget_value(2.0, 100.0, 49.999, 50.001)
    assert (at, half) == (pytest.approx(2.0, rel=1e-4), pytest.approx(4.0, rel=1e-4))


def test_a_budget_that_buys_nothing_pays_nothing():
    assert demand.budget_value(2.0, 0.0, 0.0, 10.0) == 0.0
    assert demand.budget_value(2.0, 10.0, 5.0, 5.0) == 0.0


@given(st.floats(1, 1e6), st.floats(0, 2), st.floats(0, 2), st.floats(0, 2))
def test_the_budget_curve_falls(bought, one, two, three):
    low, middle, high = sorted(bought * x for x in (one, two, three))
    if middle - low > 1e-6 * bought and high - middle > 1e-6 * bought:
        first = demand.budget_value(2.0, bought, low, middle)
        assert first >= demand.budget_value(2.0, bought, middle, high) * (1 - 1e-9)


def test_damped_growth_is_bounded_where_undamped_is_not():
    assert float(demand.damped(0.05, 1.0, 20)) == pytest.approx(1.0)
    assert float(demand.damped(0.05, 0.95, 1)) == pytest.approx(0.0475)
    assert float(demand.damped(0.05, 0.95, 1e4)) == pytest.approx(0.95)


def test_worth_without_growth_and_discount_is_the_sum_of_survival():
    months = demand.worth_months(np.zeros(1), np.zeros(1), 0.05, 0.95)
    assert float(months[0]) == pytest.approx((1 - 0.95**121) / 0.05)
