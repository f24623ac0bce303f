"""Units through the whole market against arithmetic on public figures (rows U1 to U10)."""

import datetime as dt

import pytest

from offtake.model.bargaining import OutsideOptions
from offtake.model.market import Market
from tests.degenerate import CHIP, UNIT_H100E, after, cloud, contract, lab, prices, scenario

H100_KW = 0.700 * 1.82
"""kW of IT load of an H100: its rating times what stands around it."""
METER = 1.14
"""Power at the meter over IT power."""
PER_MW = 1000 / H100_KW
CLOSE = 5e-4


def test_a_month_bills_730_and_a_half_hours() -> None:
    """U1: 1,000 H100e at a dollar an hour."""
    given = scenario(
        {"Lab": lab(10.0)},
        {"Cloud": cloud(0.0)},
        contracts={"c": contract("Lab", "Cloud", 1.0, 1.0)},
    )
    flows = after(given).frames()["flows"]
    (bill,) = flows.filter(flows["label"] == "compute")["usd_cents"].to_list()
    assert bill / 100 / UNIT_H100E == 730.5


def test_a_megawatt_holds_as_many_h100_as_public_figures_say() -> None:
    """U2, U4: 1.274 kW of IT load each, 784.93 to a MW; a contract of 1 MW delivers them."""
    assert pytest.approx(1.274, rel=CLOSE) == H100_KW
    given = scenario(
        {"Lab": lab(10.0)},
        {"Cloud": cloud(0.0)},
        chip={"h100e_per_mw": PER_MW},
        contracts={"c": contract("Lab", "Cloud", 1.0, 1.0)},
    )
    (h100e,) = after(given).frames()["contracts"]["h100e"].to_list()
    assert h100e == pytest.approx(784.93, rel=CLOSE)


def test_running_an_h100_draws_its_power_at_the_meter() -> None:
    """U3, U5: 1.45236 kW at the meter, 688.53 H100 to a MW there; at a dollar a kWh the bill shows it."""
    given = scenario(
        {"Lab": lab(10.0)},
        {"Cloud": cloud(0.0)},
        chip={"h100e_per_mw": PER_MW},
        region={"power_usd_per_kwh": 1.0, "pue": METER},
        contracts={"c": contract("Lab", "Cloud", 1.0, 0.0)},
    )
    flows = after(given).frames()["flows"]
    (bill,) = flows.filter(flows["label"] == "running")["usd_cents"].to_list()
    kw_at_meter = bill / 100 / 730.5  # of a MW of IT load
    assert kw_at_meter / PER_MW == pytest.approx(1.45236, rel=CLOSE)
    assert PER_MW / (kw_at_meter / 1000) == pytest.approx(688.53, rel=CLOSE)


@pytest.mark.parametrize(
    ("h100e_per_mw", "price"),
    [(PER_MW, 1.9378), (PER_MW / METER, 2.2091), (2.5 * PER_MW, 0.7751), (1.0, 1521.03)],
    ids=["IT load", "at the meter", "newer chips", "a MW as the unit"],
)
def test_a_headline_contract_is_worth_its_headline(h100e_per_mw: float, price: float) -> None:
    """U6 to U9: 300bn USD, five years, 4.5 GW, at what that makes an hour of an H100e."""
    months = 60
    given = scenario(
        {"Lab": lab(10.0)},
        {"Cloud": cloud(0.0, 4500.0)},
        chip={"h100e_per_mw": h100e_per_mw},
        contracts={"big": contract("Lab", "Cloud", 4500.0, price, end=months)},
    )
    (value,) = after(given).frames()["contracts"]["value_usd"].to_list()
    assert value == pytest.approx(300e9, rel=CLOSE)


def test_an_hour_of_an_h100e_costs_what_the_parts_add_up_to() -> None:
    """U10: 38,000 USD, 60 months, 1% a month, 130 USD/kW, 6 cents, .85 busy: 1.9861 USD an hour.

    A cloud that prices by cost and has no power asks exactly that. The sum is taken part by part.
    """
    given = scenario(
        {"Lab": lab(10.0)},
        {
            "Cloud": cloud(
                0.0, 2.0, discount_per_year=1.01**12 - 1, strategies={"pricer": "cost-plus"}
            )
        },
        chips={
            "chip": {**CHIP, "h100e_per_mw": PER_MW, "price_usd_per_h100e": 38_000.0},
        },
        region={"power_usd_per_kwh": 0.06, "pue": METER},
        building={"operations_share_per_year": 0.05, "server_life_months": 60, "busy": 0.85},
        landlords={
            "Landlord": {
                "cash_usd": 0.0,
                "region": "home",
                "available_mw": 1000.0,
                "rent_usd_per_kw_month": 130.0,
            }
        },
    )
    market = Market(given, rng=1)
    market.bargainer = OutsideOptions(lab_power=1.0)
    market.step()
    payment = 38_000 / sum(1.01**-month for month in range(1, 61))
    monthly = payment + 130 * H100_KW + H100_KW * METER * 730.5 * 0.06 + 38_000 * 0.05 / 12
    by_hand = monthly / 730.5 / 0.85
    assert by_hand == pytest.approx(1.9861, rel=CLOSE)
    assert prices(market)["Lab", "Cloud"] == pytest.approx(by_hand, abs=1e-9)


def test_dates_are_months_from_the_start() -> None:
    """U1 in time: a contract from 1 February to 16 April delivers from month 1 to month 3.5."""
    given = scenario(
        {"Lab": lab(10.0)},
        {"Cloud": cloud(0.0)},
        months=5,
        contracts={
            "c": contract("Lab", "Cloud", 1.0, 1.0)
            | {"start": dt.date(2025, 2, 1), "end": dt.date(2025, 4, 16)}
        },
    )
    market = Market(given, rng=1, strategies={"Lab": {"procurer": lambda _: None}})
    market.run_until(5)
    flows = market.frames()["flows"]
    bills = flows.filter(flows["label"] == "compute").sort("month")
    assert bills["month"].to_list() == [1, 2, 3]
    assert bills["usd_cents"].to_list() == [730_500_00, 730_500_00, 365_250_00]
