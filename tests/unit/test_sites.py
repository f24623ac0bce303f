from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from offtake.model.contracts import Pool, Site, Stage
from offtake.model.scenario import Building
from offtake.model.sites import (
    clock,
    exchange_usd,
    expected_lead,
    fee_usd,
    holding_usd,
    worth_usd_per_h100e,
)

WORTH: dict[str, Any] = {
    "price": 2.0,
    "sold": 1.0,
    "running": 0.2,
    "months_ahead": 0.0,
    "decline_per_month": 0.02,
    "rate_per_month": 0.01,
    "busy": 0.85,
    "life_months": 60,
}


def site(stage: Stage) -> Site:
    return Site(
        name="site",
        pool=Pool(cloud="Cloud", region="home", chip="gpu"),
        capacity_kw=1_000,
        stage=stage,
        opened=0.0,
        promised=12.0,
        landlord="Landlord",
        rent_usd_per_kw_month=100.0,
    )


def test_a_clock_without_a_mean_has_rung():
    assert clock(1, "grid", "site", 0.0, 4.0) == 0.0


def test_clocks_have_their_mean_and_shape():
    """Gamma: mean m, variance m^2 / shape (row D11); three standard errors."""
    draws = np.array([clock(1, "grid", f"site {n}", 12.0, 4.0) for n in range(4_000)])
    assert draws.mean() == pytest.approx(12.0, abs=3 * 6 / 4_000**0.5)
    assert draws.std() == pytest.approx(6.0, rel=0.06)


def test_clocks_of_two_kinds_and_sites_are_their_own():
    drawn = {clock(1, kind, name, 12.0, 4.0) for kind in ("grid", "construction") for name in "ab"}
    assert len(drawn) == 4


def test_the_later_clock_decides():
    both = expected_lead(12.0, 12.0, 4.0)
    assert both > 12.0
    assert expected_lead(12.0, 0.0, 4.0) == pytest.approx(12.0, abs=0.01)
    assert expected_lead(0.0, 0.0, 4.0) == 0.0


@pytest.mark.parametrize(
    ("stage", "usd"),
    [
        (Stage.LOI, 0.0),
        (Stage.LEASED, 0.5 * 12 * 100 * 1_000),
        (Stage.BUILDING, 1.5 * 12 * 100 * 1_000),
        (Stage.POWERED, 1.5 * 12 * 100 * 1_000),
    ],
)
def test_giving_up_costs_more_the_later_it_is(stage: Stage, usd: float):
    assert fee_usd(site(stage), Building()) == usd


def worth(**terms: Any) -> float:
    given = WORTH | terms
    return worth_usd_per_h100e(**given)


def test_capacity_that_finds_no_buyer_is_worth_nothing():
    assert worth(sold=0.0) == 0.0


def test_worth_is_in_proportion_to_what_is_sold():
    assert worth(sold=0.5) == pytest.approx(worth() / 2)
    assert worth() > 0


WORSE: list[dict[str, Any]] = [
    {"price": 1.5},
    {"running": 0.4},
    {"months_ahead": 12.0},
    {"busy": 0.5},
]


@pytest.mark.parametrize("worse", WORSE)
def test_worth_falls_with_lower_price_and_use_and_with_later_dearer_running(worse: dict[str, Any]):
    assert worth(**worse) < worth()


@pytest.mark.parametrize("value", [40.0, 100.0, 180.0])
@pytest.mark.parametrize("deviation", [0.05, 0.2, 0.8])
def test_the_right_to_exchange_is_the_mean_of_what_it_pays(value: float, deviation: float):
    """Margrabe 1978 against the integral over the lognormal ratio, with a cost of 100."""

    def pays(z: float) -> float:
        ratio = np.exp(deviation * z - deviation**2 / 2)
        return max(value * ratio - 100.0, 0.0) * norm.pdf(z)

    edge = (np.log(100.0 / value) + deviation**2 / 2) / deviation
    expected = quad(pays, max(edge, -10.0), 10.0, epsabs=1e-10)[0] if edge < 10 else 0.0
    assert exchange_usd(value, 100.0, deviation) == pytest.approx(expected, abs=1e-7)


def test_without_cost_or_chance_the_right_is_worth_what_it_pays():
    assert exchange_usd(100.0, -5.0, 0.3) == 105.0
    assert exchange_usd(0.0, 5.0, 0.3) == 0.0
    assert exchange_usd(7.0, 5.0, 0.0) == 2.0


def test_holding_costs_a_share_of_the_rent_of_the_months_deferred():
    rules = Building(holding_share=0.5, defer_months=4)
    assert holding_usd(site(Stage.LEASED), rules) == 0.5 * 4 * 100 * 1_000
