"""Transcripts of clauses on who deals with whom."""

from typing import Any

import pytest

from offtake.model.dealing import DistributionExclusivity, FirstRefusal, SupplyExclusivity
from offtake.model.events import (
    Agreed,
    Assigned,
    Defaulted,
    Lapsed,
    Lowered,
    Noticed,
    Posted,
    Repriced,
    Signed,
    Terminated,
    Waived,
    Withdrawn,
)
from offtake.model.market import Market
from offtake.model.reading import load_scenario
from offtake.model.scenario import Scenario
from offtake.model.view import WaiverView
from tests.degenerate import (
    REGION,
    UNIT_H100E,
    after,
    cloud,
    contract,
    day,
    lab,
    price_of,
    scenario,
    signed_h100e,
)

HALF_AND_HALF = {"users_million": 1.0, "compute_h100e_hours_per_user": 0.7305}
"""A unit of inference beside the unit of training."""
HOURS = 730.5 * UNIT_H100E


def said(market: Market, kind: type) -> list[Any]:
    return [event for _, event in market.books.journal if isinstance(event, kind)]


def dated(market: Market, kind: type) -> list[tuple[float, Any]]:
    return [(time, event) for time, event in market.books.journal if isinstance(event, kind)]


# Scope


def bound(scope: str, **clause: Any) -> Market:
    agreement = {"lab": "Lab", "cloud": "Holder", "exclusive_until": day(12)}
    hall = {"cloud": "Far", "region": "away", "capacity_mw": 1.0, "stage": "energised"}
    return after(
        scenario(
            {"Lab": lab(1.0, **HALF_AND_HALF)},
            {"Holder": cloud(0.8, 2.0), "Near": cloud(0.2, 2.0), "Far": cloud(0.3, 0.0)},
            regions={"home": REGION, "away": REGION},
            sites={"far hall": hall | {"chip": "chip"}},
            months=3,
            agreements={"deal": agreement | {"exclusive_scope": scope} | clause},
        ),
        2,
        check=True,
    )


@pytest.mark.parametrize(
    ("scope", "bought"),
    [
        ("all", {"Holder": 2000.0}),
        ("training", {"Holder": 1000.0, "Near": 1000.0}),
        ("inference", {"Holder": 1000.0, "Near": 1000.0}),
        ("region", {"Holder": 1000.0, "Far": 1000.0}),
    ],
)
def test_an_exclusivity_binds_exactly_what_it_names(scope: str, bought: dict[str, float]):
    given = {"exclusive_region": "home"} if scope == "region" else {}
    market = bound(scope, **given)
    assert signed_h100e(market) == pytest.approx({("Lab", c): h for c, h in bought.items()})
    left = {"training": "inference", "inference": "training"}.get(scope, "any")
    uses = {c.seller: c.purpose for c in market.books.contracts.facts}
    assert uses == {name: "any" if name == "Holder" else left for name in bought}


def test_what_may_only_serve_inference_does_not_train():
    market = bound("training")
    market.run_until(3)
    served = market.books.served
    assert served is not None
    uses = market.books.contracts
    kept = [r for r in range(uses.size) if uses.facts[r].purpose == "inference"]
    assert market.used_h100e[kept].sum() <= served.load_h100e[0] + 1e-6


# Breach


@pytest.mark.parametrize(("damages", "seller"), [(0.5, "Other"), (0.7, "Holder")])
def test_a_lab_breaks_an_exclusivity_iff_it_gains_more_than_the_damages(damages, seller):
    """The other is 0.6 cheaper an hour."""
    market = after(
        scenario(
            {"Lab": lab(1.0)},
            {"Holder": cloud(0.8), "Other": cloud(0.2)},
            agreements={
                "deal": {
                    "lab": "Lab",
                    "cloud": "Holder",
                    "exclusive_until": day(12),
                    "breach_usd_per_h100e_hour": damages,
                }
            },
        )
    )
    assert [c.seller for c in market.books.contracts.facts] == [seller]
    paid = [p for p in market.books.postings if p.label == "breach"]
    assert [(p.payer, p.payee) for p in paid] == ([("Lab", "Holder")] if seller == "Other" else [])
    owed = damages * HOURS * 36 * 100 * (seller == "Other")
    assert sum(p.cents for p in paid) == pytest.approx(owed, rel=1e-4)


