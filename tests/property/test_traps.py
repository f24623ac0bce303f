"""Traps of market models, each with the test that catches it (economics, section 6.3)."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from offtake.agents.labs import mean_value
from offtake.model.bargaining import Match, Outcome, OutsideOptions
from offtake.model.clearing import CLEARING_STEPS
from offtake.model.events import (
    Claim,
    Defaulted,
    Noticed,
    Opened,
    Posted,
    Signed,
    Tendered,
    Withdrawn,
)
from offtake.model.market import Market
from offtake.model.pairs import promised_now_h100e
from offtake.model.reading import load_scenario
from offtake.model.scenario import DatedEvent, Lab, Scenario, SiteGiven
from offtake.model.solvency import check_solvency
from offtake.model.spot_demand import affordable_on_spot, gap_now, spot_bids, value_spot
from tests.generated import played, scenarios

DUOPOLY = load_scenario("duopoly")
FEW = settings(max_examples=15)
FAR = dt.date(2060, 1, 1)


def changed(scenario: Scenario, **tables: Any) -> Scenario:
    """Return a scenario with entries of tables replaced."""
    return scenario.model_copy(update=tables)


def recorded(market: Market, observable: str) -> np.ndarray:
    return np.array(market.recorder.values[observable])


# Expectation artefacts: a steady state without noise stays steady


def steady() -> Scenario:
    """Return the duopoly with nothing that grows, falls, ends or is random."""
    still = {
        "innovation_per_year": 0.0,
        "imitation_per_year": 0.0,
        "usage_growth_per_month": 0.0,
        "willingness_growth_per_month": 0.0,
        "efficiency_growth_per_month": 0.0,
        "training_efficiency_growth_per_month": 0.0,
        "quality_noise_per_month": 0.0,
        "usage_noise_per_month": 0.0,
    }
    labs = {
        n: lab.model_copy(
            update={
                "momentum": 0.0,
                "training_funding_share": 0.0,
                "training_revenue_share": lab.training_h100e
                * 2.0
                * 730.5
                / (lab.users_million * 1e6 * lab.price_usd_per_user_month),
            }
        )
        for n, lab in DUOPOLY.labs.items()
    }
    names = ("x-a-base", "x-a-flexible", "y-b-base")
    return changed(
        DUOPOLY,
        demand=DUOPOLY.demand.model_copy(update=still),
        beliefs=DUOPOLY.beliefs.model_copy(
            update={"growth_per_month": 0.0, "price_decline_per_year": 0.0, "error_variance": 1e-8}
        ),
        labs=labs,
        contracts={n: DUOPOLY.contracts[n].model_copy(update={"end": FAR}) for n in names},
        sites={n: DUOPOLY.sites[n] for n in ("x-1", "y-1")},
        tranches={},
        policies={},
        agreements={},
    )


def test_a_market_without_growth_and_noise_stays_as_it_is():
    market = Market(steady(), rng=1)
    served = market.books.served
    assert served is not None
    first = (served.users_million, served.price_usd, served.load_h100e + served.training_need_h100e)
    market.run_until(24)
    served = market.books.served
    assert served is not None
    last = (served.users_million, served.price_usd, served.load_h100e + served.training_need_h100e)
    for before, after in zip(first, last, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-9)
    assert market.contract_price == pytest.approx(2.0, rel=1e-12)
    assert market.books.contracts.size == 3
    assert not any(isinstance(e, Opened | Tendered) for _, e in market.books.journal[40:])


# Capacity that is not there


def test_what_never_energises_delivers_nothing_and_bills_nothing():
    late = {
        "x-1": DUOPOLY.sites["x-1"].model_copy(
            update={"stage": "building", "construction_months": 5e4, "grid_months": 5e4}
        )
    }
    idle = {"pricer": "fixed-floor", "builder": "finish-what-is-signed"}
    market = played(
        changed(
            DUOPOLY,
            sites=late,
            contracts={"x-a-base": DUOPOLY.contracts["x-a-base"].model_copy(update={"end": FAR})},
            clouds={
                n: c.model_copy(update={"strategies": idle}) for n, c in DUOPOLY.clouds.items()
            },
        ),
        months=12,
    )
    books = market.books
    assert books.contracts.state[books.contracts.row["x-a-base"]] == "active"
    paid = [
        p
        for _, e in books.journal
        if isinstance(e, Posted)
        for p in e.postings
        if p.reference == "x-a-base"
    ]
    assert paid == []
    assert not books.energised_kw.any()
    assert not recorded(market, "delivered_h100e").any()
    assert (recorded(market, "unserved") == 1).all()


def test_the_same_contract_delivers_and_bills_once_it_is_energised():
    market = played(DUOPOLY, months=2)
    labels = [
        p.cents
        for _, e in market.books.journal
        if isinstance(e, Posted)
        for p in e.postings
        if p.reference == "x-a-base"
    ]
    assert labels == [round(120 * 800 * 2.0 * 730.5 * 100)] * 2


# Phantom demand


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_halved_demand_lowers_the_price_of_new_contracts(seed: int):
    halved = DatedEvent(on=dt.date(2025, 4, 1), what="half of usage goes away", usage_shock=-0.5)
    before = played(DUOPOLY, seed=seed)
    after = played(changed(DUOPOLY, events={"halved": halved}), seed=seed)
    assert before.month == after.month == 24
    late = slice(12, 24)
    assert recorded(after, "price_new")[late].mean() < recorded(before, "price_new")[late].mean()
    assert after.contract_price < before.contract_price


def test_halved_demand_lowers_the_price_in_the_baseline():
    scenario = load_scenario("stargate-2025")
    halved = DatedEvent(on=dt.date(2025, 3, 1), what="half of usage goes away", usage_shock=-0.5)
    before = played(scenario, months=10)
    after = played(changed(scenario, events=scenario.events | {"halved": halved}), months=10)
    assert after.contract_price < before.contract_price
    assert np.nanmean(recorded(after, "price_spot")[3:]) < np.nanmean(
        recorded(before, "price_spot")[3:]
    )


def poor(lab: Lab) -> Lab:
    return lab.model_copy(update={"cash_usd": 0.0, "price_usd_per_user_month": 1e-6})


def test_a_lab_without_cash_and_revenue_signs_nothing():
    labs = {"Lab A": poor(DUOPOLY.labs["Lab A"]), "Lab B": DUOPOLY.labs["Lab B"]}
    broke = changed(DUOPOLY, labs=labs, tranches={}, contracts={}, investors={})
    books = played(broke, months=12, check=False).books
    assert [c for c in books.contracts.facts if c.buyer == "Lab A"] == []
    assert [c for c in books.contracts.facts if c.buyer == "Lab B"] != []


@FEW
@given(scenarios())
def test_take_or_pay_stays_within_what_a_lab_can_bear(scenario: Scenario):
    """Obligations after a month's signatures are within the budget of its view (pro-6)."""
    market = Market(scenario, rng=1, check=False)
    kappa = scenario.procurement.affordability
    for _ in range(min(scenario.months, 8)):
        before = market.books.contracts.size
        market.step()
        for name, view in market.lab_views.items():
            new = [
                c
                for c in market.books.contracts.facts[before:]
                if c.buyer == name and c.signed == market.time
            ]
            budget = kappa * view.resources_usd - view.obligations_usd
            if budget <= 0:
                assert all(c.take_or_pay.floor == 0 for c in new)


