"""Project debt: its size, its price, how it is repaid, its covenants and what replaces it (fin-3)."""

from collections.abc import Mapping
from typing import Any

import pytest

from offtake.model.accounts import unbalanced
from offtake.model.events import Amended, Borrowed, Breached, Cured, Posted
from offtake.model.market import Market
from tests.degenerate import after, cloud, contract, lab, scenario, silent

HOUR = 730.5
CHIPS_USD = 30e6
"""What the chips of one unit cost."""
RULES = {"debt_rate_per_year": 0.12, "dscr": 1.25, "base_hazard_per_month": 0.01}


def project(
    *,
    months: int = 6,
    price: float = 2.0,
    end: int = 61,
    finance: Mapping[str, Any] | None = None,
    borrower: Mapping[str, Any] | None = None,
    tenant: Mapping[str, Any] | None = None,
    site: Mapping[str, Any] | None = None,
    **tables: Any,
) -> Market:
    """Return a market in which a cloud fits one unit for a tenant, with debt for most of it."""
    given = scenario(
        {"Lab": lab(1.0, **(tenant or {}))},
        {"Cloud": cloud(0.5, 0.0, **{"debt_share": 0.8, "cash_usd": 1e8} | dict(borrower or {}))},
        months=months,
        finance=RULES | dict(finance or {}),
        lenders={"Lender": {"cash_usd": 1e9}},
        contracts={"let": contract("Lab", "Cloud", 1.0, price, end=end)},
        sites={
            "site": {
                "cloud": "Cloud",
                "region": "home",
                "capacity_mw": 1.0,
                "stage": "powered",
                "chip": "chip",
                **(site or {}),
            }
        },
        **tables,
    )
    quiet = {"Lab": {"procurer": silent}, "Cloud": {"builder": lambda view: ()}}
    return after(given, months, strategies=quiet)


def loans(market: Market) -> list[Any]:
    return [e.loan for _, e in market.books.journal if isinstance(e, Borrowed)]


def paid(market: Market, label: str) -> list[int]:
    moved = [e for _, e in market.books.journal if isinstance(e, Posted)]
    return [p.cents for e in moved for p in e.postings if p.label == label]


def closes(market: Market) -> bool:
    frames = market.frames()
    return unbalanced(frames["balance_sheets"], frames["flow_matrix"]) == []


# Price


def test_without_loss_given_default_there_is_no_spread():
    (loan,) = loans(project(months=1))
    assert loan.rate_per_year == 0.12


def test_the_spread_is_hazard_times_loss_given_default():
    """A percent a month, 60% of it lost: 7.2% a year."""
    (loan,) = loans(project(months=1, finance={"lender_recovery": 0.4}))
    assert loan.rate_per_year == pytest.approx(0.12 + 0.6 * 12 * 0.01)


def test_a_weaker_tenant_makes_debt_dearer_and_smaller():
    weak = {"cash_usd": 1e6, "overhead_revenue_share": 9.0, "users_million": 1e-3}
    rules = {"lender_recovery": 0.4, "runway_hazard": 0.2, "dscr": 2.5}
    strong, frail = (
        project(months=1, price=1.5, finance=rules, tenant=t).books.loans["loan for site"]
        for t in ({}, weak)
    )
    assert frail.rate_per_year >= strong.rate_per_year
    assert frail.principal_cents <= strong.principal_cents


# Repayment


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"debt_amortisation": "straight"}, [40_000_000] * 4),
        ({"debt_amortisation": "straight", "debt_interest_only_months": 2}, [41_379_311] * 2),
        ({"debt_amortisation": "straight", "debt_balloon_share": 0.5}, [20_000_000] * 4),
    ],
    ids=["straight", "interest only first", "half at the end"],
)
def test_principal_is_repaid_as_agreed(rules: dict[str, Any], expected: list[int]):
    """Of 24m USD over 60 months; the first bill comes a month after the draw."""
    market = project(months=5, finance=rules)
    found = [cents for cents in paid(market, "principal") if cents]
    assert found[: len(expected)] == expected


def test_level_payments_with_a_balloon_leave_the_balloon():
    market = project(months=1, finance={"debt_balloon_share": 0.25})
    (loan,) = loans(market)
    owed = loan.principal_cents
    for month in range(1, loan.months):
        owed -= loan.repayment_cents(owed, loan.start + month)
    payment = loan.payment_cents() - loan.interest_cents(owed)
    assert owed - payment == pytest.approx(loan.balloon_cents, abs=100)
    assert loan.repayment_cents(owed, loan.start + loan.months) == owed


