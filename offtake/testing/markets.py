"""Small markets, drawn by number, in which a rule of somebody else is played."""

import datetime as dt
from typing import Any

import numpy as np

from offtake.model.chance import stream
from offtake.model.market import Market
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.scenario import Scenario

START = dt.date(2025, 1, 1)
H100E_PER_MW = 800.0
MONTHS = 6
OTHER_NAMES = ("Zebra", "Yak", "Xerus", "Wolf", "Viper", "Urial")
POLICY = "tested"
"""Name of a policy without an instrument that is in force in every market."""


def small_scenario(number: int, months: int = MONTHS) -> Scenario:
    """Return a valid scenario of two or three labs and clouds; the same for the same number."""
    draw = stream(number, "small scenario")
    labs = [f"Lab {c}" for c in "ABC"[: 2 + int(draw.integers(2))]]
    clouds = [f"Cloud {c}" for c in "PQR"[: 2 + int(draw.integers(2))]]
    stands_mw = {cloud: 40.0 * int(draw.integers(3, 8)) for cloud in clouds}
    sold_mw = {cloud: 10.0 * int(mw * 0.8 / len(labs) / 10) for cloud, mw in stands_mw.items()}
    need_mw = sum(sold_mw.values())
    return Scenario.model_validate(
        {
            "format": 1,
            "name": f"small-{number}",
            "question": "What must hold whatever is given?",
            "start": START,
            "months": months,
            "cutoff": START,
            "demand": {"potential_users_million": 600.0, "adopters_million": 300.0},
            "regions": {name: _region(draw) for name in ("north", "south")},
            "chips": {
                "old": _chip(2023, H100E_PER_MW, 36e3),
                "new": _chip(2025, 1_600.0, 18e3),
                "own": _chip(2025, 1_500.0, 12e3) | {"class": "own"},
            },
            "classes": {"own": {"nre_usd": 1e8, "porting_usd_per_h100e": 100.0, "ported": 0.5}},
            "labs": {name: _lab(draw, need_mw) for name in labs},
            "clouds": {name: _cloud(draw) for name in clouds},
            "landlords": {
                "Landlord": {
                    "cash_usd": 1e9,
                    "region": "north",
                    "available_mw": 0.0,
                    "rent_usd_per_kw_month": 100.0,
                }
            },
            "investors": {"Fund": {"cash_usd": 10e9, "joins_rounds": True}},
            "lenders": {"Lender": {"cash_usd": 20e9}},
            "governments": {"State": {"cash_usd": 1e9}},
            "agreements": {
                "bond": {
                    "lab": labs[1],
                    "cloud": clouds[0],
                    "first_refusal_from": START,
                    "first_refusal_until": _day(9),
                    "revenue_share": 0.05,
                    "waivable": True,
                }
            },
            "sites": {
                f"{kind}-{cloud[-1].lower()}": site
                for cloud in clouds
                for kind, site in _sites(draw, cloud, stands_mw[cloud]).items()
            },
            "contracts": {
                f"{cloud[-1]}-{lab[-1]}".lower(): _contract(draw, lab, cloud, sold_mw[cloud])
                for cloud in clouds
                for lab in labs
            },
            "policies": {
                "chips-stay": {
                    "government": "State",
                    "instrument": "export-control",
                    "effective": _day(3),
                    "destinations": ("south",),
                },
                POLICY: {"government": "State", "instrument": "signal", "effective": _day(1)},
                **_drafts(),
            },
            "events": {"shock": {"on": _day(2), "what": "more use", "usage_shock": 0.4}},
        }
    )


def _drafts() -> dict[str, Any]:
    """Return one draft for each reaction of a government."""
    drafted = {"government": "State", "draft": True}
    return {
        "break-up": {
            **drafted,
            "instrument": "antitrust",
            "longest_exclusivity_months": 6.0,
            "bars_first_refusal": True,
        },
        "guard": {**drafted, "instrument": "capital-screening", "largest_foreign_share": 0.2},
        "hurry": {
            **drafted,
            "instrument": "permitting",
            "regions": ("north",),
            "grid_multiplier": 0.5,
        },
    }


def _day(months: int) -> dt.date:
    years, month = divmod(months, 12)
    return dt.date(START.year + years, month + 1, 1)