# Distribution


DUOPOLY = load_scenario("duopoly")


def with_reach(until: int) -> Scenario:
    given = DUOPOLY.agreements["lab-a-cloud-x"].model_copy(
        update={"revenue_share": 0.1, "reach": 0.5, "reach_until": day(until)}
    )
    return DUOPOLY.model_copy(update={"agreements": {"lab-a-cloud-x": given}})


def users_share(market: Market) -> float:
    served = market.books.served
    assert served is not None
    i = market.setup.labs.index("Lab A")
    return float(served.users_million[i] / served.users_million.sum())


def test_users_come_back_when_an_exclusive_channel_ends():
    ends, stays = Market(with_reach(3), rng=1), Market(with_reach(20), rng=1)
    for market in (ends, stays):
        market.run_until(2.5)
    assert users_share(ends) == users_share(stays)
    for market in (ends, stays):
        market.run_until(8)
    (lapsed,) = [e.clause for e in said(ends, Lapsed)]
    assert isinstance(lapsed, DistributionExclusivity)
    assert ends.books.reach().max() == 1.0
    assert stays.books.reach().min() == 0.5
    assert users_share(ends) > users_share(stays) + 0.02


def test_an_exclusive_channel_ends_with_the_revenue_share_that_pays_for_it():
    given = (
        with_reach(20)
        .agreements["lab-a-cloud-x"]
        .model_copy(update={"reach_until": None, "revenue_share_until": day(3)})
    )
    market = Market(DUOPOLY.model_copy(update={"agreements": {"lab-a-cloud-x": given}}), rng=1)
    market.run_until(4.5)
    assert {type(e.clause).__name__ for e in said(market, Lapsed)} == {
        "DistributionExclusivity",
        "RevenueShare",
    }
    shares = [p for p in market.books.postings if p.label == "revenue share"]
    assert len(shares) == 2  # months 1 and 2; the third is settled when the share has ended


# Two agreements of one pair


def test_agreements_of_one_pair_leave_each_others_clauses_alone():
    one = DUOPOLY.agreements["lab-b-cloud-y"].model_copy(update={"exclusive_until": day(2)})
    two = DUOPOLY.agreements["lab-b-cloud-y"].model_copy(
        update={"exclusive_until": day(9), "exclusive_scope": "training"}
    )
    market = Market(DUOPOLY.model_copy(update={"agreements": {"one": one, "two": two}}), rng=1)
    market.run_until(4)
    (left,) = market.books.clauses
    assert isinstance(left, SupplyExclusivity)
    assert left.agreement == "two"


# First refusal


def test_numbers_of_contracts_are_those_of_what_is_signed():
    market = Market(DUOPOLY, rng=1)
    market.run_until(18)
    names: dict[tuple[str, str], list[int]] = {}
    for given in market.books.contracts.facts:
        if given.ceiling is not None:
            number = int(given.name.rsplit(" ", 1)[1])
            names.setdefault((given.buyer, given.seller), []).append(number)
    assert all(sorted(n) == list(range(1, len(n) + 1)) for n in names.values())
    assert len(names) > 1


# Waiver


def test_an_exclusivity_loosens_into_a_first_refusal_that_is_waived_later():
    given = DUOPOLY.agreements["lab-b-cloud-y"].model_copy(
        update={"exclusive_until": day(30), "waivable": True}
    )
    full = DUOPOLY.clouds["Cloud Y"].model_copy(update={"cash_usd": 1e12, "own_use_mw": 0.0})
    market = Market(
        DUOPOLY.model_copy(
            update={
                "agreements": {"deal": given},
                "clouds": DUOPOLY.clouds | {"Cloud Y": full},
            }
        ),
        rng=1,
    )
    market.run_until(12)
    waived = said(market, Waived)
    assert waived
    assert isinstance(waived[0].clause, SupplyExclusivity)
    paid = [p.cents for p in market.books.postings if p.label == "waiver"]
    assert paid == [abs(w.paid_cents) for w in waived if w.paid_cents]
    agreed = [e.clause for e in said(market, Agreed)]
    for event in waived:
        if event.instead is not None:
            assert isinstance(event.instead, FirstRefusal)
            assert event.instead in agreed
            assert event.instead.until == event.clause.until
    assert not any(isinstance(c, SupplyExclusivity) for c in market.books.clauses)
    assert {c.seller for c in market.books.contracts.facts if c.buyer == "Lab B"} == {
        "Cloud X",
        "Cloud Y",
    }
    assert market.books.replay().digest() == market.books.digest()


