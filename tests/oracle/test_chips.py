"""What chips cost, and when a custom class is adopted, through the whole market (rows D1, D4, U10)."""

import math
from typing import Any

import numpy as np
import pytest

from offtake.model.contracts import Stage
from offtake.model.events import Adopted, Posted
from offtake.model.experience import exponent
from offtake.model.market import Market
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import recovery
from tests.degenerate import CHIP, START, after, cloud, day, lab, scenario, trajectory

PRICE_USD = CHIP["price_usd_per_h100e"]
X0 = 1e6
"""Volume shipped before the start, H100e."""

# Row D4: a learning rate of 20 percent


def learning(months: int, **cls: Any) -> Market:
    """Return a market in which others buy the volume of the start again each month."""
    given = scenario(
        {"Lab": lab(0.01)},
        {"Cloud": cloud(1.0)},
        months=months,
        classes={"gpu": {"learning_rate": 0.2, "shipped_h100e": X0, **cls}},
    )
    return after(given, months)


def test_the_exponent_of_a_learning_rate_of_20_percent():
    """D4, Wright: b = -log2(1 - .2) = .321928."""
    assert exponent(0.2) == pytest.approx(0.321928, abs=5e-7)


def test_doublings_of_volume_each_take_the_learning_rate_off_the_price():
    """D4, Wright: twice the volume costs .8 of the price, ten times .476510."""
    price = trajectory(learning(9, world_h100e_per_month=X0), "price_chips", "gpu")
    assert price[0] / PRICE_USD == pytest.approx(0.8, abs=1e-9)
    assert price[2] / PRICE_USD == pytest.approx(0.64, abs=1e-9)
    assert price[8] / PRICE_USD == pytest.approx(0.476510, abs=5e-7)
    assert price[8] / PRICE_USD == pytest.approx(10 ** math.log2(0.8), abs=1e-9)


def test_prices_without_learning_are_those_of_the_scenario():
    price = trajectory(
        learning(3, learning_rate=0.0, world_h100e_per_month=X0), "price_chips", "gpu"
    )
    assert price == [PRICE_USD] * 3


def test_volume_of_others_that_grows_lowers_the_price_by_its_integral():
    market = learning(4, world_h100e_per_month=X0, world_growth_per_month=0.1)
    ratio = 1 + (math.exp(0.4) - 1) / 0.1
    price = trajectory(market, "price_chips", "gpu")[-1]
    assert price / PRICE_USD == pytest.approx(ratio ** math.log2(0.8), abs=1e-9)


def three_halls(**cls: Any) -> Market:
    """Return a market in which three halls of 1,000 H100e are fitted: two at the start, one after month 2."""
    hall = {"cloud": "Cloud", "region": "home", "capacity_mw": 1.0, "chip": "chip"}
    given = scenario(
        {"Lab": lab(0.01)},
        {"Cloud": cloud(1.0)},
        months=3,
        classes={"gpu": {"learning_rate": 0.2, "shipped_h100e": 2000.0, **cls}},
        sites={
            "first": {**hall, "stage": "powered"},
            "second": {**hall, "stage": "powered"},
            "third": {**hall, "stage": "leased"},
        },
        region={"construction_mean_months": 2.5, "grid_mean_months": 2.5, "clock_shape": 1e8},
    )
    return after(given, 3)


def chips_paid(market: Market) -> list[tuple[str, int]]:
    return [
        (posting.reference, posting.cents)
        for _, event in market.books.journal
        if isinstance(event, Posted)
        for posting in event.postings
        if posting.label == "chips"
    ]


def test_what_a_cloud_buys_makes_the_next_chips_cheaper_to_the_cent():
    """Two halls of one instant pay the same; they double the volume, so the third pays 80 percent."""
    market = three_halls()
    paid = chips_paid(market)
    assert paid == [("first", 3 * 10**9), ("second", 3 * 10**9), ("third", 24 * 10**8)]
    assert market.books.shipped_kw == {"chip": 3000}
    assert all(s.stage is Stage.ENERGISED for s in market.books.sites.values())


# chp-2: the trigger of adoption, at the parameters of row D1

RATE = 0.04
TRIGGER = 2.0
"""beta1 / (beta1 - 1) at a rate and a payout of 4 percent and a volatility of 20 percent."""
LIFE = 66
BUSY = 0.85
VOLUME = 50_000.0
"""What the only lab wants, all of it from the only cloud, H100e."""
CHEAPER_USD = 6_000.0
"""By how much a custom chip costs less."""


def custom(nre_usd: float, *, months: int = 3, ported: float = 1.0, **cls: Any) -> Market:
    """Return a market in which one cloud could adopt a class that costs less by a fixed amount."""
    chips = {
        "chip": CHIP,
        "arm": {**CHIP, "price_usd_per_h100e": PRICE_USD - CHEAPER_USD, "class": "arm"},
    }
    given = scenario(
        {"Lab": lab(0.01, VOLUME / 1000, ported={"arm": ported})},
        {"Cloud": cloud(1.0, 1.0, discount_per_year=RATE)},
        months=months,
        beliefs={"price_decline_per_year": RATE},
        negotiation={"value_volatility_per_year": 0.2},
        chips=chips,
        classes={"arm": {"nre_usd": nre_usd, **cls}},
    )
    return after(given, months)


