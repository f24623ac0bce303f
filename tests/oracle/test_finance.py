"""What lenders lend, in the whole market, against closed forms (row D10, fin-3)."""

import pytest

from offtake.model.market import Market
from tests.degenerate import after, cloud, contract, lab, scenario, silent

HOUR = 730.5
UNITS = 100.0
"""Compute of the site, in units of 1,000 H100e."""
MILLION = 1e6


def drawn(*, finance: dict[str, float], price: float, months: int = 60) -> Market:
    """Return a market whose cloud borrows all it can for a site under one contract."""
    given = scenario(
        {"Lab": lab(1.0)},
        {"Cloud": cloud(0.0, 0.0, debt_share=1.0, cash_usd=1e12)},
        chip={"price_usd_per_h100e": 100_000.0},
        finance=finance,
        lenders={"Lender": {"cash_usd": 1e12}},
        contracts={"let": contract("Lab", "Cloud", UNITS, price, end=months)},
        sites={
            "site": {
                "cloud": "Cloud",
                "region": "home",
                "capacity_mw": UNITS,
                "stage": "powered",
                "chip": "chip",
            }
        },
    )
    quiet = {"Lab": {"procurer": silent}, "Cloud": {"builder": lambda view: ()}}
    return after(given, 0.5, strategies=quiet)


PRICE = 100 * MILLION / (UNITS * 1000 * HOUR)
"""Price at which the contract brings 100m USD a month."""


def test_debt_is_contracted_cash_flow_over_the_cover() -> None:
    """D10: 100m a month for 60 months at 1% a month and a cover of 1.3 carry 3,458.08m."""
    market = drawn(finance={"dscr": 1.3, "debt_rate_per_year": 0.12}, price=PRICE)
    (loan,) = market.books.loans.values()
    assert loan.principal_cents / 100 / MILLION == pytest.approx(3458.08, abs=1e-2)


def test_level_payments_are_the_debt_times_the_recovery_factor() -> None:
    """D10: .0222444 a month of 3,458.08m is 76.92m, which 100m cover 1.3 times."""
    market = drawn(finance={"dscr": 1.3, "debt_rate_per_year": 0.12}, price=PRICE)
    (loan,) = market.books.loans.values()
    assert loan.payment_cents() / loan.principal_cents == pytest.approx(0.0222444, abs=1e-7)
    assert 100 * MILLION / (loan.payment_cents() / 100) == pytest.approx(1.3, abs=1e-6)


@pytest.mark.parametrize(("hazard", "recovery"), [(0.002, 0.5), (0.01, 0.4), (0.01, 0.0)])
def test_a_lender_breaks_even_at_the_spread_for_its_tenant(hazard: float, recovery: float) -> None:
    """Duffie and Singleton 1999: hazard times loss given default; debt shrinks with it as in D10."""
    rules = {"dscr": 1.3, "debt_rate_per_year": 0.12}
    market = drawn(
        finance=rules | {"base_hazard_per_month": hazard, "lender_recovery": recovery}, price=PRICE
    )
    (loan,) = market.books.loans.values()
    rate = 0.12 / 12 + (1 - recovery) * hazard
    assert loan.rate_per_year / 12 == pytest.approx(rate, rel=1e-12)
    level = (1 - (1 + rate) ** -60) / rate
    assert loan.principal_cents / 100 == pytest.approx(100 * MILLION * level / 1.3, rel=1e-8)


# fin-6: strategic investors and circular finance


def circular(part: float) -> Market:
    """Return a market in which a cloud's backer has been asked for money by a lab that earns little."""
    given = scenario(
        {
            "Lab": lab(
                0.0,
                cash_usd=1e8,
                users_million=1.0,
                price_usd_per_user_month=10.0,
                overhead_revenue_share=3.0,
                training_funding_share=0.5,
                training_h100e=0.0,
            )
        },
        {"Cloud": cloud(0.5)},
        months=3,
        demand={"adopters_million": 100.0},
        beliefs={"growth_per_month": 0.02},
        finance={"round_dilution": 0.1, "draw_months": 24.0, "round_interval_months": 1},
        investors={
            "Backer": {
                "cash_usd": 1e12,
                "joins_rounds": True,
                "hurdle_per_year": 0.2,
                "returns_from": {"Cloud": part},
                "parent": "Group",
            }
        },
    )
    return after(given, 3, strategies={"Lab": {"procurer": silent}})


def test_a_strategic_investor_counts_the_margin_its_money_brings_back() -> None:
    """fin-6: s = rho_f win margin a(24)/24 per dollar; it offers dilution x post-money / (1 - s)."""
    seen: dict[float, float] = {}
    for part in (0.0, 0.5, 1.0):
        market = circular(part)
        rounds = [p.cents / 100 for p in market.books.postings if p.label == "round"]
        seen[part] = rounds[0]
    rate = 1.2 ** (1 / 12) - 1
    level = (1 - (1 + rate) ** -24) / rate / 24
    for part in (0.5, 1.0):
        back = 0.5 * 1.0 * part * level  # compute costs nothing to run: all of the price is margin
        assert seen[part] == pytest.approx(seen[0.0] / (1 - back), rel=1e-6)
