from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.model.clearing import Bids, ascend, call_auction, demanded
from offtake.model.negotiation import efficient

STEP = 0.01


def bids(
    surplus: list[list[float]], wanted: list[float], room: list[float], psi: float = 0.0
) -> Bids:
    """Return lots that may use any column in full and depend on nobody yet."""
    gains = np.array(surplus)
    return Bids(
        surplus=gains,
        wanted=np.array(wanted),
        room=np.array(room),
        limit=np.minimum(np.array(room)[None, :], np.array(wanted)[:, None]),
        exposure=np.zeros(gains.shape),
        dependence=np.full(len(wanted), psi),
        scale=np.array(wanted),
    )


def test_a_lot_takes_its_best_column_first():
    asked = bids([[2.0, 3.0]], [10.0], [10.0, 6.0])
    assert demanded(asked, np.zeros(2), STEP, 1).tolist() == [[4.0, 6.0]]


def test_a_lot_takes_nothing_that_costs_more_than_it_is_worth():
    asked = bids([[2.0, -np.inf]], [10.0], [10.0, 10.0])
    assert demanded(asked, np.array([2.5, 0.0]), STEP, 1).tolist() == [[0.0, 0.0]]


def test_dependence_splits_a_purchase_between_equals():
    asked = bids([[2.0, 2.0]], [8.0], [8.0, 8.0], psi=0.5)
    assert demanded(asked, np.zeros(2), STEP, 4).tolist() == [[4.0, 4.0]]


def test_without_scarcity_nobody_pays_a_premium():
    cleared = ascend(bids([[2.0], [1.0]], [5.0, 5.0], [10.0]), STEP)
    taken, premium = cleared.taken, cleared.premium
    assert taken.tolist() == [[5.0], [5.0]]
    assert premium.tolist() == [0.0]


def test_scarce_capacity_goes_to_whom_it_is_worth_most_at_the_losers_value():
    cleared = ascend(bids([[2.0], [1.0]], [5.0, 5.0], [5.0]), STEP)
    taken, premium = cleared.taken, cleared.premium
    assert taken.tolist() == [[5.0], [0.0]]
    assert premium[0] == pytest.approx(1.0, abs=2 * STEP)


def test_nothing_is_sold_twice_among_equals():
    taken = ascend(bids([[1.0], [1.0], [1.0]], [4.0, 4.0, 4.0], [6.0]), STEP).taken
    assert taken.sum() == pytest.approx(6.0)
    assert (taken >= 0).all()


GAINS = st.lists(
    st.lists(st.floats(-1, 5, width=16), min_size=3, max_size=3), min_size=2, max_size=4
)


@settings(max_examples=60)
@given(GAINS, st.lists(st.integers(1, 9), min_size=7, max_size=7))
def test_clearing_is_feasible_and_never_better_than_the_optimum(gains, sizes):
    asked = bids(gains, [float(x) for x in sizes[: len(gains)]], [float(x) for x in sizes[4:]])
    cleared = ascend(asked, STEP)
    taken, premium = cleared.taken, cleared.premium
    assert (taken >= -1e-9).all()
    assert (taken.sum(axis=0) <= asked.room + 1e-6).all()
    assert (taken.sum(axis=1) <= asked.wanted + 1e-6).all()
    assert (premium >= 0).all()
    gained = float((taken * np.where(taken > 0, asked.surplus, 0.0)).sum())
    assert gained <= efficient(asked) + 1e-6


def test_unit_demand_ends_within_lots_times_step_of_the_optimum():
    """Row A4 for two lots that are alike: 2.5 + 2.5 + 1.0."""
    asked = bids([[0.0, 0.0, 2.5], [1.0, 2.5, 3.0], [1.0, 2.5, 3.0]], [1.0] * 3, [1.0] * 3)
    taken = ascend(asked, STEP).taken
    gained = float((taken * asked.surplus).sum())
    assert efficient(asked) == pytest.approx(6.0)
    assert gained >= 6.0 - 3 * STEP


def test_alike_lots_with_room_for_all_pay_only_what_makes_them_part():
    """A premium of 0.5 on the better column leaves both lots content."""
    premium = ascend(bids([[3.0, 2.5], [3.0, 2.5]], [1.0, 1.0], [1.0, 1.0]), STEP).premium
    assert premium.tolist() == pytest.approx([0.5, 0.0], abs=3 * STEP)


def test_the_order_of_lots_permutes_the_outcome():
    gains, wanted = [[3.0, 1.0], [2.5, 2.0], [1.0, 1.5]], [4.0, 5.0, 6.0]
    first = ascend(bids(gains, wanted, [5.0, 6.0]), STEP).taken
    for order in permutations(range(3)):
        other = ascend(
            bids([gains[i] for i in order], [wanted[i] for i in order], [5.0, 6.0]), STEP
        )
        np.testing.assert_allclose(other.taken, first[list(order)], atol=1e-9)


def test_a_call_auction_without_bids_or_offers_trades_nothing():
    assert call_auction([], [(1.0, 5.0)])[0] == 0.0
    assert call_auction([(2.0, 5.0)], [])[0] == 0.0
    assert call_auction([(1.0, 5.0)], [(2.0, 5.0)])[0] == 0.0


def test_a_marginal_offer_sets_the_price_when_it_is_not_exhausted():
    assert call_auction([(5.0, 3.0)], [(1.0, 2.0), (2.0, 2.0)]) == (3.0, 2.0, 2.0)


PRICED = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 9)), min_size=1, max_size=8)


@given(PRICED, PRICED)
def test_at_the_price_of_the_auction_no_gain_is_left(asked, offered):
    quantity, low, high = call_auction(asked, offered)
    if quantity == 0:
        assert max(p for p, _ in asked) < min(p for p, _ in offered)
        return
    assert low <= high
    price = (low + high) / 2
    most_sold = sum(q for p, q in offered if p <= price)
    most_bought = sum(q for p, q in asked if p >= price)
    assert quantity <= min(most_sold, most_bought)
    assert sum(q for p, q in offered if p < price) <= quantity
    assert sum(q for p, q in asked if p > price) <= quantity
