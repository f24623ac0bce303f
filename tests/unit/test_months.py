import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.model.months import HOURS_PER_MONTH, date_of, month_of

START = dt.date(2025, 1, 1)
DAYS = st.dates(dt.date(2015, 1, 1), dt.date(2075, 12, 31))


def test_a_month_has_730_and_a_half_hours():
    assert HOURS_PER_MONTH == 730.5


@pytest.mark.parametrize(
    ("day", "month"),
    [
        (dt.date(2025, 1, 1), 0.0),
        (dt.date(2025, 2, 15), 1.5),
        (dt.date(2024, 12, 1), -1.0),
        (dt.date(2030, 12, 1), 71.0),
    ],
)
def test_days_count_evenly_in_their_month(day: dt.date, month: float):
    assert month_of(START, day) == month


@given(DAYS)
def test_a_day_survives_the_way_to_months_and_back(day: dt.date):
    assert date_of(START, month_of(START, day)) == day


@given(DAYS, DAYS)
def test_later_days_are_later_months(one: dt.date, other: dt.date):
    assert (month_of(START, one) < month_of(START, other)) == (one < other)
