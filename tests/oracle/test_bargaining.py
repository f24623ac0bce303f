"""Prices of the whole market against bargaining theory (rows B1 to B5, B8, B14 to B16)."""

import math

import pytest

from offtake.model.bargaining import OutsideOptions, Rubinstein
from offtake.model.market import Market
from tests.degenerate import (
    EVEN_CLOUD,
    EVEN_LAB,
    NO_RUSH,
    after,
    cloud,
    contract,
    impatience,
    lab,
    prices,
    scenario,
    trajectory,
)

FLOOR = 1.0
PIE = 1.0
HOURS = 730.5


def first_share(lab_rate: float, cloud_rate: float, protocol: Rubinstein) -> float:
    """Return the share of a pie of 1 that the lab, which proposes first, gets in a market month.

    Impatience is a discount rate plus 0.1 for the lab's runway, and plus the idle tenth of its halls
    for the cloud; both are taken off here so that `lab_rate` and `cloud_rate` are what is left.
    """
    given = scenario(
        {"Lab": lab(FLOOR + PIE, discount_per_year=lab_rate - NO_RUSH)},
        {
            "Cloud": cloud(
                FLOOR, 100.0, own_use_mw=95.0, discount_per_year=cloud_rate - 0.05
            )  # 5 MW of 100 stand free
        },
    )
    market = Market(given, rng=1)
    market.bargainer = protocol
    market.step()
    return (FLOOR + PIE - prices(market)["Lab", "Cloud"]) / PIE


def rates(lab_delta: float, cloud_delta: float, months: float) -> tuple[float, float]:
    """Return rates a year whose discount factors over a round are the given ones."""
    return -math.log(lab_delta) * 12 / months, -math.log(cloud_delta) * 12 / months


@pytest.mark.parametrize(
    ("lab_delta", "cloud_delta", "round_months", "share"),
    [
        (0.90, 0.90, 12.0, 0.526316),
        (0.95, 0.90, 6.0, 0.689655),
        (0.99, 0.95, 1.2, 0.840336),
        (0.50, 0.80, 12.0, 0.333333),
    ],
)
def test_alternating_offers_give_the_first_mover_rubinsteins_share(
    lab_delta: float, cloud_delta: float, round_months: float, share: float
) -> None:
    """B1, Rubinstein 1982: (1 - d2) / (1 - d1 d2)."""
    got = first_share(
        *rates(lab_delta, cloud_delta, round_months), Rubinstein(round_months=round_months)
    )
    assert got == pytest.approx((1 - cloud_delta) / (1 - lab_delta * cloud_delta), abs=1e-9)
    assert got == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(
    ("rounds", "share"), [(1, 1.0), (2, 0.1), (3, 0.91), (4, 0.181), (10, 0.3428009)]
)
def test_a_finite_horizon_gives_what_backward_induction_gives(rounds: int, share: float) -> None:
    """B2: (1 - (-d)^n) / (1 + d) with d = .9."""
    got = first_share(*rates(0.9, 0.9, 12.0), Rubinstein(rounds=rounds, round_months=12.0))
    assert got == pytest.approx((1 - (-0.9) ** rounds) / 1.9, abs=1e-12)
    assert got == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("rounds", "share"), [(2, 0.2), (3, 0.6), (4, 0.28), (2001, 1 / 3)])
def test_a_finite_horizon_discounts_each_side_by_its_own_patience(
    rounds: int, share: float
) -> None:
    """B1, B2 with d = (.5, .8): 1 - d2, then 1 - d2 (1 - d1), and so on to Rubinstein's share."""
    got = first_share(*rates(0.5, 0.8, 12.0), Rubinstein(rounds=rounds, round_months=12.0))
    assert got == pytest.approx(share, abs=1e-9)


