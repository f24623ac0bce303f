"""The secondary market: joint spot auctions, compute that is let, contracts that change hands."""

import math
from dataclasses import replace
from typing import Any

import pytest

from offtake.model import assigning
from offtake.model.events import Assigned, Objected
from offtake.model.market import Market
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.reading import check
from tests.degenerate import (
    REGION,
    UNIT_H100E,
    after,
    cloud,
    contract,
    day,
    lab,
    scenario,
    silent,
    trajectory,
)

UNIT_USD = UNIT_H100E * HOURS_PER_MONTH
"""One USD an H100e-hour for a unit, a month."""


def quiet(market: Any, months: int = 1, **options: Any) -> Market:
    """Return a market in which nobody tenders."""
    return after(
        market, months, strategies={n: {"procurer": silent} for n in market.labs}, **options
    )


def paid(market: Market, label: str) -> dict[tuple[str, str], float]:
    """Return the USD of all postings of a label, by payer and payee."""
    found: dict[tuple[str, str], float] = {}
    for p in market.books.postings:
        if p.label == label:
            found[p.payer, p.payee] = found.get((p.payer, p.payee), 0.0) + p.cents / 100
    return found


def told(market: Market, kind: type) -> list[Any]:
    return [event for _, event in market.books.journal if isinstance(event, kind)]


# The joint auction


def two_regions(first: str, second: str) -> Market:
    """Return a market with a unit free in each of two regions, and a lab that lacks a unit and a half."""
    halls = {
        f"hall {place}": {
            "cloud": "Cloud",
            "region": place,
            "chip": "chip",
            "capacity_mw": 1.0,
            "stage": "energised",
        }
        for place in (first, second)
    }
    given = scenario(
        {"Lab": lab(4.0, 1.5)},
        {"Cloud": cloud(0.0, 0.0)},
        regions={
            first: {**REGION, "power_usd_per_kwh": 1.0},
            second: {**REGION, "power_usd_per_kwh": 2.0},
        },
        sites=halls,
    )
    return quiet(given)


@pytest.mark.parametrize(("cheap", "dear"), [("a", "b"), ("b", "a")])
def test_no_region_comes_first(cheap: str, dear: str) -> None:
    """What is cheaper sells first, whatever it is called, and both sell at one price."""
    spot = two_regions(cheap, dear).books.spot
    assert spot[cheap, "gpu"].h100e == pytest.approx(UNIT_H100E)
    assert spot[dear, "gpu"].h100e == pytest.approx(UNIT_H100E / 2)
    assert {c.price_usd_per_h100e_hour for c in spot.values()} == {2.0}


def test_prices_part_where_eligibility_parts_buyers() -> None:
    given = scenario(
        {"A": lab(10.0, 2.0), "B": lab(4.0, 2.0)},
        {"X": cloud(0.0, 1.0), "Y": cloud(0.0, 3.0, serves=("B",))},
    )
    bought = quiet(given).books.spot["home", "gpu"].purchases
    got = {(p.lab, p.pays): p.h100e for p in bought}
    assert got == {
        ("A", 10.0): pytest.approx(UNIT_H100E),
        ("B", 0.0): pytest.approx(2 * UNIT_H100E),
    }


def test_classes_of_chips_have_prices_of_their_own_in_the_tables() -> None:
    given = scenario(
        {"A": lab(10.0, 2.0), "B": lab(4.0, 2.0)},
        {"X": cloud(0.0, 0.0, serves=("A",)), "Y": cloud(0.0, 3.0, serves=("B",))},
        classes={"custom": {"ported": 1.0}},
        chips={
            "chip": scenario({}, {}).chips["chip"].model_dump(),
            "own": {**scenario({}, {}).chips["chip"].model_dump(), "class": "custom"},
        },
        sites={
            "hall": {
                "cloud": "X",
                "region": "home",
                "chip": "own",
                "capacity_mw": 1.0,
                "stage": "energised",
            }
        },
    )
    market = quiet(given)
    assert trajectory(market, "price_spot_class", "custom") == [10.0]
    assert trajectory(market, "price_spot_class", "gpu") == [0.0]
    assert trajectory(market, "price_spot") == [pytest.approx(10 / 3)]
    assert trajectory(market, "spot_h100e", "B") == [pytest.approx(2 * UNIT_H100E)]
    assert trajectory(market, "share_spot") == [pytest.approx(3 / 4)]


# Compute that is let


def committed(assignability: str, floor: float = 0.8, value: float = 0.1) -> Market:
    """Return two months of a lab that has a unit it hardly needs, beside one that lacks a unit."""
    given = scenario(
        {"Has": lab(value, 0.5), "Lacks": lab(3.0)},
        {"Cloud": cloud(9.0)},
        months=2,
        contracts={
            "base": contract(
                "Has", "Cloud", 1.0, 2.0, take_or_pay=floor, assignability=assignability, end=24
            )
        },
    )
    return quiet(given, 2)


