"""Paths and decisions of the whole market over time against theory (rows D1 to D3, D11 to D16)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from offtake.model.contracts import Stage
from offtake.model.market import Market
from offtake.model.scenario import Scenario
from offtake.model.view import CloudView
from tests.degenerate import (
    REGION,
    START,
    after,
    cloud,
    contract,
    day,
    lab,
    scenario,
    silent,
    trajectory,
)
from tests.generated import by_name

STANDARD_ERRORS = 3

# Rows D1 and D2: when a project starts and when it is given up


def project(
    stage: str,
    price: float,
    volatility: float,
    rate: float = 0.04,
    payout: float = 0.04,
    **cloud_strategies: Any,
) -> Market:
    """Return a market after the month in which a cloud reviewed one uncommitted site.

    Compute sells at `price`, running it costs nothing, so the worth of the site is proportional to the
    price; giving it up costs nothing, so all its cost is avoidable; there is far more demand than supply.
    """
    given = scenario(
        {"Lab": lab(1e6, 1e3)},
        {
            "Cloud": cloud(
                price, 1.0, discount_per_year=rate, strategies={"builder": "real-options"}
            )
        },
        beliefs={"price_decline_per_year": payout},
        negotiation={"value_volatility_per_year": volatility},
        chip={"price_usd_per_h100e": 3e6},
        building={"loi_months": 60, "fee_loi": 0.0, "fee_leased": 0.0, "fee_building": 0.0},
        sites={
            "site": {
                "cloud": "Cloud",
                "region": "home",
                "capacity_mw": 50.0,
                "stage": stage,
                "chip": "chip",
                "rent_usd_per_kw_month": 0.0,
            }
        },
    )
    return after(given, strategies={"Lab": {"procurer": silent}, "Cloud": cloud_strategies})


def trigger_seen(rate: float, payout: float, volatility: float) -> float:
    """Return the trigger that a builder is shown, by a builder that looks and does nothing."""
    seen: list[CloudView] = []

    def look(view: CloudView) -> tuple[()]:
        seen.append(view)
        return ()

    project("loi", 1.0, volatility, rate, payout, builder=look)
    return seen[0].trigger


def turning_price(stage: str, becomes: Stage, volatility: float, *, dear: bool) -> float:
    """Return, by bisection, the price from which on (or below which) a site takes a stage."""
    low, high = 1.0, 1e4  # below 1 there is no price to start from
    for _ in range(30):
        middle = math.sqrt(low * high)
        market = project(stage, middle, volatility)
        if (market.books.sites["site"].stage is becomes) == dear:
            high = middle
        else:
            low = middle
    return high


def invested_at(rate: float, payout: float, volatility: float) -> float:
    """Return V*/I by maximising (V - 1) E[exp(-r tau)] over the trigger, tau the hitting time."""
    drift = rate - payout - volatility**2 / 2
    power = (math.sqrt(drift**2 + 2 * rate * volatility**2) - drift) / volatility**2
    best = minimize_scalar(
        lambda v: -(v - 1) * v**-power,
        bounds=(1.0001, 40),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(best.x)


@pytest.mark.parametrize(("volatility", "trigger"), [(0.1, 1.4215), (0.2, 2.0), (0.4, 3.7321)])
def test_a_builder_knows_the_trigger_of_dixit_and_pindyck(
    volatility: float, trigger: float
) -> None:
    """D1: V*/I at r = delta = 4%."""
    got = trigger_seen(0.04, 0.04, volatility)
    assert got == pytest.approx(trigger, abs=1e-4)
    assert got == pytest.approx(invested_at(0.04, 0.04, volatility), abs=1e-4)


@pytest.mark.parametrize(("rate", "payout"), [(0.04, 0.04), (0.09, 0.25), (0.12, 0.05)])
def test_the_trigger_maximises_the_value_of_waiting(rate: float, payout: float) -> None:
    """D1 away from the textbook's parameters."""
    got = trigger_seen(rate, payout, 0.3)
    assert got == pytest.approx(invested_at(rate, payout, 0.3), abs=1e-4)


@pytest.mark.parametrize(("volatility", "trigger"), [(0.1, 1.4215), (0.2, 2.0), (0.4, 3.7321)])
def test_an_option_on_a_site_is_exercised_only_at_the_trigger(
    volatility: float, trigger: float
) -> None:
    """D1: a letter of intent becomes a lease at V/X = beta1 / (beta1 - 1).

    A lease without alternative use starts at V = X, so the ratio of the two prices is the trigger.
    """
    exercised = turning_price("loi", Stage.LEASED, volatility, dear=True)
    worth_its_cost = turning_price("leased", Stage.BUILDING, volatility, dear=True)
    assert exercised / worth_its_cost == pytest.approx(trigger, abs=1e-4)


