"""Arrears, talks with creditors, failure, and what failures cost others (ins-1)."""

from collections.abc import Mapping
from typing import Any

import pytest

from offtake.model.accounts import unbalanced
from offtake.model.cascades import largest_chain
from offtake.model.events import Defaulted, Renegotiated, Restructured, Sold, Terminated
from offtake.model.market import Market
from tests.degenerate import UNIT_H100E, after, cloud, contract, lab, scenario, silent

HOURS = 730.5 * UNIT_H100E
"""H100e-hours of one unit in a month."""


def strained(
    *,
    price: float,
    income: float,
    value: float = 1.5,
    months: int = 4,
    finance: Mapping[str, Any] | None = None,
    tenant: Mapping[str, Any] | None = None,
    clouds: Mapping[str, Any] | None = None,
    more_labs: Mapping[str, Any] | None = None,
    **tables: Any,
) -> Market:
    """Return a market whose lab owes `price` an hour for one unit and takes in `income` for it."""
    rules = {"grace_months": 1, "renegotiates": True, "debt_rate_per_year": 0.0}
    poor = {
        "cash_usd": 0.0,
        "parent_funding_usd_per_year": 12 * income * HOURS,
        **(tenant or {}),
    }
    given = scenario(
        {"Lab": lab(value, **poor), **(more_labs or {})},
        {"Cloud": cloud(0.5, 1.0), **(clouds or {})},
        months=months,
        finance=rules | dict(finance or {}),
        **{"contracts": {"let": contract("Lab", "Cloud", 1.0, price, end=24)}} | tables,
    )
    quiet = {n: {"procurer": silent} for n in given.labs} | {
        n: {"builder": lambda view: ()} for n in given.clouds
    }
    return after(given, months, strategies=quiet)


def told(market: Market, kind: type) -> list[Any]:
    return [e for _, e in market.books.journal if isinstance(e, kind)]


def closes(market: Market) -> bool:
    frames = market.frames()
    return unbalanced(frames["balance_sheets"], frames["flow_matrix"]) == []


# Restructuring


def test_a_lab_that_cannot_pay_its_price_pays_what_compute_is_worth_to_it():
    """bar-1 between re-letting and the lab's value; without runway the lab keeps hardly anything."""
    market = strained(price=2.0, income=1.95, value=1.9, clouds={"Cloud": cloud(0.5, 2.0)})
    (plan,) = told(market, Restructured)
    (terms,) = told(market, Renegotiated)
    assert plan.name == "Lab"
    relet = 0.85 * 2.0
    power = 0.5 / (12.0 + 0.5)  # half of the cloud is idle, the lab has a month
    price = relet + (1 - power) * (1.9 - relet)
    assert terms.price_usd_per_h100e_hour == pytest.approx(price, rel=1e-6)
    assert terms.end == 24 + 12
    assert "Lab" not in market.books.failed
    assert closes(market)


def test_a_lab_to_which_compute_is_worth_its_price_is_given_time_only():
    """What it takes in covers the price from now on; what it owes is repaid by and by."""
    later = {"parent_funding_growth_per_year": 8.4}
    market = strained(price=1.7, income=1.0, value=3.0, tenant=later, finance={"grace_months": 3})
    assert told(market, Renegotiated) == []
    (plan,) = told(market, Restructured)
    assert plan.swapped_cents == 0
    assert not market.books.owed("Lab", "arrears")
    assert market.books.owed("Lab", "loan") > 0
    assert closes(market)


def test_what_cannot_be_borne_becomes_equity():
    """It has a tenth of a month's bill left; 36 such months repay a part only."""
    debt = {"debt_usd": 50 * HOURS, "debt_months": 1}
    rich = {"other_cash_flow_usd_per_year": 12 * 0.1 * HOURS, "cash_usd": 0.0}
    market = strained(
        price=0.0,
        income=1.0,
        clouds={"Cloud": cloud(0.5, 1.0, **debt, **rich)},
        lenders={"Lender": {"cash_usd": 1e12}},
    )
    (plan,) = told(market, Restructured)
    assert plan.name == "Cloud"
    kept = (plan.owed_cents - plan.swapped_cents) / 100
    assert kept == pytest.approx(36 * 0.1 * HOURS, rel=1e-3)
    assert market.books.failed == set()
    assert market.books.held("Lender", "equity") == plan.swapped_cents
    assert closes(market)


