"""A worked month of the whole market in whole cents against double entry (rows K1 to K9)."""

from collections import Counter
from functools import cache

import pytest

from offtake.model.market import InvariantViolation, Market
from tests.degenerate import REGION, after, cloud, contract, day, lab, scenario

DOLLAR = 100
MILLION = 100_000_000
"""Cents in a million dollars."""


@cache
def worked_month() -> Market:
    """Return a market after one month in which every kind of account moved.

    A fund pays a tranche of 10,000m USD into a lab, the lab puts 2,000m into a venture, the venture has
    borrowed 6,000m before and services it; a site is fitted with chips; the lab earns 1,083,333,333.33
    USD and shares a fifth with its cloud; it uses 500 of 1,000 H100e under a floor of .8 at 2 USD.
    """
    given = scenario(
        {
            "Lab": lab(
                0.3,
                0.0,
                cash_usd=900e6,
                users_million=108.333333333,
                price_usd_per_user_month=10.0,
                compute_h100e_hours_per_user=500 * 730.5 / 108_333_333.333,
            )
        },
        {
            "Cloud": cloud(0.0, 0.0, cash_usd=5_000e6),
            "Venture": cloud(
                0.0,
                0.0,
                kind="captive",
                priority="Lab",
                owners={"Lab": 1.0},
                cash_usd=0.0,
                debt_usd=6_000e6,
                debt_rate_per_year=0.10,
            ),
        },
        demand={"adopters_million": 1000.0},
        regions={"home": REGION | {"power_usd_per_kwh": 0.06, "pue": 1.2}},
        landlords={
            "Landlord": {
                "cash_usd": 200e6,
                "region": "home",
                "available_mw": 0.0,
                "rent_usd_per_kw_month": 130.0,
            }
        },
        investors={"Fund": {"cash_usd": 30_000e6}},
        lenders={"Lender": {"cash_usd": 20_000e6}},
        governments={"Government": {"cash_usd": 1_000e6}},
        sites={
            "standing": {
                "cloud": "Cloud",
                "region": "home",
                "capacity_mw": 1.0,
                "stage": "energised",
                "chip": "chip",
                "landlord": "Landlord",
            },
            "rising": {
                "cloud": "Venture",
                "region": "home",
                "capacity_mw": 50.0,
                "stage": "building",
                "chip": "chip",
                "construction_months": 0.0,
                "grid_months": 0.0,
            },
        },
        contracts={"base": contract("Lab", "Cloud", 1.0, 2.0, take_or_pay=0.8)},
        agreements={
            "share": {
                "lab": "Lab",
                "cloud": "Cloud",
                "revenue_share": 0.2,
                "revenue_share_until": day(60),
            }
        },
        tranches={
            "first": {
                "investor": "Fund",
                "issuer": "Lab",
                "due": day(0),
                "amount_usd": 10_000e6,
                "condition": "none",
            },
            "venture": {
                "investor": "Lab",
                "issuer": "Venture",
                "due": day(0),
                "amount_usd": 2_000e6,
                "condition": "none",
            },
        },
    )
    return after(given)


def flow(market: Market, label: str, payer: str, payee: str) -> int:
    """Return what was paid under a label, cents."""
    flows = market.frames()["flows"]
    mine = (flows["label"] == label) & (flows["payer"] == payer) & (flows["payee"] == payee)
    return int(flows.filter(mine)["usd_cents"].sum())


def opening_deposits(market: Market) -> dict[str, int]:
    """Return the deposits with which everybody entered, from the scenario, cents."""
    given = market.scenario_data
    tables = (given.labs, given.clouds, given.landlords, given.investors, given.lenders)
    entered = {n: round(p.cash_usd * 100) for table in tables for n, p in table.items()}
    entered |= {n: round(p.cash_usd * 100) for n, p in given.governments.items()}
    return entered | {"Customers": 0, "Suppliers": 0}


def test_every_flow_has_one_payer_and_one_payee() -> None:
    """K1: a row of the transactions matrix nets to zero because nobody pays himself or nobody."""
    market = worked_month()
    flows = market.frames()["flows"]
    everybody = set(opening_deposits(market))
    assert set(flows["payer"]) | set(flows["payee"]) <= everybody
    assert not (flows["payer"] == flows["payee"]).any()
    assert (flows["usd_cents"] > 0).all()
    assert {
        "services",
        "revenue share",
        "compute",
        "rent",
        "running",
        "interest",
        "tranche",
        "chips",
    } <= set(flows["label"])