def test_what_may_not_be_let_stands_dark() -> None:
    market = committed("none")
    assert trajectory(market, "stranded_dark_mw", "Cloud")[-1] == pytest.approx(0.8)
    assert market.books.spot == {}
    assert paid(market, "compute")["Has", "Cloud"] == pytest.approx(2 * 0.8 * 2.0 * UNIT_USD)


def test_what_is_let_is_delivered_to_who_uses_it_and_paid_to_who_let_it() -> None:
    """Asked: nothing for the floor, 2 above it; bid: 3; so 2.5 for all, and the cloud's bill is full."""
    market = committed("with-consent")
    cleared = market.books.spot["home", "gpu"]
    assert cleared.purchases == ()
    assert {(s.lab, s.lessor, s.contract, s.pays) for s in cleared.subleases} == {
        ("Lacks", "Has", "base", 2.5)
    }
    assert trajectory(market, "stranded_dark_mw", "Cloud") == [
        pytest.approx(0.8),
        pytest.approx(0.0, abs=1e-9),
    ]
    assert trajectory(market, "delivered_h100e", "Lacks")[-1] == pytest.approx(UNIT_H100E)
    assert trajectory(market, "delivered_h100e", "Has")[-1] == pytest.approx(0.0, abs=1e-6)
    assert trajectory(market, "dependence", "Lacks", "Cloud")[-1] == pytest.approx(1.0)
    assert trajectory(market, "sublet_h100e", "Has")[-1] == pytest.approx(UNIT_H100E)
    assert paid(market, "sublease") == {("Lacks", "Has"): pytest.approx(2.5 * UNIT_USD)}
    assert paid(market, "compute") == {("Has", "Cloud"): pytest.approx(1.8 * 2.0 * UNIT_USD)}


def test_training_beyond_need_is_let_at_what_it_is_worth() -> None:
    """At a floor of 1 the lab trains with all it has; half of that is beyond its need."""
    cleared = committed("free", floor=1.0, value=1.0).books.spot["home", "gpu"]
    assert cleared.h100e == pytest.approx(UNIT_H100E / 2)
    assert cleared.price_usd_per_h100e_hour == pytest.approx(3.0)
    assert committed("free", floor=1.0, value=3.5).books.spot == {}


def test_a_contract_that_ends_within_the_month_is_let_for_what_it_delivers() -> None:
    given = scenario(
        {"Has": lab(0.1, 0.5), "Lacks": lab(3.0)},
        {"Cloud": cloud(9.0)},
        months=2,
        contracts={
            "base": {
                **contract("Has", "Cloud", 1.0, 2.0, take_or_pay=0.8, assignability="free"),
                "end": scenario({}, {}).start.replace(month=2, day=15),
            }
        },
    )
    market = quiet(given, 2)
    part = market.books.contracts.facts[0].end - 1
    assert 0 < part < 1
    assert trajectory(market, "delivered_h100e", "Lacks")[-1] == pytest.approx(part * UNIT_H100E)
    owed = paid(market, "sublease")["Lacks", "Has"]
    assert owed == pytest.approx(2.5 * part * UNIT_USD)


# Contracts that change hands


def unneeded(assignability: str = "free", more: Any = None, **given: Any) -> Any:
    """Return a scenario whose lab `Has` is bound to pay 2 for a unit that is worth .5 to it."""
    return scenario(
        {"Has": lab(0.5, 0.0), "Lacks": lab(3.0), **(more or {})},
        {"Cloud": cloud(9.0)},
        contracts={
            "base": contract("Has", "Cloud", 1.0, 2.0, assignability=assignability, **given)
        },
    )


def test_a_contract_goes_to_the_lab_that_gains_most_from_it() -> None:
    """Worth -1.5 to its buyer and 0 to the only bidder, who could sign at 2 as well: it is paid 1.5."""
    market = quiet(unneeded())
    (event,) = told(market, Assigned)
    assert (event.contract, event.holder, event.lab) == ("base", "Has", "Lacks")
    assert event.paid_cents / 100 == pytest.approx(-1.5 * UNIT_USD * 11, rel=1e-3)
    assert paid(market, "assignment") == {("Has", "Lacks"): -event.paid_cents / 100}
    books = market.books
    assert [(c.buyer, c.seller) for c in books.contracts.facts] == [("Lacks", "Cloud")]
    assert books.covered_h100e[books.lab_index["Lacks"], 5] == pytest.approx(UNIT_H100E)
    assert books.covered_h100e[books.lab_index["Has"], 5] == 0
    again = books.replay()
    assert again.digest() == books.digest()
    assert again.contracts.facts == books.contracts.facts


def test_a_second_bidder_sets_the_price_of_a_transfer() -> None:
    (event,) = told(quiet(unneeded(more={"Other": lab(1.2)})), Assigned)
    assert event.lab == "Lacks"
    assert event.paid_cents / 100 == pytest.approx(-0.8 * UNIT_USD * 11, rel=1e-3)