# One-horizon procurement


def slow(shock: bool) -> Scenario:
    region = DUOPOLY.regions["home"].model_copy(
        update={"construction_mean_months": 24.0, "grid_mean_months": 30.0}
    )
    doubled = DatedEvent(on=dt.date(2025, 4, 1), what="usage doubles", usage_shock=1.0)
    return changed(
        DUOPOLY, regions={"home": region}, events={"doubled": doubled} if shock else {}, policies={}
    )


def opened_kw(market: Market, since: float, until: float) -> int:
    return sum(
        e.site.capacity_kw
        for time, e in market.books.journal
        if isinstance(e, Opened) and since <= time <= until
    )


def test_a_demand_step_with_a_long_lead_starts_builds_at_once():
    step, calm = played(slow(True), months=8), played(slow(False), months=8)
    assert opened_kw(step, 0, 2) == opened_kw(calm, 0, 2)
    assert opened_kw(step, 3, 5) > opened_kw(calm, 3, 5)


def test_a_present_shortage_does_not_suppress_orders_for_later():
    market = played(slow(True), months=5)
    starts = {
        start
        for time, e in market.books.journal
        if isinstance(e, Tendered) and time >= 3 and e.lab == "Lab A"
        for start, _ in e.lots
    }
    assert starts == set(DUOPOLY.procurement.lots_months)


# Inconsistent valuation


