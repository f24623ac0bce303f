"""Who gets what, over the whole market, against the assignment game and the LP (rows A1 to A5)."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from offtake.model.bargaining import Bargainer, OutsideOptions
from offtake.model.market import Market
from offtake.model.scenario import Scenario
from tests.degenerate import (
    EVEN_CLOUD,
    EVEN_LAB,
    UNIT_H100E,
    cloud,
    lab,
    prices,
    scenario,
    signed_h100e,
    trajectory,
)

SHAPLEY_SHUBIK = np.array([[5.0, 8.0, 2.0], [7.0, 9.0, 6.0], [2.0, 3.0, 0.0]])
"""Joint surplus of lab and cloud in the example of Shapley and Shubik 1971."""
VALUE = np.array([[3.2, 2.9, 2.6], [2.8, 3.0, 2.2], [2.5, 2.4, 2.7], [2.1, 2.0, 1.9]])
COST = np.array([1.9, 1.7, 1.5])
"""The reference market of four labs and three clouds, USD per H100e-hour."""


def assignment(
    value: np.ndarray,
    cost: Sequence[float],
    *,
    labs: Sequence[str] | None = None,
    need: Sequence[float] | None = None,
    capacity: Sequence[float] | None = None,
    eligible: np.ndarray | None = None,
    increment: float = 0.02,
) -> Scenario:
    """Return a market with a value for each pair; a unit each where nothing else is given."""
    rows, columns = value.shape
    names = labs or [f"Lab {i}" for i in range(rows)]
    clouds = [f"Cloud {j}" for j in range(columns)]
    best = value.max(axis=1)
    return scenario(
        {
            names[i]: lab(
                float(best[i]),
                1.0 if need is None else need[i],
                discount_per_year=EVEN_LAB,
                porting_usd_per_h100e_hour={
                    clouds[j]: float(best[i] - value[i, j]) for j in range(columns)
                },
                invites=tuple(
                    c for j, c in enumerate(clouds) if eligible is None or eligible[i, j]
                ),
            )
            for i in range(rows)
        },
        {
            clouds[j]: cloud(
                float(cost[j]),
                1.0 if capacity is None else capacity[j],
                discount_per_year=EVEN_CLOUD,
            )
            for j in range(columns)
        },
        negotiation={"increment_usd_per_h100e_hour": increment},
    )


def negotiated(given: Scenario, bargainer: Bargainer | None = None) -> Market:
    """Return the market after one negotiation."""
    market = Market(given, rng=1)
    if bargainer is not None:
        market.bargainer = bargainer
    market.step()
    return market


def surplus(
    market: Market, value: np.ndarray, cost: Sequence[float], names: Sequence[str]
) -> float:
    """Return the joint surplus of what was signed, in units."""
    total = 0.0
    for (buyer, seller), h100e in signed_h100e(market).items():
        j = int(seller[-1])
        total += (value[names.index(buyer), j] - cost[j]) * h100e / UNIT_H100E
    return total


def best_surplus(pairs: np.ndarray) -> float:
    """Return the largest surplus of an assignment, by brute force."""
    rows, columns = pairs.shape
    few, many = min(rows, columns), max(rows, columns)
    matrix = pairs if rows <= columns else pairs.T
    return max(
        sum(matrix[k, chosen[k]] for k in range(few))
        for chosen in itertools.permutations(range(many), few)
    )


def test_clearing_finds_the_optimal_assignment_of_shapley_and_shubik() -> None:
    """A1: 16, by lab 1 with cloud 2, lab 2 with cloud 3, lab 3 with cloud 1."""
    market = negotiated(assignment(SHAPLEY_SHUBIK, [0.0, 0.0, 0.0]))
    assert set(prices(market)) == {("Lab 0", "Cloud 1"), ("Lab 1", "Cloud 2"), ("Lab 2", "Cloud 0")}
    names = ["Lab 0", "Lab 1", "Lab 2"]
    assert surplus(market, SHAPLEY_SHUBIK, [0, 0, 0], names) == pytest.approx(16.0, abs=1e-9)
    assert best_surplus(SHAPLEY_SHUBIK) == 16.0
    assert market.round is not None
    assert market.round.optimum / UNIT_H100E == pytest.approx(16.0, abs=1e-9)
    assert trajectory(market, "efficiency") == [pytest.approx(1.0, abs=1e-12)]


@pytest.mark.parametrize(("left_out", "contribution"), [(0, 5.0), (1, 6.0), (2, 1.0)])
def test_a_labs_marginal_contribution_is_its_largest_core_payoff(
    left_out: int, contribution: float
) -> None:
    """A2, Leonard 1983: V(all) - V(all but one) = 5, 6 and 1."""
    rest = np.delete(SHAPLEY_SHUBIK, left_out, axis=0)
    market = negotiated(assignment(rest, [0.0, 0.0, 0.0]))
    got = surplus(market, rest, [0, 0, 0], ["Lab 0", "Lab 1"])
    assert 16.0 - got == pytest.approx(contribution, abs=1e-9)
    rows, columns = linear_sum_assignment(rest, maximize=True)
    assert got == pytest.approx(float(rest[rows, columns].sum()), abs=1e-9)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_prices_of_shapley_and_shubik_lie_in_the_core(power: float) -> None:
    """A1c, A1d: the clouds' core payoffs lie in [1, 2], [3, 5] and [0, 1], the floors being 0."""
    market = negotiated(
        assignment(SHAPLEY_SHUBIK, [0.0, 0.0, 0.0]), OutsideOptions(lab_power=power)
    )
    got = {seller: price for (_, seller), price in prices(market).items()}
    bounds = {"Cloud 0": (1.0, 2.0), "Cloud 1": (3.0, 5.0), "Cloud 2": (0.0, 1.0)}
    slack = 3 * 0.02
    for name, (low, high) in bounds.items():
        assert low - slack <= got[name] <= high + slack


