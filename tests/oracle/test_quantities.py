"""Clouds that choose how much to build, and a market that finds the price (rows M1, M4).

A cloud's profit is read from the ledger of a market that ran with its capacity; that its capacity is
the best reply is found by running every other capacity of a grid. The call auction gives each hour to
whom it is worth most (efficient rationing), as Kreps and Scheinkman 1983 assume. Their mixed strategies
(M4b) are of a game of posted prices, which this market does not have.
"""

import math
from collections.abc import Mapping
from typing import Any

import pytest

from offtake.model.market import Market
from tests.degenerate import UNIT_H100E, after, cloud, lab, scenario, silent, trajectory

HOURS_PER_YEAR = 8766.0
HOURS_PER_MONTH = HOURS_PER_YEAR / 12
NOTHING = 1e-12
MW_PER_STEP = 1.0
LANDLORD = {
    "cash_usd": 0.0,
    "region": "home",
    "available_mw": 0.0,
    "new_mw_per_year": 0.0,
    "rent_usd_per_kw_month": 1.0,
}


def linear_market(
    capacity: Mapping[str, float],
    *,
    top: float,
    step: float,
    running: float = 0.0,
    rent: Mapping[str, float] | None = None,
) -> Market:
    """Return a market after two months whose demand is ``P = top - Q`` in steps, all of it spot.

    Lab k would pay ``top - (k + 1/2) step`` for `step` units; the middle of the clearing interval is
    then ``top - Q`` at every multiple of the step. Prices, running cost and rent are in USD an hour; a
    unit is so many MW that a step is a whole one.
    """
    mw = MW_PER_STEP / step
    labs = {
        f"Lab {k:03d}": lab(top - (k + 0.5) * step, step * mw) for k in range(round(top / step))
    }
    sites = {
        f"hall of {name}": {
            "cloud": name,
            "region": "home",
            "chip": "chip",
            "capacity_mw": round(units * mw, 3),
            "stage": "energised",
            **(_leased(rent[name]) if rent else {}),
        }
        for name, units in capacity.items()
        if units > 0
    }
    given = scenario(
        labs,
        {name: cloud(0.0, 0.0) for name in capacity},
        months=2,
        chip={"price_usd_per_h100e": max(running, NOTHING) * HOURS_PER_YEAR},
        sites=sites,
        landlords={"Landlord": LANDLORD},
        building={"operations_share_per_year": 1.0},
    )
    return after(given, 2, strategies={name: {"procurer": silent} for name in labs})


def _leased(usd_per_hour: float) -> dict[str, Any]:
    return {"landlord": "Landlord", "rent_usd_per_kw_month": usd_per_hour * HOURS_PER_MONTH}


def profit(market: Market, name: str, step: float) -> float:
    """Return what a cloud took in for a month of spot sales less what it paid, USD an hour."""
    flows = market.frames()["flows"].filter(month=1)
    received = flows.filter(payee=name)["usd_cents"].sum()
    paid = flows.filter(payer=name)["usd_cents"].sum()
    return (received - paid) / 100 / HOURS_PER_MONTH / UNIT_H100E * step / MW_PER_STEP


def best_reply(
    others: Mapping[str, float],
    name: str,
    grid: list[float],
    *,
    top: float,
    step: float,
    running: float = 0.0,
    rent: Mapping[str, float] | None = None,
) -> float:
    """Return the capacity of a grid with which a cloud earns most, found by running them all."""

    def earned(units: float) -> float:
        capacity = {**others, name: units}
        return profit(
            linear_market(capacity, top=top, step=step, running=running, rent=rent), name, step
        )

    return max(grid, key=earned)


@pytest.mark.parametrize(
    ("count", "price"), [(1, 6.0), (2, 4.6667), (3, 4.0), (5, 3.3333), (10, 2.7273)]
)
def test_clouds_that_choose_capacity_end_in_cournot(count: int, price: float) -> None:
    """M1: P = 10 - Q, cost 2: price (a + N c) / (N + 1), and nobody gains by another capacity."""
    top, cost = 10.0, 2.0
    quantity = (top - cost) / (count + 1)
    step = quantity / 4
    names = [f"Cloud {k}" for k in range(count)]
    capacity = dict.fromkeys(names, quantity)
    market = linear_market(capacity, top=top, step=step, running=cost)
    expected = (top + count * cost) / (count + 1)
    assert trajectory(market, "price_spot")[0] == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(price, abs=1e-4)
    sold = market.books.spot["home", "gpu"].h100e / UNIT_H100E * step / MW_PER_STEP
    assert sold == pytest.approx(count * quantity, abs=1e-9)
    grid = [k * step for k in range(1, 8)]
    others = dict.fromkeys(names[1:], quantity)
    found = best_reply(others, names[0], grid, top=top, step=step, running=cost)
    assert found == pytest.approx(quantity)


