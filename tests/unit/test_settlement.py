import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.model.bills import cloud_bills, contract_bills_usd, income, lab_bills
from offtake.model.events import Claim, Posted, Posting
from offtake.model.market import Market
from offtake.model.reading import load_scenario
from offtake.model.scenario import Scenario
from offtake.model.settlement import paid

NOBODY: frozenset[str] = frozenset()
DUOPOLY = load_scenario("duopoly")


def entry(deposits: dict[str, int], *bills: Posting, overdraft: frozenset[str] = NOBODY) -> Posted:
    found = paid(deposits, bills, overdraft)
    assert found is not None
    return found


def test_bills_that_can_be_paid_are_paid_in_full():
    found = entry({"a": 100}, Posting("a", "b", 60, "rent"), Posting("a", "c", 40, "power"))
    assert [p.cents for p in found.postings] == [60, 40]
    assert found.claims == ()


def test_a_payer_that_is_short_pays_all_bills_in_proportion_to_the_cent():
    found = entry({"a": 50}, Posting("a", "b", 60, "rent"), Posting("a", "c", 41, "power"))
    assert [p.cents for p in found.postings] == [30, 20]
    assert found.claims == (Claim("b", "a", "arrears", 30, ""), Claim("c", "a", "arrears", 21, ""))


def test_a_payer_without_money_owes_everything():
    found = entry({"a": -5}, Posting("a", "b", 60, "rent"))
    assert found.postings == ()
    assert found.claims == (Claim("b", "a", "arrears", 60, ""),)


def test_arrears_that_are_paid_are_no_longer_owed():
    found = entry({"a": 40}, Posting("a", "b", 60, "arrears"))
    assert found.claims == (Claim("b", "a", "arrears", -40, ""),)


def test_principal_paid_reduces_the_loan_and_the_rest_is_in_arrears():
    found = entry({"a": 40}, Posting("a", "b", 60, "principal", "loan"))
    assert found.claims == (
        Claim("b", "a", "loan", -60, "loan"),
        Claim("b", "a", "arrears", 20, ""),
    )


def test_money_that_comes_in_does_not_pay_bills_of_the_same_entry():
    """All bills are weighed at once: order cannot matter."""
    found = entry({"a": 10, "b": 0}, Posting("a", "b", 10, "x"), Posting("b", "c", 10, "y"))
    assert [p.payer for p in found.postings] == ["a"]


def test_external_accounts_may_be_overdrawn():
    found = entry(
        {"Customers": 0}, Posting("Customers", "a", 10, "x"), overdraft=frozenset({"Customers"})
    )
    assert [p.cents for p in found.postings] == [10]


def test_bills_of_nothing_make_no_entry():
    assert paid({"a": 10}, [Posting("a", "b", 0, "x")], NOBODY) is None


@given(st.integers(0, 10**9), st.lists(st.integers(1, 10**9), min_size=1, max_size=6))
def test_what_is_paid_and_what_is_owed_add_up_to_the_bills(cash: int, amounts: list[int]):
    bills = [Posting("a", f"to {n}", cents, "rent") for n, cents in enumerate(amounts)]
    found = entry({"a": cash}, *bills)
    moved = sum(p.cents for p in found.postings)
    assert moved == min(cash, sum(amounts))
    assert moved + sum(c.cents for c in found.claims) == sum(amounts)


def quiet(scenario: Scenario) -> Market:
    """Return a market after a month in which nobody asked for capacity."""
    silent = {lab: {"procurer": lambda view: None} for lab in scenario.labs}
    market = Market(scenario, rng=1, strategies=silent)
    market.step()
    return market


@pytest.fixture
def market() -> Market:
    return quiet(DUOPOLY)


def test_take_or_pay_bills_the_floor_when_idle(market: Market):
    c = market.books.contracts
    idle = np.zeros(len(market.delivered_h100e))
    bills = contract_bills_usd(market, idle)
    base, flexible = c.row["x-a-base"], c.row["x-a-flexible"]
    assert bills[base] == pytest.approx(2.0 * 730.5 * 120 * 800)
    assert bills[flexible] == pytest.approx(2.0 * 730.5 * 80 * 800 * 0.5)


def test_the_vectorised_bill_is_the_bill_of_the_clause(market: Market):
    c = market.books.contracts
    used = 0.7 * market.delivered_h100e
    bills = contract_bills_usd(market, used)
    for row, contract in enumerate(c.facts[: len(used)]):
        cents = contract.take_or_pay.bill_cents(
            contract.price_usd_per_h100e_hour, float(used[row]), float(market.delivered_h100e[row])
        )
        assert round(float(bills[row]) * 100) == pytest.approx(cents, abs=1)


def test_a_prepayment_is_drawn_before_cash_is_asked():
    contract = DUOPOLY.contracts["x-a-base"].model_copy(update={"prepayment_usd": 18e6})
    scenario = DUOPOLY.model_copy(update={"contracts": DUOPOLY.contracts | {"x-a-base": contract}})
    market = Market(scenario, rng=1)
    claim = ("Lab A", "Cloud X", "prepayment", "x-a-base")
    assert market.books.claims[claim] == 18 * 10**8
    market.step()
    assert market.books.claims[claim] == 17 * 10**8  # 18 months to run
    paid_cents = next(
        p.cents
        for _, e in market.books.journal
        if isinstance(e, Posted)
        for p in e.postings
        if p.reference == "x-a-base"
    )
    assert paid_cents == round(120 * 800 * 2 * 730.5 * 100) - 10**8


def test_income_comes_from_customers_only(market: Market):
    bills = list(income(market))
    assert {bill.payer for bill in bills} == {"Customers"}
    assert {"services", "parent", "other business"} <= {bill.label for bill in bills}


def test_rent_is_owed_for_what_stands_and_not_for_what_is_built(market: Market):
    bills = cloud_bills(market, market.used_h100e)
    rents = {bill.reference: bill.cents for bill in bills if bill.label == "rent"}
    assert rents == {"y-1": 110_000 * 130 * 100}


def test_a_revenue_share_is_billed_to_the_lab():
    agreement = DUOPOLY.agreements["lab-a-cloud-x"].model_copy(update={"revenue_share": 0.2})
    scenario = DUOPOLY.model_copy(
        update={"agreements": DUOPOLY.agreements | {"lab-a-cloud-x": agreement}}
    )
    market = quiet(scenario)
    bills, _ = lab_bills(market, market.used_h100e)
    served = market.books.served
    assert served is not None
    share = next(bill for bill in bills if bill.label == "revenue share")
    assert (share.payer, share.payee) == ("Lab A", "Cloud X")
    assert share.cents == pytest.approx(0.2 * served.revenue_usd[0] * 100, abs=1)


def test_a_loan_at_the_start_is_repaid_month_by_month():
    cloud = DUOPOLY.clouds["Cloud X"].model_copy(
        update={"debt_usd": 1.2e9, "debt_rate_per_year": 0.0, "debt_months": 12}
    )
    market = Market(
        DUOPOLY.model_copy(update={"clouds": DUOPOLY.clouds | {"Cloud X": cloud}}), rng=1
    )
    owed = []
    for _ in range(13):
        market.step()
        owed.append(
            sum(c for k, c in market.books.claims.items() if k[3] == "Cloud X at the start") / 1e11
        )
    assert owed == pytest.approx([(11 - n) / 10 for n in range(12)] + [0.0])