@pytest.mark.parametrize("volatility", [0.2, 0.4])
def test_a_lease_is_given_up_only_below_the_trigger_of_abandonment(volatility: float) -> None:
    """D2: V/X = beta2 / (beta2 - 1), which is 1/2 at sigma = .2.

    The root beta2 solves the fundamental quadratic s^2/2 b (b - 1) + (r - delta) b - r = 0.
    """
    roots = np.roots([volatility**2 / 2, -(volatility**2) / 2, -0.04])
    root = float(roots.min())
    given_up = turning_price("leased", Stage.CANCELLED, volatility, dear=False)
    worth_its_cost = turning_price("leased", Stage.BUILDING, volatility, dear=True)
    assert given_up / worth_its_cost == pytest.approx(root / (root - 1), abs=1e-4)
    if volatility == 0.2:
        assert given_up / worth_its_cost == pytest.approx(0.5, abs=1e-4)


# Row D3: adoption


def test_adoption_follows_bass_exactly() -> None:
    """D3: p = .03, q = .38 a year; the run starts a year into the path, as its users must be some."""

    def adopted(years: float) -> float:
        left = math.exp(-0.41 * years)
        return (1 - left) / (1 + 0.38 / 0.03 * left)

    given = scenario(
        {"Lab": lab(1.0, 0.0)},
        {"Cloud": cloud(0.0)},
        months=108,
        demand={
            "potential_users_million": 1000.0,
            "adopters_million": 1000.0 * adopted(1.0),
            "innovation_per_year": 0.03,
            "imitation_per_year": 0.38,
        },
    )
    market = Market(given, rng=1, strategies={"Lab": {"procurer": silent}})
    market.run_until(48)
    assert market.adopters_million / 1000 == pytest.approx(0.331199, abs=1e-6)
    market.run_until(108)
    assert market.adopters_million / 1000 == pytest.approx(0.812803, abs=1e-6)
    assert market.adopters_million / 1000 == pytest.approx(adopted(10.0), abs=1e-12)


# Rows D11 and D16: lead times

SITES = 4000


def building_sites(shape: float, construction: float, grid: float, **tables: Any) -> Market:
    """Return a market that opens with many sites under construction, their clocks drawn."""
    site = {"cloud": "Cloud", "region": "home", "capacity_mw": 1.0, "stage": "building"}
    clocks = {"construction_mean_months": construction, "grid_mean_months": grid}
    region = REGION | {"clock_shape": shape} | {k: v or 1.0 for k, v in clocks.items()}
    left = {"construction_months": construction, "grid_months": grid}
    given = scenario(
        {"Lab": lab(1.0)},
        {"Cloud": cloud(0.0, 0.0)},
        sites={f"site {k}": {**site, **left} for k in range(SITES)},
        region=region,
        **tables,
    )
    return Market(given, rng=11)


def leads(market: Market) -> np.ndarray:
    """Return when each site could deliver: when the later of its clocks rings."""
    sites = market.books.sites.values()
    return np.array([max(site.construction_at, site.grid_at) for site in sites])


def assert_mean(sample: np.ndarray, expected: float) -> None:
    error = float(sample.std()) / math.sqrt(len(sample))
    assert float(sample.mean()) == pytest.approx(expected, abs=STANDARD_ERRORS * error)


def test_one_clock_takes_a_gamma_distributed_time() -> None:
    """D11: shape 4, mean 24: standard deviation 12, P(T < 12) = .1429, P(T > 36) = .1512."""
    drawn = leads(building_sites(4.0, 24.0, 0.0))
    assert_mean(drawn, 24.0)
    kurtosis = 3 + 6 / 4
    error = 12 * math.sqrt((kurtosis - 1) / 4 / SITES)
    assert float(drawn.std()) == pytest.approx(12.0, abs=STANDARD_ERRORS * error)
    assert_mean(drawn < 12, 1 - math.exp(-2) * (1 + 2 + 2 + 4 / 3))
    assert_mean(drawn > 36, math.exp(-6) * (1 + 6 + 18 + 36))


def permitting(multiplier: float) -> dict[str, Any]:
    """Return tables with a policy that speeds the grid from the first day."""
    return {
        "governments": {"Government": {"cash_usd": 0.0}},
        "policies": {
            "faster grid": {
                "government": "Government",
                "instrument": "permitting",
                "effective": START,
                "regions": ("home",),
                "grid_multiplier": multiplier,
            }
        },
    }


