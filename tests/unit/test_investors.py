from dataclasses import replace

from offtake.agents.investors import HonourPromises, PriceOnForwardRevenue
from offtake.model.proposals import Fund
from offtake.model.scenario import Finance
from offtake.model.view import InvestorView

VIEW = InvestorView(
    name="Fund",
    time=3.0,
    finance=Finance(revenue_multiple=10.0, growth_multiple=0.0, round_dilution=0.1),
    cash_usd=1_000.0,
    committed_usd=0.0,
    hurdle_per_year=0.2,
    lab="Lab A",
    asked_usd=100.0,
    forward_revenue_usd=500.0,
    growth_per_year=0.5,
)


def test_what_is_asked_is_given_within_dilution():
    """A tenth of ten times 500 is 500, more than the 100 asked."""
    assert PriceOnForwardRevenue()(VIEW) == Fund(investor="Fund", lab="Lab A", usd=100.0)


def test_dilution_caps_a_round():
    seen = replace(VIEW, asked_usd=900.0)
    assert PriceOnForwardRevenue()(seen) == Fund(investor="Fund", lab="Lab A", usd=500.0)


def test_growth_raises_the_valuation():
    finance = Finance(revenue_multiple=10.0, growth_multiple=10.0, round_dilution=0.1)
    found = PriceOnForwardRevenue()(replace(VIEW, asked_usd=1_000.0, finance=finance))
    assert found is not None
    assert found.usd == 750.0


def test_growth_below_the_hurdle_finds_no_money():
    assert PriceOnForwardRevenue()(replace(VIEW, growth_per_year=0.19)) is None


def test_promised_money_is_not_given_twice():
    found = PriceOnForwardRevenue()(replace(VIEW, committed_usd=940.0))
    assert found is not None
    assert found.usd == 60.0
    assert PriceOnForwardRevenue()(replace(VIEW, committed_usd=1_000.0)) is None


def test_the_benchmark_joins_no_round():
    assert HonourPromises()(VIEW) is None


# Strategic investors

STRATEGIC = replace(VIEW, returned_per_usd=0.2, asked_usd=900.0)


def test_a_dollar_that_partly_comes_back_buys_at_a_higher_valuation():
    """fin-6: what costs 80 cents is worth a part of 500 / 0.8."""
    assert PriceOnForwardRevenue()(STRATEGIC) == Fund(investor="Fund", lab="Lab A", usd=625.0)


def test_contract_margin_makes_up_for_growth_below_the_hurdle():
    """A return of (1 + g)/(1 - s) against 1 + hurdle: from 1.2 * 0.8 - 1 = -4% on."""
    slow = replace(STRATEGIC, growth_per_year=-0.03)
    assert PriceOnForwardRevenue()(slow) is not None
    assert PriceOnForwardRevenue()(replace(slow, growth_per_year=-0.05)) is None
    assert PriceOnForwardRevenue()(replace(slow, returned_per_usd=0.0)) is None
