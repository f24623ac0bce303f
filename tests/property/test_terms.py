"""Terms of payment and delivery: what they may never do, alone and in whole markets."""

import math
from collections import Counter
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.model.books import Books
from offtake.model.cents import cents
from offtake.model.clauses import Prepayment
from offtake.model.contracts import Contract
from offtake.model.events import (
    Banked,
    DamagesDue,
    Lowered,
    NoticeGiven,
    Posted,
    Renegotiated,
    Repriced,
    Terminated,
)
from offtake.model.market import Market
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.scenario import Scenario
from offtake.model.terms import DelayDamages, Indexation, LongStop, MakeUp, SellerTermination
from tests.generated import played, scenarios

HOURS = st.integers(0, 10**6)
MONTHS = st.lists(st.tuples(HOURS, HOURS, HOURS), min_size=1, max_size=30)
"""Use and two floors of each month, in any order."""
YEARS = st.lists(st.floats(0.2, 3.0), min_size=1, max_size=10)
"""Ratios of an index to a year before."""
CENTS = st.integers(0, 10**14)


def billed(makeup_months: int, months: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return by month the hours billed and the hours banked at its end, for floors and use."""
    clause, bank = MakeUp(months=makeup_months), ()
    bills, banked = [], []
    for number, (floor, used) in enumerate(months):
        bank, drawn = clause.after(bank, number, floor_hours=floor, used_hours=used)
        bills.append(max(floor, used) - drawn)
        banked.append(sum(deficiency.hours for deficiency in bank))
    return bills, banked


@given(MONTHS, st.integers(0, 12))
def test_a_higher_floor_never_lowers_receipts_at_given_use(months, makeup_months):
    low = [(min(a, b), used) for used, a, b in months]
    high = [(max(a, b), used) for used, a, b in months]
    assert sum(billed(makeup_months, low)[0]) <= sum(billed(makeup_months, high)[0])


@given(MONTHS, st.integers(0, 12), st.integers(0, 12))
def test_a_longer_right_to_make_up_never_raises_the_total_bill(months, one, other):
    short, long = sorted([one, other])
    given_use = [(floor, used) for used, floor, _ in months]
    bills = [sum(billed(n, given_use)[0]) for n in (0, short, long)]
    assert bills == sorted(bills, reverse=True)


@given(MONTHS, st.integers(0, 12))
def test_no_more_is_banked_than_was_paid_and_not_used(months, makeup_months):
    given_use = [(floor, used) for used, floor, _ in months]
    bills, banked = billed(makeup_months, given_use)
    idle = list(accumulate(b - u for b, (_, u) in zip(bills, given_use, strict=True)))
    assert all(0 <= b <= paid for b, paid in zip(banked, idle, strict=True))
    assert all(
        min(floor, used) <= bill for bill, (floor, used) in zip(bills, given_use, strict=True)
    )


@given(MONTHS, st.integers(1, 12))
def test_the_oldest_is_drawn_first_and_nothing_outlives_its_months(months, makeup_months):
    clause, bank = MakeUp(months=makeup_months), ()
    for number, (used, floor, _) in enumerate(months):
        before = bank
        bank, drawn = clause.after(bank, number, floor_hours=floor, used_hours=used)
        untils = [deficiency.until for deficiency in bank]
        assert untils == sorted(set(untils))
        assert all(number < until <= number + makeup_months for until in untils)
        left = {deficiency.until: deficiency.hours for deficiency in bank}
        gone = accumulate(deficiency.hours for deficiency in before)
        for deficiency, so_far in zip(before, gone, strict=True):
            kept = min(deficiency.hours, max(so_far - drawn, 0))
            assert left.get(deficiency.until, 0) == (kept if deficiency.until > number else 0)


@given(YEARS, st.floats(-0.5, 0.5))
def test_a_price_without_bounds_is_escalator_and_index_alone(ratios, escalator):
    clause = Indexation(escalator_per_year=escalator, index="chip")
    price = math.prod(clause.change(ratio) for ratio in ratios)
    assert price == pytest.approx((1 + escalator) ** len(ratios) * math.prod(ratios))


@given(YEARS, st.floats(-0.5, 0.5), st.floats(-1, 1), st.floats(-1, 1))
def test_a_price_never_moves_beyond_its_bounds(ratios, escalator, one, other):
    least, most = sorted([one, other])
    clause = Indexation(
        escalator_per_year=escalator, index="chip", least_per_year=least, most_per_year=most
    )
    assert all(1 + least <= clause.change(ratio) <= 1 + most for ratio in ratios)


@given(st.floats(-0.3, 0.3), st.floats(0.001, 0.05), st.integers(1, 120))
def test_a_first_price_is_worth_the_fixed_price(escalator, rate, months):
    """Paid month by month, the prices of the escalator are worth as much as a fixed price of 1."""
    first = Indexation(escalator_per_year=escalator).first_price(rate, 0.0, months)
    by_month = [
        first * (1 + escalator) ** (m // 12) * (1 + rate) ** -(m + 1) for m in range(months)
    ]
    fixed = [(1 + rate) ** -(m + 1) for m in range(months)]
    assert math.fsum(by_month) == pytest.approx(math.fsum(fixed))


@given(CENTS, st.floats(0, 60), st.floats(0, 200), st.floats(0, 200), st.floats(1, 200))
def test_the_sellers_fee_falls_over_the_term(month, fee_months, one, other, term):
    soon, late = sorted([one, other])
    clause = SellerTermination(fee_months=fee_months, notice_months=3)
    fees = [clause.fee_cents(month, left, term) for left in (0.0, soon, late, term)]
    assert fees[0] == 0
    assert fees == sorted(fees) or late > term
    assert max(fees) <= round(month * fee_months)


@given(st.lists(st.floats(0, 1e6), max_size=40), st.floats(0, 1), st.floats(0, 1), CENTS)
def test_damages_never_pass_their_cap(missing, share, cap_share, value):
    clause = DelayDamages(cure_days=0, share=share, cap_share=cap_share)
    credited = 0
    for h100e_months in missing:
        due = clause.due_cents(2.0, h100e_months, credited, value)
        assert 0 <= due <= cents(2.0 * HOURS_PER_MONTH * h100e_months)
        credited += due
    assert credited <= cap_share * value


@given(st.floats(0, 60), st.floats(0, 60), st.floats(0, 1), st.integers(0, 1000))
def test_a_long_stop_never_lets_go_early_or_where_all_is_delivered(months, since, share, kw):
    clause = LongStop(months=months, delivered_share=share)
    assert not clause.lets_go(since, kw, kw)
    assert since >= months or not clause.lets_go(since, 0, kw)


@given(CENTS, st.integers(1, 60), st.data())
def test_a_prepayment_never_raises_what_is_paid_in_all(amount, months, data):
    """Cash at signature and cash later add up to the bills, while these are large enough."""
    bills = data.draw(st.lists(CENTS, min_size=months, max_size=months))
    clause, left, cash = Prepayment(amount_cents=amount), amount, 0
    for gone, bill in enumerate(bills):
        draw = clause.draw_cents(bill, left, months - gone)
        left, cash = left - draw, cash + bill - draw
    assert amount + cash == sum(bills) + left


# Whole markets


@settings(max_examples=25)
@given(scenarios())
def test_terms_hold_in_whole_markets(scenario: Scenario):
    market = played(scenario)
    banks_hold_no_more_than_floors_have_billed(market.books)
    damages_keep_their_cap_and_are_what_is_paid_or_owed(market.books)
    prices_move_once_a_year_within_their_bounds(market.books)
    sellers_under_notice_deliver_to_the_end(market)


def said[T](books: Books, kind: type[T]) -> list[tuple[float, T]]:
    return [(time, event) for time, event in books.journal if isinstance(event, kind)]


def facts_of(books: Books, name: str) -> Contract:
    return books.contracts.facts[books.contracts.row[name]]


def banks_hold_no_more_than_floors_have_billed(books: Books) -> None:
    for _, event in said(books, Banked):
        contract = facts_of(books, event.contract)
        assert contract.make_up is not None
        full = contract.h100e * HOURS_PER_MONTH * (1 + 1e-9)
        floor = contract.take_or_pay.floor
        assert all(d.hours <= floor * full for d in event.deficiencies)
        assert len(event.deficiencies) <= contract.make_up.months
        assert event.drawn_hours <= (1 - floor) * full


def damages_keep_their_cap_and_are_what_is_paid_or_owed(books: Books) -> None:
    due: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    for _, event in said(books, DamagesDue):
        due[event.contract] += event.damages_cents
    for _, entry in said(books, Posted):
        for posting in entry.postings:
            if posting.label == "delay damages":
                paid[posting.reference] += posting.cents
    assert dict(due) == books.contracts.damages_cents
    assert set(paid) <= set(due)
    for name, total in due.items():
        contract = facts_of(books, name)
        assert contract.delay_damages is not None
        assert paid[name] <= total
        if name not in books.contracts.under_notice:  # which shortens the term
            assert total <= contract.delay_damages.cap_share * cents(contract.value_usd())


def prices_move_once_a_year_within_their_bounds(books: Books) -> None:
    """The first revision notes the level of its index; others, or distress, may lower it in between."""
    price = {c.name: c.price_usd_per_h100e_hour for c in books.contracts.facts}
    noted: set[str] = set()
    for time, event in books.journal:
        if isinstance(event, Repriced | Lowered | Renegotiated):
            name, after = event.contract, event.price_usd_per_h100e_hour
            if isinstance(event, Lowered):
                assert after < price[name]
            elif isinstance(event, Renegotiated):
                assert after <= price[name]
            elif name not in noted:
                noted.add(name)
                assert after == price[name]
            else:
                contract = facts_of(books, name)
                assert (time - math.ceil(contract.start)) % 12 == 0
                low, high = contract.indexation.least_per_year, contract.indexation.most_per_year
                assert low - 1e-9 <= after / price[name] - 1 <= high + 1e-9
            price[name] = after


def sellers_under_notice_deliver_to_the_end(market: Market) -> None:
    books = market.books
    ended = {e.contract: (t, e.by) for t, e in said(books, Terminated)}
    for time, notice in said(books, NoticeGiven):
        contract = facts_of(books, notice.contract)
        assert contract.seller_termination is not None
        assert notice.end == time + contract.seller_termination.notice_months == contract.end
        if notice.contract not in ended:
            assert notice.end > market.time
        elif contract.seller not in books.failed and ended[notice.contract][1] == contract.seller:
            assert ended[notice.contract][0] == notice.end