@pytest.mark.parametrize("increment", [0.1, 0.01, 0.001])
def test_powerful_labs_pay_the_core_floors_of_the_reference_market(increment: float) -> None:
    """A3, A4: surplus 3.8; floors 2.1, 2.0, 1.9, what the fourth lab would pay, within labs x eps."""
    market = negotiated(
        assignment(VALUE, COST.tolist(), increment=increment), OutsideOptions(lab_power=1.0)
    )
    got = {seller: price for (_, seller), price in prices(market).items()}
    assert got == pytest.approx({"Cloud 0": 2.1, "Cloud 1": 2.0, "Cloud 2": 1.9}, abs=4 * increment)
    names = [f"Lab {i}" for i in range(4)]
    assert surplus(market, VALUE, COST.tolist(), names) == pytest.approx(3.8, abs=1e-9)
    assert best_surplus(VALUE - COST) == pytest.approx(3.8)


def test_prices_of_the_reference_market_lie_in_the_core_whatever_the_power() -> None:
    """A3c: between the floors 2.1, 2.0, 1.9 and the ceilings 3.2, 3.0, 2.7."""
    for power in (0.0, 0.25, 0.5, 0.75, 1.0):
        market = negotiated(assignment(VALUE, COST.tolist()), OutsideOptions(lab_power=power))
        got = {seller: price for (_, seller), price in prices(market).items()}
        assert 2.1 - 1e-9 <= got["Cloud 0"] <= 3.2 + 1e-9
        assert 2.0 - 1e-9 <= got["Cloud 1"] <= 3.0 + 1e-9
        assert 1.9 - 1e-9 <= got["Cloud 2"] <= 2.7 + 1e-9


def test_the_order_of_names_changes_nothing() -> None:
    """A4: all 24 orders of the labs give the same matches, prices and surplus."""
    found = set()
    for order in itertools.permutations("PQRS"):
        market = negotiated(assignment(VALUE, COST.tolist(), labs=order))
        signed = prices(market)
        outcome = [
            (order.index(buyer), seller, round(price, 12))
            for (buyer, seller), price in signed.items()
        ]
        found.add(tuple(sorted(outcome)))
    assert len(found) == 1
    (outcome,) = found
    assert [(i, seller) for i, seller, _ in outcome] == [
        (0, "Cloud 0"),
        (1, "Cloud 1"),
        (2, "Cloud 2"),
    ]


NEED = [400.0, 300.0, 200.0, 150.0]
CAPACITY = [350.0, 300.0, 250.0]
ELIGIBLE = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)


def transport_optimum() -> float:
    """Return the optimum of the transport LP, in units."""
    lots, columns = VALUE.shape
    worth = np.where(ELIGIBLE, VALUE - COST, -1.0).ravel()
    rows = np.kron(np.eye(lots), np.ones(columns))
    sums = np.kron(np.ones(lots), np.eye(columns))
    solution = linprog(-worth, np.vstack([rows, sums]), [*NEED, *CAPACITY], method="highs")
    return float(-solution.fun)


def test_the_benchmark_is_the_transport_optimum_with_the_same_eligibility() -> None:
    """A5: 990 with the mask; what is signed obeys it and needs, capacities."""
    market = negotiated(
        assignment(VALUE, COST.tolist(), need=NEED, capacity=CAPACITY, eligible=ELIGIBLE)
    )
    assert market.round is not None
    assert transport_optimum() == pytest.approx(990.0, abs=1e-6)
    assert market.round.optimum / UNIT_H100E == pytest.approx(990.0, abs=1e-6)
    signed = signed_h100e(market)
    assert all(ELIGIBLE[int(buyer[-1]), int(seller[-1])] for buyer, seller in signed)
    bought = [sum(h for (b, _), h in signed.items() if b == f"Lab {i}") for i in range(4)]
    sold = [sum(h for (_, s), h in signed.items() if s == f"Cloud {j}") for j in range(3)]
    assert all(h <= n * UNIT_H100E for h, n in zip(bought, NEED, strict=True))
    assert all(h <= c * UNIT_H100E for h, c in zip(sold, CAPACITY, strict=True))


def test_the_clearing_beats_a_greedy_match_by_far() -> None:
    """A5c: greedy by surplus of the pair reaches 805 of 990; the market's own ratio is reported."""
    market = negotiated(
        assignment(VALUE, COST.tolist(), need=NEED, capacity=CAPACITY, eligible=ELIGIBLE)
    )
    names = [f"Lab {i}" for i in range(4)]
    got = surplus(market, VALUE, COST.tolist(), names)
    assert trajectory(market, "efficiency") == [pytest.approx(got / 990.0, abs=1e-9)]
    assert got / 990.0 > 0.99 > 805 / 990