def test_what_is_left_of_a_prepayment_moves_with_the_contract() -> None:
    market = quiet(unneeded(prepayment_usd=1.2e6))
    left = market.books.contracts.prepaid_cents["base"]
    assert 0 < left < 120_000_000
    assert market.books.held("Lacks", "prepayment") == left
    assert market.books.held("Has", "prepayment") == 0
    assert paid(market, "prepayment assigned") == {("Lacks", "Has"): left / 100}


def test_a_contract_that_may_not_be_assigned_stays() -> None:
    assert told(quiet(unneeded("none")), Assigned) == []


@pytest.mark.parametrize(
    ("clause", "moves"),
    [
        ({"exclusive_scope": "region", "exclusive_region": "home"}, False),
        ({"exclusive_scope": "training"}, False),
        ({"breach_usd_per_h100e_hour": 0.1}, False),
        ({"exclusive_from": day(2)}, True),
    ],
)
def test_no_lab_takes_over_what_it_has_promised_to_buy_elsewhere(
    clause: dict[str, Any], moves: bool
) -> None:
    given = scenario(
        {"Has": lab(0.5, 0.0), "Lacks": lab(3.0)},
        {"Cloud": cloud(9.0), "Holder": cloud(9.0, 0.0)},
        contracts={"base": contract("Has", "Cloud", 1.0, 2.0, assignability="free")},
        agreements={
            "deal": {"lab": "Lacks", "cloud": "Holder", "exclusive_until": day(12)} | clause
        },
    )
    assert bool(told(quiet(given), Assigned)) is moves


@pytest.mark.parametrize(("assignability", "moves"), [("with-consent", False), ("free", True)])
def test_a_cloud_may_object_to_a_weaker_buyer(
    assignability: str, moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = {"Has": 0.01, "Lacks": 0.02}
    monkeypatch.setattr(assigning, "hazard_of_failure", lambda market, name: weak[name])
    market = quiet(unneeded(assignability))
    assert bool(told(market, Assigned)) is moves
    assert [(e.name, e.lab, e.reason) for e in told(market, Objected)] == (
        [] if moves else [("Cloud", "Lacks", "the new buyer is more likely to fail")]
    )


def test_a_failed_labs_contract_goes_on_with_who_pays_for_it() -> None:
    """1 for what is 2 elsewhere: worth 1 an hour; the estate gets the second price, its reserve of 0."""
    given = scenario(
        {"Fails": lab(3.0, cash_usd=0.0), "Lacks": lab(3.0), "Else": lab(3.0)},
        {"Cloud": cloud(9.0, 2.0)},
        months=5,
        finance={"grace_months": 1},
        contracts={
            "cheap": contract("Fails", "Cloud", 1.0, 1.0, assignability="free"),
            "dear": contract("Else", "Cloud", 1.0, 3.0),
        },
    )
    market = quiet(given, 5)
    assert market.books.failed == {"Fails"}
    (event,) = told(market, Assigned)
    assert (event.lab, event.reason, event.paid_cents) == ("Lacks", "its buyer has failed", 0)
    assert market.books.contracts.state == ["active", "active"]


def test_the_offered_surplus_must_cover_the_contract() -> None:
    given = unneeded()
    needs = given.labs["Has"].model_copy(update={"training_h100e": 0.5 * UNIT_H100E})
    market = quiet(given.model_copy(update={"labs": {**given.labs, "Has": needs}}))
    assert told(market, Assigned) == []


# Protocols in the scenario


@pytest.mark.parametrize(
    ("text", "help_"),
    [
        ('negotiation.spot_auction="mcafe"', "mcafee"),
        ('negotiation.spot_auction="k_double"', "k-double"),
        ('negotiation.assignability="with consent"', "with-consent"),
        ("negotiation.spot_k=1.5", "1"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest(text: str, help_: str) -> None:
    (problem,) = check("duopoly", overrides=[text])
    assert help_ in str(problem)


def test_an_unknown_protocol_is_refused_with_those_known() -> None:
    given = scenario({"Lab": lab(1.0)}, {"Cloud": cloud(1.0)})
    rules = given.negotiation.model_copy(update={"spot_auction": "dutch"})
    with pytest.raises(ValueError, match="known: k-double, mcafee, uniform"):
        Market(given.model_copy(update={"negotiation": rules}))


def test_what_is_bought_is_never_more_than_what_is_lacking() -> None:
    market = two_regions("a", "b")
    bought = math.fsum(p.h100e for c in market.books.spot.values() for p in c.purchases)
    assert bought <= 1.5 * UNIT_H100E * (1 + 1e-9)


def test_a_protocol_of_ones_own_stands_in_on_a_market() -> None:
    given = scenario({"Lab": lab(4.0)}, {"Cloud": cloud(0.0)})
    market = Market(given, rng=1, strategies={"Lab": {"procurer": silent}})
    usual = market.spot_auction
    market.spot_auction = lambda bids, offers: replace(usual(bids, offers), pays=3.0, receives=2.0)
    market.run_until(1)
    assert market.books.spot["home", "gpu"].price_usd_per_h100e_hour == 3.0
