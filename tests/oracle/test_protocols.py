"""Protocols other than the closed forms, as whole markets (rows B6, B8, B9, B10, M5)."""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from offtake.model.bargaining import Match, Outcome
from offtake.model.bundles import Bundles
from offtake.model.chance import stream
from offtake.model.dealing import SupplyExclusivity
from offtake.model.events import Agreed, Defaulted, Held, Refused, Signed, Withdrawn
from offtake.model.market import Market
from offtake.model.nash_in_nash import REPLACED, ComplementsError, NashInNash
from offtake.model.proposals import Column, Lot, Quote, Tender
from offtake.model.view import Ask, CloudView, LabView
from tests.degenerate import (
    EVEN_CLOUD,
    EVEN_LAB,
    UNIT_H100E,
    after,
    cloud,
    lab,
    prices,
    scenario,
    trajectory,
)

FLOOR, CEILING = 1.8, 3.0
STANDARD_ERRORS = 3.0
HALL_UNITS = 20.0


# Nash-in-Nash: rows B6 and B8


class AskFor:
    """Tender one lot for each unit, at what each is worth beside the ones before; once."""

    port: ClassVar[str] = "procurer"

    def __init__(self, *values: float) -> None:
        self.values = values

    def __call__(self, view: LabView) -> Tender | None:
        if view.covered_h100e[1] > 0:
            return None
        lots = tuple(Lot(start_months=1, h100e=UNIT_H100E, value=v) for v in self.values)
        return Tender(lab=view.name, lots=lots)


class UnitEach:
    """Quote one unit to every lab, at one cost."""

    port: ClassVar[str] = "pricer"

    def __init__(self, cost: float) -> None:
        self.cost = cost

    def __call__(self, view: CloudView, ask: Ask) -> Quote:
        columns = tuple(self._column(view, ask, mine) for mine in np.unique(ask.lab).tolist())
        return Quote(cloud=view.name, columns=columns)

    def _column(self, view: CloudView, ask: Ask, mine: int) -> Column:
        return Column(
            pool_index=view.pools[0],
            running=0.0,
            room_h100e=np.where(ask.lab == mine, UNIT_H100E, 0.0),
            capital=np.full((len(ask.lab), 1, 1), self.cost),
        )


def units(
    wants: Mapping[str, tuple[float, ...]],
    costs: Mapping[str, float],
    *,
    porting: Mapping[str, Mapping[str, float]] | None = None,
    **protocol: Any,
) -> Market:
    """Return a market in which each cloud sells one unit to each lab, after one negotiation."""
    given = scenario(
        {
            name: lab(
                max(values),
                float(len(values)),
                discount_per_year=EVEN_LAB,
                porting_usd_per_h100e_hour=dict((porting or {}).get(name, {})),
            )
            for name, values in wants.items()
        },
        {
            name: cloud(cost, HALL_UNITS, discount_per_year=EVEN_CLOUD)
            for name, cost in costs.items()
        },
        negotiation={"bargainer": "nash-in-nash", "protocol": protocol},
    )
    strategies: dict[str, dict[str, Any]] = {
        **{name: {"procurer": AskFor(*values)} for name, values in wants.items()},
        **{name: {"pricer": UnitEach(cost)} for name, cost in costs.items()},
    }
    return after(given, strategies=strategies)


def test_nash_in_nash_prices_what_each_deal_adds_to_the_others() -> None:
    """B6: V_A = (100, 90, 150), V_B = (80, 80, 130), costs 20 and 30: prices 40, 40, 35, 40.

    A second unit is worth 60 to A and 50 to B; A's work is worth 10 less at the second cloud.
    """
    market = units(
        {"A": (100.0, 60.0), "B": (80.0, 50.0)},
        {"One": 20.0, "Two": 30.0},
        porting={"A": {"Two": 10.0}},
    )
    found = prices(market)
    wanted = {("A", "One"): 40, ("A", "Two"): 40, ("B", "One"): 35, ("B", "Two"): 40}
    assert found == {pair: pytest.approx(price, abs=1e-6) for pair, price in wanted.items()}
    worth = {"A": 150.0, "B": 130.0}
    paid = {name: sum(p for (buyer, _), p in found.items() if buyer == name) for name in worth}
    assert [worth[n] - paid[n] for n in worth] == [pytest.approx(70), pytest.approx(55)]
    got = {
        n: sum(p - c for (_, s), p in found.items() if s == n)
        for n, c in (("One", 20), ("Two", 30))
    }
    assert got == {"One": pytest.approx(35), "Two": pytest.approx(20)}


