"""Classes of chips in a run: allotments, custom silicon, porting and export rules, as transcripts."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from offtake.model.allotting import Order, ration
from offtake.model.contracts import Stage
from offtake.model.events import Adopted, Allotted, Energised, Released, Shipped
from offtake.model.market import Market
from offtake.model.porting import porting_usd_per_hour
from offtake.model.proposals import Adopt, Equip
from offtake.model.seeing import cloud_views
from offtake.model.view import AdoptionView, CloudView
from tests.degenerate import (
    CHIP,
    MONEY_USD,
    START,
    after,
    cloud,
    contract,
    day,
    lab,
    prices,
    scenario,
    trajectory,
)

HALL: dict[str, Any] = {"region": "home", "chip": "chip", "stage": "powered"}
ARM: dict[str, Any] = {**CHIP, "class": "arm"}
PRICE_USD = CHIP["price_usd_per_h100e"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """Order chips for every powered site at a limit."""

    limit_usd: float
    port: ClassVar[str] = "builder"

    def __call__(self, view: CloudView) -> Iterator[Equip]:
        """Return the orders."""
        for site in view.sites:
            yield Equip(site=site.name, limit_usd_per_h100e=self.limit_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Always:
    """Adopt whatever can be adopted, and what cannot."""

    also: tuple[str, ...] = ()
    port: ClassVar[str] = "adopter"

    def __call__(self, view: AdoptionView) -> Iterator[Adopt]:
        """Return every class."""
        for name in (*(choice.chip_class for choice in view.choices), *self.also):
            yield Adopt(chip_class=name)


def told(market: Market, *kinds: type) -> list[tuple[Any, ...]]:
    """Return the events of some kinds: time, kind and what they say."""
    found = []
    for time, event in market.books.journal:
        match event:
            case Allotted() if Allotted in kinds:
                found.append((time, "allotted", event.markup, event.h100e))
            case Shipped() if Shipped in kinds:
                found.append((time, "shipped", event.site, event.capacity_kw))
            case Energised() if Energised in kinds:
                found.append((time, "energised", event.site))
            case Released() if Released in kinds:
                found.append((time, "released", event.chip_class, event.cause))
            case Adopted() if Adopted in kinds:
                found.append((time, "adopted", event.name, event.chip_class, event.ready))
    return found


def halls(allotment: float, months: int, limits: Mapping[str, float], **cash: float) -> Market:
    """Return a market in which two clouds want chips for halls of 2 and 1 MW that have power."""
    given = scenario(
        {"Lab": lab(0.01)},
        {name: cloud(1.0, 0.0, cash_usd=cash.get(name, MONEY_USD)) for name in ("Ada", "Bell")},
        months=months,
        classes={"gpu": {"allotment_h100e_per_month": allotment}},
        sites={
            "a": {**HALL, "cloud": "Ada", "capacity_mw": 2.0},
            "b": {**HALL, "cloud": "Bell", "capacity_mw": 1.0},
        },
    )
    bids = {name: {"builder": Bid(limit_usd=usd)} for name, usd in limits.items()}
    return after(given, months, strategies=bids)


# Allotments


def test_orders_at_the_price_on_the_curve_share_an_allotment_in_whole_kilowatts():
    market = halls(1000.0, 4, {})
    assert sorted(told(market, Allotted, Shipped, Energised)) == [
        (1.0, "allotted", 1.0, 999.0),
        (1.0, "shipped", "a", 666),
        (1.0, "shipped", "b", 333),
        (2.0, "allotted", 1.0, 999.0),
        (2.0, "shipped", "a", 666),
        (2.0, "shipped", "b", 333),
        (3.0, "allotted", 1.0, 999.0),
        (3.0, "shipped", "a", 666),
        (3.0, "shipped", "b", 333),
        (4.0, "allotted", 1.0, 3.0),
        (4.0, "energised", "a"),
        (4.0, "energised", "b"),
        (4.0, "shipped", "a", 2),
        (4.0, "shipped", "b", 1),
    ]
    spent = {p.payer: 0 for p in market.books.postings if p.label == "chips"}
    for posting in market.books.postings:
        if posting.label == "chips":
            spent[posting.payer] += posting.cents
    assert spent == {"Ada": 2000 * PRICE_USD * 100, "Bell": 1000 * PRICE_USD * 100}


def test_the_price_rises_to_the_limit_of_whoever_is_not_served_in_full():
    market = halls(1500.0, 2, {"Ada": 1.2 * PRICE_USD, "Bell": 1.5 * PRICE_USD})
    first = [e for e in told(market, Allotted, Shipped) if e[0] == 1.0]
    assert sorted(first) == [
        (1.0, "allotted", pytest.approx(1.2), 1500.0),
        (1.0, "shipped", "a", 500),
        (1.0, "shipped", "b", 1000),
    ]
    assert trajectory(market, "markup_chips", "gpu") == pytest.approx([1.2, 1.0])
    assert market.books.sites["b"].energised_at == 1.0
    assert market.books.sites["a"].energised_at == 2.0
    paid = {(p.reference, p.cents) for p in market.books.postings if p.label == "chips"}
    assert paid == {("b", 36 * 10**8), ("a", 18 * 10**8), ("a", 45 * 10**8)}


def test_nobody_is_shipped_who_would_not_pay_the_price_on_the_curve():
    market = halls(1e6, 2, {"Ada": 0.9 * PRICE_USD})
    assert told(market, Shipped) == [(1.0, "shipped", "b", 1000)]
    assert market.books.sites["a"].stage is Stage.POWERED


def test_a_cloud_short_of_money_gets_what_it_can_pay():
    market = halls(1e6, 1, {}, Ada=300.5 * PRICE_USD)
    assert told(market, Shipped, Energised) != []
    assert market.books.chips_kw == {"a": 300}
    assert market.books.deposits["Ada"] == round(0.5 * PRICE_USD * 100)


def test_without_an_allotment_nothing_is_rationed():
    given = scenario(
        {"Lab": lab(0.01)},
        {"Ada": cloud(1.0, 0.0)},
        sites={"a": {**HALL, "cloud": "Ada", "capacity_mw": 2.0}},
    )
    market = after(given, 1)
    assert told(market, Allotted, Shipped, Energised) == [(0.0, "energised", "a")]


def test_a_markup_falls_back_to_one_when_nobody_orders():
    market = halls(500.0, 8, {"Ada": 1.5 * PRICE_USD, "Bell": 1.5 * PRICE_USD})
    assert trajectory(market, "markup_chips", "gpu")[0] == pytest.approx(1.5)
    assert trajectory(market, "markup_chips", "gpu")[-1] == 1.0
    assert market.books.energised_kw.sum() == 3000


def test_a_markup_never_passes_the_highest():
    huge = [Order(limit=10.0, capacity_kw=10, h100e_per_kw=1.0)] * 2
    assert ration(huge, 10.0) == (10.0, [5, 5])


# Custom classes


def with_arm(months: int = 2, *, adopter: Any = None, **cls: Any) -> Market:
    """Return a market with a custom class; cloud Ada has a hall of GPUs of one unit, Bell of two."""
    given = scenario(
        {"Lab": lab(0.01)},
        {"Ada": cloud(1.0, 1.0), "Bell": cloud(1.0, 2.0)},
        months=months,
        chips={"chip": CHIP, "arm": ARM},
        classes={"arm": cls},
        investors={"Fund": {"cash_usd": MONEY_USD}},
        tranches={
            "second": {"investor": "Fund", "issuer": "Bell", "due": day(3), "amount_usd": 1e6}
        },
    )
    chosen = {"adopter": adopter or Always()}
    return after(given, months, strategies={"Ada": chosen, "Bell": chosen})


def test_own_silicon_is_adopted_by_its_owner_only_and_others_have_no_pool_of_it():
    market = with_arm(owner="Ada", adopter=Always(also=("arm", "gpu", "nothing")))
    assert told(market, Adopted) == [(1.0, "adopted", "Ada", "arm", 1.0)]
    assert {p.cloud for p in market.setup.pools if p.chip == "arm"} == {"Ada"}


def test_a_class_waits_for_the_tranche_that_pays_for_it():
    market = with_arm(5, tranche="second", development_months=30)
    assert told(market, Released) == [(3.0, "released", "arm", "venture:second")]
    assert {e[0] for e in told(market, Adopted)} == {3.0}
    assert {e[-1] for e in told(market, Adopted)} == {33.0}


def test_a_class_waits_for_the_scale_of_a_venture():
    assert not told(with_arm(venture="Ada", venture_mw=2.0), Released)
    found = told(with_arm(venture="Bell", venture_mw=2.0), Released)
    assert found == [(1.0, "released", "arm", "venture:Bell")]


def test_adoption_is_for_good_and_paid_once():
    market = with_arm(6, nre_usd=5e6)
    assert len(told(market, Adopted)) == 2
    paid = [p for p in market.books.postings if p.label == "engineering"]
    assert sorted(p.payer for p in paid) == ["Ada", "Bell"]
    assert {p.cents for p in paid} == {5 * 10**8}


def test_nobody_adopts_what_it_cannot_pay():
    assert not told(with_arm(nre_usd=1e14), Adopted)


def test_a_site_of_a_class_that_is_still_developed_waits_for_its_chips():
    given = scenario(
        {"Lab": lab(0.01)},
        {"Ada": cloud(1.0, 1.0)},
        months=6,
        chips={"chip": CHIP, "arm": ARM},
        classes={"arm": {"development_months": 3}},
        regions={
            "home": {
                "construction_mean_months": 6.0,
                "grid_mean_months": 6.0,
                "clock_shape": 1e8,
                "power_usd_per_kwh": 0.0,
                "pue": 1.0,
            }
        },
    )
    market = after(given, 1, strategies={"Ada": {"adopter": Always()}})
    assert market.books.adopted == {("Ada", "arm"): 4.0}
    market.run_until(2)
    options = cloud_views(market)["Ada"].options
    assert [o.class_ for o in options] == ["gpu", "arm"]  # the site would have power at 5.6
    slow = after(
        given.model_copy(
            update={
                "classes": {
                    "arm": given.classes["arm"].model_copy(update={"development_months": 30})
                }
            }
        ),
        2,
        strategies={"Ada": {"adopter": Always()}},
    )
    assert [o.class_ for o in cloud_views(slow)["Ada"].options] == ["gpu"]


# Porting


def served_by(
    ported: Mapping[str, float], *, porting: float = 0.0, arm_floor: float = 1.0
) -> Market:
    """Return a market in which a GPU hall asks 2 USD an hour and an arm hall less."""
    given = scenario(
        {name: lab(9.0, 1.0, ported={"arm": share}) for name, share in ported.items()},
        {"Gpu Cloud": cloud(2.0, 4.0), "Arm Cloud": cloud(arm_floor, 0.0)},
        months=2,
        chips={"chip": CHIP, "arm": ARM},
        classes={"arm": {"porting_usd_per_h100e": porting, "porting_half_months": 1e9}},
        sites={
            "arm hall": {
                "cloud": "Arm Cloud",
                "region": "home",
                "capacity_mw": 4.0,
                "stage": "energised",
                "chip": "arm",
            }
        },
    )
    return after(given, 2)


def test_a_lab_buys_the_cheaper_class_it_has_ported_to():
    assert set(prices(served_by({"Lab": 1.0}))) == {("Lab", "Arm Cloud")}


def test_a_lab_that_refuses_a_class_never_has_it():
    assert set(prices(served_by({"Lab": 0.0}))) == {("Lab", "Gpu Cloud")}


@pytest.mark.parametrize(("share", "cloud_"), [(1.0, "Arm Cloud"), (0.4, "Gpu Cloud")])
def test_porting_costs_by_how_little_is_ported(share: float, cloud_: str):
    """It saves a dollar an hour; porting takes half of it where all is ported, 1.25 times at 0.4."""
    porting = 0.5 * 36 * 730.5
    market = served_by({"Lab": share}, porting=porting)
    assert set(prices(market)) == {("Lab", cloud_)}
    assert porting_usd_per_hour(market)[0] == pytest.approx([0.0, 0.5 / share])


def test_labs_part_by_what_they_have_ported():
    market = served_by({"Ready": 1.0, "Unready": 0.0})
    assert set(prices(market)) == {("Ready", "Arm Cloud"), ("Unready", "Gpu Cloud")}
    shares = trajectory(market, "share_chip_class", "arm")
    assert np.isfinite(shares).all()


# Export rules


def ruled(**policy: Any) -> Market:
    """Return a market with halls for GPUs and own silicon, powered in month 2 under an export control."""
    given = scenario(
        {"Lab": lab(0.01)},
        {"Ada": cloud(1.0, 0.0)},
        chips={"chip": CHIP, "arm": ARM},
        classes={"arm": {}},
        sites={
            "gpus": {**HALL, "cloud": "Ada", "capacity_mw": 1.0, "stage": "leased"},
            "arms": {**HALL, "cloud": "Ada", "capacity_mw": 1.0, "stage": "leased", "chip": "arm"},
        },
        months=2,
        region={"construction_mean_months": 1.0, "grid_mean_months": 1.0, "clock_shape": 1e8},
        governments={"State": {"cash_usd": 0.0}},
        policies={
            "rule": {
                "government": "State",
                "instrument": "export-control",
                "effective": START,
                "destinations": ("home",),
                **policy,
            }
        },
    )
    return after(given, 2)


@pytest.mark.parametrize(
    ("policy", "fitted"),
    [
        ({}, set()),
        ({"classes": ("gpu",)}, {"arms"}),
        ({"classes": ("arm",)}, {"gpus"}),
        ({"chips": ("chip",)}, {"arms"}),
        ({"quota_by_class_h100e_per_year": {"arm": 1000.0}}, {"arms"}),
        ({"quota_h100e_per_year": 1000.0, "quota_by_class_h100e_per_year": {"arm": 0.0}}, {"gpus"}),
        ({"quota_h100e_per_year": 2000.0}, {"gpus", "arms"}),
    ],
)
def test_an_export_rule_holds_back_the_classes_it_names(policy: dict[str, Any], fitted: set[str]):
    market = ruled(**policy)
    assert {e[2] for e in told(market, Energised)} == fitted


def test_a_cloud_plans_with_the_newest_generation_that_may_go_there():
    market = ruled(chips=("chip",))
    newest = cloud_views(market)["Ada"].options
    assert [o.pool.chip for o in newest] == ["arm"]  # no GPU may go there


def test_volume_on_a_curve_is_what_was_fitted():
    given = scenario(
        {"Lab": lab(9.0, 1.0)},
        {"Ada": cloud(1.0, 1.0)},
        months=3,
        contracts={"c": contract("Lab", "Ada", 1.0, 1.0)},
    )
    market = after(given, 3)
    assert market.books.shipped_kw == {}  # what stands at the start was shipped before it
    assert math.isclose(market.delivered_by_class.sum(), 1000.0)
