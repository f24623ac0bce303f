"""Clauses on who deals with whom, against published results (rows B12, B13, B17)."""

from typing import Any

import numpy as np
import pytest

from offtake.agents.clouds import FixedFloor, WaitAndMatch
from offtake.model.bargaining import Match, Outcome, OutsideOptions, bounds
from offtake.model.events import Waived
from offtake.model.market import Market
from tests.degenerate import UNIT_H100E, after, cloud, day, lab, scenario

TERM = 36
HOURS = 730.5 * UNIT_H100E * TERM
"""Hours of one unit over the term of a contract."""
FINE = {"increment_usd_per_h100e_hour": 1e-5}


# B12: Aghion and Bolton 1987


def entry_game(entrant: float, committed: float, damages: float) -> tuple[bool, float, float]:
    """Return whether the entrant sells, what the incumbent gains and what the buyer gains, an hour.

    Buyer and incumbent have agreed on a price and on damages before the entrant's cost is known; the
    entrant then makes an offer that the buyer takes or leaves. The incumbent's own cost is a half.
    """

    def offers(match: Match) -> Outcome:
        lo, hi = bounds(match)
        price = np.where(match.floor == committed, committed, hi)
        return Outcome(price=price, lo=lo, hi=hi)

    given = scenario(
        {"Buyer": lab(1.0)},
        {"Incumbent": cloud(committed), "Entrant": cloud(entrant)},
        negotiation=FINE,
        agreements={
            "deal": {
                "lab": "Buyer",
                "cloud": "Incumbent",
                "exclusive_until": day(12),
                "breach_usd_per_h100e_hour": damages,
            }
        },
    )
    market = Market(given, rng=1)
    market.bargainer = offers
    market.run_until(1)
    (signed,) = market.books.contracts.facts
    paid = sum(p.cents for p in market.books.postings if p.label == "breach") / 100 / HOURS
    price = signed.price_usd_per_h100e_hour
    enters = signed.seller == "Entrant"
    assert (signed.breaches == ("deal",)) == enters
    return enters, paid if enters else price - 0.5, 1 - price - paid


def expected(committed: float, damages: float, costs: int = 40) -> np.ndarray:
    """Return chance of entry and what both sides of the agreement expect, cost by cost."""
    grid = (np.arange(costs) + 0.5) / costs
    return np.mean([entry_game(c, committed, damages) for c in grid.tolist()], axis=0)


def test_damages_exclude_as_aghion_and_bolton_say():
    """B12: with v = 1, c = 1/2 and an entrant of cost U[0, 1]: P = 3/4 and L = 1/2."""
    entry, incumbent, buyer = expected(0.75, 0.5)
    assert entry == pytest.approx(0.25, abs=1e-3)
    assert incumbent == pytest.approx(5 / 16, abs=1e-3)
    assert buyer == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("damages", [0.4, 0.6])
def test_other_damages_earn_the_incumbent_less(damages: float):
    entry, incumbent, buyer = expected(0.75, damages, costs=20)
    assert entry == pytest.approx(0.75 - damages, abs=1e-9)
    assert incumbent < 5 / 16 - 0.009
    assert buyer == pytest.approx(0.25, abs=1e-3)


# B13: Bikhchandani et al. 2005, Choi 2009


def tender(
    holders: list[float], rivals: list[float], *, refusal: bool, **rules: Any
) -> list[tuple[str, float]]:
    """Return who sells to each lab and at what price: each has a holder and a rival of its own."""
    every = range(len(holders))
    clouds = {f"Holder {i}": cloud(holders[i], serves=(f"Lab {i}",)) for i in every}
    clouds |= {f"Rival {i}": cloud(rivals[i], serves=(f"Lab {i}",)) for i in every}
    given = scenario(
        {f"Lab {i}": lab(1.0) for i in every},
        clouds,
        months=2,
        negotiation=FINE | {"sealed_bids": True} | rules,
        agreements={
            f"a-{i}": {
                "lab": f"Lab {i}",
                "cloud": f"Holder {i}",
                "first_refusal_from": day(0),
                "first_refusal_days": 10,
            }
            for i in every
        }
        if refusal
        else {},
    )
    waits = {f"Holder {i}": {"pricer": WaitAndMatch(asks=FixedFloor())} for i in every}
    market = Market(given, rng=1, strategies=waits)
    market.bargainer = OutsideOptions(lab_power=0.0)
    market.run_until(1.9)
    signed = {c.buyer: c for c in market.books.contracts.facts}
    names = [f"Lab {i}" for i in every if f"Lab {i}" in signed]
    return [(signed[n].seller, signed[n].price_usd_per_h100e_hour) for n in names]