@pytest.mark.parametrize(("clouds", "payoff"), [(1, 40.0), (2, 80.0)])
def test_a_second_supplier_lowers_what_each_one_adds(clouds: int, payoff: float) -> None:
    """B6b: V1 = V2 = 100, V12 = 150, cost 20: a lab with one supplier keeps 40, with two 80."""
    market = units({"Lab": (100.0, 50.0)}, {f"Cloud {k}": 20.0 for k in range(clouds)})
    signed = market.books.contracts.facts
    assert {c.seller for c in signed} == {f"Cloud {k}" for k in range(clouds)}
    assert sum(c.h100e for c in signed) == pytest.approx(UNIT_H100E * clouds, abs=1e-6)
    paid = math.fsum(c.price_usd_per_h100e_hour * c.h100e for c in signed) / UNIT_H100E
    assert 50.0 * (clouds + 1) - paid == pytest.approx(payoff, abs=1e-9)


@pytest.mark.parametrize(
    ("next_value", "replacement", "price"),
    [(50.0, True, 60.0), (80.0, True, 80.0), (80.0, False, 60.0)],
)
def test_the_threat_of_replacement_is_a_setting_of_nash_in_nash(
    next_value: float, replacement: bool, price: float
) -> None:
    """B8, Ho and Lee 2019: max(Nash split, value of the lab left out); without it the split."""
    given = scenario(
        {
            "First": lab(100.0, discount_per_year=EVEN_LAB),
            "Second": lab(next_value, discount_per_year=EVEN_LAB),
        },
        {"Cloud": cloud(20.0, discount_per_year=EVEN_CLOUD)},
        negotiation={"bargainer": "nash-in-nash", "protocol": {"replacement": replacement}},
    )
    assert prices(after(given)) == {("First", "Cloud"): pytest.approx(price, abs=1e-9)}


@pytest.mark.parametrize(("left_out", "agrees"), [(45.0, True), (90.0, False)])
def test_a_cloud_that_adds_less_than_a_rival_would_pay_is_replaced(
    left_out: float, agrees: bool
) -> None:
    """B8: V1 = V2 = 100, V12 = 150: a cloud adds 50, and sells to a lab left out that pays more."""
    bundles = Bundles(
        labs=("Lab", "Lab"),
        clouds=("Here", "There"),
        value=np.array([[100.0, 100.0], [50.0, 50.0]]),
        taken=np.eye(2),
        wanted=np.ones(2),
        limit=np.ones((2, 2)),
    )
    match = Match(
        ceiling=np.array([100.0, 50.0]),
        floor=np.array([20.0, 20.0]),
        excluded=np.array([left_out, -np.inf]),
        alternative=np.full(2, -np.inf),
        lab_impatience=np.ones(2),
        cloud_impatience=np.ones(2),
        lab=("Lab", "Lab"),
        cloud=("Here", "There"),
        bundles=bundles,
    )
    outcome = NashInNash(replacement=True)(match)
    assert np.asarray(outcome.agreed).tolist() == [agrees, True]
    assert outcome.reasons == ("" if agrees else REPLACED, "")
    assert outcome.hi.tolist() == pytest.approx([50.0, 50.0])
    assert np.asarray(NashInNash()(match).agreed).all()


class Complementary(Bundles):
    """Two suppliers are worth nothing one by one."""

    def worth(self, lab: str, clouds: Any) -> float:
        return super().worth(lab, clouds) if clouds >= self.sellers(lab) else 0.0


class WithComplements:
    """Nash-in-Nash told that deals need each other."""

    def __call__(self, match: Match) -> Outcome:
        told = match.bundles
        assert told is not None
        bundles = Complementary(**{n: getattr(told, n) for n in Bundles.__dataclass_fields__})
        return NashInNash()(replace(match, bundles=bundles))


