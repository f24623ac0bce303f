"""Adopting: when a custom class of chips can be had, what it would save, and who takes it (chp-2)."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.cents import cents
from offtake.model.chance import order
from offtake.model.chips import list_price_usd, usable_from
from offtake.model.contracts import Pool
from offtake.model.events import Adopted, Posted, Posting, Released
from offtake.model.owners import venture_kw
from offtake.model.porting import ported, porting_usd_per_hour
from offtake.model.pricing import annuity, breakeven_h100e, full_cost
from offtake.model.proposals import Adopt
from offtake.model.public_money import chip_factor, shell_factor
from offtake.model.scenario import GPU, ChipClass
from offtake.model.seeing import AHEAD, need_ahead, win_shares
from offtake.model.setup import build_regions
from offtake.model.view import AdoptionView, ClassChoice

if TYPE_CHECKING:
    from offtake.model.market import Market

STEP = 3
"""Months between the dates at which a break-even is looked for."""


def adopt(market: "Market") -> None:
    """Classes that need not wait any more are released; clouds adopt what pays (chp-2)."""
    if len(market.setup.classes) == 1:
        return
    _release(market)
    views = adoption_views(market)
    setup = market.setup
    ranks = {n: order(setup.seed, "adopt", setup.drawn_as[n], market.month) for n in views}
    decided = [
        (name, plan)
        for name, view in views.items()
        for plan in market.participants[name].decide("adopter", view)
    ]
    for name, plan in sorted(decided, key=lambda item: ranks[item[0]]):
        _adopt(market, name, plan)


def _release(market: "Market") -> None:
    for name, given in market.setup.classes.items():
        if name != GPU and name not in market.books.released:
            reason = _came(market, given)
            if reason is not None:
                market.apply(Released(chip_class=name, cause=reason))


def _came(market: "Market", given: ChipClass) -> str | None:
    """Return why a class can be had, if it can: what it waits for is paid and stands."""
    if given.tranche is not None and given.tranche not in market.books.paid:
        return None
    if given.venture is not None and energised_mw(market, given.venture) < given.venture_mw:
        return None
    waited = [w for w in (given.tranche, given.venture) if w is not None]
    return f"venture:{', '.join(waited)}" if waited else "scenario"


def energised_mw(market: "Market", cloud: str) -> float:
    """Return what a cloud has energised, MW of IT load; of a label, what runs in its name."""
    if market.setup.scenario.clouds[cloud].label_over:
        return venture_kw(market, cloud) / 1000
    mine = market.setup.pool_cloud == market.books.cloud_index[cloud]
    return float(market.books.energised_kw[mine].sum()) / 1000


def _adopt(market: "Market", cloud: str, plan: Adopt) -> None:
    """Pay for the engineering of a class, once; from then on it is in development, for good."""
    if not can_adopt(market, cloud, plan.chip_class):
        return
    given = market.setup.classes[plan.chip_class]
    cost = cents(given.nre_usd)
    if market.books.deposits[cloud] < cost:
        return
    cause = f"proposal:Adopt by {cloud}"
    if cost > 0:
        bill = Posting(cloud, "Suppliers", cost, "engineering", plan.chip_class)
        market.post(Posted(postings=(bill,), cause=cause))
    ready = market.time + given.development_months
    market.apply(Adopted(name=cloud, chip_class=plan.chip_class, ready=ready, cause=cause))


def can_adopt(market: "Market", cloud: str, class_: str) -> bool:
    """Whether a cloud could adopt a class now: it is released, its own or anybody's, and new to it."""
    given = market.setup.classes.get(class_)
    if given is None or class_ == GPU or class_ not in market.books.released:
        return False
    return given.owner in (None, cloud) and (cloud, class_) not in market.books.adopted


def adoption_views(market: "Market") -> dict[str, AdoptionView]:
    """Return what clouds that have a class to adopt see of it."""
    views = {}
    for name in market.setup.clouds:
        classes = [c for c in market.setup.classes if can_adopt(market, name, c)]
        if not classes or name in market.books.failed:
            continue
        needs = expected_needs(market, name)
        choices = (choice(market, name, class_, needs) for class_ in classes)
        views[name] = AdoptionView(
            name=name,
            time=market.time,
            rules=market.setup.rules,
            cash_usd=market.books.deposits[name] / 100,
            choices=tuple(c for c in choices if c is not None),
        )
    return views