def test_compute_that_is_worth_less_than_letting_it_anew_goes_back():
    market = strained(price=2.0, income=1.0, value=0.4)
    (plan,) = told(market, Restructured)
    assert plan.name == "Lab"
    (end,) = told(market, Terminated)
    assert end.contract == "let"
    assert market.books.free_kw()[:, market.month].sum() == 1000


def test_compute_beyond_need_goes_back_and_the_rest_goes_on():
    market = strained(price=2.0, income=1.0, value=1.9, tenant={"training_h100e": UNIT_H100E / 4})
    (terms,) = told(market, Renegotiated)
    assert 0 < terms.capacity_kw < 1000
    row = market.books.contracts.row["let"]
    assert market.books.contracts.kw[row] == terms.capacity_kw
    market.check_invariants()
    assert closes(market)


def test_a_lab_that_could_repay_nothing_fails():
    market = strained(price=2.0, income=0.0, tenant={"overhead_revenue_share": 5.0})
    assert market.books.failed == {"Lab"}
    assert told(market, Restructured) == []


def test_nobody_is_restructured_more_often_than_allowed():
    market = strained(price=2.0, income=1.5, months=8, finance={"most_restructurings": 0})
    assert told(market, Restructured) == []
    assert "Lab" in market.books.failed


def test_creditors_that_would_have_more_in_liquidation_refuse():
    """The debtor's one site is worth all it owes, and it could repay only a little by itself."""
    debt = {"debt_usd": 5e6, "debt_months": 1, "other_cash_flow_usd_per_year": 12e3}
    market = strained(
        price=0.0,
        income=1.0,
        clouds={
            "Cloud": cloud(0.5, 1.0, **debt, cash_usd=0.0),
            "Other": cloud(0.5, 1.0),
            "Third": cloud(0.5, 1.0, discount_per_year=0.1),
        },
        lenders={"Lender": {"cash_usd": 1e12}},
        finance={"restructuring_majority": 1.0, "restructuring_months": 12},
    )
    assert told(market, Restructured) == []
    assert market.books.failed == {"Cloud"}
    (sale,) = told(market, Sold)
    assert sale.to == "Other"


# Estates


def bankrupt(**finance: Any) -> Market:
    """Return a market whose cloud borrows for two sites, loses its tenant and fails."""
    return strained(
        price=0.0,
        income=1.0,
        months=5,
        clouds={
            "Cloud": cloud(0.5, 2.0, debt_usd=400e6, debt_months=1, cash_usd=0.0),
            "Rich": cloud(0.5, 1.0, discount_per_year=0.05),
            "Richer": cloud(0.5, 1.0, discount_per_year=0.02),
        },
        lenders={"Lender": {"cash_usd": 1e12}},
        finance={"renegotiates": False, **finance},
    )


def test_sites_of_a_failed_cloud_go_to_the_highest_bidder_at_the_second_price():
    market = bankrupt()
    (sale,) = told(market, Sold)
    assert (sale.seller, sale.to) == ("Cloud", "Richer")
    rate = 1.05 ** (1 / 12) - 1
    months = 66 - 2
    second = 0.85 * market.contract_price * (1 - (1 + rate) ** -months) / rate * 2 * HOURS
    assert sale.paid_cents / 100 == pytest.approx(second, rel=1e-6)
    assert market.books.sites["Cloud hall"].pool.cloud == "Richer"
    recovered = sum(p.cents for p in market.books.postings if p.label == "recovery")
    assert recovered == sale.paid_cents
    market.check_invariants()
    assert closes(market)


