"""Small scripted markets whose bills are stated to the cent (section 1.7)."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from offtake.agents.clouds import RealOptions, notices
from offtake.model.borrowing import debt_room_cents
from offtake.model.events import Banked, DamagesDue, NoticeGiven, Posted, Repriced, Terminated
from offtake.model.market import Market
from offtake.model.proposals import GiveNotice, Tender
from offtake.model.scenario import ChipClass, Scenario
from offtake.model.terms import Deficiency
from offtake.model.view import CloudView, Exit, LabView
from tests.degenerate import (
    CHIP,
    after,
    cloud,
    contract,
    day,
    lab,
    price_of,
    scenario,
    silent,
)

HOUR_USD = 1000 * 730.5
"""A month of 1,000 H100e at 1 USD an hour."""


def run(given: Scenario, months: float, *asking: str, **strategies: Any) -> Market:
    """Return a market after some months in which only the labs named ask for capacity."""
    silenced = {name: {"procurer": silent} for name in given.labs if name not in asking}
    return after(given, months, strategies=silenced | strategies)


def amounts(market: Market, label: str) -> list[tuple[float, str, str, int]]:
    """Return the postings of a label: when, who, whom, cents."""
    return [
        (time, p.payer, p.payee, p.cents)
        for time, event in market.books.journal
        if isinstance(event, Posted)
        for p in event.postings
        if p.label == label
    ]


def bills(market: Market) -> list[int]:
    """Return what was paid for compute, in cents, in order of time."""
    return [cents for *_, cents in amounts(market, "compute")]


def said[T](market: Market, kind: type[T]) -> list[tuple[float, T]]:
    """Return the events of a kind with their times."""
    return [(time, event) for time, event in market.books.journal if isinstance(event, kind)]


def one_contract(used_h100e: float = 1000.0, value: float = 0.3, **terms: Any) -> Scenario:
    """Return a lab with a load of so much compute and a contract for 1,000 H100e at 2 USD, floor .8.

    More use than its load is worth `value` to the lab.
    """
    given = {"take_or_pay": 0.8, "end": 60, **terms}
    buyer = lab(
        value,
        0.0,
        users_million=1e-3,
        compute_h100e_hours_per_user=used_h100e * 730.5 / 1000,
    )
    return scenario(
        {"Lab": buyer},
        {"Cloud": cloud(0.0)},
        months=40,
        contracts={"base": contract("Lab", "Cloud", 1.0, 2.0, **given)},
        chips={"chip": CHIP, "next": CHIP | {"released": day(11), "price_usd_per_h100e": 27_000.0}},
    )


# Make-up


def test_what_was_paid_and_not_used_is_made_up_without_further_payment():
    """The lab uses 500 of 1,000 H100e and pays for 800: 300 are banked.

    With them an hour beyond the floor costs nothing, then .2 USD on average, less than it is worth.
    """
    market = run(one_contract(500.0, makeup_months=12), 4)
    assert bills(market) == [1_168_800_00, 1_168_800_00, 1_314_900_00, 1_168_800_00]
    month = 73_050  # hours of 100 H100e
    banked = [(t, e.drawn_hours, e.deficiencies) for t, e in said(market, Banked)]
    assert banked == [
        (1.0, 0, (Deficiency(3 * month, 13),)),
        (2.0, 2 * month, (Deficiency(month, 13),)),
        (3.0, month, ()),
        (4.0, 0, (Deficiency(3 * month, 16),)),
    ]


def test_without_the_right_the_floor_is_billed_and_nothing_is_banked():
    market = run(one_contract(500.0), 4)
    assert bills(market) == [1_168_800_00] * 4
    assert said(market, Banked) == []


def test_what_is_not_made_up_in_time_is_forfeited():
    market = run(one_contract(500.0, value=0.1, makeup_months=1), 3)
    assert [e.deficiencies for _, e in said(market, Banked)] == [
        (Deficiency(219_150, 2),),
        (),  # 200 of 300 H100e were drawn, the rest is gone
        (Deficiency(219_150, 4),),
    ]
    assert bills(market) == [1_168_800_00] * 3


def test_the_last_month_draws_and_the_bank_then_ends_with_its_contract():
    market = run(one_contract(500.0, makeup_months=12, end=2), 3)
    last = said(market, Banked)[-1]
    assert (last[0], last[1].drawn_hours, last[1].deficiencies) == (2.0, 146_100, ())
    assert bills(market) == [1_168_800_00, 1_168_800_00]
    assert market.books.contracts.banked == {}


# Index and escalator


def test_an_escalator_raises_the_price_on_each_anniversary():
    market = run(one_contract(escalator_per_year=0.1), 26)
    assert bills(market) == [1_461_000_00] * 12 + [1_607_100_00] * 12 + [1_767_810_00] * 2


@pytest.mark.parametrize(("least", "year_two"), [(None, 1_314_900_00), (-0.05, 1_387_950_00)])
def test_a_price_follows_the_newest_chips_within_its_floor(least: float | None, year_two: int):
    """Chips fall from 30,000 to 27,000 USD per H100e in month 11, which is known by month 12."""
    terms = {"price_index": "chip", "price_change_least_per_year": least}
    market = run(one_contract(**terms), 14)
    assert bills(market) == [1_461_000_00] * 12 + [year_two] * 2


def test_a_price_follows_chips_down_their_experience_curve():
    """Twelve thousand shipped and a thousand a month: after a year it has doubled, at a fifth less."""
    curve = ChipClass(learning_rate=0.2, shipped_h100e=12_000.0, world_h100e_per_month=1_000.0)
    given = one_contract(price_index="chip").model_copy(update={"classes": {"gpu": curve}})
    given = given.model_copy(update={"chips": {"chip": given.chips["chip"]}})
    market = run(given, 13)
    assert market.books.contracts.price[0] == pytest.approx(2.0 * 0.8, rel=1e-12)


def test_a_price_is_revised_by_what_the_month_before_has_shown():
    """Chips that come on the day of the revision count a year later."""
    given = one_contract(price_index="chip")
    late = given.chips["next"].model_copy(update={"released": day(12)})
    market = run(given.model_copy(update={"chips": given.chips | {"next": late}}), 26)
    assert bills(market) == [1_461_000_00] * 24 + [1_314_900_00] * 2


def test_a_price_follows_the_index_of_contract_prices():
    given = one_contract(price_index="contract-price", escalator_per_year=0.05)
    beliefs = given.beliefs.model_copy(update={"price_decline_per_year": 0.2})
    market = run(given.model_copy(update={"beliefs": beliefs}), 13)
    assert market.contract_price == pytest.approx(2.0 * 0.8 ** (13 / 12))
    assert bills(market)[11:] == [1_461_000_00, pytest.approx(1_461_000_00 * 0.8 * 1.05, abs=1)]


def test_a_price_given_for_a_running_contract_holds_until_its_next_anniversary():
    market = run(one_contract(escalator_per_year=0.1, start=0), 1)
    base = market.setup.scenario.contracts["base"].model_copy(update={"start": dt.date(2024, 7, 1)})
    given = market.setup.scenario.model_copy(update={"contracts": {"base": base}})
    market = run(given, 8)
    assert bills(market) == [1_461_000_00] * 6 + [1_607_100_00] * 2
    assert [t for t, _ in said(market, Repriced)] == [0.0, 6.0]


def test_what_is_owed_counts_the_escalator():
    views = [
        run(one_contract(escalator_per_year=e, end=25), 1).lab_views["Lab"] for e in (0.0, 0.1)
    ]
    months = np.array([11, 12, 1])
    by_hand = 0.8 * 2.0 * HOUR_USD * float(months @ np.array([1.0, 1.1, 1.21]))
    assert views[0].obligations_usd == pytest.approx(0.8 * 2.0 * HOUR_USD * 24, rel=1e-3)
    assert views[1].obligations_usd == pytest.approx(by_hand, rel=1e-3)


@pytest.mark.parametrize("terms", [{}, {"escalator_per_year": 0.1}, {"escalator_per_year": -0.2}])
def test_the_first_price_of_a_new_contract_is_worth_the_fixed_price(terms: dict[str, Any]):
    """Without discount a year at p, one at 1.1 p and one at 1.21 p are worth three years at 2.4."""
    given = scenario(
        {"Lab": lab(3.0, discount_per_year=0.0)},
        {"Cloud": cloud(2.4)},
        negotiation={"take_or_pay": (1.0,), **terms},
    )
    plain = scenario({"Lab": lab(3.0)}, {"Cloud": cloud(2.4)})
    fixed = price_of(after(plain), "Lab with Cloud 1")
    change = 1 + terms.get("escalator_per_year", 0.0)
    price = price_of(after(given), "Lab with Cloud 1")
    assert price * (1 + change + change**2) / 3 == pytest.approx(fixed, rel=1e-3)


@pytest.mark.parametrize("terms", [{"escalator_per_year": 0.1}, {"price_index": "contract-price"}])
def test_the_public_index_counts_a_contract_by_what_its_prices_are_worth(terms: dict[str, Any]):
    given = {"labs": {"Lab": lab(3.0)}, "clouds": {"Cloud": cloud(2.4)}}
    beliefs = {"price_decline_per_year": 0.2}
    plain, moving = (
        after(scenario(**given, months=3, beliefs=beliefs, negotiation=t), 3) for t in ({}, terms)
    )
    assert price_of(moving, "Lab with Cloud 1") != price_of(plain, "Lab with Cloud 1")
    assert moving.contract_price == pytest.approx(plain.contract_price)


def test_lenders_count_the_prices_to_come():
    """Over 60 months at 11% a year; running costs nothing here."""
    plain, rising = (run(one_contract(escalator_per_year=e, end=61), 1) for e in (0.0, 0.1))
    by_month = [1.1 ** ((m + 1) // 12) * (1 + 0.11 / 12) ** -(m + 1) for m in range(60)]
    worth = 0.8 * 2.0 * HOUR_USD * float(np.sum(by_month)) / rising.setup.scenario.finance.dscr
    assert debt_room_cents(rising, "Cloud") == pytest.approx(100 * worth, rel=1e-6)
    assert debt_room_cents(plain, "Cloud") < debt_room_cents(rising, "Cloud")


# Prepayment and ramp


def test_a_prepayment_is_drawn_evenly_and_is_gone_with_the_last_month():
    market = run(one_contract(prepayment_usd=1_200_000.0, end=12), 12)
    assert bills(market) == [1_361_000_00] * 12
    assert market.books.contracts.prepaid_cents == {"base": 0}


def test_what_is_prepaid_for_compute_that_never_came_is_paid_back_at_the_end():
    given = one_contract(prepayment_usd=1_200_000.0, end=6)
    market = run(given.model_copy(update={"sites": {}}), 8)
    assert bills(market) == []
    assert amounts(market, "refund") == [(6.0, "Cloud", "Lab", 1_200_000_00)]
    assert market.books.owed("Cloud", "prepayment") == 0


@pytest.mark.parametrize(
    ("prepaid", "pays", "back"),
    [(1_168_800.0, 1_168_800_00, 0), (60_000_000.0, 0, 57_662_400_00)],
)
def test_a_lab_that_leaves_pays_the_fee_out_of_what_it_has_prepaid(
    prepaid: float, pays: int, back: int
):
    """Two months of 1,168,800 USD; of 60 months one is drawn. What is prepaid beyond the fee comes back."""
    given = one_contract(termination_months=2.0, prepayment_usd=prepaid * 60 / 59)

    def leaves(view: LabView) -> Tender | None:
        return Tender(lab="Lab", lots=(), terminate=("base",)) if view.time == 1 else None

    market = run(given, 3, Lab={"procurer": leaves})
    assert [e.by for _, e in said(market, Terminated)] == ["Lab"]
    assert sum(cents for *_, cents in amounts(market, "termination")) == pytest.approx(pays, abs=2)
    assert sum(cents for *_, cents in amounts(market, "refund")) == pytest.approx(back, abs=2)
    assert market.books.owed("Cloud", "prepayment") == 0


def test_what_leaving_gains_counts_the_prepayment_that_comes_back_at_once():
    """59 million USD are left over 59 months, at 1% a month."""

    def gain(prepaid: float) -> float:
        seen: list[LabView] = []
        given = one_contract(termination_months=2.0, prepayment_usd=prepaid)
        impatient = given.labs["Lab"].model_copy(update={"discount_per_year": 1.01**12 - 1})
        run(given.model_copy(update={"labs": {"Lab": impatient}}), 1, Lab={"procurer": seen.append})
        (leaving,) = seen[0].leavings
        return leaving.gain_usd

    later = sum(1.01**-month for month in range(1, 60)) * 1e6
    assert gain(60_000_000.0) - gain(0.0) == pytest.approx(59e6 - later, rel=1e-9)


def test_a_contract_that_cannot_be_left_is_named():
    def leaves(view: LabView) -> Tender:
        return Tender(lab="Lab", lots=(), terminate=("base",))

    with pytest.raises(ValueError, match="Lab leaves 'base', which it cannot leave now"):
        run(one_contract(), 1, Lab={"procurer": leaves})


def test_what_a_failed_lab_has_prepaid_goes_to_its_creditors():
    given = one_contract(prepayment_usd=60_000_000.0)
    broke = given.labs["Lab"].model_copy(update={"cash_usd": 0.0})
    finance = given.finance.model_copy(update={"grace_months": 1})
    market = run(given.model_copy(update={"labs": {"Lab": broke}, "finance": finance}), 5)
    assert market.books.failed == {"Lab"}
    assert market.books.held("Lab") == market.books.owed("Lab") == 0
    (refund,) = amounts(market, "refund")
    recovered = amounts(market, "recovery")
    assert refund[:3] == (recovered[0][0], "Cloud", "Lab")
    assert 0 < sum(cents for *_, cents in recovered) <= refund[3]


def test_a_ramp_is_billed_step_by_step():
    market = run(one_contract(ramp_months=4, take_or_pay=1.0), 5)
    assert bills(market) == [365_250_00, 730_500_00, 1_095_750_00, 1_461_000_00, 1_461_000_00]


# The seller leaves


@dataclass
class LeaveIn:
    """Give notice of everything in one month."""

    month: float
    seen: list[tuple[Exit, ...]] = field(default_factory=list)

    def __call__(self, view: CloudView):
        self.seen.append(view.exits)
        return (
            [GiveNotice(contract=x.contract) for x in view.exits] if view.time == self.month else []
        )


def test_a_seller_that_gives_notice_pays_a_fee_that_falls_and_delivers_to_the_end():
    """Of 60 months 57 are left; 12 months of 1,461,000 USD in full; five months of notice."""
    leaves = LeaveIn(3.0)
    given = one_contract(
        seller_termination_months=12.0, seller_notice_months=5, prepayment_usd=6_000_000.0
    )
    market = run(given, 10, Cloud={"builder": leaves})
    assert amounts(market, "termination") == [(3.0, "Cloud", "Lab", 16_655_400_00)]
    assert [(t, e.by, e.end) for t, e in said(market, NoticeGiven)] == [(3.0, "Cloud", 8.0)]
    assert [(t, e.by) for t, e in said(market, Terminated)] == [(8.0, "Cloud")]
    assert len(leaves.seen[4]) == 0  # it has given notice
    assert market.books.free_kw()[0, 7:9].tolist() == [0, 1000]
    drawn = [100_000_00] * 3 + [1_140_000_00] * 5  # evenly over 60 months, then over the five left
    assert bills(market) == [1_461_000_00 - cents for cents in drawn]
    market.check_invariants()


def test_what_is_left_of_a_prepayment_comes_back_at_the_end_of_a_notice():
    given = one_contract(
        seller_termination_months=0.0, seller_notice_months=1, prepayment_usd=60_000_000.0
    )
    market = run(given, 3, Cloud={"builder": LeaveIn(1.0)})
    assert amounts(market, "termination") == []
    drawn = 1_000_000_00  # a sixtieth in the first month, then as much as the bill
    assert amounts(market, "refund") == [
        (2.0, "Cloud", "Lab", 60_000_000_00 - drawn - 1_461_000_00)
    ]
    assert market.books.owed("Cloud", "prepayment") == 0


def test_a_notice_given_twice_is_one_notice():
    twice = LeaveIn(3.0)
    given = one_contract(seller_termination_months=12.0)
    market = run(given, 4, Cloud={"builder": lambda view: [*twice(view), *twice(view)]})
    assert [len(exits) for exits in twice.seen] == [1] * 6 + [0] * 2
    assert len(amounts(market, "termination")) == len(said(market, NoticeGiven)) == 1


def test_a_seller_that_cannot_pay_the_fee_stays():
    given = one_contract(seller_termination_months=12.0, seller_notice_months=5)
    poor = given.clouds["Cloud"].model_copy(update={"cash_usd": 1e6})
    given = given.model_copy(update={"clouds": {"Cloud": poor}})
    market = run(given, 6, Cloud={"builder": LeaveIn(3.0)})
    assert said(market, NoticeGiven) == []


def crowded(price: float, fee_months: float) -> Market:
    """Return a market in which Lab A holds at a price what others would pay 2 USD an hour for."""
    given = scenario(
        {
            "Lab A": lab(5.0),
            "Lab B": lab(5.0, units=9.0),
        },
        {"Cloud": cloud(0.0, 2.0, strategies={"builder": "real-options"})},
        contracts={
            "cheap": contract(
                "Lab A",
                "Cloud",
                1.0,
                price,
                end=36,
                seller_termination_months=fee_months,
                seller_notice_months=6,
            ),
            "dear": contract("Lab B", "Cloud", 1.0, 4.0 - price, end=36),
        },
    )
    return run(given, 1)


@pytest.mark.parametrize(
    ("price", "fee_months", "leaves"), [(0.5, 0.0, 1), (0.5, 99.0, 0), (2.0, 0.0, 0)]
)
def test_a_cloud_leaves_only_where_it_gains(price: float, fee_months: float, leaves: int):
    assert len(said(crowded(price, fee_months), NoticeGiven)) == leaves


def test_a_breach_is_efficient_to_the_dollar():
    """.85 of the hours at 2 USD elsewhere, all of them at .5 USD here, for 29 months from month 7 on."""
    (way_out,) = crowded(0.5, 99.0).views["Cloud"].exits or (None,)
    assert way_out is not None
    assert way_out.elsewhere_usd - way_out.kept_usd == pytest.approx(
        (0.85 * 2.0 - 0.5) * HOUR_USD * 29, rel=1e-3
    )
    assert way_out.fee_usd == pytest.approx(99 * 0.5 * HOUR_USD * 35 / 36)
    view = crowded(0.5, 99.0).views["Cloud"]
    gain = way_out.elsewhere_usd - way_out.kept_usd
    for fee, leaves in ((gain - 1, 1), (gain + 1, 0)):
        offered = replace(view, exits=(replace(way_out, fee_usd=fee),))
        assert len(list(notices(offered))) == leaves


def test_a_cloud_does_not_leave_for_demand_that_is_not_there():
    view = crowded(0.5, 99.0).views["Cloud"]
    free = replace(
        view,
        exits=tuple(replace(x, fee_usd=0.0) for x in view.exits),
        demand_h100e=np.zeros_like(view.demand_h100e),
    )
    assert [p for p in RealOptions()(free) if isinstance(p, GiveNotice)] == []


# Delay


def late(*, going: float = 1.0, ready: float = 500.0, stands: float = 0.0, **terms: Any) -> Market:
    """Return a market whose Lab A waits for a site with 2 units from month 1 on, at 2 USD.

    Lab B pays the going price.
    """
    given = scenario(
        {
            "Lab A": lab(3.0, units=2.0, strategies={"procurer": "cover-need"}),
            "Lab B": lab(3.0),
        },
        {"Cloud": cloud(0.0, 0.0), "Other": cloud(9.0, 1.0)},
        months=30,
        contracts={
            "late": contract("Lab A", "Cloud", 2.0, 2.0, start=1, end=25, **terms),
            "other": contract("Lab B", "Other", 1.0, going, end=30),
        },
        sites=_sites(ready, stands),
        region={"clock_shape": 1e9},
    )
    return run(given, 12, "Lab A")


def _sites(ready: float, stands: float) -> Mapping[str, Mapping[str, Any]]:
    site = {"cloud": "Cloud", "region": "home", "chip": "chip"}
    built = {"stage": "building", "construction_months": ready, "grid_months": ready}
    sites = {"new": site | {"capacity_mw": 2.0 - stands} | built}
    if stands:
        sites["old"] = site | {"capacity_mw": stands, "stage": "energised"}
    return sites


def test_damages_run_by_the_day_after_the_cure_period_up_to_their_cap():
    """Half of 2,000 H100e at 2 USD an hour: 1,461,000 USD a month; 30 days leave 10.5 hours of the first.

    The contract is worth 24 months of 2,922,000 USD; damages stop at a tenth of it.
    """
    market = late(delay_share=0.5, delay_cure_days=30.0, delay_cap_share=0.1)
    first, month, cap = 21_000_00, 1_461_000_00, 7_012_800_00
    paid = [first, month, month, month, month, cap - first - 4 * month]
    assert amounts(market, "delay damages") == [
        (2.0 + n, "Cloud", "Lab A", cents) for n, cents in enumerate(paid)
    ]
    assert [e.damages_cents for _, e in said(market, DamagesDue)] == paid
    assert [b for b in amounts(market, "compute") if b[1] == "Lab A"] == []  # never billed


def test_damages_are_due_for_the_missing_part_only():
    market = late(stands=1.5, delay_share=1.0, delay_cure_days=0.0, delay_cap_share=1.0)
    damages = [cents for *_, cents in amounts(market, "delay damages")]
    assert damages == [round(0.5 * 2 * HOUR_USD * 100)] * 11
    billed = [cents for _, payer, _, cents in amounts(market, "compute") if payer == "Lab A"]
    assert billed == [round(1.5 * 2 * HOUR_USD * 100)] * 11


def test_damages_end_when_the_site_delivers():
    market = late(ready=4.5, delay_share=1.0, delay_cure_days=0.0, delay_cap_share=1.0)
    damages = [cents for *_, cents in amounts(market, "delay damages")]
    month = round(2 * 2 * HOUR_USD * 100)
    assert damages == [month] * 3 + [pytest.approx(month / 2, rel=1e-3)]


def test_damages_that_cannot_be_paid_are_in_arrears():
    given = late(delay_share=0.5, delay_cure_days=0.0).setup.scenario
    poor = given.clouds["Cloud"].model_copy(update={"cash_usd": 1_000_000.0})
    market = run(given.model_copy(update={"clouds": given.clouds | {"Cloud": poor}}), 2)
    assert amounts(market, "delay damages") == [(2.0, "Cloud", "Lab A", 1_000_000_00)]
    assert market.books.owed("Cloud", "arrears") == 461_000_00


@pytest.mark.parametrize(("going", "walks"), [(1.0, [7.0]), (2.5, [])])
def test_a_lab_walks_away_after_the_long_stop_iff_it_gains(going: float, walks: list[float]):
    """It buys anew at the going price, or keeps waiting at 2 USD."""
    market = late(going=going, long_stop_months=6.0)
    assert [(t, e.by) for t, e in said(market, Terminated)] == [(t, "Lab A") for t in walks]
    assert amounts(market, "termination") == []


def test_a_lab_that_walks_away_gets_its_prepayment_back():
    market = late(long_stop_months=6.0, prepayment_usd=3_000_000.0)
    assert amounts(market, "refund") == [(7.0, "Cloud", "Lab A", 3_000_000_00)]
    assert market.books.owed("Cloud", "prepayment") == 0


def test_a_lab_may_not_walk_away_where_half_is_delivered():
    assert said(late(stands=1.0, long_stop_months=6.0), Terminated) == []
    assert len(said(late(stands=0.9, long_stop_months=6.0), Terminated)) == 1