def test_who_does_not_talk_keeps_the_clause():
    given = DUOPOLY.agreements["lab-b-cloud-y"].model_copy(update={"waivable": True})
    scenario_ = DUOPOLY.model_copy(update={"agreements": {"deal": given}})
    silent = {"Cloud Y": {"waiver": "keep-the-clause"}}
    market = Market(scenario_, rng=1, strategies=silent)
    market.run_until(4)
    assert said(market, Waived) == []


def test_a_lab_without_cash_pays_for_a_waiver_with_its_revenue():
    given = DUOPOLY.agreements["lab-b-cloud-y"].model_copy(update={"waivable": True})
    poor = DUOPOLY.labs["Lab B"].model_copy(update={"cash_usd": 1e6})
    market = Market(
        DUOPOLY.model_copy(
            update={"agreements": {"deal": given}, "labs": DUOPOLY.labs | {"Lab B": poor}}
        ),
        rng=1,
    )
    waived: list[Waived] = []
    while not waived and market.month < 6:
        market.books.deposits["Lab B"] = 0  # nothing but revenue
        market.check = False
        market.step()
        waived = said(market, Waived)
    assert waived
    assert waived[0].paid_cents == 0
    assert 0 < waived[0].revenue_share <= 0.5


# Most-favoured customers


def favoured(
    value: float, months: int = 2, clause: dict[str, Any] | None = None, **rules: Any
) -> Market:
    promised = contract("Old", "Cloud", 1.0, 2.0, end=40, most_favoured=True, **(clause or {}))
    return after(
        scenario(
            {"Old": lab(2.5), "New": lab(value)},
            {"Cloud": cloud(0.5, 2.0)},
            contracts={"old": promised},
            months=months + 1,
            negotiation=rules,
        ),
        months,
    )


def test_a_price_follows_down_to_that_of_a_like_contract():
    market = favoured(1.9)
    (repriced,) = said(market, Lowered)
    new = price_of(market, "New with Cloud 1")
    assert repriced == Lowered(
        contract="old", price_usd_per_h100e_hour=new, cause="contract:New with Cloud 1"
    )
    bills = [p.cents for p in market.books.postings if p.label == "compute" and p.payer == "Old"]
    assert bills == [round(2.0 * HOURS * 100), round(new * HOURS * 100)]


def test_a_favoured_price_stays_down_when_its_own_escalator_would_raise_it():
    market = favoured(1.9, months=14, clause={"escalator_per_year": 0.3})
    lower = price_of(market, "New with Cloud 1")
    assert [(t, e.price_usd_per_h100e_hour) for t, e in dated(market, Repriced)] == [
        (0.0, 2.0),
        (12.0, lower * 1.3),
    ]
    assert [(t, e.price_usd_per_h100e_hour) for t, e in dated(market, Lowered)] == [
        (1.0, lower),
        (12.0, lower),
    ]


def test_a_favoured_price_follows_the_index_of_a_like_contract_down():
    market = favoured(1.9, months=15, escalator_per_year=-0.3)
    (_, later) = (e.price_usd_per_h100e_hour for _, e in dated(market, Repriced))
    assert later == 0.7 * price_of(market, "New with Cloud 1")
    assert [e.price_usd_per_h100e_hour for _, e in dated(market, Lowered)][1:] == [later]
    assert market.books.contracts.price[:2].tolist() == [later, later]


def test_a_cloud_counts_the_rebate_it_would_owe_in_its_floor():
    """It breaks even where ``p + W p = 0.5 + 2 W``, with W = 39/36 hours owed back for each one sold."""
    owed = 39 / 36
    market = favoured(1.9)
    (new,) = [c for c in market.books.contracts.facts if c.buyer == "New"]
    assert new.floor == pytest.approx((0.5 + 2.0 * owed) / (1 + owed))
    assert signed_h100e(favoured(1.2)) == {("Old", "Cloud"): 1000.0}


