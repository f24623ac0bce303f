"""The three runs that are kept, and what is kept of each: short enough to read in a diff."""

from collections import Counter
from typing import Any

import numpy as np

from offtake.model.market import Market
from offtake.model.observables import TABLE
from offtake.model.reading import load_scenario

RUNS = {"duopoly": 24, "stargate-2025": 6, "exclusivity-kept": 6}
"""Embedded scenarios and months; seed 1."""
DIGITS = 9
"""Significant digits kept of a float: more would compare linear algebra libraries."""
OBSERVABLES = (
    "share_compute",
    "share_labs",
    "hhi_compute",
    "price_contract",
    "price_new",
    "price_spot",
    "delivered_h100e",
    "coverage",
    "energised_mw",
    "stranded_idle_mw",
    "backlog_usd",
    "run_rate_usd",
)


def summary(name: str) -> dict[str, Any]:
    """Run a scenario and return what is kept of it."""
    market = Market(load_scenario(name), rng=1)
    market.run_until(RUNS[name])
    books = market.books
    return {
        "scenario": name,
        "seed": 1,
        "months": RUNS[name],
        "last": {
            item.name: _named(market, item.index, market.recorder.values[item.name][-1])
            for item in TABLE
            if item.name in OBSERVABLES
        },
        "events": dict(sorted(Counter(type(e).__name__ for _, e in books.journal).items())),
        "contracts": dict(sorted(Counter(books.contracts.state).items())),
        "deposits_cents": dict(sorted(books.deposits.items())),
        "claims_cents": _totals((key[2], cents) for key, cents in books.claims.items()),
        "sites_kw": _totals((s.stage.name.lower(), s.capacity_kw) for s in books.sites.values()),
        "committed_kw_months": int(books.committed_kw.sum()),
    }


def _totals(amounts: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for name, amount in amounts:
        total[name] += amount
    return dict(sorted(total.items()))


def _named(market: Market, index: tuple[str, ...], values: np.ndarray) -> dict[str, float | None]:
    names = {(): ("market",), ("lab",): market.setup.labs, ("cloud",): market.setup.clouds}[index]
    return {n: _rounded(v) for n, v in zip(names, values.tolist(), strict=True)}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.{DIGITS}g}")