def test_nash_in_nash_refuses_deals_that_need_each_other_by_name() -> None:
    given = scenario({"Lab": lab(100.0, 2.0)}, {"Here": cloud(20.0), "There": cloud(30.0)})
    market = Market(given, rng=1)
    market.bargainer = WithComplements()
    with pytest.raises(ComplementsError, match="to Lab, Here and There add 200,000 USD an hour"):
        market.step()


# Tactics: row B10


def talked(until: float = 13, **protocol: Any) -> Market:
    """Return a market of one pair that has talked for some months over what lies in 1.8 to 3."""
    given = scenario(
        {"Lab": lab(CEILING)},
        {"Cloud": cloud(FLOOR), "Other": cloud(FLOOR, 0.0)},
        months=13,
        negotiation={"bargainer": "tactics", "protocol": {"deadline_months": 10.0, **protocol}},
    )
    return after(given, until)


def met(market: Market) -> tuple[float, float]:
    """Return when the first pair signed, as a share of ten months, and at what price."""
    signed = [time for time, e in market.books.journal if isinstance(e, Signed)]
    return (signed[0] - 1.0) / 10.0, prices(market)["Lab", "Cloud"]


@pytest.mark.parametrize(
    ("tactics", "when", "price"),
    [
        ({}, 0.5, 2.4),
        ({"cloud_beta": 0.5}, (math.sqrt(5) - 1) / 2, 1.8 + 0.6 * (math.sqrt(5) - 1)),
        ({"lab_beyond": 0.25, "cloud_beyond": 0.5}, 2.1 / 3.3, 1.5 + 1.5 * 2.1 / 3.3),
    ],
    ids=["linear", "Boulware cloud", "aggressive openings"],
)
def test_tactics_meet_where_their_curves_cross(
    tactics: dict[str, Any], when: float, price: float
) -> None:
    """B10, Faratin and others 1998: (.5, 2.4), (.618034, 2.541641), (.636364, 2.454545), to one round."""
    rounds = 500
    found = met(talked(rounds=rounds, **tactics))
    assert found[0] == pytest.approx(when, abs=1.0001 / rounds)
    assert found[0] >= when - 1e-9
    assert found[1] == pytest.approx(price, abs=1.8 / rounds)


def test_talks_postpone_the_signature_and_keep_the_capacity() -> None:
    """The pair agrees after five months; a second lab cannot have the hall meanwhile."""
    given = scenario(
        {"Lab": lab(CEILING), "Late": lab(2.5, training_h100e=UNIT_H100E)},
        {"Cloud": cloud(FLOOR)},
        months=8,
        negotiation={"bargainer": "tactics", "protocol": {"deadline_months": 10.0}},
    )
    market = after(given, 3)
    held = [e for _, e in market.books.journal if isinstance(e, Held)]
    # the lab's own limit is what Late would pay, so both limits are 2.5 and 3
    assert [(e.contract.buyer, e.until) for e in held] == [("Lab", 6.0)]
    assert market.books.free_kw()[:, 6].tolist() == [0]
    assert prices(market) == {}
    market.run_until(7)
    assert prices(market) == {("Lab", "Cloud"): pytest.approx(2.75, abs=0.04)}
    (fact,) = market.books.contracts.facts
    assert (fact.signed, fact.start) == (6.0, 6.0)
    refusals = {e.reason for _, e in market.books.journal if isinstance(e, Refused)}
    assert refusals <= {"outbid", "no capacity free at that time"}
    assert market.books.notices == {}


@pytest.mark.parametrize("failed", ["Lab", "Cloud"])
def test_what_is_talked_about_is_given_up_when_a_party_fails(failed: str) -> None:
    market = talked(3)
    assert [n.contract.buyer for n in market.books.notices.values()] == ["Lab"]
    market.check = False  # a failure by hand leaves claims that a real one would settle
    market.apply(Defaulted(name=failed, cause="test"))
    market.run_until(7)
    assert prices(market) == {}
    assert [e.cause for _, e in market.books.journal if isinstance(e, Withdrawn)] == ["default"]
    assert market.books.notices == {}