def breakeven_nre_usd() -> float:
    """Return the engineering that the volume just pays for, from the closed forms alone.

    A USD less of chips saves CRF / (H busy) an hour; that times H and the annuity 1 / CRF is 1 / busy.
    """
    rate = (1 + RATE) ** (1 / 12) - 1
    saving = CHEAPER_USD * recovery(rate, LIFE) / HOURS_PER_MONTH / BUSY
    annuity = (1 - (1 + rate) ** -LIFE) / rate
    worth = VOLUME * saving * HOURS_PER_MONTH * annuity
    assert worth == pytest.approx(VOLUME * CHEAPER_USD / BUSY)
    return worth / TRIGGER


def adoptions(market: Market) -> list[tuple[float, Adopted]]:
    return [(t, e) for t, e in market.books.journal if isinstance(e, Adopted)]


@pytest.mark.parametrize(("share", "adopts"), [(0.999, True), (1.001, False)])
def test_a_class_is_adopted_only_from_the_trigger_on(share: float, adopts: bool):
    market = custom(share * breakeven_nre_usd())
    assert bool(adoptions(market)) is adopts


def test_the_breakeven_volume_is_observed():
    market = custom(2 * breakeven_nre_usd())
    rows = trajectory(market, "breakeven_h100e", "Cloud", "arm")
    assert rows == pytest.approx([2 * VOLUME] * 3)
    assert trajectory(market, "breakeven_months", "Cloud", "arm") == [None] * 3


def test_engineering_is_paid_once_to_the_cent_and_chips_come_after_development():
    market = custom(1e8, months=5, development_months=30)
    ((time, event),) = adoptions(market)
    assert (time, event.name, event.chip_class, event.ready) == (1.0, "Cloud", "arm", 31.0)
    paid = [
        p
        for _, e in market.books.journal
        if isinstance(e, Posted)
        for p in e.postings
        if p.label == "engineering"
    ]
    assert [(p.payer, p.payee, p.cents) for p in paid] == [("Cloud", "Suppliers", 10**10)]


def test_a_lab_that_refuses_a_class_gives_it_no_volume():
    assert not adoptions(custom(0.01 * breakeven_nre_usd(), ported=0.0))


def test_porting_is_set_against_the_saving_by_how_far_the_lab_has_ported():
    """chp-2: c_k + porting / (T S): half ported doubles it, beyond the saving."""
    rate = (1 + RATE) ** (1 / 12) - 1
    saving = CHEAPER_USD * recovery(rate, LIFE) / HOURS_PER_MONTH / BUSY
    porting = 0.6 * saving * 36 * HOURS_PER_MONTH  # of what is saved, where all is ported
    costs: dict[str, Any] = {"porting_usd_per_h100e": porting, "porting_half_months": 1e9}
    whole = custom(breakeven_nre_usd(), **costs)
    half = custom(breakeven_nre_usd(), ported=0.5, **costs)
    assert trajectory(whole, "breakeven_h100e", "Cloud", "arm")[0] == pytest.approx(2.5 * VOLUME)
    assert trajectory(half, "breakeven_h100e", "Cloud", "arm")[0] is None
    assert not adoptions(half)


# Learning by using


def test_what_is_left_to_port_falls_by_half_in_the_months_of_full_use():
    """A lab that has all its compute on a class from S = 0.2: 1 - 0.8 / 2 after six months."""
    given = scenario(
        {"Lab": lab(1.0, 1.0)},
        {"Cloud": cloud(0.5, 0.0)},
        months=6,
        chips={"chip": CHIP, "arm": {**CHIP, "class": "arm"}},
        classes={"arm": {"ported": 0.2, "porting_half_months": 6.0}},
        sites={
            "hall": {
                "cloud": "Cloud",
                "region": "home",
                "capacity_mw": 1.0,
                "stage": "energised",
                "chip": "arm",
            }
        },
        contracts={
            "running": {
                "lab": "Lab",
                "cloud": "Cloud",
                "region": "home",
                "chip": "arm",
                "capacity_mw": 1.0,
                "price_usd_per_h100e_hour": 1.0,
                "start": START,
                "end": day(60),
                "take_or_pay": 1.0,
            }
        },
    )
    market = after(given, 6)
    stock = trajectory(market, "ported_share", "Lab", "arm")
    assert stock == pytest.approx([1 - 0.8 * 0.5 ** (m / 6) for m in range(1, 7)])
    assert trajectory(market, "share_chip_class", "arm") == [1.0] * 6
    assert trajectory(market, "ported_share", "Lab", "gpu") == [1.0] * 6
    assert np.isnan(market.recorder.values["breakeven_h100e"][0][0])
