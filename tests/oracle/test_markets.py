"""Institutions of the whole market against theory (rows M2, M3, M5, M6, M8, M9)."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import lognorm

from offtake.model.bargaining import OutsideOptions
from offtake.model.chance import stream
from offtake.model.market import Market
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.scenario import Scenario
from tests.degenerate import (
    CHIP,
    UNIT_H100E,
    after,
    cloud,
    contract,
    lab,
    prices,
    scenario,
    silent,
    trajectory,
)
from tests.generated import by_name

STANDARD_ERRORS = 3


def test_the_cheapest_cloud_sells_at_the_second_lowest_cost() -> None:
    """M2, Bertrand: costs 1.5, 1.9 and 2.4, a lab that would pay far more."""
    given = scenario({"Lab": lab(10.0)}, {"A": cloud(2.4), "B": cloud(1.5), "C": cloud(1.9)})
    signed = prices(after(given))
    assert list(signed) == [("Lab", "B")]
    assert signed["Lab", "B"] == pytest.approx(1.9, abs=1e-12)


# Row M3: the product market


def product_market(
    utility: dict[str, float], cost: dict[str, float], *, months: int, speed: float
) -> Market:
    """Return a product market without quality or inertia: utility is `utility` less the price."""
    opening_price = 2.0
    weights = {name: math.exp(u - opening_price) for name, u in utility.items()}
    outside = 1 + sum(weights.values())
    adopters = 0.001
    labs = {
        name: lab(
            10.0,
            0.0,
            users_million=adopters * weight / outside,
            price_usd_per_user_month=opening_price,
            compute_h100e_hours_per_user=cost[name],
        )
        for name, weight in weights.items()
    }
    given = scenario(
        labs,
        {"Cloud": cloud(1.0)},
        months=months,
        demand={
            "adopters_million": adopters,
            "churn_per_month": 1.0,
            "conduct": "bertrand",
            "price_adjustment": speed,
        },
    )
    return after(given, months, strategies={name: {"procurer": silent} for name in labs})


def least(loss: Callable[[float], float], low: float, high: float, precision: float) -> float:
    """Return where a function of one number is smallest, by search."""
    found: Any = minimize_scalar(
        loss, bounds=(low, high), method="bounded", options={"xatol": precision}
    )
    return float(found.x)


def nash(utility: dict[str, float], cost: dict[str, float]) -> tuple[list[float], list[float]]:
    """Return prices and shares in logit Bertrand-Nash by best replies, each found by search."""
    quality, marginal = np.array(list(utility.values())), np.array(list(cost.values()))
    price = marginal + 1.0

    def share(at: np.ndarray) -> np.ndarray:
        weight = np.exp(quality - at)
        return weight / (1 + weight.sum())

    for _ in range(100):
        for i in range(len(price)):

            def loss(own: float, i: int = i) -> float:
                at = price.copy()
                at[i] = own
                return -(own - marginal[i]) * share(at)[i]

            price[i] = least(loss, marginal[i], marginal[i] + 20, 1e-10)
    return price.tolist(), share(price).tolist()


@pytest.mark.parametrize(
    ("utility", "cost"),
    [
        ({"A": 3.0, "B": 3.0, "C": 3.0}, {"A": 1.0, "B": 1.0, "C": 1.0}),
        ({"A": 4.0, "B": 3.0, "C": 2.0}, {"A": 1.0, "B": 1.0, "C": 1.5}),
    ],
    ids=["symmetric", "asymmetric"],
)
def test_service_prices_settle_in_logit_bertrand_nash(
    utility: dict[str, float], cost: dict[str, float]
) -> None:
    """M3: p - c = 1 / (alpha (1 - s)), against best replies found by search."""
    market = product_market(utility, cost, months=60, speed=0.8)
    served = market.books.served
    assert served is not None
    expected_prices, expected_shares = nash(utility, cost)
    prices = by_name(market.setup.labs, served.price_usd)
    assert prices == pytest.approx(expected_prices, abs=2e-5)
    users = np.array([trajectory(market, "users_million", name)[-1] for name in utility])
    assert (users / market.adopters_million).tolist() == pytest.approx(expected_shares, abs=2e-5)


def test_three_equal_labs_charge_the_known_bertrand_price() -> None:
    """M3: delta = (3, 3, 3), c = 1, alpha = 1 gives p = 2.392935 and s = .282092."""
    same = dict.fromkeys("ABC", 3.0)
    market = product_market(same, dict.fromkeys("ABC", 1.0), months=60, speed=0.8)
    served = market.books.served
    assert served is not None
    assert served.price_usd.tolist() == pytest.approx([2.392935] * 3, abs=1e-6)
    share = served.users_million / market.adopters_million
    assert share.tolist() == pytest.approx([0.282092] * 3, abs=1e-6)
    markup = served.price_usd - 1.0
    assert markup.tolist() == pytest.approx((1 / (1 - share)).tolist(), abs=1e-9)


def test_users_divide_by_the_logit_of_utilities() -> None:
    """M3s: utilities 1, 0 and -1 beside an outside good of 0."""
    adopters = 4.0
    labs = {
        name: lab(10.0, 0.0, users_million=adopters / 4, momentum=utility)
        for name, utility in {"A": 1.0, "B": 0.0, "C": -1.0}.items()
    }
    given = scenario(
        labs,
        {"Cloud": cloud(1.0)},
        demand={"adopters_million": adopters, "churn_per_month": 1.0},
    )
    market = after(given)
    shares = [trajectory(market, "users_million", name)[-1] / adopters for name in labs]
    assert shares == pytest.approx([0.534447, 0.196612, 0.072329], abs=1e-6)
    total = 1 + math.e + 1 + 1 / math.e
    assert shares == pytest.approx([math.e / total, 1 / total, 1 / math.e / total], abs=1e-9)


# Row M5: the reverse auction


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_tender_among_clouds_is_a_second_price_auction(count: int) -> None:
    """M5: costs uniform on [0, 1], reserve 1: the expected price is 2 / (n + 1).

    With no bargaining power of its own the lab pays what its best alternative asks, draw by draw.
    """
    draws = 300
    costs = stream(5, "costs", count).random((draws, count))
    paid = []
    for row in costs.tolist():
        clouds = {f"Cloud {k}": cloud(cost) for k, cost in enumerate(row)}
        market = Market(scenario({"Lab": lab(1.0)}, clouds), rng=1, check=False)
        market.bargainer = OutsideOptions(lab_power=0.0)
        market.step()
        signed = prices(market)
        assert list(signed) == [("Lab", f"Cloud {row.index(min(row))}")]
        paid += signed.values()
    assert paid == pytest.approx(np.sort(costs, axis=1)[:, 1].tolist(), abs=1e-9)
    error = float(np.std(paid)) / math.sqrt(draws)
    assert float(np.mean(paid)) == pytest.approx(2 / (count + 1), abs=STANDARD_ERRORS * error)


# Row M6: the call auction

BIDS = (10.0, 9.0, 8.0, 7.0, 6.0, 5.0)
ASKS = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


def spot_market(
    bids: tuple[float, ...], asks: tuple[float, ...], months: int = 1, **rules: Any
) -> Market:
    """Return a market after call auctions; a cloud's ask is what its chips cost to run."""
    labs = {f"Lab {k}": lab(bid) for k, bid in enumerate(bids)}
    hours_a_year = 8766
    chips = {
        f"chip {k}": {**CHIP, "price_usd_per_h100e": ask * hours_a_year}
        for k, ask in enumerate(asks)
    }
    sites = {
        f"hall {k}": {
            "cloud": f"Cloud {k}",
            "region": "home",
            "chip": f"chip {k}",
            "capacity_mw": 1.0,
            "stage": "energised",
        }
        for k in range(len(asks))
    }
    given = scenario(
        labs,
        {f"Cloud {k}": cloud(0.0, 0.0) for k in range(len(asks))},
        chips=chips,
        sites=sites,
        building={"operations_share_per_year": 1.0},
        negotiation=rules,
        months=months,
    )
    return after(given, months, strategies={name: {"procurer": silent} for name in labs})