def test_what_creditors_lose_is_counted():
    market = bankrupt()
    values = market.recorder.values
    lost = values["written_off_usd"][-1].sum()
    owed = 400e6
    paid = sum(p.cents for p in market.books.postings if p.label in ("principal", "recovery"))
    assert values["lost_by_lenders_usd"][-1].sum() == pytest.approx(lost)
    assert lost >= owed - paid / 100 > 0


# Contagion


def chain(*, cross_default: bool) -> Market:
    """Return a market in which one lab's failure takes away what its cloud serves its debt from."""
    return strained(
        price=1.0,
        income=0.0,
        months=12,
        tenant={"cash_usd": 2.5 * HOURS},
        clouds={
            "Cloud": cloud(0.5, 1.0, debt_usd=20 * HOURS, debt_months=36, cash_usd=0.0),
        },
        lenders={"Lender": {"cash_usd": 1e12}},
        finance={"renegotiates": False},
        contracts={"let": contract("Lab", "Cloud", 1.0, 1.0, end=24, cross_default=cross_default)},
    )


def test_a_failure_that_follows_a_failure_is_contagion():
    market = chain(cross_default=False)
    first, second = told(market, Defaulted)
    assert (first.name, first.following) == ("Lab", ())
    assert (second.name, second.following) == ("Cloud", ("Lab",))
    values = {n: v[-1].sum() for n, v in market.recorder.values.items()}
    assert values["defaults"] == 2
    assert values["defaults_by_contagion"] == 1
    assert values["largest_cascade"] == 2
    events = market.frames()["events"].filter(kind="Defaulted")
    assert events["detail"].to_list() == [None, "after Lab"]


@pytest.mark.parametrize(("cross_default", "failures"), [(False, ["Lab"]), (True, ["Lab", "Peer"])])
def test_cross_default_makes_cascades_larger(cross_default: bool, failures: list[str]):
    """A peer that could pay month by month cannot pay all that is left at once."""
    named = {"cross_default": True, "cross_default_with": ("Lab",)} if cross_default else {}
    market = strained(
        price=1.0,
        income=0.0,
        months=8,
        clouds={"Cloud": cloud(0.5, 1.0), "Second": cloud(0.5, 1.0)},
        more_labs={"Peer": lab(1.5, cash_usd=10 * HOURS)},
        finance={"renegotiates": False},
        contracts={
            "let": contract("Lab", "Cloud", 1.0, 1.0, end=24),
            "other": contract("Peer", "Second", 1.0, 1.0, end=24, **named),
        },
    )
    found = told(market, Defaulted)
    assert [e.name for e in found] == failures
    assert [e.following for e in found[1:]] == [("Lab",)] * (len(failures) - 1)
    assert market.recorder.values["largest_cascade"][-1][0] == len(failures)
    assert closes(market)


def test_a_failure_that_nobody_else_caused_is_no_contagion():
    market = bankrupt()
    assert [e.following for e in told(market, Defaulted)] == [()]


def test_failures_that_hang_together_are_one_cascade():
    assert largest_chain({"a": (), "b": ("a",), "x": (), "c": ("b", "x"), "d": ()}) == 4


def test_the_failed_stay_in_every_table():
    frames = chain(cross_default=True).frames()
    for month in (0, 11):
        names = set(frames["balance_sheets"].filter(month=month)["name"])
        assert {"Lab", "Cloud"} <= names


def test_prices_go_no_further_down_than_debts_can_be_borne():
    """Between the price by (bar-1), 1.892, and re-letting, 1.7: what is taken in covers debt service."""
    market = strained(price=2.0, income=1.8, value=1.9, clouds={"Cloud": cloud(0.5, 2.0)})
    (plan,), (terms,) = told(market, Restructured), told(market, Renegotiated)
    assert plan.swapped_cents == 0
    service = plan.owed_cents / 100 / 36
    price = 1.8 - service / HOURS
    assert 1.7 < price < 1.892
    assert terms.price_usd_per_h100e_hour == pytest.approx(price, abs=1e-6)
    assert market.books.failed == set()
    assert closes(market)