@pytest.mark.parametrize(
    ("construction", "multiplier", "expected"),
    [(20.0, None, 53.88), (20.0, 0.5, 33.09), (10.0, None, 49.72)],
    ids=["as it is", "grid twice as fast", "construction twice as fast"],
)
def test_the_later_clock_sets_the_lead_time(
    construction: float, multiplier: float | None, expected: float
) -> None:
    """D16: exponential clocks of 20 and 48 months; only the binding clock is worth speeding."""
    tables = {} if multiplier is None else permitting(multiplier)
    drawn = leads(building_sites(1.0, construction, 48.0, **tables))
    grid = 48.0 * (multiplier or 1.0)
    closed_form = construction + grid - 1 / (1 / construction + 1 / grid)
    assert closed_form == pytest.approx(expected, abs=0.01)
    assert_mean(drawn, closed_form)


def test_a_site_delivers_when_the_later_of_its_clocks_rings() -> None:
    """cap-1: energisation is the maximum of both clocks, to the moment."""
    site = {"cloud": "Cloud", "region": "home", "capacity_mw": 1.0, "stage": "building"}
    given = scenario(
        {"Lab": lab(1.0)},
        {"Cloud": cloud(0.0, 0.0)},
        months=60,
        region={"power_usd_per_kwh": 0.01},
        sites={
            f"site {k}": {**site, "construction_months": 5.0, "grid_months": 6.0} for k in range(30)
        },
    )
    market = Market(given, rng=11, strategies={"Lab": {"procurer": silent}})
    expected = {n: max(s.construction_at, s.grid_at) for n, s in market.books.sites.items()}
    market.run_until(60)
    table = market.frames()["sites"]
    got = dict(zip(table["site"], table["energised_month"], strict=True))
    assert got == pytest.approx(expected, abs=1e-12)


# Rows D12 and D13: expectations


def believing_market(
    months: int, growth: Callable[[int], float], learning: float, believed: float = 0.0
) -> Market:
    """Return a market whose lab has lived through a need that grew by `growth` in each month."""
    events = {
        f"news {month}": {
            "on": day(month),
            "what": "usage rises",
            "usage_shock": math.expm1(growth(month)),
        }
        for month in range(1, months + 1)
    }
    given = scenario(
        {
            "Lab": lab(
                1.0,
                0.0,
                users_million=1.0,
                compute_h100e_hours_per_user=1.0,
                strategies={"forecaster": "adapt"},
            )
        },
        {"Cloud": cloud(0.0)},
        months=months,
        beliefs={"learning": learning, "growth_per_month": believed},
        events=events,
    )
    return Market(given, rng=1, strategies={"Lab": {"procurer": silent}})


def growth_believed(market: Market) -> float:
    assert market.books.believed is not None
    return float(market.books.believed.growth[0])


def test_adaptive_beliefs_find_constant_growth() -> None:
    """D12: the fixed point of g' = g + lambda (growth - g) at 8% a month."""
    market = believing_market(80, lambda _: 0.08, 0.25)
    market.run_until(80)
    assert growth_believed(market) == pytest.approx(0.08, abs=1e-9)


def test_adaptive_beliefs_lag_a_ramp_by_three_months() -> None:
    """D12, Nerlove 1958: growth that rises by one step a month is believed (1 - lambda)/lambda late."""
    step = 1e-3
    market = believing_market(70, lambda month: step * month, 0.25)
    market.run_until(70)
    need = trajectory(market, "need_h100e", "Lab")
    last_observed = math.log(need[-2] / need[-3])
    assert last_observed == pytest.approx(69 * step, abs=1e-9)
    assert (last_observed - growth_believed(market)) / step == pytest.approx(3.0, abs=1e-6)


@pytest.mark.parametrize("learning", [0.1, 0.3, 0.5, 0.9])
def test_beliefs_of_a_steady_market_settle_without_a_cycle(learning: float) -> None:
    """D13 where supply does not answer (s = 0): stable, as abs(1 - lambda) < 1, and monotone."""
    months = 24
    market = believing_market(months, lambda _: 0.0, learning, believed=0.05)
    path = []
    for _ in range(months):
        market.step()
        path.append(growth_believed(market))
    # the first month has no month before to compare with
    assert path == pytest.approx([0.05 * (1 - learning) ** k for k in range(months)], abs=1e-12)


# Row D14: increasing returns through compute