def test_the_call_auction_trades_every_gain_at_the_middle_price() -> None:
    """M6: four units at 6.5, in [6, 7]; surplus 16."""
    market = spot_market(BIDS, ASKS)
    cleared = market.books.spot["home", "gpu"]
    assert cleared.h100e == pytest.approx(4 * UNIT_H100E, abs=1e-6)
    assert cleared.price_usd_per_h100e_hour == pytest.approx(6.5, abs=1e-12)
    assert trajectory(market, "price_spot") == [pytest.approx(6.5, abs=1e-12)]
    pools = market.books.pools
    value = math.fsum(BIDS[int(name[-1])] * h for name, _, h, *_ in cleared.purchases)
    cost = math.fsum(ASKS[int(pools[p].cloud[-1])] * h for _, p, h, *_ in cleared.purchases)
    assert (value - cost) / UNIT_H100E == pytest.approx(16.0, abs=1e-9)


@pytest.mark.parametrize("draw", range(10))
def test_the_call_auction_does_not_depend_on_names(draw: int) -> None:
    """M6b: bids and asks change names, price and quantity stay."""
    mixed = stream(6, "names", draw)
    bids, asks = tuple(mixed.permutation(BIDS)), tuple(mixed.permutation(ASKS))
    cleared = spot_market(bids, asks).books.spot["home", "gpu"]
    assert cleared.price_usd_per_h100e_hour == pytest.approx(6.5, abs=1e-12)
    assert cleared.h100e == pytest.approx(4 * UNIT_H100E, abs=1e-6)