def test_spot_bids_stand_on_the_curve_that_values_contracts():
    market = Market(DUOPOLY, rng=1)
    for _ in range(12):
        market.step()
        value_spot(market)
        served, slope = market.books.served, DUOPOLY.demand.value_slope
        assert served is not None
        for index, name in enumerate(market.setup.labs):
            view = replace(
                market.lab_views[name],
                inference_value=float(market.spot_values[0, index]),
                training_value=float(market.spot_values[1, index]),
                contract_price=market.contract_price,
            )
            load = float(served.load_h100e[index])
            need = load + float(served.training_need_h100e[index])
            bids, low = spot_bids(market, index, need), 0.0
            assert len(bids) > 1
            for price, h100e in bids:
                worth = mean_value(view, low, low + h100e, load)
                assert price == pytest.approx(worth, rel=1e-6)
                low += h100e
            assert low == pytest.approx(need)
            assert bids[0][0] <= view.inference_value
            assert bids[0][0] > view.inference_value * (1 - slope)


def test_a_lab_short_of_cash_bids_for_its_unserved_users_first():
    lab = DUOPOLY.labs["Lab A"].model_copy(
        update={"cash_usd": 1e7, "training_funding_share": 0.0, "training_revenue_share": 0.3}
    )
    idle = DUOPOLY.clouds["Cloud Y"].model_copy(update={"own_use_mw": 0.0})
    market = Market(
        changed(
            DUOPOLY,
            labs=DUOPOLY.labs | {"Lab A": lab},
            clouds=DUOPOLY.clouds | {"Cloud Y": idle},
            contracts={},
            tranches={},
            investors={},
        ),
        rng=1,
        strategies={"Lab A": {"procurer": lambda view: None}},
    )
    market.step()
    gap, purse = float(gap_now(market)[0]), float(affordable_on_spot(market)[0])
    assert 0 < purse < min(gap, market.lab_views["Lab A"].load_h100e / 2)
    price, _ = spot_bids(market, 0, gap, purse)[0]
    slope = DUOPOLY.demand.value_slope
    assert price >= float(market.spot_values[0, 0]) * (1 - slope / 2)


@FEW
@given(scenarios())
def test_spot_never_clears_above_the_highest_value_of_compute(scenario: Scenario):
    market = Market(scenario, rng=1, check=False)
    for _ in range(scenario.months):
        market.step()
        most = float(market.spot_values.max()) * 4 + 4 * market.contract_price
        for cleared in market.books.spot.values():
            assert 0 <= cleared.price_usd_per_h100e_hour <= most


# Double-counted outside options and arbitrary price updates