def test_flows_explain_every_change_of_deposits() -> None:
    """K2: columns sum to the change of deposits, to the cent."""
    market = worked_month()
    change: Counter[str] = Counter()
    for row in market.frames()["flows"].iter_rows(named=True):
        change[row["payer"]] -= row["usd_cents"]
        change[row["payee"]] += row["usd_cents"]
    before = opening_deposits(market)
    assert market.books.deposits == {name: cents + change[name] for name, cents in before.items()}


def test_total_deposits_stay_what_they_were() -> None:
    """K3: deposits of 57,100m USD entered; lenders lend deposits that exist."""
    market = worked_month()
    assert sum(market.books.deposits.values()) == 57_100 * MILLION
    assert sum(opening_deposits(market).values()) == 57_100 * MILLION


def test_loans_and_equity_net_to_zero() -> None:
    """K4, K5: what is held as loans, equity and prepayments is what is owed."""
    market = worked_month()
    books = market.books
    for kind in ("loan", "equity", "arrears", "prepayment"):
        held = sum(books.held(name, kind) for name in books.deposits)
        assert held == sum(books.owed(name, kind) for name in books.deposits)
    assert books.held("Fund", "equity") == 10_000 * MILLION == books.owed("Lab", "equity")
    assert books.held("Lab", "equity") == 2_000 * MILLION == books.owed("Venture", "equity")
    principal = flow(market, "principal", "Venture", "Lender")
    assert books.held("Lender", "loan") == 6_000 * MILLION - principal


def test_net_worth_is_opening_deposits_plus_produced_capital() -> None:
    """K6: every row but fixed capital nets to zero."""
    market = worked_month()
    books = market.books
    net_worth = sum(
        books.deposits[n] + books.held(n) - books.owed(n) + books.capital[n] for n in books.deposits
    )
    chips = 50_000 * 30_000 * DOLLAR
    assert flow(market, "chips", "Venture", "Suppliers") == chips
    assert net_worth == 57_100 * MILLION + chips


def test_bills_of_the_month_are_exact_to_the_cent() -> None:
    """K7 and the flows beside it, by hand."""
    market = worked_month()
    assert flow(market, "tranche", "Fund", "Lab") == 10_000 * MILLION
    assert flow(market, "tranche", "Lab", "Venture") == 2_000 * MILLION
    assert flow(market, "services", "Customers", "Lab") == 1_083_333_333_33
    assert flow(market, "revenue share", "Lab", "Cloud") == 216_666_666_67
    assert flow(market, "compute", "Lab", "Cloud") == 1_168_800_00
    assert flow(market, "rent", "Cloud", "Landlord") == 130_000_00
    # 500 H100e, a kW each at 1.2 for cooling, 730.5 hours, 6 cents
    assert flow(market, "running", "Cloud", "Suppliers") == 26_298_00
    assert flow(market, "interest", "Venture", "Lender") == 50 * MILLION


@pytest.mark.parametrize(
    ("cash_cents", "parts"), [(100, [34, 33, 33]), (101, [34, 34, 33]), (2, [1, 1, 0]), (0, [])]
)
def test_a_payer_that_is_short_splits_its_cents_exactly(cash_cents: int, parts: list[int]) -> None:
    """K8: three equal bills and a dollar: 34, 33, 33; what is not paid is arrears."""
    given = scenario(
        {"Lab": lab(1.0, 3.0, cash_usd=cash_cents / 100)},
        {name: cloud(0.0) for name in "ABC"},
        contracts={name: contract("Lab", name, 1.0, 1.0) for name in "ABC"},
    )
    market = after(given)
    bill = 730_500_00
    got = [flow(market, "compute", "Lab", name) for name in "ABC"]
    assert [cents for cents in got if cents] == [cents for cents in parts if cents]
    arrears = [market.books.held(name, "arrears") for name in "ABC"]
    assert [a + p for a, p in zip(arrears, got, strict=True)] == [bill] * 3
    assert sum(got) == cash_cents


@pytest.mark.parametrize(("name", "cents"), [("Lab", 1), ("Suppliers", 1), ("Fund", -1)])
def test_one_created_cent_is_caught(name: str, cents: int) -> None:
    """K9, the negative control: the invariants see a single cent that no posting moved."""
    market = Market(worked_month().scenario_data, rng=1)
    market.step()
    market.check_invariants()
    market.books.deposits[name] += cents
    with pytest.raises(InvariantViolation, match="I1"):
        market.check_invariants()


def test_a_claim_without_an_issuer_is_caught() -> None:
    """K4's negative control: a claim on somebody who does not exist."""
    market = Market(worked_month().scenario_data, rng=1)
    market.step()
    market.books.claims["Fund", "Nobody", "equity", ""] = 1
    with pytest.raises(InvariantViolation, match="I2"):
        market.check_invariants()
