"""Clauses are monotone in their terms."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from offtake.model.clauses import Prepayment, Ramp, TakeOrPay, Termination
from offtake.model.dealing import FirstRefusal

SHARES = st.floats(0, 1)
H100E = st.floats(0, 1e7)
PRICES = st.floats(0.01, 20)
CENTS = st.integers(0, 10**14)


@given(PRICES, H100E, SHARES, SHARES, SHARES)
def test_a_higher_floor_never_lowers_a_bill(price, delivered, use, one, other):
    low, high = sorted([one, other])
    used = use * delivered
    assert TakeOrPay(floor=low).bill_cents(price, used, delivered) <= TakeOrPay(
        floor=high
    ).bill_cents(price, used, delivered)


@given(PRICES, H100E, SHARES, SHARES, SHARES)
def test_more_use_never_lowers_a_bill(price, delivered, floor, one, other):
    less, more = sorted([one * delivered, other * delivered])
    clause = TakeOrPay(floor=floor)
    assert clause.bill_cents(price, less, delivered) <= clause.bill_cents(price, more, delivered)


@given(PRICES, SHARES)
def test_nothing_delivered_is_never_billed(price, floor):
    assert TakeOrPay(floor=floor).bill_cents(price, 0.0, 0.0) == 0


@given(PRICES, H100E, SHARES, SHARES)
def test_a_bill_is_never_more_than_for_full_use(price, delivered, floor, use):
    clause = TakeOrPay(floor=floor)
    full = clause.bill_cents(price, delivered, delivered)
    assert 0 <= clause.bill_cents(price, use * delivered, delivered) <= full


@given(st.integers(1, 10**6), st.integers(0, 60), st.integers(0, 60))
def test_a_longer_ramp_never_gives_capacity_earlier(full_kw, one, other):
    short, long = sorted([one, other])
    early, late = Ramp(months=short).steps_kw(full_kw), Ramp(months=long).steps_kw(full_kw)
    early += (full_kw,) * (len(late) - len(early))
    assert all(a >= b for a, b in zip(early, late, strict=True))


@given(st.integers(1, 10**6), st.integers(0, 60))
def test_a_ramp_only_rises_and_ends_full(full_kw, months):
    steps = Ramp(months=months).steps_kw(full_kw)
    assert all(a <= b for a, b in pairwise(steps))
    assert steps[-1] == full_kw
    assert steps[0] >= 0


@given(CENTS, CENTS, st.integers(-3, 200))
def test_a_draw_exceeds_neither_the_bill_nor_what_is_left(bill, left, months_left):
    draw = Prepayment(amount_cents=left).draw_cents(bill, left, months_left)
    assert 0 <= draw <= min(bill, left)


@given(CENTS, st.integers(1, 60))
def test_a_prepayment_is_drawn_in_full_by_the_last_month_if_bills_allow(amount, months):
    clause, left = Prepayment(amount_cents=amount), amount
    for gone in range(months):
        left -= clause.draw_cents(amount, left, months - gone)
    assert left == 0


@given(CENTS, st.floats(0, 60), st.floats(-1, 200))
def test_a_fee_never_exceeds_what_is_still_owed(monthly, fee_months, months_left):
    fee = Termination(fee_months=fee_months).fee_cents(monthly, months_left)
    owed = monthly * max(months_left, 0.0)
    assert 0 <= fee <= owed + 0.5 + 1e-9 * owed


@given(CENTS, st.floats(0, 60), st.floats(0, 200), st.floats(0, 200))
def test_leaving_later_never_costs_more(monthly, fee_months, one, other):
    soon, late = sorted([one, other])
    clause = Termination(fee_months=fee_months)
    assert clause.fee_cents(monthly, soon) <= clause.fee_cents(monthly, late)


@given(st.floats(0, 100), st.integers(1, 365), st.integers(1, 365))
def test_a_longer_window_closes_later(time, one, other):
    short, long = sorted([one, other])
    closes = [
        FirstRefusal(lab="l", holder="c", since=0, until=200, window_days=days).closes(time)
        for days in (short, long)
    ]
    assert time < closes[0] <= closes[1]