# Cross-default


def linked(**clause: Any) -> Market:
    """Return a market in which Lab A cannot pay and Lab B could, but for what is claimed at once."""
    return after(
        scenario(
            {"Lab A": lab(0.5, cash_usd=1.0), "Lab B": lab(0.5, cash_usd=24 * HOURS)},
            {"Cloud": cloud(1.0, 2.0)},
            contracts={
                "a": contract("Lab A", "Cloud", 1.0, 1.0, end=36),
                "b": contract("Lab B", "Cloud", 1.0, 1.0, end=36, **clause),
            },
            months=8,
            finance={"grace_months": 1},
        ),
        6,
    )


def test_a_default_elsewhere_brings_down_who_is_linked_by_the_clause():
    market = linked(cross_default=True, cross_default_with=("Lab A",))
    assert [e.name for e in said(market, Defaulted)] == ["Lab A", "Lab B"]
    ended = [(e.contract, e.by) for e in said(market, Terminated)]
    assert ended == [("b", "Cloud"), ("a", "Lab A")]
    assert market.books.deposits["Lab B"] == 0
    assert sum(market.books.deposits.values()) == market.recorder.deposits_at_start


def test_without_the_clause_a_default_stays_where_it_is():
    assert [e.name for e in said(linked(), Defaulted)] == ["Lab A"]


def test_a_seller_with_the_clause_shares_in_what_is_left_with_all_of_its_floor():
    def recovered(**clause: Any) -> dict[str, int]:
        market = after(
            scenario(
                {"Lab": lab(0.5, cash_usd=1.5 * HOURS)},
                {"One": cloud(1.0), "Two": cloud(1.0)},
                contracts={
                    "one": contract("Lab", "One", 1.0, 1.0, end=36, **clause),
                    "two": contract("Lab", "Two", 1.0, 1.0, end=36),
                },
                months=8,
                finance={"grace_months": 1},
            ),
            6,
            strategies={"Lab": {"procurer": lambda view: None}},
        )
        labels = ("compute", "arrears", "recovery")
        paid = [p for p in market.books.postings if p.label in labels]
        return {n: sum(p.cents for p in paid if p.payee == n) for n in ("One", "Two")}

    even, first = recovered(), recovered(cross_default=True)
    assert even["One"] == even["Two"]
    assert first["One"] >= even["One"]
    assert sum(first.values()) == sum(even.values())


def test_a_seller_whose_contract_goes_on_with_another_buyer_claims_nothing():
    market = after(
        scenario(
            {"Fails": lab(3.0, cash_usd=1e6), "Lacks": lab(3.0), "Else": lab(3.0)},
            {"Cloud": cloud(9.0, 2.0), "Other": cloud(9.0)},
            contracts={
                "cheap": contract(
                    "Fails", "Cloud", 1.0, 1.0, assignability="free", cross_default=True
                ),
                "left": contract("Fails", "Other", 1.0, 1.5, cross_default=True),
                "dear": contract("Else", "Cloud", 1.0, 3.0),
            },
            months=5,
            finance={"grace_months": 1},
        ),
        5,
        strategies={n: {"procurer": lambda view: None} for n in ("Fails", "Lacks", "Else")},
    )
    assert [(e.contract, e.lab) for e in said(market, Assigned)] == [("cheap", "Lacks")]
    claimed = [c for e in said(market, Posted) for c in e.claims if c.kind == "damages"]
    assert {c.reference for c in claimed} == {"left"}
    assert claimed[0].cents == round(1.5 * HOURS * 10 * 100)  # ten months of its floor are left


# The window of a first refusal


