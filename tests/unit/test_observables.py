"""Observables are checked against the events and facts they are about."""

import numpy as np
import pytest
from hypothesis import given, settings

from offtake.model.events import Posted
from offtake.model.market import Market
from offtake.model.observables import HEADLINE, TABLE
from offtake.model.reading import load_scenario
from offtake.model.scenario import Scenario
from tests.generated import by_name, played, scenarios

BY_NAME = {item.name: item for item in TABLE}
FEW = settings(max_examples=10)


@pytest.fixture(scope="module")
def market() -> Market:
    market = Market(load_scenario("duopoly"), rng=1)
    market.run_until(8)
    return market


def last(market: Market, observable: str) -> np.ndarray:
    return market.recorder.values[observable][-1]


def test_every_observable_has_name_unit_and_a_line_of_meaning():
    assert len(BY_NAME) == len(TABLE)
    for item in TABLE:
        assert item.unit
        assert item.meaning.endswith(".")
        assert set(item.index) <= {"lab", "cloud", "region", "class", "cause"}
        assert len(item.index) <= 2


@pytest.mark.parametrize(
    "name",
    [
        "share_compute",
        "share_contracted",
        "share_labs",
        "dependence",
        "hhi_compute",
        "price_contract",
        "price_spot",
        "utilisation",
        "energised_mw",
        "stranded_idle_mw",
        "stranded_dark_mw",
        "stranded_orphan_mw",
        "backlog_usd",
        "capex_usd",
        "revenue_usd",
        "run_rate_usd",
        "coverage",
        "efficiency",
    ],
)
def test_what_the_market_must_show_is_shown(name: str):
    assert name in BY_NAME


@FEW
@given(scenarios())
def test_shares_sum_to_one_each_month_or_to_nothing(scenario: Scenario):
    values = played(scenario, check=False).recorder.values
    for name in ("share_compute", "share_labs", "share_contracted"):
        for month in values[name]:
            assert month.sum() == pytest.approx(1.0, abs=1e-9) or not month.any()
    labs = len(scenario.labs)
    for month in values["dependence"]:
        for row in month.reshape(labs, -1):
            assert row.sum() == pytest.approx(1.0, abs=1e-6) or row.sum() < 1e-6


@FEW
@given(scenarios())
def test_nothing_counted_is_negative(scenario: Scenario):
    values = played(scenario, check=False).recorder.values
    for name in (n for n in BY_NAME if n.endswith("_mw") or n.startswith("share") or "h100e" in n):
        assert min(float(np.nanmin(month, initial=0.0)) for month in values[name]) >= 0


def test_concentration_is_the_sum_of_squared_shares(market: Market):
    assert last(market, "hhi_compute")[0] == pytest.approx(
        (last(market, "share_compute") ** 2).sum()
    )


def test_energised_capacity_is_that_of_the_sites(market: Market):
    stands = dict.fromkeys(market.setup.clouds, 0)
    for site in market.books.sites.values():
        if site.stage.name == "ENERGISED":
            stands[site.pool.cloud] += site.capacity_kw
    assert last(market, "energised_mw").tolist() == [kw / 1000 for kw in stands.values()]


def test_revenue_is_what_was_posted_for_compute(market: Market):
    month = dict.fromkeys(market.setup.clouds, 0)
    for time, event in market.books.journal:
        if isinstance(event, Posted) and time == market.time:
            for posting in event.postings:
                if posting.label in ("compute", "spot", "revenue share"):
                    month[posting.payee] += posting.cents
    assert last(market, "revenue_usd").tolist() == [cents / 100 for cents in month.values()]


def test_capital_expenditure_adds_up_to_the_capital_of_the_books():
    market = Market(load_scenario("duopoly"), rng=1)
    market.run_until(12)
    spent = np.sum(market.recorder.values["capex_usd"], axis=0)
    books = [market.books.capital[name] / 100 for name in market.setup.clouds]
    assert spent.sum() > 0
    assert spent.tolist() == pytest.approx(books)


def test_backlog_at_the_start_is_what_is_still_to_be_billed_under_take_or_pay():
    scenario = load_scenario("duopoly")
    silent = {lab: {"procurer": lambda view: None} for lab in scenario.labs}
    market = Market(scenario, rng=1, strategies=silent)
    market.step()
    hour = 2.0 * 730.5 * 800
    flexible, base = 0.5 * 80 * hour * 8, 120 * hour * 17
    own, waiting = 0.8 * 100 * hour * 11, 0.8 * 50 * 1_600 * 1.25 * 730.5 * 36
    backlog = by_name(market.setup.clouds, last(market, "backlog_usd"))
    assert backlog == pytest.approx([flexible + base, own + waiting])


def test_a_spot_price_without_trade_has_no_value():
    scenario = load_scenario("duopoly")
    full = scenario.clouds["Cloud X"].model_copy(update={"own_use_mw": 100.0})
    taken = scenario.clouds["Cloud Y"].model_copy(update={"own_use_mw": 10.0})
    clouds = {"Cloud X": full, "Cloud Y": taken}
    market = Market(scenario.model_copy(update={"clouds": clouds}), rng=1)
    market.step()
    assert np.isnan(last(market, "price_spot")).all()


def test_headline_numbers_are_those_of_the_table(market: Market):
    assert HEADLINE["hhi_compute"](market) == last(market, "hhi_compute")[0]
    assert HEADLINE["price_new"](market) == last(market, "price_new")[0]
    assert HEADLINE["delivered_h100e"](market) == pytest.approx(
        last(market, "delivered_h100e").sum()
    )