def increasing_returns(quality_return: float, months: int, decay: float = 1.0) -> list[float]:
    """Return shares of users among three labs that train with a share of their revenue.

    Everybody chooses anew each month, little training outlasts a month, its compute is bought on the
    spot market where there is plenty: so quality is proportional to the share of users to the power
    of `quality_return`, and appeals differ by 1, .5 and 0.
    """
    users, price = 1.0, 10.0
    training = 0.5 * users * 1e6 * price / 730.5
    units = training / 1000
    given = scenario(
        {
            name: lab(
                0.0,
                units,
                users_million=users,
                price_usd_per_user_month=price,
                compute_h100e_hours_per_user=1e-3,
                training_revenue_share=0.5,
                training_funding_share=0.0,
                momentum=momentum,
            )
            for name, momentum in {"A": 1.0, "B": 0.5, "C": 0.0}.items()
        },
        {"Cloud": cloud(1.0, 3000.0)},
        months=months,
        demand={
            "adopters_million": 20.0,
            "churn_per_month": 1.0,
            "quality_return": quality_return,
            "training_decay_per_month": decay,
        },
        contracts={
            f"first month of {name}": contract(name, "Cloud", 2 * units, 1.0, end=1)
            for name in "ABC"
        },
        region={"power_usd_per_kwh": 0.01},
    )
    market = Market(given, rng=1, strategies={name: {"procurer": silent} for name in "ABC"})
    market.run_until(months)
    served = market.books.served
    assert served is not None
    return by_name(market.setup.labs, served.users_million / served.users_million.sum())


def test_decreasing_returns_amplify_appeal_to_one_interior_fixed_point() -> None:
    """D14: shares are as exp(xi / (1 - beta)); beta = .5 gives .665241, .244728, .090031."""
    got = increasing_returns(0.5, 140)
    weights = np.exp(np.array([1.0, 0.5, 0.0]) / 0.5)
    assert got == pytest.approx((weights / weights.sum()).tolist(), abs=1e-9)
    assert got == pytest.approx([0.665241, 0.244728, 0.090031], abs=1e-6)


def test_increasing_returns_lock_the_leader_in() -> None:
    """D14b, Arthur 1989: beta = 1.2."""
    assert increasing_returns(1.2, 100, decay=0.9)[0] == pytest.approx(1.0, abs=1e-6)


# Row D15: dependence falls by dilution

GROWTH = math.log(2) / 12
LIFE = 60.0
NEW_SHARE = 0.25


def diluted_market(months: int) -> Scenario:
    """Return a lab whose compute doubles each year and whose old contracts run out at a rate 1/60.

    All of its old book, and a quarter of each month's new volume, is with the incumbent.
    """
    first = 1000.0
    old = {
        f"old {month}": (
            "Incumbent",
            first * (math.exp(-(month - 1) / LIFE) - math.exp(-month / LIFE)),
            0,
            month,
        )
        for month in range(1, months + 1)
    }
    old["old rest"] = ("Incumbent", first * math.exp(-months / LIFE), 0, 2 * months)
    new = {}
    for month in range(1, months + 1):
        grown = first * (math.exp(GROWTH * month) - math.exp(GROWTH * (month - 1)))
        expired = first * (math.exp(-(month - 1) / LIFE) - math.exp(-month / LIFE))
        volume = grown + expired
        new[f"new {month}"] = ("Incumbent", NEW_SHARE * volume, month, 2 * months)
        new[f"other {month}"] = ("Rival", (1 - NEW_SHARE) * volume, month, 2 * months)
    return scenario(
        {"Lab": lab(1.0, 1.0)},
        {"Incumbent": cloud(0.0, 100_000.0), "Rival": cloud(0.0, 100_000.0)},
        months=months,
        contracts={
            name: contract("Lab", seller, units, 0.0, start=start, end=end)
            for name, (seller, units, start, end) in (old | new).items()
        },
    )


def test_dependence_falls_by_dilution_not_by_switching() -> None:
    """D15: D(t) = w + (D0 - w) exp(-(g + 1/T) t): .5570, .3757, .3015, .2711, .2608.

    New contracts are in the market's proportions, so only the old book's run-off matters.
    """
    market = after(diluted_market(58), 58, strategies={"Lab": {"procurer": silent}})
    got = trajectory(market, "dependence", "Lab", "Incumbent")
    closed_form = [
        NEW_SHARE + (1 - NEW_SHARE) * math.exp(-(GROWTH + 1 / LIFE) * t) for t in range(58)
    ]
    assert got == pytest.approx(closed_form, abs=1e-5)
    at = [got[t] for t in (12, 24, 36, 48, 57)]
    assert at == pytest.approx([0.5570, 0.3757, 0.3015, 0.2711, 0.2608], abs=1e-3)
