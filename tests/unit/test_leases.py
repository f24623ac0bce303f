"""Leases: deferral, giving up in whole and in part, takeover, re-letting and the rent of shells."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from offtake.agents.clouds import RealOptions
from offtake.model.contracts import Stage
from offtake.model.events import Cancelled, Deferred, Parted, ShellsCleared, Transferred
from offtake.model.invariants import violations
from offtake.model.market import Market
from offtake.model.proposals import (
    Cancel,
    Defer,
    OpenSite,
    Reduce,
    SitePlan,
    StartBuilding,
    TurnToLease,
)
from offtake.model.reletting import relet
from offtake.model.view import CloudView, Slot
from tests.degenerate import after, cloud, lab, scenario, silent

RENT = 100.0
KW = 100_000
LANDLORD = {"cash_usd": 1e6, "region": "home", "available_mw": 0.0, "rent_usd_per_kw_month": RENT}
LETS = dict[str, dict[str, Any]]


def propose(*by_month: tuple[int, SitePlan]) -> Callable[[CloudView], Iterable[SitePlan]]:
    """Return a builder that makes each plan in its month."""
    return lambda view: [plan for month, plan in by_month if view.time == month]


def bids(rent: float | None) -> Callable[[CloudView, Slot], float | None]:
    return lambda view, slot: rent


def market(
    builder: Callable[[CloudView], Iterable[SitePlan]],
    stage: str = "leased",
    *,
    months: float = 1,
    offers: dict[str, float | None] | None = None,
    bidders: dict[str, Callable[[CloudView, Slot], float | None]] | None = None,
    clocks: float = 12.0,
    shape: float = 1e8,
    **building: Any,
) -> Market:
    """Return a market after some months in which cloud A has a let site and B and C may bid for it."""
    offers = offers or {}
    given = scenario(
        {"Lab": lab(1.0)},
        {name: cloud(1.0) for name in "ABC"},
        months=24,
        building=building,
        region={"clock_shape": shape},
        landlords={"Landlord": LANDLORD},
        sites={
            "site": {
                "cloud": "A",
                "region": "home",
                "capacity_mw": KW / 1000,
                "stage": stage,
                "chip": "chip",
                "landlord": "Landlord",
                "construction_months": clocks,
                "grid_months": clocks,
            }
        },
    )
    nobody = {"builder": propose(), "bidder": bids(None)}
    strategies: dict[str, dict[str, Any]] = {n: dict(nobody) for n in "ABC"}
    strategies["A"]["builder"] = builder
    for name, bidder in ({n: bids(rent) for n, rent in offers.items()} | (bidders or {})).items():
        strategies[name]["bidder"] = bidder
    return after(given, months, strategies=strategies | {"Lab": {"procurer": silent}})


def events[T](found: Market, kind: type[T]) -> list[T]:
    return [event for _, event in found.books.journal if isinstance(event, kind)]


def paid(found: Market, label: str) -> list[tuple[str, str, int]]:
    return [(p.payer, p.payee, p.cents) for p in found.books.postings if p.label == label]


GIVE_UP = propose((1, Cancel(site="site", reason="test", because="price")))


# Deferral


def test_a_deferral_costs_its_rent_and_moves_deadline_and_promise():
    found = market(propose((1, Defer(site="site"))), holding_share=0.25, defer_months=6)
    before = market(propose())
    site, was = found.books.sites["site"], before.books.sites["site"]
    assert site == replace(was, deadline=was.deadline + 6, promised=was.promised + 6, deferred=1)
    assert paid(found, "holding") == [("A", "Landlord", round(0.25 * 6 * RENT * KW * 100))]
    assert [e.months for e in events(found, Deferred)] == [6.0]


def test_a_letter_that_is_deferred_outlives_its_first_deadline():
    ends = market(propose(), "loi", months=9, loi_months=4)
    held = market(propose((1, Defer(site="site"))), "loi", months=7, loi_months=4, defer_months=12)
    assert ends.books.sites["site"].stage is Stage.CANCELLED
    assert held.books.sites["site"].stage is Stage.LOI
    assert held.recorder.values["deferred_mw"][-1].sum() == KW / 1000


def test_a_lease_ends_against_its_fee_when_nothing_is_started_in_time():
    found = market(propose(), months=4, lease_months=3, fee_leased=0.5)
    (cancelled,) = events(found, Cancelled)
    assert cancelled.because == "deadline"
    assert paid(found, "cancellation") == [("A", "Landlord", round(6 * RENT * KW * 100))]


def test_only_so_many_deferrals_are_allowed():
    with pytest.raises(
        ValueError, match=r"A proposes Defer for 'site', which was deferred 1 times"
    ):
        market(
            propose((1, Defer(site="site")), (2, Defer(site="site"))), months=2, most_deferrals=1
        )


# Whose site it is


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Cancel(site="sitte", reason=""), r"'sitte', which is no site; did you mean 'site'\?"),
        (Cancel(site="B hall", reason=""), r"'B hall', which is a site of B"),
        (Defer(site="B hall"), r"'B hall', which is a site of B"),
        (TurnToLease(site="site"), r"'site', which is leased, not loi"),
        (StartBuilding(site="A hall"), r"'A hall', which is energised, not leased"),
        (Reduce(site="site", capacity_kw=KW, reason=""), r"'site' by 100000 kW; it has 100000 kW"),
        (Reduce(site="site", capacity_kw=0, reason=""), r"'site' by 0 kW; it has 100000 kW"),
    ],
)
def test_a_plan_that_is_not_the_clouds_to_make_is_refused(plan: SitePlan, said: str):
    with pytest.raises(ValueError, match=f"A proposes {type(plan).__name__} for {said}"):
        market(propose((1, plan)))


# Giving up


def test_part_of_a_site_is_given_up_against_its_part_of_the_fee():
    plan = Reduce(site="site", capacity_kw=30_000, reason="test", because="demand")
    found = market(propose((1, plan)), fee_leased=0.5)
    books = found.books
    assert [(s.name, s.capacity_kw, s.stage) for s in books.sites.values() if s.landlord] == [
        ("site", 70_000, Stage.LEASED),
        ("site part 2", 30_000, Stage.CANCELLED),
    ]
    assert paid(found, "cancellation") == [("A", "Landlord", round(6 * RENT * 30_000 * 100))]
    assert books.shells_kw["Landlord"] == 30_000
    assert len(events(found, Parted)) == 1
    assert found.recorder.values["cancelled_demand_mw"][-1].sum() == 30.0


@pytest.mark.parametrize(
    ("stage", "shells_kw", "observable"),
    [
        ("leased", KW, "cancelled_leased_mw"),
        ("building", 0, "cancelled_building_mw"),
    ],
)
def test_what_nobody_takes_stands_empty_with_what_has_been_built(
    stage: str, shells_kw: int, observable: str
):
    found = market(GIVE_UP, stage)
    assert found.books.shells_kw.get("Landlord", 0) == shells_kw
    values = found.recorder.values
    assert values["vacancy_mw"][-1].tolist() == [KW / 1000]
    assert values["vacancy"][-1].tolist() == [1.0]
    assert values[observable][-1].sum() == values["cancelled_price_mw"][-1].sum() == KW / 1000


# Takeover


def test_the_highest_bid_wins_at_the_second_highest():
    found = market(GIVE_UP, offers={"B": 140.0, "C": 155.0})
    (taken,) = events(found, Transferred)
    assert (taken.to, taken.rent_usd_per_kw_month) == ("C", 140.0)
    assert found.recorder.values["transferred_mw"][-1].sum() == KW / 1000
    assert found.recorder.values["months_vacant"][-1].tolist() == [0.0]


def test_a_single_bidder_pays_the_landlords_outside_rent():
    (taken,) = events(market(GIVE_UP, offers={"B": 140.0}), Transferred)
    assert (taken.to, taken.rent_usd_per_kw_month) == ("B", RENT)


def test_no_bid_below_the_reserve_is_accepted():
    assert events(market(GIVE_UP, offers={"B": RENT - 0.01}), Transferred) == []


@pytest.mark.parametrize("stage", ["leased", "building"])
def test_a_takeover_changes_the_tenant_and_keeps_megawatts_clocks_and_stage(stage: str):
    was = market(propose(), stage).books.sites["site"]
    found = market(GIVE_UP, stage, offers={"B": 140.0})
    site = found.books.sites["site"]
    assert site == replace(
        was, pool=replace(was.pool, cloud="B"), deadline=site.deadline, equipped=stage != "leased"
    )
    rows = {p.cloud: found.books.promised_kw[i] for i, p in enumerate(found.books.pools)}
    promised = math.ceil(site.promised)
    assert rows["A"].max() == 1_000  # its hall
    assert rows["B"][promised] - rows["B"][promised - 1] == KW
    assert violations(found) == []


def test_who_gave_a_site_up_does_not_take_it_over_in_the_same_month():
    assert events(market(GIVE_UP, offers={"A": 200.0}), Transferred) == []


def test_a_site_begun_is_offered_again_until_somebody_takes_it():
    """Its clocks run on: when the next tenant comes, it has power and is fitted at once."""

    def late(view: CloudView, slot: Slot) -> float | None:
        return 120.0 if view.time >= 3 else None

    found = market(GIVE_UP, "building", months=4, bidders={"B": late}, clocks=2.0)
    ((when, _),) = [(t, e) for t, e in found.books.journal if isinstance(e, Transferred)]
    assert when == 3.0
    assert found.books.sites["site"].stage is Stage.ENERGISED
    assert found.recorder.values["months_vacant"][-1].tolist() == [2.0]


def test_a_shell_taken_over_after_its_promise_is_promised_anew():
    """Nobody may sell what is promised for a month that is over."""

    def late(view: CloudView, slot: Slot) -> float | None:
        return 120.0 if view.time >= 8 else None

    found = market(GIVE_UP, "building", months=8, bidders={"B": late}, clocks=4.0, shape=0.5)
    site = found.books.sites["site"]
    assert (site.pool.cloud, site.stage) == ("B", Stage.BUILDING)
    assert max(site.construction_at, site.grid_at) > 9 > site.first_promise
    assert site.promised == 11.0
    row = found.books.pool_index[site.pool]
    assert found.books.free_kw()[row, [8, 10, 11]].tolist() == [1_000, 1_000, 1_000 + KW]


def test_a_contract_takes_what_has_been_begun_before_a_new_shell():
    found = market(GIVE_UP, "building")
    vacant = found.books.sites["site"]
    wanted = replace(
        vacant,
        name="new",
        pool=replace(vacant.pool, cloud="B"),
        stage=Stage.LEASED,
        capacity_kw=30_000,
        rent_usd_per_kw_month=120.0,
    )
    assert relet(found, wanted, "test") == 0
    taken = found.books.sites["site part 2"]
    assert taken == replace(
        wanted,
        name="site part 2",
        drawn_as="site part 2",
        stage=Stage.BUILDING,
        equipped=True,
    )
    assert found.books.sites["site"].capacity_kw == 70_000
    assert relet(found, replace(wanted, capacity_kw=100_000), "test") == 30_000
    assert violations(found) == []


def test_the_tables_tell_who_gave_up_and_who_took_over():
    frames = market(GIVE_UP, offers={"B": 140.0}).frames()
    rows = {r["kind"]: r for r in frames["events"].iter_rows(named=True)}
    assert rows["Cancelled"]["actor"] == "A"
    assert (rows["Transferred"]["actor"], rows["Transferred"]["target"]) == ("B", "A")
    (site,) = frames["sites"].filter(frames["sites"]["site"] == "site").iter_rows(named=True)
    assert (site["cloud"], site["tenants"], site["taken_over_month"]) == ("B", "A; B", 1.0)


def test_the_leases_of_a_failed_tenant_end_without_a_fee():
    def fail(view: CloudView) -> tuple[()]:
        return ()

    found = market(fail, months=1)
    found.books.failed.add("A")
    found.run_until(2)
    (cancelled,) = events(found, Cancelled)
    assert cancelled.because == "default"
    assert paid(found, "cancellation") == []


# Rent of new shells


def letters(view: CloudView, rent: float, kw: int) -> list[SitePlan]:
    option = view.options[0]
    return [OpenSite(option=option, capacity_kw=kw, letter=True, bid_usd_per_kw_month=rent)]


def let(available_mw: float, asked: dict[str, tuple[float, int]], **more: LETS) -> Market:
    """Return a market in which clouds ask for shells once, each with a rent and kilowatts."""
    landlords = more.get("landlords") or {"Landlord": LANDLORD | {"available_mw": available_mw}}
    given = scenario(
        {"Lab": lab(1.0)}, {name: cloud(1.0) for name in "ABC"}, months=3, landlords=landlords
    )
    strategies: dict[str, dict[str, Any]] = {
        name: {"builder": lambda view, rent=rent, kw=kw: letters(view, rent, kw)}
        for name, (rent, kw) in asked.items()
    }
    quiet = {n: {"builder": propose()} for n in "ABC" if n not in asked}
    return after(given, strategies=strategies | quiet | {"Lab": {"procurer": silent}})


def opened(found: Market) -> dict[str, tuple[int, float]]:
    return {
        s.pool.cloud: (s.capacity_kw, s.rent_usd_per_kw_month)
        for s in found.books.sites.values()
        if s.stage is Stage.LOI
    }


def test_shells_go_at_the_reserve_rent_while_there_are_enough():
    found = let(200.0, {"A": (150.0, 50_000), "B": (120.0, 50_000)})
    assert opened(found) == {"A": (50_000, RENT), "B": (50_000, RENT)}
    assert found.recorder.values["rent_cleared_usd_per_kw_month"][-1].tolist() == [RENT]


def test_scarce_shells_go_to_the_highest_bids_at_the_first_bid_left_out():
    found = let(50.0, {"A": (150.0, 50_000), "B": (120.0, 50_000)})
    assert opened(found) == {"A": (50_000, 120.0)}
    (cleared,) = events(found, ShellsCleared)
    assert (cleared.rent_usd_per_kw_month, cleared.capacity_kw) == (120.0, 50_000)


def test_a_bid_below_every_reserve_lets_nothing():
    found = let(50.0, {"A": (RENT - 1, 50_000)})
    assert opened(found) == {}
    assert np.isnan(found.recorder.values["rent_cleared_usd_per_kw_month"][-1]).all()


def test_the_lowest_reserves_let_first_and_all_at_one_rent():
    dear = LANDLORD | {"available_mw": 60.0, "rent_usd_per_kw_month": 130.0}
    cheap = LANDLORD | {"available_mw": 50.0}
    found = let(0, {"A": (150.0, 80_000)}, landlords={"Dear": dear, "Cheap": cheap})
    sites = [s for s in found.books.sites.values() if s.stage is Stage.LOI]
    assert [(s.landlord, s.capacity_kw, s.rent_usd_per_kw_month) for s in sites] == [
        ("Cheap", 50_000, 130.0),
        ("Dear", 30_000, 130.0),
    ]
    assert found.recorder.values["rent_asked_usd_per_kw_month"][-1].tolist() == [130.0]


def test_the_default_builder_bids_what_a_lease_would_be_kept_at():
    """A letter costs nothing: the bid rises with the price of compute, and is nothing without one."""
    bid: dict[float, float | None] = {}

    def watch(view: CloudView) -> list[SitePlan]:
        rich = replace(view, demand_h100e=np.full_like(view.demand_h100e, 1e9))
        for price in (1e-6, 2.0, 4.0):
            (plan,) = RealOptions()(replace(rich, contract_price=price))
            assert isinstance(plan, OpenSite)
            bid[price] = plan.bid_usd_per_kw_month
        return []

    landlords = {"Landlord": LANDLORD | {"available_mw": 500.0}}
    given = scenario(
        {"Lab": lab(1.0)},
        {"A": cloud(1.0)},
        landlords=landlords,
        beliefs={"price_reversion_per_month": 0.0},
    )
    after(given, strategies={"A": {"builder": watch}, "Lab": {"procurer": silent}})
    assert bid[1e-6] == 0.0
    assert RENT < (bid[2.0] or 0.0) < (bid[4.0] or 0.0)