def window(holder: float, **third: Any) -> Market:
    """Return a market in which an offer of a rival waits for a holder of first refusal to month 2.48."""
    refusal = {"first_refusal_from": day(0), "first_refusal_until": day(30)}
    agreements: dict[str, Any] = {
        "refusal": {"lab": "Lab", "cloud": "Holder", "first_refusal_days": 45, **refusal}
    }
    if third:
        agreements["third"] = {"lab": "Lab", "exclusive_until": day(30), **third}
    return after(
        scenario(
            {"Lab": lab(3.0)},
            {"Holder": cloud(holder, 1.0), "Rival": cloud(1.0, 1.0), "Third": cloud(9.0, 0.0)},
            agreements=agreements,
            months=4,
        ),
        3,
    )


def test_what_waits_for_a_holder_is_dated_on_the_day_it_is_signed():
    ((time, event),) = dated(window(9.0), Signed)
    assert time == pytest.approx(1 + 45 * 24 / 730.5)
    assert event.contract.signed == event.contract.start == time
    assert event.contract.months == 36
    assert event.contract.seller == "Rival"


@pytest.mark.parametrize("holder", [1.05, 9.0])
def test_an_exclusivity_that_begins_within_the_window_withdraws_what_it_forbids(holder: float):
    market = window(holder, cloud="Third", exclusive_from=day(2))
    (notice,) = said(market, Noticed)
    assert (notice.match is not None) == (holder < 9.0)
    assert [e.cause for e in said(market, Withdrawn)] == ["clause:SupplyExclusivity of Third"]
    assert said(market, Signed) == []
    assert market.books.free_kw()[:, 5].tolist() == [1000, 1000, 0]
    assert market.books.notices == {}


def test_an_exclusivity_of_the_holder_leaves_it_free_to_match():
    market = window(1.05, cloud="Holder", exclusive_from=day(2))
    assert [e.contract.seller for e in said(market, Signed)] == ["Holder"]


@pytest.mark.parametrize(("damages", "waived"), [(None, 1), (10.0, 1), (0.001, 0)])
def test_who_may_break_a_clause_for_less_does_not_pay_for_a_waiver(
    damages: float | None, waived: int
):
    """Two units for eleven months: 16,000 USD at a tenth of a cent an hour, 160 million at 10 USD."""
    clause = {} if damages is None else {"breach_usd_per_h100e_hour": damages}
    agreement = {"lab": "Lab", "cloud": "Holder", "exclusive_until": day(12), "waivable": True}
    market = after(
        scenario(
            {"Lab": lab(1.0, **HALF_AND_HALF)},
            {"Holder": cloud(0.8, 1.0)},
            agreements={"deal": agreement | clause},
        ),
        strategies={
            "Lab": {"waiver": lambda view: (1e6, 1e6), "procurer": lambda view: None},
            "Holder": {"waiver": lambda view: (0.0, 0.0)},
        },
    )
    assert len(said(market, Waived)) == waived


# What a clause that is talked about covers


def yet_to_buy(scope: str, **clause: Any) -> float:
    """Return what a lab with a unit of inference and a unit of training would buy beside the holder."""
    seen: list[float] = []

    def note(view: WaiverView) -> None:
        seen.append(float(view.later_h100e[0]))

    agreement = {"lab": "Lab", "cloud": "Holder", "exclusive_until": day(12), "waivable": True}
    hall = {"cloud": "Far", "region": "away", "capacity_mw": 3.0, "stage": "energised"}
    after(
        scenario(
            {"Lab": lab(1.0, **HALF_AND_HALF)},
            {"Holder": cloud(0.8, 1.0), "Far": cloud(0.3, 0.0)},
            regions={"home": REGION, "away": REGION},
            sites={"far hall": hall | {"chip": "chip"}},
            agreements={"deal": agreement | {"exclusive_scope": scope} | clause},
            contracts={"old": contract("Lab", "Holder", 0.25, 1.0)},
        ),
        strategies={"Lab": {"waiver": note, "procurer": lambda view: None}},
    )
    return seen[0]


def test_a_waiver_is_priced_on_what_its_clause_binds():
    """A quarter of a unit is bought, and serves the load first; a quarter of all halls stands at home."""
    assert yet_to_buy("all") == pytest.approx(1750.0)
    assert yet_to_buy("inference") == pytest.approx(750.0)
    assert yet_to_buy("training") == pytest.approx(1000.0)
    assert yet_to_buy("region", exclusive_region="home") == pytest.approx(1750.0 / 4)
