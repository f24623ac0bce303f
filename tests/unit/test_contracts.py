from dataclasses import FrozenInstanceError, replace

import pytest

from offtake.model.clauses import TakeOrPay
from offtake.model.contracts import OPEN, Contract, Loan, Pool, Stage

CONTRACT = Contract(
    name="one",
    buyer="Lab A",
    pool=Pool(cloud="Cloud X", region="home", chip="gpu"),
    capacity_kw=1_000,
    h100e_per_mw=800.0,
    price_usd_per_h100e_hour=2.0,
    signed=0.0,
    start=2.0,
    end=5.0,
    take_or_pay=TakeOrPay(floor=0.5),
)
LOAN = Loan(
    name="loan",
    lender="Lender",
    borrower="Cloud X",
    principal_cents=1_200_000,
    rate_per_year=0.0,
    start=0.0,
    months=12,
)


def test_a_contract_delivers_from_its_start_until_before_its_end():
    assert [CONTRACT.runs_in(t) for t in (1.99, 2.0, 4.99, 5.0)] == [False, True, True, False]


def test_value_is_price_times_compute_times_hours_of_the_term():
    assert CONTRACT.h100e == 800.0
    assert CONTRACT.months == 3.0
    assert CONTRACT.value_usd() == 2.0 * 800 * 730.5 * 3


def test_the_seller_is_the_cloud_of_the_pool():
    assert CONTRACT.seller == "Cloud X"


def test_terms_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        CONTRACT.capacity_kw = 2  # type: ignore[misc]


def test_a_loan_without_interest_is_repaid_evenly():
    assert LOAN.payment_cents() == 100_000


def test_level_payments_repay_a_loan_with_interest():
    loan = replace(LOAN, rate_per_year=0.12)
    left = float(loan.principal_cents)
    for _ in range(12):
        left += left * 0.01 - loan.payment_cents()
    assert abs(left) < 12


def test_open_stages_stand_before_energised():
    assert list(OPEN) == sorted(OPEN)
    assert max(OPEN) < Stage.ENERGISED < Stage.CANCELLED