def test_what_is_talked_about_is_given_up_when_an_exclusivity_forbids_it() -> None:
    market = talked(3)
    market.apply(
        Agreed(clause=SupplyExclusivity(lab="Lab", holder="Other", until=99.0), cause="test")
    )
    market.run_until(7)
    assert prices(market) == {}
    (gone,) = [e for _, e in market.books.journal if isinstance(e, Withdrawn)]
    assert gone.cause == "clause:SupplyExclusivity of Other"
    assert market.books.committed_kw.sum() == 0


def test_two_sides_that_wait_for_each_other_walk_away() -> None:
    """Tit-for-tat on both sides: nobody concedes first."""
    market = talked(2, lab_tactic="tit-for-tat", cloud_tactic="tit-for-tat")
    assert prices(market) == {}
    refused = [e for _, e in market.books.journal if isinstance(e, Refused)]
    assert {e.reason for e in refused} == {"no agreement by the deadline of the talks"}
    assert trajectory(market, "efficiency")[0] == 0.0


def test_tit_for_tat_mirrors_what_the_other_side_concedes() -> None:
    """The cloud falls from 3 to 1.8 evenly; a lab that mirrors it in proportion meets it at sqrt(5.4)."""
    when, price = met(talked(lab_tactic="tit-for-tat", rounds=2000))
    assert price == pytest.approx(math.sqrt(FLOOR * CEILING), abs=2e-3)
    assert when == pytest.approx((CEILING - math.sqrt(FLOOR * CEILING)) / 1.2, abs=2e-3)


@pytest.mark.parametrize(("own_use_mw", "idle"), [(0.0, 1.0), (1.0, 0.5)])
def test_a_cloud_concedes_as_far_as_its_halls_stand_idle(own_use_mw: float, idle: float) -> None:
    """Resource tactics: its clock is t times the idle share; the lab's is time."""
    given = scenario(
        {"Lab": lab(CEILING)},
        {"Cloud": cloud(FLOOR, 1.0 + own_use_mw, own_use_mw=own_use_mw)},
        months=12,
        negotiation={
            "bargainer": "tactics",
            "protocol": {"deadline_months": 10.0, "cloud_tactic": "resource", "rounds": 600},
        },
    )
    when, price = met(after(given, 12))
    assert when == pytest.approx(1 / (1 + idle), abs=2e-3)
    assert price == pytest.approx(FLOOR + 1.2 / (1 + idle), abs=4e-3)


def test_a_lab_with_months_to_live_concedes_by_them() -> None:
    """Resource tactics: its clock runs out with its money, after 120 months at most."""
    when, price = met(talked(lab_tactic="resource", rounds=600))
    # the longest runway is 120 months: after ten it has conceded a twelfth
    assert when == pytest.approx(12 / 13, abs=2e-3)
    assert price == pytest.approx(FLOOR + 1.2 / 13, abs=4e-3)


# Sealed bids: row M5

TENDERS = 20
"""At once, each among clouds that serve nobody else."""


def auctions(count: int, form: str, seeds: int) -> tuple[list[float], list[list[float]]]:
    """Return what labs pay and the costs of their bidders, over many tenders at once."""
    paid, drawn = [], []
    for seed in range(seeds):
        costs = stream(5, "sealed", count, seed).random((TENDERS, count))
        given = scenario(
            {f"Lab {i}": lab(1.0) for i in range(TENDERS)},
            {
                f"Cloud {i} {k}": cloud(float(costs[i, k]), serves=(f"Lab {i}",))
                for i, k in itertools.product(range(TENDERS), range(count))
            },
            negotiation={"bargainer": "request-for-proposals", "protocol": {"format": form}},
        )
        signed = prices(after(given, check=False))
        paid += [signed[f"Lab {i}", f"Cloud {i} {costs[i].argmin()}"] for i in range(TENDERS)]
        drawn += costs.tolist()
    return paid, drawn


FORMATS: dict[str, Callable[[list[float]], float]] = {
    "first-price": lambda costs: min(costs) + (1 - min(costs)) / len(costs),
    "second-price": lambda costs: sorted(costs)[1],
}