# Covenants


def breached(**finance: Any) -> Market:
    """Return a market whose only contract ends in the sixth month: cover falls with what is left."""
    return project(months=9, end=6, price=6.0, finance={"covenant_dscr": 1.2, **finance})


def test_a_borrower_whose_contracts_run_out_breaches_its_covenant():
    market = breached()
    (event,) = [e for _, e in market.books.journal if isinstance(e, Breached)]
    assert event.name == "Cloud"
    assert event.cover < 1.2
    assert set(market.books.breached_since) == {"Cloud"}
    assert not [e for _, e in market.books.journal if isinstance(e, Cured)]


def test_a_breach_can_make_debt_dearer_once():
    market = breached(covenant_remedy="reprice", covenant_margin_per_year=0.03)
    (event,) = [e for _, e in market.books.journal if isinstance(e, Amended)]
    assert event.loan.rate_per_year == pytest.approx(0.15)


def test_a_breach_that_is_not_cured_makes_debt_due_at_once():
    market = breached(covenant_remedy="accelerate", covenant_cure_months=2)
    assert not market.books.owed("Cloud", "loan")
    assert "arrears" in {p.label for p in market.books.postings}
    assert closes(market)


def test_cover_above_the_covenant_is_no_breach():
    market = project(months=6, price=6.0, finance={"covenant_dscr": 1.2})
    assert not market.books.breached_since


# Refinancing


def test_a_balloon_is_refinanced_where_contracts_last_longer():
    rules = {"debt_term_months": 4, "debt_balloon_share": 0.6, "refinances": True}
    market = project(months=5, price=9.0, finance=rules)
    first, second = loans(market)
    assert second.name.startswith(f"{first.name}, renewed")
    assert second.principal_cents >= first.balloon_cents
    assert paid(market, "refinancing fee") == [round(second.principal_cents * 0.01)]
    assert not market.books.owed("Cloud", "arrears")
    assert closes(market)


def test_nothing_is_refinanced_where_nothing_is_contracted():
    rules = {"debt_term_months": 4, "debt_balloon_share": 0.6, "refinances": True}
    market = project(months=6, price=14.0, end=3, finance=rules)
    assert len(loans(market)) == 1


# Site finance off the balance sheet


LANDLORD = {
    "cash_usd": 0.0,
    "region": "home",
    "available_mw": 0.0,
    "rent_usd_per_kw_month": 1.0,
}
VEHICLE: dict[str, Any] = {
    "borrower": {"site_vehicle": "Vehicle"},
    "landlords": {"Vehicle": LANDLORD, "Campus": LANDLORD},
}


def test_a_vehicle_borrows_and_the_cloud_pays_rent_for_the_chips():
    market = project(**VEHICLE)
    (loan,) = loans(market)
    books = market.books
    assert (loan.borrower, loan.lessee) == ("Vehicle", "Cloud")
    assert books.owed("Cloud", "loan") == 0
    assert books.owed("Vehicle", "loan") > 0
    assert books.capital == {**books.capital, "Vehicle": round(CHIPS_USD * 100), "Cloud": 0}
    assert books.held("Cloud", "equity") == round(0.2 * CHIPS_USD * 100)
    leases = paid(market, "site lease")
    assert leases == pytest.approx([loan.payment_cents()] * len(leases), abs=1)
    assert sum(leases) == sum(paid(market, "interest")) + sum(paid(market, "principal"))
    assert closes(market)


def test_debt_of_the_vehicle_counts_against_what_the_cloud_can_borrow():
    let, own = project(months=1, **VEHICLE), project(months=1)
    off, on = (
        m.recorder.values[name][-1].sum()
        for m, name in ((let, "debt_off_balance_usd"), (own, "debt_usd"))
    )
    assert off == on > 0
    assert let.recorder.values["debt_usd"][-1].sum() == 0


def test_when_the_tenant_is_gone_cloud_and_vehicle_fail_and_the_lender_loses():
    poor = {"site_vehicle": "Vehicle", "cash_usd": 0.21 * CHIPS_USD}
    dear = {"landlord": "Campus", "rent_usd_per_kw_month": 9_000.0}
    market = project(months=15, end=4, price=14.0, site=dear, **VEHICLE | {"borrower": poor})
    books = market.books
    assert books.failed == {"Cloud", "Vehicle"}
    assert not books.owed("Vehicle")
    lent = sum(loan.principal_cents for loan in loans(market))
    assert 0 < sum(paid(market, "principal")) + sum(paid(market, "recovery")) < lent
    assert closes(market)