class Watching:
    """A bargainer whose bounds are kept."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.bounds: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, match: Match) -> Outcome:
        outcome = self.inner(match)
        self.bounds.append((outcome.lo, outcome.hi))
        return outcome


def crossings(scenario: Scenario) -> np.ndarray:
    """Return by match how far the lower bound of bar-1 lies above the upper one, in increments."""
    market = Market(scenario, rng=1)
    watching = Watching(OutsideOptions())
    market.bargainer = watching
    market.run_until(scenario.months)
    gaps = [
        (lo - hi) / scenario.negotiation.increment_usd_per_h100e_hour for lo, hi in watching.bounds
    ]
    return np.concatenate(gaps) if gaps else np.zeros(0)


@pytest.mark.parametrize("name", ["duopoly", "stargate-2025", "exclusivity-kept", "no-softbank"])
def test_outside_options_leave_room_for_a_price(name: str):
    gaps = crossings(load_scenario(name))
    assert len(gaps) > 20
    assert gaps.max() <= 3


@FEW
@given(scenarios())
def test_outside_options_leave_room_for_a_price_in_any_market(scenario: Scenario):
    assert crossings(scenario).max(initial=0.0) <= CLEARING_STEPS


def test_a_lot_keeps_a_column_that_nobody_could_outbid_it_for():
    """Settling near-ties may not push a lot to a column it values far less (bar-1)."""
    coarse = DUOPOLY.negotiation.model_copy(update={"increment_usd_per_h100e_hour": 0.05})
    assert crossings(changed(DUOPOLY, negotiation=coarse)).max() <= CLEARING_STEPS


def test_halving_the_price_step_moves_prices_little():
    half = DUOPOLY.negotiation.increment_usd_per_h100e_hour / 2
    finer = DUOPOLY.negotiation.model_copy(update={"increment_usd_per_h100e_hour": half})
    ratios = [
        played(changed(DUOPOLY, negotiation=finer), seed=seed).contract_price
        / played(DUOPOLY, seed=seed).contract_price
        for seed in range(1, 11)
    ]
    assert abs(np.log(ratios)).max() > 0  # paths do part, one by up to a tenth
    assert np.mean(np.log(ratios)) == pytest.approx(0.0, abs=0.025)


# First months


def test_the_first_months_of_the_baseline_show_no_jump():
    market = played(load_scenario("stargate-2025"), months=3)
    share = recorded(market, "share_compute")
    assert np.abs(np.diff(share, axis=0)).max() < 0.03
    dependence = recorded(market, "dependence")
    assert np.abs(np.diff(dependence, axis=0)).max() < 0.12
    total = recorded(market, "delivered_h100e").sum(axis=1)
    assert np.abs(np.diff(np.log(total))).max() < 0.12  # compute that stood free is sold


def test_the_first_month_of_the_baseline_delivers_what_its_contracts_say():
    scenario = load_scenario("stargate-2025")
    market = Market(scenario, rng=1)
    given = promised_now_h100e(market).sum(axis=1)
    market.step()
    delivered = recorded(market, "delivered_h100e")[0]
    np.testing.assert_allclose(delivered, given, rtol=0.10)


# Clauses as labels: first refusal


def test_an_offer_under_first_refusal_is_signed_when_its_window_closes():
    books = played(DUOPOLY, months=18).books
    notices = [(t, e) for t, e in books.journal if isinstance(e, Noticed)]
    assert notices
    for time, notice in notices:
        assert (notice.contract.buyer, notice.holder) == ("Lab A", "Cloud X")
        assert notice.contract.seller != notice.holder
        assert notice.closes == pytest.approx(time + 30 * 24 / 730.5)
        signed = [
            (t, e.contract.seller)
            for t, e in books.journal
            if isinstance(e, Signed)
            and t == notice.closes
            and e.offer in (notice.contract.name, "")
            and e.contract.signed == t
        ]
        if notice.closes < 18:
            seller = notice.contract.seller if notice.match is None else notice.match.seller
            assert (notice.closes, seller) in signed


@pytest.mark.parametrize(("floor_usd", "matches"), [(0.8, True), (2.9, False)])
def test_a_holder_matches_iff_the_offer_covers_its_floor(floor_usd: float, matches: bool):
    """The rival's price lies between its own floor and the lab's value."""
    scenario = refusal(floor_usd)
    market = played(scenario, months=1.99)
    notices = [e for _, e in market.books.journal if isinstance(e, Noticed)]
    assert len(notices) == 1
    signed = [c for c in market.books.contracts.facts if c.ceiling is not None]
    assert [c.seller for c in signed] == ["Cloud X" if matches else "Cloud Y"]
    withdrawn = [e for _, e in market.books.journal if isinstance(e, Withdrawn)]
    assert len(withdrawn) == matches


def refusal(holder_floor_usd: float) -> Scenario:
    """Return one lab that prefers Cloud Y, while Cloud X holds a first refusal."""
    clouds = {
        name: DUOPOLY.clouds[name].model_copy(
            update={
                "floor_usd_per_h100e_hour": floor,
                "own_use_mw": 0.0,
                "discount_per_year": 0.09,
                "strategies": {"pricer": "fixed-floor", "builder": "finish-what-is-signed"},
            }
        )
        for name, floor in (("Cloud X", holder_floor_usd), ("Cloud Y", 0.7))
    }
    lab = DUOPOLY.labs["Lab A"].model_copy(
        update={
            "value_usd_per_h100e_hour": 3.0,
            "cash_usd": 1e12,
            "strategies": {"procurer": "ask-once"},
            "porting_usd_per_h100e_hour": {"Cloud X": 1.0},
        }
    )
    one = {"terms_months": (24,), "take_or_pay": (1.0,), "prepayment": (0.0,)}
    return changed(
        DUOPOLY,
        months=6,
        labs={"Lab A": lab},
        clouds=clouds,
        contracts={},
        tranches={},
        policies={},
        agreements={"lab-a-cloud-x": DUOPOLY.agreements["lab-a-cloud-x"]},
        sites={
            n: SiteGiven(cloud=c, region="home", chip="gpu-1", capacity_mw=300.0, stage="energised")
            for n, c in (("x", "Cloud X"), ("y", "Cloud Y"))
        },
        negotiation=DUOPOLY.negotiation.model_copy(update=one),
    )


def test_nobody_signs_for_a_lab_that_fails_within_the_window():
    """The holder has chosen to match, then the buyer fails before the window closes."""
    market = Market(refusal(0.8), rng=1, check=False)
    market.run_until(1.5)
    (notice,) = market.books.notices.values()
    assert isinstance(notice, Noticed)
    assert notice.match is not None
    market.apply(Defaulted(name="Lab A", cause="test"))
    market.run_until(2.5)
    assert [c for c in market.books.contracts.facts if c.buyer == "Lab A"] == []
    market.check_invariants()


# Survivorship and default


def failing() -> Scenario:
    """Return the duopoly with a Lab B that cannot pay for long."""
    lab = DUOPOLY.labs["Lab B"].model_copy(
        update={"cash_usd": 1e8, "price_usd_per_user_month": 0.1, "training_funding_share": 0.0}
    )
    return changed(DUOPOLY, labs=DUOPOLY.labs | {"Lab B": lab}, investors={}, tranches={})


def test_a_failed_lab_stays_in_every_table():
    market = played(failing(), months=12)
    assert market.books.failed == {"Lab B"}
    table = market.frames()["trajectories"]
    rows = table.filter(table["name"] == "Lab B", table["observable"] == "users_million")
    assert rows["month"].to_list() == list(range(12))
    assert len(market.agents) == len(market.participants)
    assert market.participants["Lab B"] in market.agents
    assert not market.participants["Lab B"].active
    assert recorded(market, "defaults")[-1] == 1


def test_default_comes_after_arrears_and_grace():
    market = Market(failing(), rng=1)
    grace = DUOPOLY.finance.grace_months
    while "Lab B" not in market.books.arrears_since:
        market.step()
    since = market.books.arrears_since["Lab B"]
    assert since == market.time
    market.run_until(since + grace - 1)
    assert "Lab B" not in market.books.failed
    market.run_until(since + grace)
    assert "Lab B" in market.books.failed


def test_a_failed_lab_signs_nothing_more_and_its_contracts_end():
    books = played(failing(), months=12).books
    failed_at = next(t for t, e in books.journal if isinstance(e, Defaulted))
    mine = [
        (c, s)
        for c, s in zip(books.contracts.facts, books.contracts.state, strict=True)
        if c.buyer == "Lab B"
    ]
    assert all(contract.signed <= failed_at for contract, _ in mine)
    assert {state for _, state in mine} <= {"terminated", "ended"}
    assert books.owed("Lab B") == 0


def test_recovery_is_pari_passu_to_the_cent():
    now = DUOPOLY.finance.model_copy(update={"grace_months": 0})
    lab = DUOPOLY.labs["Lab B"].model_copy(update={"cash_usd": 1.0})
    labs = DUOPOLY.labs | {"Lab B": lab}
    market = Market(changed(DUOPOLY, finance=now, labs=labs), rng=1)
    owed = {"Cloud X": 200, "Cloud Y": 100, "Landlord": 7}
    claims = tuple(Claim(who, "Lab B", "arrears", cents) for who, cents in owed.items())
    equity = Claim("Fund", "Lab B", "equity", 1_000)
    before = dict(market.books.deposits)
    market.apply(Posted(postings=(), claims=(*claims, equity), cause="test"))
    check_solvency(market)
    got = {who: market.books.deposits[who] - before[who] for who in owed}
    assert got == {"Cloud X": 65, "Cloud Y": 33, "Landlord": 2}  # of 100 cents: 65.15, 32.57, 2.28
    assert market.books.deposits["Lab B"] == 0
    assert market.books.owed("Lab B") == 0
    assert market.books.failed == {"Lab B"}
    market.check_invariants()


# Scripted history and unit slips


def test_nothing_dated_after_the_cutoff_is_given_as_a_fact():
    scenario = load_scenario("stargate-2025")
    later = [
        name
        for table, key in ((scenario.events, "on"), (scenario.policies, "effective"))
        for name, entry in table.items()
        if getattr(entry, key) > scenario.cutoff and entry.source not in ("judgement", "what-if")
    ]
    assert later == []


def test_magnitudes_of_the_baseline_are_those_of_the_world():
    """Guards against kW for MW, months for years, chips for H100e."""
    market = played(load_scenario("stargate-2025"), months=3)
    assert 1e3 < market.books.energised_kw.sum() / 1000 < 1e5
    assert 0.3 < market.contract_price < 10
    assert 1e6 < recorded(market, "delivered_h100e")[-1].sum() < 1e8
    assert 1e9 < recorded(market, "run_rate_usd")[-1].sum() < 1e13