@pytest.mark.parametrize("count", [2, 3, 5])
def test_both_formats_of_a_request_for_proposals_cost_the_lab_the_same(count: int) -> None:
    """M5, Vickrey 1961: costs uniform on [0, 1], reserve 1: the expected price is 2 / (n + 1)."""
    for form, price in FORMATS.items():
        paid, costs = auctions(count, form, 8)
        assert paid == [pytest.approx(price(c), abs=1e-9) for c in costs]
        error = float(np.std(paid)) / math.sqrt(len(paid))
        assert abs(float(np.mean(paid)) - 2 / (count + 1)) < STANDARD_ERRORS * error


def test_a_cloud_alone_bids_the_reserve_price() -> None:
    given = scenario(
        {"Lab": lab(CEILING)},
        {"Cloud": cloud(FLOOR)},
        negotiation={"bargainer": "request-for-proposals"},
    )
    assert prices(after(given))["Lab", "Cloud"] == pytest.approx(CEILING, abs=1e-12)


# Private information: row B9


PAIRS, ROUNDS = 60, 12


@cache
def private_trades(spread: float) -> pl.DataFrame:
    """Return the contracts of many pairs that know their own value only; values lie in [1, 2]."""
    given = scenario(
        {f"Lab {i}": lab(2.0) for i in range(PAIRS)},
        {f"Cloud {i}": cloud(1.0, serves=(f"Lab {i}",)) for i in range(PAIRS)},
        negotiation={"bargainer": "private-information", "protocol": {"spread": spread}},
    )
    tables = []
    for seed in range(1, ROUNDS + 1):
        market = Market(given, rng=seed)
        market.step()
        tables.append(market.frames()["contracts"])
    return pl.concat(tables)


def test_private_information_loses_what_theory_says() -> None:
    """B9, Chatterjee and Samuelson 1983: P(trade) 9/32, surplus 9/64, efficiency 27/32 of 1/6.

    A contract records both private values as its limits.
    """
    signed = private_trades(1.0)
    n = PAIRS * ROUNDS
    gains = np.zeros(n)
    gains[: signed.height] = (signed["highest"] - signed["lowest"]).to_numpy()
    share = signed.height / n
    assert abs(share - 9 / 32) < STANDARD_ERRORS * math.sqrt(9 / 32 * 23 / 32 / n)
    error = float(gains.std()) / math.sqrt(n)
    assert abs(float(gains.mean()) - 9 / 64) < STANDARD_ERRORS * error
    assert abs(float(gains.mean()) * 6 - 27 / 32) < STANDARD_ERRORS * error * 6
    assert (
        gains[: signed.height] >= 0.25 - 1e-9
    ).all()  # offers cross only where a quarter is to gain


def test_offers_of_private_information_are_those_of_the_linear_equilibrium() -> None:
    """B9: bid 2/3 v + 1/12, ask 2/3 c + 1/4; the price is their middle."""
    signed = private_trades(1.0)
    value, cost = signed["highest"].to_numpy() - 1.0, signed["lowest"].to_numpy() - 1.0
    middle = (2 / 3 * value + 1 / 12 + 2 / 3 * cost + 1 / 4) / 2
    assert signed["price_usd_per_h100e_hour"].to_numpy() - 1.0 == pytest.approx(middle, abs=1e-9)


def test_less_private_information_loses_less() -> None:
    """With three quarters of the spread v lies in [1/4, 1] and c in [0, 3/4]: v - c > 1/4 in half of all."""
    share = private_trades(0.75).height / (PAIRS * ROUNDS)
    assert abs(share - 0.5) < STANDARD_ERRORS * math.sqrt(0.25 / (PAIRS * ROUNDS))


def test_a_pair_that_does_not_trade_says_why() -> None:
    given = scenario(
        {"Lab": lab(2.0)},
        {"Cloud": cloud(1.0)},
        months=6,
        negotiation={"bargainer": "private-information"},
    )
    market = after(given, 6)
    reasons = [e.reason for _, e in market.books.journal if isinstance(e, Refused)]
    assert reasons
    assert set(reasons) == {"the lab bids less than the cloud asks"}
    assert not [e for _, e in market.books.journal if isinstance(e, Withdrawn)]