@pytest.mark.parametrize(("k", "price"), [(0.0, 6.0), (0.25, 6.25), (0.5, 6.5), (1.0, 7.0)])
def test_a_k_double_auction_prices_within_the_clearing_interval(k: float, price: float) -> None:
    """M6: the same four trades at ``6 + k`` (Satterthwaite and Williams 1989)."""
    cleared = spot_market(BIDS, ASKS, spot_auction="k-double", spot_k=k).books.spot["home", "gpu"]
    assert cleared.h100e == pytest.approx(4 * UNIT_H100E, abs=1e-6)
    assert cleared.price_usd_per_h100e_hour == pytest.approx(price, abs=1e-12)


def test_mcafee_trades_all_at_the_middle_of_the_next_orders_where_that_fits() -> None:
    """M6: (6 + 7) / 2 = 6.5 lies in [6, 7], so all four trade (McAfee 1992)."""
    cleared = spot_market(BIDS, ASKS, spot_auction="mcafee").books.spot["home", "gpu"]
    assert cleared.h100e == pytest.approx(4 * UNIT_H100E, abs=1e-6)
    assert cleared.price_usd_per_h100e_hour == pytest.approx(6.5, abs=1e-12)


def test_mcafee_forgoes_the_least_trade_and_a_market_maker_keeps_the_difference() -> None:
    """M6 with other orders: (3 + 9) / 2 = 6 lies below 7, so one of two trades, at 8 and at 7."""
    market = spot_market((9.0, 8.0, 3.0), (1.0, 7.0, 9.0), months=2, spot_auction="mcafee")
    (bought,) = market.books.spot["home", "gpu"].purchases
    assert (bought.lab, market.books.pools[bought.pool].cloud) == ("Lab 0", "Cloud 0")
    assert (bought.pays, bought.receives) == (pytest.approx(8.0), pytest.approx(7.0))
    usd = UNIT_H100E * HOURS_PER_MONTH
    moved = {(p.payee, p.label): p.cents / 100 for p in market.books.postings if p.payer == "Lab 0"}
    assert moved["Cloud 0", "spot"] == pytest.approx(7 * usd)
    assert moved["Suppliers", "market making"] == pytest.approx(1 * usd)


# Row M8: how much to reserve, how much to keep


def covering_market(contract_price: float, spot_price: float) -> Market:
    """Return a market whose lab believes in these prices when it tenders in the second month.

    A second lab that only `Spot` may serve bids the spot price up to its value; need is uncertain by
    .2 in the log, a month ahead.
    """
    given = scenario(
        {"Lab": lab(100.0, strategies={"procurer": "cover-need"}), "Other": lab(spot_price, 2.0)},
        {
            "Cloud": cloud(contract_price, 0.0, serves=("Lab",)),
            "Spot": cloud(0.0, serves=("Other",)),
        },
        months=2,
        beliefs={"error_variance": 0.04},
        procurement={"coverage_floor": 0.0},
    )
    return after(given, 2, strategies={"Other": {"procurer": silent}})


