import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.model import pricing

RATES = st.floats(0.001, 0.05)


@given(RATES, st.integers(1, 240))
def test_recovery_repays_one_unit(rate: float, months: int):
    worth = float(pricing.annuity(rate, months))
    assert pricing.recovery(rate, months) * worth == pytest.approx(1.0)


def test_recovery_without_interest_is_even():
    assert pricing.recovery(0.0, 60) == 1 / 60


def test_an_annuity_is_the_sum_of_its_payments():
    assert float(pricing.annuity(0.01, 3)) == pytest.approx(1 / 1.01 + 1 / 1.01**2 + 1 / 1.01**3)
    assert float(pricing.annuity(0.0, 3)) == pytest.approx(3.0, rel=1e-3)


@given(RATES, st.floats(0.0, 0.05), st.integers(1, 180))
def test_levelling_is_worth_the_falling_price(rate: float, decline: float, months: int):
    """A fixed price has the present value of start price times what is left of it each month."""
    m = np.arange(1, months + 1)
    falling = float(np.sum(np.exp(-decline * (m - 1)) * (1 + rate) ** -m))
    level = float(pricing.levelling(rate, decline, np.array([float(months)]))[0])
    assert level * float(pricing.annuity(rate, months)) == pytest.approx(falling, rel=1e-6)


@given(st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.floats(0.05, 0.6))
def test_options_wait_above_cost_and_give_up_below(rate: float, payout: float, volatility: float):
    up, down = pricing.betas(rate, payout, volatility)
    assert up > 1
    assert down < 0
    assert 0 < down / (down - 1) < 1 < up / (up - 1)


def test_the_hurdle_is_one_when_contracted_and_the_trigger_when_merchant():
    assert pricing.hurdle(np.array([0.0, 0.5, 1.0]), 2.0).tolist() == [1.0, 1.5, 2.0]


def test_everything_is_taken_at_full_take_or_pay():
    value, use = pricing.expected_take(np.array(2.0), 2.0, np.array(1.0), np.array(0.3))
    assert (float(value), float(use)) == (pytest.approx(2.0), pytest.approx(1.0))


def test_without_doubt_a_unit_is_used_iff_it_is_worth_the_avoidable_part():
    """Row B14: used iff value reaches (1 - phi) p."""
    values = np.array([0.79, 0.81])
    _, use = pricing.expected_take(values, 2.0, np.array(0.6), np.array(1e-9))
    assert use.tolist() == [0.0, 1.0]


@given(st.floats(0.1, 5.0), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_floor_never_lowers_expected_use(value: float, one: float, other: float):
    low, high = sorted([one, other])
    floors = np.array([low, high])
    taken, use = pricing.expected_take(np.array(value), 2.0, floors, np.array(0.4))
    assert use[0] <= use[1] + 1e-12
    assert taken[0] <= taken[1] + 1e-12 <= value + 1e-6


def residual(**terms: float) -> float:
    given = {
        "price": 2.0,
        "running": 0.2,
        "decline_per_month": 0.0,
        "rate_per_month": 1e-9,
        "busy": 0.5,
    } | terms
    months = np.array([given.pop("months", 12.0)])
    return float(pricing.residual(**given, months=months, life_months=24)[0])


def test_a_vintage_earns_the_margin_of_its_sold_hours_until_its_end():
    assert residual() == pytest.approx(730.5 * 12 * (0.5 * 2.0 - 0.2), rel=1e-6)
    assert residual(months=24.0) == 0.0


def test_a_vintage_that_does_not_pay_its_running_cost_is_worth_nothing():
    assert residual(price=0.3) == 0.0


def test_chips_are_replaced_at_the_end_of_their_life():
    terms = np.array([12.0, 24.0, 36.0])
    assert pricing.refreshed([100.0, 80.0], 0.0, terms, 24).tolist() == [100.0, 100.0, 180.0]


def test_nothing_is_kept_back_without_another_buyer():
    assert pricing.protected(2.0, 0.5, 0.0, 100.0, 0.5) == 0.0
    assert pricing.protected(0.4, 0.5, 100.0, 100.0, 0.5) == 0.0


def test_the_last_unit_is_worth_its_margin():
    assert pricing.protected(2.0, 0.5, 100.0, 0.0, 0.5) == 1.5


def test_littlewood_half_the_time_demand_is_above_its_median():
    median = 100.0 * math.exp(-(0.5**2) / 2)
    assert pricing.protected(2.0, 0.5, 100.0, median, 0.5) == pytest.approx(0.75)


@given(st.floats(1, 1e6), st.floats(1, 1e6), st.floats(1, 1e6))
def test_the_more_is_free_the_less_a_unit_is_kept(demand: float, one: float, other: float):
    few, many = sorted([one, other])
    kept = [pricing.protected(2.0, 0.5, demand, free, 0.5) for free in (few, many)]
    assert 0 <= kept[1] <= kept[0] <= 1.5


@given(st.floats(0, 2e-7), st.floats(1, 600))
def test_an_annuity_without_interest_is_the_number_of_months(rate: float, months: float):
    exact = -math.expm1(-months * math.log1p(rate)) / rate if rate > 1e-300 else months
    assert float(pricing.annuity(rate, months)) == pytest.approx(exact, rel=1e-8)
