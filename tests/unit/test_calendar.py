import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.model.calendar import Calendar


def drained(calendar: Calendar, until: float = math.inf) -> list[str]:
    found = []
    while (entry := calendar.due(until)) is not None:
        found.append(f"{entry.name} {entry.action}")
    return found


def test_what_is_dated_earlier_comes_first():
    calendar = Calendar()
    for time in (3.0, 1.0, 2.0):
        calendar.add(time, "step", f"at {time}")
    assert drained(calendar) == ["at 1.0 step", "at 2.0 step", "at 3.0 step"]


def test_at_one_instant_rank_decides_then_what_was_dated_first():
    calendar = Calendar()
    calendar.add(1.0, "end", "b", rank=2)
    calendar.add(1.0, "step", "a", rank=3)
    calendar.add(1.0, "step", "b", rank=1)
    calendar.add(1.0, "second", "b", rank=1)
    calendar.add(1.0, "step", "a", rank=1)
    assert drained(calendar) == ["b step", "b second", "a step", "b end", "a step"]


def test_a_contract_that_ends_makes_room_before_the_next_starts():
    """Half-open terms: ends stand before starts in rank."""
    calendar = Calendar()
    calendar.add(1.0, "step 0", "new", rank=3)
    calendar.add(1.0, "end", "old", rank=2)
    assert drained(calendar) == ["old end", "new step 0"]


def test_only_what_is_due_is_handed_out():
    calendar = Calendar()
    calendar.add(1.0, "step", "now")
    calendar.add(1.5, "step", "later")
    assert drained(calendar, 1.0) == ["now step"]
    assert calendar.next_time() == 1.5


def test_an_empty_calendar_is_due_never():
    assert Calendar().next_time() == math.inf
    assert Calendar().due(math.inf) is None


@pytest.mark.parametrize("time", [-1.0, math.nan])
def test_a_date_that_is_no_time_is_refused(time: float):
    with pytest.raises(ValueError, match="a time from 0 on is needed"):
        Calendar().add(time, "step", "x")


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from("ab")), max_size=20)
)
def test_a_pickled_calendar_goes_on_in_the_same_order(entries):
    calendar = Calendar()
    for number, (time, rank, name) in enumerate(entries):
        calendar.add(float(time), str(number), name, rank=rank)
    again = pickle.loads(pickle.dumps(calendar))
    calendar.add(1.0, "after", "a")
    again.add(1.0, "after", "a")
    assert drained(again) == drained(calendar)
