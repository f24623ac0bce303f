"""Money and kilowatts are neither made nor lost, whatever the scenario."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings

from offtake.model import checks
from offtake.model.contracts import BEGUN, Stage
from offtake.model.dealing import SupplyExclusivity
from offtake.model.events import (
    Agreed,
    Cleared,
    Defaulted,
    Entered,
    Opened,
    Posted,
    ShellsOffered,
    Sold,
    Voided,
)
from offtake.model.invariants import InvariantViolation
from offtake.model.market import Market
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.reading import load_scenario
from offtake.model.scenario import Scenario
from offtake.model.worth import hours_asked
from tests.generated import played, scenarios

MARKETS = settings(max_examples=20)
ROUNDING = 1e-6


@settings(max_examples=40)
@given(scenarios())
def test_generated_scenarios_are_valid(scenario: Scenario):
    found = [*checks.check_terms(scenario), *checks.check_capacity(scenario)]
    assert [issue.message for issue in found] == []


@MARKETS
@given(scenarios())
def test_deposits_sum_to_what_was_entered(scenario: Scenario):
    market = Market(scenario, rng=1)
    entered = sum(e.deposits_cents for _, e in market.books.journal if isinstance(e, Entered))
    for _ in range(scenario.months):
        market.step()
        assert sum(market.books.deposits.values()) == entered


@MARKETS
@given(scenarios())
def test_deposits_are_what_postings_moved(scenario: Scenario):
    books = played(scenario).books
    moved: Counter[str] = Counter()
    for _, event in books.journal:
        if isinstance(event, Entered):
            moved[event.name] += event.deposits_cents
        elif isinstance(event, Posted):
            for posting in event.postings:
                assert posting.cents > 0
                moved[posting.payer] -= posting.cents
                moved[posting.payee] += posting.cents
    assert {name: moved[name] for name in books.deposits} == books.deposits


@MARKETS
@given(scenarios())
def test_claims_are_what_entries_changed_and_have_holder_and_issuer(scenario: Scenario):
    books = played(scenario).books
    owed: Counter[tuple[str, str, str, str]] = Counter()
    for _, event in books.journal:
        if isinstance(event, Posted):
            for holder, issuer, kind, cents, reference in event.claims:
                owed[holder, issuer, kind, reference] += cents
    assert {key: cents for key, cents in owed.items() if cents} == books.claims
    assert all(cents > 0 for cents in books.claims.values())
    assert all({holder, issuer} <= set(books.deposits) for holder, issuer, _, _ in books.claims)


@MARKETS
@given(scenarios())
def test_only_external_accounts_are_overdrawn(scenario: Scenario):
    deposits = played(scenario).books.deposits
    short = {name for name, cents in deposits.items() if cents < 0}
    assert short <= {"Customers", "Suppliers"}


@MARKETS
@given(scenarios())
def test_sites_by_stage_hold_what_was_created(scenario: Scenario):
    books = played(scenario).books
    created = sum(e.site.capacity_kw for _, e in books.journal if isinstance(e, Opened))
    by_stage: Counter[Stage] = Counter()
    for site in books.sites.values():
        by_stage[site.stage] += site.capacity_kw
    assert by_stage.total() == created == books.created_kw
    assert by_stage[Stage.CANCELLED] == books.cancelled_kw
    assert by_stage[Stage.ENERGISED] == int(books.energised_kw.sum())


@MARKETS
@given(scenarios())
def test_the_committed_profile_is_the_sum_of_contracts_and_escrow(scenario: Scenario):
    market = Market(scenario, rng=1)
    for _ in range(scenario.months):
        market.step()
    np.testing.assert_array_equal(market.books.committed_kw, committed_from_scratch(market))


def committed_from_scratch(market: Market) -> np.ndarray:
    books = market.books
    terms = [
        (fact, float(books.contracts.end[row])) for row, fact in enumerate(books.contracts.facts)
    ]
    escrow = [c for n in books.notices.values() for c in n.in_escrow]
    terms += [(contract, contract.end) for contract in escrow]
    total = np.zeros_like(books.committed_kw)
    for contract, end in terms:
        first, steps = int(np.floor(contract.start)), max(contract.ramp.months, 1)
        for month in range(max(first, 0), min(int(np.ceil(end)), books.horizon)):
            step = min(month - first + 1, steps)
            total[books.pool_index[contract.pool], month] += contract.capacity_kw * step // steps
    return total


@MARKETS
@given(scenarios())
def test_contracts_deliver_no_more_than_is_energised_and_not_kept(scenario: Scenario):
    market = Market(scenario, rng=1)
    c = market.books.contracts
    for _ in range(4 * scenario.months):
        market.run_for(0.25)
        delivered: Counter[int] = Counter()
        for row in range(c.size):
            assert 0 <= c.delivered_kw[row] <= c.kw[row] <= c.facts[row].capacity_kw
            delivered[int(c.pool[row])] += int(c.delivered_kw[row])
        left = market.books.energised_kw - market.books.own_kw
        assert all(kw <= left[pool] for pool, kw in delivered.items())


@MARKETS
@given(scenarios())
def test_no_cloud_delivers_more_compute_than_it_has_energised(scenario: Scenario):
    market = Market(scenario, rng=1)
    for _ in range(scenario.months):
        seen = len(market.books.journal)
        market.step()
        books = market.books
        assert books.served is not None
        left = (books.energised_kw - books.own_kw) * books.theta / 1000
        most = np.bincount(books.pool_cloud, weights=left, minlength=len(books.clouds))
        for _, event in books.journal[seen:]:
            if isinstance(event, Sold):  # it has delivered before its owner failed
                site = books.sites[event.site]
                h100e = site.capacity_kw * books.theta[books.pool_index[site.pool]] / 1000
                most[books.cloud_index[event.failed]] += h100e
        delivered = books.served.delivered_h100e.sum(axis=0)
        assert (delivered <= most * (1 + ROUNDING) + ROUNDING).all()


@MARKETS
@given(scenarios())
def test_load_is_served_by_delivered_compute_only(scenario: Scenario):
    market = Market(scenario, rng=1)
    for _ in range(scenario.months):
        assert market.books.served is not None
        users = market.books.served.users_million
        market.step()
        load = users * 1e6 * hours_asked(market, market.month - 1) / HOURS_PER_MONTH
        served = (1 - market.books.served.unserved) * load
        capacity = market.books.served.delivered_h100e.sum(axis=1)
        assert (served <= capacity * (1 + ROUNDING) + ROUNDING).all()


@MARKETS
@given(scenarios())
def test_landlords_let_what_they_have(scenario: Scenario):
    books = played(scenario).books
    offered: defaultdict[str, int] = defaultdict(int)
    for _, event in books.journal:
        if isinstance(event, ShellsOffered):
            offered[event.landlord] += event.capacity_kw
        elif isinstance(event, Opened) and event.site.landlord and event.site.opened >= 0:
            offered[event.site.landlord] -= event.site.capacity_kw
    for site in books.sites.values():
        if site.stage is Stage.CANCELLED and site.landlord:
            offered[site.landlord] += site.capacity_kw
    begun: defaultdict[str, int] = defaultdict(int)
    for name, left in books.given_up.items():
        if books.sites[name].landlord and left.stage in BEGUN:
            begun[books.sites[name].landlord or ""] += books.sites[name].capacity_kw
    assert {n: kw - begun[n] for n, kw in offered.items()} == books.shells_kw
    assert all(kw >= 0 for kw in offered.values())


@MARKETS
@given(scenarios(exclusive=True))
def test_no_contract_is_signed_around_an_exclusivity(scenario: Scenario):
    market = played(scenario, check=False)
    lab, holder = scenario.agreements["a-0"].lab, scenario.agreements["a-0"].cloud
    clause = next(
        event.clause
        for _, event in market.books.journal
        if isinstance(event, Agreed)
        and isinstance(event.clause, SupplyExclusivity)
        and event.clause.lab == lab
    )
    lapsed = [
        time
        for time, event in market.books.journal
        if (isinstance(event, Defaulted) and event.name == holder)
        or (isinstance(event, Voided) and event.clause == clause)
    ]
    until = min([clause.until, *lapsed])  # neither a holder that has failed nor a void clause binds
    signed = [c for c in market.books.contracts.facts if c.ceiling is not None and c.buyer == lab]
    assert all(c.seller == holder for c in signed if c.signed < until)
    spot = [
        (time, market.books.pools[pool].cloud)
        for time, event in market.books.journal
        if isinstance(event, Cleared)
        for buyer, pool, *_ in event.purchases
        if buyer == lab
    ]
    assert all(cloud == holder for time, cloud in spot if time < until)


def test_a_lab_bound_by_exclusivity_does_buy_from_its_holder():
    scenario = load_scenario("duopoly")
    books = played(scenario, months=11).books
    signed = [c for c in books.contracts.facts if c.ceiling is not None and c.buyer == "Lab B"]
    assert {c.seller for c in signed} == {"Cloud Y"}


@pytest.mark.parametrize("name", ["duopoly", "stargate-2025"])
def test_embedded_scenarios_hold_every_invariant(name: str):
    scenario = load_scenario(name)
    played(scenario, months=12, check=True)


@MARKETS
@given(scenarios(least_cash_usd=0.0))
def test_invariants_hold_though_labs_start_without_cash(scenario: Scenario):
    try:
        played(scenario, check=True)
    except InvariantViolation as violation:
        raise AssertionError(str(violation)) from violation