def _region(draw: np.random.Generator) -> dict[str, Any]:
    return {
        "construction_mean_months": float(draw.integers(2, 12)),
        "grid_mean_months": float(draw.integers(2, 20)),
        "power_usd_per_kwh": 0.06,
        "pue": 1.2,
    }


def _chip(year: int, h100e_per_mw: float, price: float) -> dict[str, Any]:
    released = dt.date(year, 3, 1)
    return {"released": released, "h100e_per_mw": h100e_per_mw, "price_usd_per_h100e": price}


def _lab(draw: np.random.Generator, need_mw: float) -> dict[str, Any]:
    h100e = need_mw * H100E_PER_MW
    return {
        "cash_usd": float(draw.choice([1e8, 2e9, 2e10])),
        "users_million": 80.0,
        "price_usd_per_user_month": 0.9 * h100e * 2 * HOURS_PER_MONTH / 80e6,
        "compute_h100e_hours_per_user": 0.4 * h100e * HOURS_PER_MONTH / 80e6,
        "training_h100e": 0.6 * h100e,
        "parent_funding_usd_per_year": float(draw.choice([0.0, 1e9])),
    }


def _cloud(draw: np.random.Generator) -> dict[str, Any]:
    return {
        "kind": str(draw.choice(["hyperscaler", "neocloud"])),
        "cash_usd": float(draw.choice([1e9, 20e9])),
        "other_cash_flow_usd_per_year": float(draw.choice([0.0, 5e9])),
        "debt_share": float(draw.choice([0.0, 0.8])),
        "regions": ("south", "north"),
    }


def _sites(draw: np.random.Generator, cloud: str, stands_mw: float) -> dict[str, dict[str, Any]]:
    stage = str(draw.choice(["leased", "building", "powered"]))
    place = {"cloud": cloud, "region": "north"}
    return {
        "stands": {**place, "chip": "old", "capacity_mw": stands_mw, "stage": "energised"},
        "comes": {
            **place,
            "chip": "new",
            "capacity_mw": 60.0,
            "stage": stage,
            "construction_months": float(draw.integers(1, 6)),
            "grid_months": float(draw.integers(1, 6)),
        },
        "let": {**place, "capacity_mw": 50.0, "stage": "leased", "landlord": "Landlord"},
        "letter": {**place, "capacity_mw": 80.0, "stage": "loi"},
    }


def _contract(draw: np.random.Generator, lab: str, cloud: str, mw: float) -> dict[str, Any]:
    return {
        "lab": lab,
        "cloud": cloud,
        "region": "north",
        "chip": "old",
        "capacity_mw": mw,
        "price_usd_per_h100e_hour": 2.0,
        "start": dt.date(2024, 1, 1),
        "end": _day(int(draw.integers(2, 30))),
        "take_or_pay": float(draw.choice([0.5, 0.8, 1.0])),
    }


def reordered(scenario: Scenario) -> Scenario:
    """Return a scenario with every table in the opposite order."""
    tables = {
        name: dict(reversed(value.items()))
        for name in type(scenario).model_fields
        if isinstance(value := getattr(scenario, name), dict)
    }
    return scenario.model_copy(update=tables)


def renamed(scenario: Scenario) -> Scenario:
    """Return a scenario whose participants have other names and the same luck."""
    names = [*scenario.labs, *scenario.clouds]
    others = {name: f"{OTHER_NAMES[i]} {i}" for i, name in enumerate(names)}

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {others.get(k, k): v if k == "drawn_as" else change(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(change(v) for v in value)
        return others.get(value, value) if isinstance(value, str) else value

    data = scenario.model_dump(by_alias=True)
    for table in ("labs", "clouds"):
        for name, given in data[table].items():
            given["drawn_as"] = name
    return Scenario.model_validate(change(data))


def outcome(market: Market) -> list[float]:
    """Return what a run came to, the same whatever participants are called and in which order they stand."""
    books = market.books
    signed = [
        x
        for c in books.contracts.facts
        for x in (c.price_usd_per_h100e_hour, float(c.capacity_kw), c.start, c.end)
    ]
    return [
        *sorted(map(float, books.deposits.values())),
        *sorted(signed),
        float(len(books.journal)),
    ]
