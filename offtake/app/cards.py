"""The card of a participant: its contracts, sites, finances and beliefs at the end of a month."""

import math
import re
from collections.abc import Iterator
from typing import Any

from offtake.app.snapshots import KW_PER_MW, Recording, Snapshot
from offtake.model.contracts import Stage
from offtake.model.standing import Clause, parties

CENTS_PER_MILLION_USD = 1e8
USD_PER_MILLION = 1e6
CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
TABLES = {
    "lab": {
        "run_rate_usd": ("Run-rate", USD_PER_MILLION, "million USD a year"),
        "runway_months": ("Runway", 1.0, "months"),
        "holdup_usd": ("Expected hold-up", USD_PER_MILLION, "million USD a year"),
        "users_million": ("Users", 1.0, "million"),
        "coverage": ("Covered a year ahead", 0.01, "%"),
        "unserved": ("Load unserved", 0.01, "%"),
    },
    "cloud": {
        "revenue_usd": ("Revenue", USD_PER_MILLION, "million USD a month"),
        "capex_usd": ("Capital spent", USD_PER_MILLION, "million USD a month"),
        "backlog_usd": ("Backlog", USD_PER_MILLION, "million USD"),
        "energised_mw": ("Energised", 1.0, "MW"),
        "pipeline_mw": ("In the pipeline", 1.0, "MW"),
        "stranded_idle_mw": ("Idle", 1.0, "MW"),
    },
}
"""Observables told of a participant by its role: in words, what to divide by, and the unit."""


def card(recording: Recording, name: str) -> dict[str, Any] | None:
    """Return what is known of a participant at the end of the recording; nothing of a stranger."""
    cast, seen = recording.cast, recording.at(recording.month)
    if name not in cast.kinds or seen is None:
        return None
    return {
        "name": name,
        "kind": cast.kinds[name],
        "contracts": sorted(_contracts(recording, seen, name), key=lambda row: -row["MW"]),
        "sites": list(_sites(recording, seen, name)),
        "finances": [*_money(seen, name), *_measures(recording, seen, name)],
        "beliefs": list(_beliefs(recording, seen, name)),
        "clauses": [_clause(clause) for clause in seen.clauses if name in parties(clause)],
    }


def _contracts(recording: Recording, seen: Snapshot, name: str) -> Iterator[dict[str, Any]]:
    for contract, kw, delivered, price in seen.contracts:
        if name in (contract.buyer, contract.seller):
            yield {
                "with": contract.seller if name == contract.buyer else contract.buyer,
                "MW": round(kw / KW_PER_MW, 1),
                "delivered MW": round(delivered / KW_PER_MW, 1),
                "USD per H100e-hour": round(price, 3),
                "take-or-pay": f"{contract.take_or_pay.floor:.0%}",
                "until": str(recording.cast.date(contract.end)),
                "chip": contract.pool.chip,
                "region": contract.pool.region,
            }


def _sites(recording: Recording, seen: Snapshot, name: str) -> Iterator[dict[str, Any]]:
    held = [
        s
        for s in seen.sites
        if name in (s.pool.cloud, s.landlord) and s.stage is not Stage.CANCELLED
    ]
    for site in sorted(held, key=lambda s: (-s.stage, -s.capacity_kw, s.name)):
        promised = math.isfinite(site.promised) and site.stage is not Stage.ENERGISED
        yield {
            "site": site.name,
            "MW": round(site.capacity_kw / KW_PER_MW, 1),
            "stage": site.stage.name.lower(),
            "promised for": str(recording.cast.date(site.promised)) if promised else "",
            "region": site.pool.region,
            "landlord": site.landlord or "owned",
        }


def _money(seen: Snapshot, name: str) -> Iterator[dict[str, Any]]:
    unit = "million USD"
    cash = seen.deposits_cents.get(name, 0) / CENTS_PER_MILLION_USD
    yield {"what": "Deposits", "value": _figure(cash), "unit": unit}
    sums: dict[tuple[str, str], int] = {}
    for debt in seen.debts:
        for side, party in (("holds", debt.holder), ("owes", debt.issuer)):
            if party == name:
                sums[debt.kind, side] = sums.get((debt.kind, side), 0) + debt.cents
    for (kind, side), cents in sorted(sums.items()):
        value = _figure(cents / CENTS_PER_MILLION_USD)
        yield {"what": f"{kind.capitalize()} it {side}", "value": value, "unit": unit}


def _measures(recording: Recording, seen: Snapshot, name: str) -> Iterator[dict[str, Any]]:
    cast = recording.cast
    kind = cast.kinds[name]
    names = {"lab": cast.labs, "cloud": cast.clouds}.get(kind, ())
    for observable, (what, factor, unit) in TABLES.get(kind, {}).items():
        value = seen.values[observable][names.index(name)]
        if math.isfinite(value):
            yield {"what": what, "value": _figure(value / factor), "unit": unit}


def _beliefs(recording: Recording, seen: Snapshot, name: str) -> Iterator[dict[str, Any]]:
    believed = seen.believed
    if believed is None:
        return
    price = "USD per H100e-hour"
    yield {"what": "Contract price", "value": _figure(believed.contract_price), "unit": price}
    yield {"what": "Spot price", "value": _figure(believed.spot_price), "unit": price}
    if name in recording.cast.labs:
        row = recording.cast.labs.index(name)
        growth, need = believed.growth[row], believed.need_h100e[row]
        error = math.sqrt(max(believed.variance[row], 0.0))
        yield {"what": "Growth of its need", "value": f"{growth:.1%}", "unit": "a month"}
        yield {
            "what": "Forecast error",
            "value": f"{error:.1%}",
            "unit": "of need, one month ahead",
        }
        yield {"what": "Its need", "value": _figure(need), "unit": "H100e"}
        revenue = believed.revenue_growth[row]
        yield {"what": "Growth of revenue", "value": f"{revenue:.1%}", "unit": "a month"}


def _clause(clause: Clause) -> str:
    words = CAPITALS.sub(" ", type(clause).__name__).capitalize()
    return f"{words} of {' and '.join(parties(clause))}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def links(recording: Recording) -> dict[str, Any]:
    """Return who buys how much of whom at the end of the recording: the network of contracts."""
    seen = recording.at(recording.month)
    sums: dict[tuple[str, str], int] = {}
    for contract, kw, *_ in seen.contracts if seen else ():
        pair = contract.buyer, contract.seller
        sums[pair] = sums.get(pair, 0) + kw
    pairs = [
        {"lab": lab, "cloud": cloud, "mw": round(kw / KW_PER_MW, 1)}
        for (lab, cloud), kw in sorted(sums.items(), key=lambda item: -item[1])
        if kw
    ]
    listed, labs = recording.cast.listed, len(recording.cast.labs)
    return {"labs": list(listed[:labs]), "clouds": list(listed[labs:]), "pairs": pairs}