def expected_needs(market: "Market", cloud: str) -> np.ndarray:
    """Return uncovered need that a cloud expects to win, by lab and months ahead, H100e."""
    month, index = market.month, market.books.cloud_index[cloud]
    covered = market.books.covered_h100e[:, month : month + AHEAD + 1]
    uncovered = np.maximum(need_ahead(market) - covered, 0.0)
    return win_shares(market)[:, index, None] * uncovered


def choice(
    market: "Market", cloud: str, class_: str, needs: np.ndarray, later: int = 0
) -> ClassChoice | None:
    """Return what adopting a class now, or some months later, would bring; nothing before its chips exist."""
    given = market.setup.classes[class_]
    ahead = later + _development(market, cloud, given, class_)
    if ahead > AHEAD or not market.setup.generations[class_].released(market.time + ahead):
        return None
    at = math.ceil(ahead)
    k = [*market.setup.classes].index(class_)
    wanted = np.where(ported(market)[:, k] > 0, needs[:, at], 0.0)
    volume = math.fsum(wanted.tolist())
    lost = math.fsum((wanted * porting_usd_per_hour(market)[:, k]).tolist())
    saving = class_cost(market, cloud, GPU, ahead) - class_cost(market, cloud, class_, ahead)
    saving -= lost / max(volume, 1e-9)
    rate = (1 + market.setup.scenario.clouds[cloud].discount_per_year) ** (1 / 12) - 1
    life = market.setup.scenario.building.server_life_months
    worth = float(annuity(rate, life)) * (1 + rate) ** -(ahead - later)
    trigger, _ = market.setup.triggers[market.books.cloud_index[cloud]]
    return ClassChoice(
        chip_class=class_,
        saving_usd_per_h100e_hour=saving,
        volume_h100e=volume,
        nre_usd=given.nre_usd,
        development_months=given.development_months,
        worth_months=worth,
        trigger=trigger,
        breakeven_h100e=breakeven_h100e(saving, given.nre_usd, worth, trigger),
    )


def _development(market: "Market", cloud: str, given: ChipClass, class_: str) -> float:
    """Return the months until a cloud that adopts a class, or has adopted it, can fit it."""
    ready = usable_from(market, cloud, class_)
    return float(given.development_months) if ready == math.inf else max(ready - market.time, 0.0)


def class_cost(market: "Market", cloud: str, class_: str, ahead: float) -> float:
    """Return the full cost of a class some months ahead where a cloud builds first (cst-2, chp-1).

    In an owned shell, USD per sold H100e-hour, at the price on the curve of the newest generation.
    """
    setup, building = market.setup, market.setup.scenario.building
    name, chip = setup.newest_chip(market.time + ahead, class_)
    pool = Pool(cloud=cloud, region=build_regions(setup.scenario, cloud)[0], chip=name)
    region = setup.scenario.regions[pool.region]
    shell = building.shell_usd_per_kw * 1000 / chip.h100e_per_mw
    rate = (1 + setup.scenario.clouds[cloud].discount_per_year) ** (1 / 12) - 1
    return full_cost(
        capital_usd=list_price_usd(market, name, ahead) * chip_factor(market, pool)
        + shell * shell_factor(market, pool),
        life_months=building.server_life_months,
        rate_per_month=rate,
        rent_usd_per_month=0.0,
        running_usd_per_hour=setup.running_cost(region, chip),
        operations_share_per_year=0.0,
        busy=building.busy,
    )


def breakeven(market: "Market", cloud: str, class_: str) -> tuple[float, float]:
    """Return the volume from which a class pays, H100e, and the months until it does; infinity for never.

    The date is looked for every few months as far as views reach, at the volumes and prices believed.
    """
    given = market.setup.classes[class_]
    if class_ == GPU or given.owner not in (None, cloud) or cloud in market.books.failed:
        return math.inf, math.inf
    needs = expected_needs(market, cloud)
    now = choice(market, cloud, class_, needs)
    volume = now.breakeven_h100e if now is not None else math.inf
    for later in range(0, AHEAD + 1, STEP):
        found = choice(market, cloud, class_, needs, later)
        if found is not None and found.volume_h100e >= found.breakeven_h100e:
            return volume, float(later)
    return volume, math.inf