@pytest.mark.parametrize(
    ("contract_price", "spot_price"), [(1.0, 4.0), (1.70, 2.35)], ids=["M8a", "M8b"]
)
def test_a_lab_reserves_what_costs_least_under_its_forecast(
    contract_price: float, spot_price: float
) -> None:
    """M8: critical ratios 3/4 and 1 - 1.70/2.35, by brute force over expected cost.

    Need is lognormal here, so the quantity is not that of the normal law in the row; the ratio is.
    """
    market = covering_market(contract_price, spot_price)
    assert market.lab_views["Lab"].spot_price == pytest.approx(spot_price)
    tenders = [t for t in market.tenders if t.lab == "Lab"]
    asked = tenders[0].lots[0].h100e
    need = lognorm(s=0.2, scale=UNIT_H100E * math.exp(-0.02))
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    draws = need.ppf(quantiles)

    def cost(reserved: float) -> float:
        bought_later = np.maximum(draws - reserved, 0.0).mean()
        return contract_price * reserved + spot_price * float(bought_later)

    best = least(cost, 200, 3000, 1e-6)
    assert asked == pytest.approx(best, rel=1e-4)
    assert need.cdf(asked) == pytest.approx(1 - contract_price / spot_price, abs=1e-9)


def test_a_lab_that_finds_reserving_dearer_than_spot_reserves_nothing() -> None:
    """M8 at the corner: no ratio, no tender."""
    market = covering_market(2.0, 1.5)
    assert [t.lab for t in market.tenders] == []


@pytest.mark.parametrize("free_units", [0.8, 0.5, 1.5])
def test_a_cloud_asks_the_bid_price_of_its_last_unit(free_units: float) -> None:
    """M8c, Littlewood 1972: floor = margin x P(alternative demand > what is free).

    The alternative is the lab's own uncovered need of one unit, lognormal with a deviation of .5 in the
    cloud's eyes, at the going price of 2.
    """
    given = scenario(
        {"Lab": lab(100.0)},
        {"Cloud": cloud(2.0, free_units, strategies={"pricer": "opportunity-cost"})},
        region={"power_usd_per_kwh": 0.4},
    )
    market = Market(given, rng=1)
    market.bargainer = OutsideOptions(lab_power=1.0)
    market.step()
    demand = lognorm(s=0.5, scale=UNIT_H100E * math.exp(-0.125))
    expected = 0.4 + (2.0 - 0.4) * demand.sf(free_units * UNIT_H100E)
    assert prices(market)["Lab", "Cloud"] == pytest.approx(expected, abs=1e-9)


# Row M9: concentration


def shared_market(shares: tuple[float, ...]) -> Scenario:
    """Return a market in which clouds deliver to one lab in these shares."""
    names = [f"Cloud {k}" for k in range(len(shares))]
    clouds = {name: cloud(0.0, 100 * s) for name, s in zip(names, shares, strict=True)}
    contracts = {
        f"with {name}": contract("Lab", name, 100 * s, 1.0)
        for name, s in zip(names, shares, strict=True)
    }
    return scenario({"Lab": lab(10.0, 100.0)}, clouds, contracts=contracts)


def hhi(*shares: float) -> float:
    return trajectory(after(shared_market(shares)), "hhi_compute")[-1]


def test_concentration_is_the_sum_of_squared_shares() -> None:
    """M9: .4, .3, .2, .1 give .30, as many as 3.33 equal clouds; merging the last two adds .04."""
    assert hhi(0.4, 0.3, 0.2, 0.1) == pytest.approx(0.30, abs=1e-12)
    assert 1 / hhi(0.4, 0.3, 0.2, 0.1) == pytest.approx(10 / 3, abs=1e-9)
    assert hhi(0.4, 0.3, 0.3) - hhi(0.4, 0.3, 0.2, 0.1) == pytest.approx(0.04, abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equal_clouds_have_the_least_concentration(count: int) -> None:
    """M9: HHI = 1/N."""
    assert hhi(*itertools.repeat(1 / count, count)) == pytest.approx(1 / count, abs=1e-12)