def test_unlike_clouds_end_in_cournot_with_margins_that_follow_concentration() -> None:
    """M1h, M1i: costs 1, 2, 3: P = 4, shares 1/2, 1/3, 1/6; Lerner index = HHI / elasticity = 7/12.

    What capacity costs is rent: who has built it runs it at any price, as Cournot assumes.
    """
    cost = {"A": 1.0, "B": 2.0, "C": 3.0}
    capacity = {"A": 3.0, "B": 2.0, "C": 1.0}
    how: dict[str, Any] = {"top": 10.0, "step": 0.5, "rent": cost}
    market = linear_market(capacity, **how)
    price = trajectory(market, "price_spot")[0]
    assert price == pytest.approx(4.0, abs=1e-9)
    shares = {name: trajectory(market, "share_compute", name)[1] for name in capacity}
    assert list(shares.values()) == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=1e-9)
    concentration = trajectory(market, "hhi_compute")[1]
    lerner = math.fsum(shares[name] * (price - cost[name]) / price for name in capacity)
    assert lerner == pytest.approx(concentration / (price / 6.0), abs=1e-9)
    assert lerner == pytest.approx(7 / 12, abs=1e-9)
    for name, units in capacity.items():
        others = {n: u for n, u in capacity.items() if n != name}
        grid = [0.5 * k for k in range(1, 11)]
        assert best_reply(others, name, grid, **how) == pytest.approx(units)


def test_small_halls_are_sold_at_the_price_that_fills_them() -> None:
    """M4a, Kreps and Scheinkman 1983: D = 1 - p, k = 1/4 each: p = 1/2, profit 1/8."""
    market = linear_market({"A": 0.25, "B": 0.25}, top=1.0, step=0.05)
    assert trajectory(market, "price_spot")[0] == pytest.approx(0.5, abs=1e-9)
    assert profit(market, "A", 0.05) == pytest.approx(0.125, abs=1e-6)


def test_capacity_that_costs_a_tenth_is_built_to_cournot() -> None:
    """M4c: unit capacity cost .1, paid as rent: k = .3, p = .4, profit .09."""
    how: dict[str, Any] = {"top": 1.0, "step": 0.05, "rent": {"A": 0.1, "B": 0.1}}
    market = linear_market({"A": 0.3, "B": 0.3}, **how)
    assert trajectory(market, "price_spot")[0] == pytest.approx(0.4, abs=1e-9)
    assert profit(market, "A", 0.05) == pytest.approx(0.09, abs=1e-6)
    grid = [0.05 * k for k in range(1, 13)]
    assert best_reply({"B": 0.3}, "A", grid, **how) == pytest.approx(0.3)


@pytest.mark.parametrize("floors", [(1.0,), (0.9, 1.0), (0.5, 1.0), (0.25,), (0.0, 1.0), (0.0,)])
def test_no_menu_lets_a_lab_owe_more_than_it_can_bear(floors: tuple[float, ...]) -> None:
    """The least floor above nothing says how much it asks for: 0.4 of its need where that is 1 (pro-6)."""
    budget = 0.4 * 36 * HOURS_PER_MONTH * UNIT_H100E
    market = after(
        scenario(
            {"Lab": lab(3.0, cash_usd=budget)},
            {"Cloud": cloud(1.0)},
            procurement={"affordability": 1.0, "margin_months": 0},
            negotiation={"take_or_pay": floors, "smallest_mw": 0.01},
        )
    )
    (signed,) = market.books.contracts.facts
    owed = signed.take_or_pay.floor * signed.h100e * market.contract_price * 36 * HOURS_PER_MONTH
    assert owed <= budget * (1 + 1e-9)
    least = min((floor for floor in floors if floor > 0), default=0.4)
    assert signed.h100e == pytest.approx(min(0.4 / least, 1.0) * UNIT_H100E, abs=2)