def test_short_rounds_give_the_nash_share_of_the_rates_of_impatience() -> None:
    """B3, Binmore, Rubinstein and Wolinsky 1986: r2 / (r1 + r2), which is also bar-2's power."""
    short = first_share(0.10, 0.20, Rubinstein(round_months=0.012))
    assert short == pytest.approx(2 / 3, abs=1e-4)
    power = scenario(
        {"Lab": lab(FLOOR + PIE, discount_per_year=0.10 - NO_RUSH)},
        {"Cloud": cloud(FLOOR, 100.0, own_use_mw=95.0, discount_per_year=0.15)},
    )
    assert FLOOR + PIE - prices(after(power))["Lab", "Cloud"] == pytest.approx(2 / 3, abs=1e-12)


def scarce(value: float, next_value: float | None, floor: float, bargainer: str) -> float:
    """Return the price of one unit that one lab wants at `value` and perhaps another as well."""
    labs = {"First": lab(value, discount_per_year=EVEN_LAB)}
    if next_value is not None:
        labs["Second"] = lab(next_value, discount_per_year=EVEN_LAB)
    given = scenario(
        labs,
        {"Cloud": cloud(floor, discount_per_year=EVEN_CLOUD)},
        negotiation={"bargainer": bargainer},
    )
    signed = prices(after(given))
    assert list(signed) == [("First", "Cloud")]
    return signed["First", "Cloud"]


@pytest.mark.parametrize(
    ("outside", "deal_me_out", "threat_point"),
    [(None, 50.0, 50.0), (30.0, 50.0, 65.0), (50.0, 50.0, 75.0), (70.0, 70.0, 85.0)],
)
def test_an_outside_option_binds_or_does_nothing(
    outside: float | None, deal_me_out: float, threat_point: float
) -> None:
    """B4, Binmore, Shaked and Sutton 1989: what another lab would pay is the cloud's outside option."""
    assert scarce(100.0, outside, 0.0, "outside-options") == pytest.approx(deal_me_out, abs=1e-9)
    assert scarce(100.0, outside, 0.0, "threat-point") == pytest.approx(threat_point, abs=1e-9)


@pytest.mark.parametrize(("power", "price"), [(0.25, 2.7), (0.5, 2.4), (0.75, 2.1)])
def test_the_price_divides_the_surplus_by_bargaining_power(power: float, price: float) -> None:
    """B5: r + (1 - b)(v - r) with v = 3 and r = 1.8, b given or from impatience (bar-2)."""
    plain = scenario({"Lab": lab(3.0)}, {"Cloud": cloud(1.8)})
    given = Market(plain, rng=1)
    given.bargainer = OutsideOptions(lab_power=power)
    given.step()
    assert prices(given)["Lab", "Cloud"] == pytest.approx(price, abs=1e-12)


@pytest.mark.parametrize(
    ("power", "price"), [(0.5, 2.4), (0.75, 2.1), (0.9, 1.92), (2 / 3, 1.8 + 1.2 / 3)]
)
def test_the_price_divides_the_surplus_by_impatience(power: float, price: float) -> None:
    """B5 with b from discount rates, runway and idle halls (bar-2)."""
    lab_rate, cloud_rate = impatience(power)
    given = scenario(
        {"Lab": lab(3.0, discount_per_year=lab_rate)},
        {"Cloud": cloud(1.8, discount_per_year=cloud_rate)},
    )
    assert prices(after(given))["Lab", "Cloud"] == pytest.approx(price, abs=1e-12)


@pytest.mark.parametrize(("next_value", "price"), [(50.0, 60.0), (80.0, 80.0)])
def test_a_scarce_unit_costs_what_the_excluded_lab_would_pay(
    next_value: float, price: float
) -> None:
    """B8, Ho and Lee 2019: max(Nash split, value of the lab left out)."""
    assert scarce(100.0, next_value, 20.0, "outside-options") == pytest.approx(price, abs=1e-9)


