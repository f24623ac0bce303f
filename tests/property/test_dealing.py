"""Laws of clauses on who deals with whom."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.agents.clouds import with_rebates
from offtake.model.books import Books
from offtake.model.clause_worth import KINDS, worth
from offtake.model.dealing import (
    CrossDefault,
    FirstRefusal,
    MostFavoured,
    SupplyExclusivity,
)
from offtake.model.events import (
    Agreed,
    Defaulted,
    Entered,
    Lapsed,
    Lowered,
    Noticed,
    Renegotiated,
    Repriced,
    Signed,
    Terminated,
    Waived,
)
from offtake.model.market import Market
from offtake.model.negotiation import Promises
from offtake.model.proposals import Column
from offtake.model.seeing import cloud_views
from offtake.model.view import Ask, Favoured
from tests.degenerate import cloud, lab
from tests.degenerate import scenario as degenerate
from tests.generated import played, scenarios

FEW = settings(max_examples=15, deadline=None)
SHARES = st.floats(0, 1)
USD = st.floats(0.01, 10)
PURPOSES = st.sampled_from(["any", "inference", "training"])
SCOPES = st.sampled_from(["all", "training", "inference", "region"])


@given(SCOPES, PURPOSES, st.sampled_from(["north", "south"]), st.floats(0, 10), st.booleans())
def test_a_narrower_scope_never_forbids_more(scope, purpose, region, time, other):
    seller = "other" if other else "holder"
    clause = {"lab": "lab", "holder": "holder", "until": 5.0}
    wide = SupplyExclusivity(**clause)
    narrow = SupplyExclusivity(**clause, scope=scope, region="north")
    deal = ("lab", seller, time, purpose, region)
    assert narrow.forbids(*deal) <= wide.forbids(*deal) == (other and time < 5)
    assert wide.forbids("lab", seller, time) >= narrow.forbids("lab", seller, time)


@given(SCOPES, PURPOSES, USD, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 600))
def test_what_may_be_broken_forbids_nothing_and_costs_more_for_more(
    scope, purpose, price, one, other, months
):
    clause = SupplyExclusivity(
        lab="lab", holder="holder", until=5.0, scope=scope, breach_usd_per_h100e_hour=price
    )
    assert not clause.forbids("lab", "other", 1.0, purpose, "north")
    less, more = sorted([one, other])
    assert 0 <= clause.damages_cents(less, months) <= clause.damages_cents(more, months)


@given(SHARES, SHARES, USD)
def test_exclusivity_never_leaves_a_pair_more_than_competition(served, power, margin):
    """Bernheim and Whinston 1998: it leaves as much only where the holder can serve everything."""
    given_ = {"margin": margin, "served": served, "lab_power": power}
    none, refusal, supply = (worth(kind, **given_) for kind in KINDS)
    assert supply.joint <= none.joint + 1e-12 * margin
    assert float(none.joint - supply.joint) == pytest.approx((1 - served) * power * margin / 2)
    assert float(refusal.joint - none.joint) == pytest.approx(served * margin / 24, abs=1e-12)


@given(USD, USD, st.floats(1, 200), st.floats(1, 200), st.floats(1, 1e6), st.floats(1, 1e6))
def test_a_favoured_price_only_follows_down(price, other, months, others, h100e, of):
    if MostFavoured().follows(price, months, h100e, other, others, of):
        assert other < price
        assert others <= months
        assert of <= h100e


@given(st.integers(0, 10**14), st.floats(-5, 200), st.floats(-5, 200))
def test_what_is_accelerated_is_what_is_left_of_the_floor(monthly, one, other):
    less, more = sorted([one, other])
    clause = CrossDefault(names=("parent",))
    assert 0 <= clause.damages_cents(monthly, less) <= clause.damages_cents(monthly, more)
    assert clause.triggered_by("buyer", {"parent"})
    assert not clause.triggered_by("buyer", {"stranger"})


@pytest.fixture(scope="module")
def view():
    market = Market(degenerate({"New": lab(3.0)}, {"Cloud": cloud(0.5, 9.0)}), rng=1)
    return cloud_views(market)["Cloud"]


@given(floor=USD, prices=st.lists(USD, max_size=4), h100e=st.floats(1, 1e5))
def test_a_floor_with_rebates_is_where_the_cloud_breaks_even(view, floor, prices, h100e):
    promises = tuple(
        Favoured(lab=7, pool_index=0, price=p, months=60, months_left=30, h100e=1e5)
        for p in sorted(prices, reverse=True)
    )
    one = np.ones(1)
    ask = Ask(
        lab=np.zeros(1, dtype=int),
        start_months=one,
        h100e=h100e * one,
        hazard_per_month=0 * one,
        use=np.ones((1, 1, 1)),
    )
    column = Column(
        pool_index=0, running=0.0, room_h100e=1e5 * one, capital=floor * np.ones((1, 1, 1))
    )
    got = float(with_rebates(replace(view, favoured=promises), ask, column).capital.max())
    owed = 1e5 * 30 / (h100e * 36)
    assert got >= floor
    rebates = sum(owed * max(p - got, 0.0) for p in prices)
    assert got - rebates == pytest.approx(floor, rel=1e-3)


@FEW
@given(scenarios())
def test_nobody_signs_around_a_clause_of_any_scope(scenario):
    """Read off the journal alone: what was in force when a contract was drafted allowed it."""
    books = played(scenario, check=False).books
    paid = {p.reference for p in books.postings if p.label == "breach"}
    for contract in books.contracts.facts:
        if contract.ceiling is None:
            continue
        assert contract.price_usd_per_h100e_hour >= 0
        for clause in in_force(books, contract.signed):
            deal = (contract.buyer, contract.seller, contract.signed)
            if isinstance(clause, SupplyExclusivity) and clause.covers(
                *deal, contract.purpose, contract.pool.region
            ):
                assert clause.breach_usd_per_h100e_hour is not None
                assert clause.agreement in contract.breaches
                owes = clause.breach_usd_per_h100e_hour > 0
                assert not owes or contract.name in paid or clause.until < contract.signed + 3


def in_force(books: Books, time: float) -> list:
    """Return the clauses in force when deals of a month are drafted: what begins later does not bind."""
    clauses: list = []
    for when, event in books.journal:
        if when > time:
            break
        match event:
            case Agreed():
                clauses.append(event.clause)
            case Lapsed() | Waived():
                if event.clause in clauses:
                    clauses.remove(event.clause)
            case Signed():
                clauses.extend(event.contract.clauses)
    return clauses


@FEW
@given(scenarios(first_refusal=True))
def test_a_match_is_on_the_terms_that_were_notified(scenario):
    books = played(scenario, check=False).books
    for _, event in books.journal:
        if isinstance(event, Noticed) and event.match is not None:
            offered, match = event.contract, event.match
            for term in ("price_usd_per_h100e_hour", "start", "end", "take_or_pay", "prepayment"):
                assert getattr(match, term) == getattr(offered, term)
            assert match.h100e >= offered.h100e * (1 - 1e-9)
            assert match.floor is not None
            assert match.floor <= match.price_usd_per_h100e_hour * (1 + 1e-9)


@FEW
@given(scenarios(least_cash_usd=0.0))
def test_accelerating_and_repricing_create_no_money(scenario):
    market = played(scenario, check=False)
    books = market.books
    entered = sum(e.deposits_cents for _, e in books.journal if isinstance(e, Entered))
    assert sum(books.deposits.values()) == entered
    facts = {c.name: c for c in books.contracts.facts}
    price = {name: c.price_usd_per_h100e_hour for name, c in facts.items()}
    for _, event in books.journal:
        if isinstance(event, Repriced | Renegotiated):
            price[event.contract] = event.price_usd_per_h100e_hour
        if isinstance(event, Lowered):
            assert event.price_usd_per_h100e_hour < price[event.contract]
            assert facts[event.contract].most_favoured is not None
            price[event.contract] = event.price_usd_per_h100e_hour
    failed = {e.name for _, e in books.journal if isinstance(e, Defaulted)}
    ended = [
        facts[event.contract]
        for _, event in books.journal
        if isinstance(event, Terminated) and event.cause.startswith("event:")
    ]
    assert all(c.cross_default or {c.buyer, c.seller} & failed for c in ended)
    assert not any(
        isinstance(c, SupplyExclusivity | FirstRefusal) and {c.lab, c.holder} & failed
        for c in books.clauses
    )


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.floats(0, 2), st.floats(0, 2))
def test_a_promise_is_taken_iff_it_gains_both_and_the_price_can_pay_for_it(lab_gains, own, cost):
    lab_gain = np.array([0.0, *lab_gains[1:]]).reshape(1, 1, 1, 3)
    holder = np.array([0.0, own, lab_gains[0]]).reshape(1, 1, 1, 3)
    menu = Promises(lab=lab_gain, holder=holder, open=np.ones((1, 1, 1, 3), dtype=bool))
    at = (np.zeros((1, 1), dtype=int),) * 3
    chosen = int(menu.gains(np.full((1, 1), cost), at).argmax())
    assert cost - holder.ravel()[chosen] >= 0
    for other in range(3):
        if holder.ravel()[other] <= cost:
            assert menu.joint.ravel()[chosen] >= menu.joint.ravel()[other]