def payoffs(*, refusal: bool, costs: int = 10) -> np.ndarray:
    """Return price, what holder and rival gain, and the total, over a grid of both costs."""
    grid = ((np.arange(costs) + 0.5) / costs).tolist()
    rows = []
    for rival in grid:
        for own, (seller, price) in zip(
            grid, tender(grid, [rival] * costs, refusal=refusal), strict=True
        ):
            held = seller.startswith("Holder")
            gain = price - (own if held else rival)
            rows.append((price, held * gain, (not held) * gain, 1 - price + gain))
    return np.mean(rows, axis=0)


def test_a_first_refusal_pays_its_holder_at_the_cost_of_the_rival_and_the_lab():
    """B13: price 3/4, holder 7/24, rival 1/12, total 15/24."""
    assert payoffs(refusal=True) == pytest.approx([3 / 4, 7 / 24, 1 / 12, 15 / 24], abs=4e-3)


def test_without_it_both_suppliers_earn_the_same():
    """B13: price 2/3, each supplier 1/6, total 2/3; the second-price tender is worth the same.

    The cheaper one sells at what the other would ask, which is what the lab could have elsewhere (bar-1).
    """
    assert payoffs(refusal=False) == pytest.approx([2 / 3, 1 / 6, 1 / 6, 2 / 3], abs=4e-3)


def test_a_rival_bids_only_below_the_cut_off():
    """B13: with bid cost k it enters iff c < 1 - 2 sqrt(k); here k = 1/16, the cut-off a half."""
    costs = [0.05, 0.3, 0.49, 0.51, 0.8]
    sold = tender([0.99] * 5, costs, refusal=True, bid_cost_usd=HOURS / 16)
    assert [seller for seller, _ in sold] == ["Rival 0", "Rival 1", "Rival 2"]
    assert [price for _, price in sold] == pytest.approx([(1 + c) / 2 for c in costs[:3]])


# B17: Segal and Whinston 2000


def exclusive(**clause: Any) -> Market:
    """Return a market whose lab could be served more cheaply by another than the holder."""
    agreement = {"lab": "Lab", "cloud": "Holder", **clause}
    return after(
        scenario(
            {"Lab": lab(1.0)},
            {"Holder": cloud(0.9), "Other": cloud(0.2)},
            months=4,
            negotiation=FINE,
            agreements={"deal": agreement} if clause else {},
        ),
        3,
    )


def test_exclusivity_that_can_be_renegotiated_moves_only_money():
    """B17: who serves the lab is the same as without the clause; what it costs to be free is paid."""
    sellers = [
        [c.seller for c in market.books.contracts.facts]
        for market in (
            exclusive(),
            exclusive(exclusive_until=day(24), waivable=True),
            exclusive(exclusive_until=day(24)),
        )
    ]
    assert sellers == [["Other"], ["Other"], ["Holder"]]
    market = exclusive(exclusive_until=day(24), waivable=True)
    (waived,) = [e for _, e in market.books.journal if isinstance(e, Waived)]
    moved = [p for p in market.books.postings if p.label == "waiver"]
    assert [p.cents for p in moved] == [abs(waived.paid_cents)]
    assert waived.paid_cents != 0


def test_who_bids_sealed_does_not_talk() -> None:
    """Under any protocol the bid is there at once, half way between cost and value, and nobody walks away."""
    protocols: list[dict[str, Any]] = [
        {"bargainer": "tactics", "protocol": {"deadline_months": 4.0, "lab_beta": 0.3}},
        {"bargainer": "private-information"},
    ]
    for protocol in protocols:
        market = sealed(protocol)
        (fact,) = market.books.contracts.facts
        assert fact.price_usd_per_h100e_hour == 0.75
        assert fact.signed == pytest.approx(1 + 10 * 24 / 730.5)
        assert market.traces is not None
        assert [row["who"] for row in market.traces.rows()] == ["both"]


def sealed(protocol: dict[str, Any]) -> Market:
    refusal = {"first_refusal_from": day(0), "first_refusal_days": 10}
    given = scenario(
        {"Lab": lab(1.0)},
        {"Holder": cloud(2.0), "Rival": cloud(0.5)},
        months=3,
        negotiation=FINE | {"sealed_bids": True} | protocol,
        agreements={"deal": {"lab": "Lab", "cloud": "Holder"} | refusal},
    )
    return after(given, 2, trace=True)