@pytest.mark.parametrize(
    ("excluded", "rival", "price"),
    [
        (None, None, 2.4),
        (2.7, None, 2.7),
        (None, (3.0, 2.0), 2.0),
        (None, (2.6, 2.2), 2.4),
    ],
    ids=["bilateral monopoly", "excluded lab", "rival of the same value", "weak rival"],
)
def test_one_formula_nests_monopoly_scarcity_and_competition(
    excluded: float | None, rival: tuple[float, float] | None, price: float
) -> None:
    """B16: v = 3, r = 1.8, b = 1/2; the rival is worth v' to the lab and costs r'."""
    labs = {"Lab": lab(3.0, discount_per_year=EVEN_LAB)}
    clouds = {"Cloud": cloud(1.8, discount_per_year=EVEN_CLOUD)}
    if excluded is not None:
        labs["Other"] = lab(excluded, discount_per_year=EVEN_LAB)
    if rival is not None:
        value, floor = rival
        clouds["Rival"] = cloud(floor, discount_per_year=EVEN_CLOUD)
        labs["Lab"]["porting_usd_per_h100e_hour"] = {"Rival": 3.0 - value}
    signed = prices(after(scenario(labs, clouds)))
    assert list(signed) == [("Lab", "Cloud")]
    assert signed["Lab", "Cloud"] == pytest.approx(price, abs=1e-12)


@pytest.mark.parametrize(
    ("used_h100e", "bill_cents"), [(500.0, 1_168_800_00), (900.0, 1_314_900_00)]
)
def test_take_or_pay_bills_the_floor_or_the_use_to_the_cent(
    used_h100e: float, bill_cents: int
) -> None:
    """B14b: p H max(u, phi q) for q = 1,000 H100e at 2 USD with phi = .8.

    The lab serves a load of `used_h100e`; more use is worth .3 USD an hour to it, less than the .4 that
    an hour beyond the floor would cost, so the rest stands idle.
    """
    given = scenario(
        {
            "Lab": lab(
                0.3,
                0.0,
                users_million=1e-3,
                compute_h100e_hours_per_user=used_h100e * HOURS / 1000,
            )
        },
        {"Cloud": cloud(0.0)},
        months=2,
        contracts={"base": contract("Lab", "Cloud", 1.0, 2.0, take_or_pay=0.8)},
    )
    market = after(given, 2)
    flows = market.frames()["flows"]
    bills = flows.filter(flows["label"] == "compute")
    assert bills["usd_cents"].to_list() == [bill_cents, bill_cents]
    assert trajectory(market, "utilisation", "Lab") == pytest.approx([used_h100e / 1000] * 2)
    idle = max(0.8 * 1000 - used_h100e, 0.0) / 1000
    assert trajectory(market, "stranded_dark_mw", "Cloud") == pytest.approx([idle] * 2)


@pytest.mark.parametrize("avoidable", [0.3, 0.6, 1.2])
def test_the_package_chosen_has_the_floor_of_efficient_breach(avoidable: float) -> None:
    """B14, Masten and Crocker 1985: phi* = 1 - s / p, with s what an unused hour saves and p the price.

    s is the cost of running (here power); the menu is fine and the value of use uncertain.
    """
    given = scenario(
        {"Lab": lab(2.5)},
        {"Cloud": cloud(2.4)},
        negotiation={
            "take_or_pay": tuple(k / 100 for k in range(101)),
            "value_volatility_per_year": 1.0,
        },
        region={"power_usd_per_kwh": avoidable},
    )
    signed = after(given).books.contracts.facts
    assert [c.take_or_pay.floor for c in signed] == [pytest.approx(1 - avoidable / 2.4, abs=0.01)]


def test_what_is_still_owed_is_worth_the_indifference_fee_of_termination() -> None:
    """B15: 36 months of 1,168,800 USD at 1% a month are worth 35,189,651.89 USD.

    A lab would leave for any smaller fee if the compute were worth nothing to it; it sees that worth
    among its obligations.
    """
    given = scenario(
        {"Lab": lab(0.3, 0.0, discount_per_year=1.01**12 - 1)},
        {"Cloud": cloud(0.0)},
        contracts={"base": contract("Lab", "Cloud", 1.0, 2.0, end=37, take_or_pay=0.8)},
    )
    market = after(given)
    by_hand = math.fsum(1_168_800 / 1.01**month for month in range(1, 37))
    assert market.lab_views["Lab"].obligations_usd == pytest.approx(by_hand, abs=0.01)
    assert by_hand == pytest.approx(35_189_651.89, abs=0.01)
