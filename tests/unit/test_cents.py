import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from offtake.model.cents import allocate, cents, split

WEIGHTS = st.lists(st.integers(0, 10**15), min_size=1, max_size=12)


def test_dollars_are_rounded_to_whole_cents_half_to_even():
    assert [cents(0.125), cents(0.375), cents(1e9), cents(0.0)] == [12, 38, 10**11, 0]


def test_the_largest_remainder_gets_the_odd_cent():
    assert split(100, [3, 3, 1]) == [43, 43, 14]
    assert split(10, [1, 2, 4]) == [1, 3, 6]


def test_equal_remainders_go_to_the_earlier():
    assert split(2, [1, 1, 1]) == [1, 1, 0]


def test_nothing_is_split_among_those_without_a_claim():
    assert split(100, [0, 0]) == [0, 0]


@given(st.integers(0, 10**16), WEIGHTS)
def test_a_split_closes_exactly_and_is_fair_to_the_cent(total: int, weights: list[int]):
    parts = split(total, weights)
    whole = sum(weights)
    assert sum(parts) == (total if whole else 0)
    for part, weight in zip(parts, weights, strict=True):
        assert whole == 0 or abs(part * whole - total * weight) < whole


@given(st.integers(0, 10**6), st.lists(st.tuples(st.integers(0, 10**5), st.booleans()), max_size=8))
def test_rationing_gives_no_more_than_there_is_nor_than_is_claimed(available, claims):
    wanted = np.array([kw for kw, _ in claims], dtype=np.int64)
    first = np.array([has for _, has in claims], dtype=bool)
    given_kw = allocate(available, wanted, first)
    assert (given_kw >= 0).all()
    assert (given_kw <= wanted).all()
    assert given_kw.sum() == min(available, wanted.sum())


def test_first_call_is_served_before_the_rest():
    first = np.array([False, True, False])
    assert allocate(100, np.array([50, 80, 50]), first).tolist() == [10, 80, 10]
