"""Degenerate scenarios: markets so small that the whole model collapses to a closed form.

One H100e draws one kilowatt (1,000 H100e to a MW), nothing grows, nothing is random, nobody borrows,
prices are believed not to fall, contracts are of one length and paid in full; so a start price is a
contract price, and what is left of the model is the institution that a row of the oracles is about.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

from offtake.model.market import Market
from offtake.model.scenario import Scenario

START = dt.date(2025, 1, 1)
MONEY_USD = 1e13
"""More than anybody needs."""
UNIT_MW = 1.0
"""One unit of capacity: 1,000 H100e."""
UNIT_H100E = 1000.0
NO_RUSH = 12 / 120
"""What the longest runway adds to the impatience of a lab, a year: 12 over 120 months (bar-2)."""

DEMAND: dict[str, Any] = {
    "innovation_per_year": 0.0,
    "imitation_per_year": 0.0,
    "churn_per_month": 0.0,
    "quality_return": 0.0,
    "price_sensitivity_per_usd": 1.0,
    "unserved_penalty": 0.0,
    "usage_growth_per_month": 0.0,
    "willingness_growth_per_month": 0.0,
    "efficiency_growth_per_month": 0.0,
    "growth_half_life_months": 1e9,
    "price_adjustment": 0.0,
    "value_slope": 0.0,
    "quality_noise_per_month": 0.0,
    "usage_noise_per_month": 0.0,
}
BELIEFS: dict[str, Any] = {
    "growth_per_month": 0.0,
    "price_decline_per_year": 0.0,
    "price_reversion_per_month": 0.0,
    "damping": 1.0,
}
PROCUREMENT: dict[str, Any] = {
    "lots_months": (1,),
    "threshold": 0.0,
    "renegotiation_per_year": 0.0,
    "porting_usd_per_h100e": 0.0,
    "affordability": 1e6,
}
NEGOTIATION: dict[str, Any] = {
    "terms_months": (36,),
    "take_or_pay": (1.0,),
    "prepayment": (0.0,),
    "benchmark_every_months": 1,
}
BUILDING: dict[str, Any] = {"operations_share_per_year": 0.0}
FINANCE: dict[str, Any] = {"base_hazard_per_month": 0.0, "runway_hazard": 0.0}
REGION: dict[str, Any] = {
    "construction_mean_months": 12.0,
    "grid_mean_months": 12.0,
    "power_usd_per_kwh": 0.0,
    "pue": 1.0,
}
CHIP: dict[str, Any] = {
    "released": dt.date(2020, 1, 1),
    "h100e_per_mw": 1000.0,
    "price_usd_per_h100e": 30_000.0,
}
LAB: dict[str, Any] = {
    "cash_usd": MONEY_USD,
    "users_million": 1e-6,
    "price_usd_per_user_month": 0.01,
    "compute_h100e_hours_per_user": 1e-12,
    "training_h100e": UNIT_H100E,
    "discount_per_year": 0.0,
    "overhead_revenue_share": 0.0,
    "strategies": {"procurer": "ask-once", "forecaster": "expect-no-growth"},
}
CLOUD: dict[str, Any] = {
    "cash_usd": MONEY_USD,
    "kind": "neocloud",
    "discount_per_year": 0.0,
    "strategies": {"pricer": "fixed-floor", "builder": "finish-what-is-signed"},
}


LAST_DAY: dict[str, Any] = {"on": dt.date(2125, 1, 1), "what": "nothing happens"}
"""A calendar that is never empty."""


def lab(value: float, units: float = 1.0, **given: Any) -> dict[str, Any]:
    """Return a lab that would pay `value` for each H100e-hour and wants so many units."""
    return {"value_usd_per_h100e_hour": value, "training_h100e": units * UNIT_H100E, **given}


def cloud(floor: float, units: float = 1.0, **given: Any) -> dict[str, Any]:
    """Return a cloud that has so many units standing free and asks at least `floor` for each hour."""
    return {"floor_usd_per_h100e_hour": floor, "units": units, **given}


def scenario(
    labs: Mapping[str, Mapping[str, Any]],
    clouds: Mapping[str, Mapping[str, Any]],
    *,
    months: int = 1,
    demand: Mapping[str, Any] | None = None,
    beliefs: Mapping[str, Any] | None = None,
    procurement: Mapping[str, Any] | None = None,
    negotiation: Mapping[str, Any] | None = None,
    building: Mapping[str, Any] | None = None,
    region: Mapping[str, Any] | None = None,
    chip: Mapping[str, Any] | None = None,
    **tables: Any,
) -> Scenario:
    """Return a valid scenario in which everything not given is degenerate.

    Tables of rules are changed key by key; `tables` are other tables of the scenario (contracts,
    sites, landlords ...). A cloud's `units` become one energised site named after it.
    """
    units = {name: given.get("units", 0.0) for name, given in clouds.items()}
    sites = {
        f"{name} hall": {
            "cloud": name,
            "region": "home",
            "capacity_mw": count * UNIT_MW,
            "stage": "energised",
            "chip": "chip",
        }
        for name, count in units.items()
        if count > 0
    }
    return Scenario.model_validate(
        {
            "format": 1,
            "name": "degenerate",
            "question": "Does the whole model give what theory gives?",
            "start": START,
            "months": months,
            "cutoff": START,
            "demand": DEMAND | dict(demand or {}),
            "beliefs": BELIEFS | dict(beliefs or {}),
            "procurement": PROCUREMENT | dict(procurement or {}),
            "negotiation": NEGOTIATION | dict(negotiation or {}),
            "building": BUILDING | dict(building or {}),
            "finance": FINANCE | tables.pop("finance", {}),
            "regions": tables.pop("regions", {"home": REGION | dict(region or {})}),
            "chips": tables.pop("chips", {"chip": CHIP | dict(chip or {})}),
            "labs": {n: _with(LAB, given) for n, given in labs.items()},
            "clouds": {n: _with(CLOUD, given, "units") for n, given in clouds.items()},
            "sites": sites | tables.pop("sites", {}),
            "events": {"the end": LAST_DAY} | tables.pop("events", {}),
            **tables,
        }
    )


def _with(base: Mapping[str, Any], given: Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    strategies = base["strategies"] | given.get("strategies", {})
    kept = {key: value for key, value in given.items() if key not in left_out}
    return {**base, **kept, "strategies": strategies}


def contract(
    lab: str, cloud: str, units: float, price: float, *, start: int = 0, end: int = 12, **given: Any
) -> dict[str, Any]:
    """Return a contract between two months of the run."""
    return {
        "lab": lab,
        "cloud": cloud,
        "region": "home",
        "chip": "chip",
        "capacity_mw": units * UNIT_MW,
        "price_usd_per_h100e_hour": price,
        "start": day(start),
        "end": day(end),
        "take_or_pay": 1.0,
        **given,
    }


def day(month: int) -> dt.date:
    """Return the first day of a month of the run."""
    year, index = divmod(month, 12)
    return dt.date(START.year + year, index + 1, 1)


def silent(view: object) -> None:
    """Say nothing: a strategy for any port that may decline."""


def impatience(lab_power: float) -> tuple[float, float]:
    """Return discount rates of lab and cloud that give the lab this power, where all halls are free.

    ``b = rho_c / (rho_l + rho_c)`` with ``rho_l = discount + 0.1`` (a runway of 120 months) and
    ``rho_c = discount + 1`` (everything is idle) (bar-2).
    """
    ratio = (1 - lab_power) / lab_power  # rho_l / rho_c
    rho_c = max(1.0, NO_RUSH / ratio) if ratio > 0 else math.inf
    lab_discount, cloud_discount = ratio * rho_c - NO_RUSH, rho_c - 1.0
    if not (lab_discount <= 1 and cloud_discount <= 1):
        raise ValueError(f"no discount rates within 0 and 1 give a power of {lab_power}")
    return max(lab_discount, 0.0), cloud_discount


EVEN_LAB, EVEN_CLOUD = 0.9, 0.0
"""Discount rates of lab and cloud with which both have the same power (b = 1/2)."""


def price_of(market: Market, name: str) -> float:
    """Return the price of a contract."""
    books = market.books.contracts
    return books.facts[books.row[name]].price_usd_per_h100e_hour


def prices(market: Market) -> dict[tuple[str, str], float]:
    """Return the price signed by each pair of lab and cloud."""
    facts = market.books.contracts.facts
    return {(c.buyer, c.seller): c.price_usd_per_h100e_hour for c in facts}


def signed_h100e(market: Market) -> dict[tuple[str, str], float]:
    """Return the compute signed by each pair of lab and cloud."""
    facts = market.books.contracts.facts
    return {(c.buyer, c.seller): c.h100e for c in facts}


def trajectory(market: Market, observable: str, name: str = "", other: str = "") -> list[float]:
    """Return the monthly values of an observable."""
    table = market.frames()["trajectories"]
    rows = table.filter(
        (table["observable"] == observable) & (table["name"] == name) & (table["other"] == other)
    )
    return rows.sort("month")["value"].to_list()


def after(given: Scenario, months: Sequence[float] | float = 1, **options: Any) -> Market:
    """Return a market that has run for some months."""
    market = Market(given, rng=1, **options)
    market.run_until(months if isinstance(months, (int, float)) else months[-1])
    return market
