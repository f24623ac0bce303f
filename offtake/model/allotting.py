"""Allotment: a month's orders for a class of chips are made to fit what its suppliers ship (chp-1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.chance import order
from offtake.model.chips import list_price_usd
from offtake.model.clearing import call_auction
from offtake.model.contracts import Site, Stage
from offtake.model.events import Allotted, Energised, Shipped
from offtake.model.fitting import can_be_fitted, pay_for_chips
from offtake.model.proposals import Equip
from offtake.model.public_money import chip_factor

if TYPE_CHECKING:
    from offtake.model.market import Market

HIGHEST_MARKUP = 10.0
"""Price over the price on the curve beyond which suppliers do not go, whatever is bid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a powered site still needs, and the most its cloud would pay for it."""

    limit: float
    """Price over the price on the curve."""
    capacity_kw: int
    h100e_per_kw: float

    @property
    def h100e(self) -> float:
        """Compute ordered."""
        return self.capacity_kw * self.h100e_per_kw


def ration(orders: Sequence[Order], h100e: float) -> tuple[float, list[int]]:
    """Return the markup at which orders fit into an allotment, and what each order gets, kW.

    The price rises from the curve until what is asked for fits: to the highest limit that is not
    served in full. Orders above it are filled, those at it share what is left in proportion, in whole
    kilowatts; the allotment is never exceeded.

    Examples
    --------
    >>> orders = [Order(limit=x, capacity_kw=100, h100e_per_kw=1.0) for x in (1.5, 1.2, 0.9)]
    >>> ration(orders, 300.0), ration(orders, 150.0), ration(orders, 80.0)
    ((1.0, [100, 100, 0]), (1.2, [100, 50, 0]), (1.5, [80, 0, 0]))
    """
    asking = [(o.limit, o.h100e) for o in orders if o.limit >= 1]
    if not asking:
        return 1.0, [0] * len(orders)
    _, lowest, _ = call_auction(asking, [(1.0, h100e)])
    markup = max(lowest, 1.0)
    left = h100e - math.fsum(o.h100e for o in orders if o.limit > markup)
    marginal = math.fsum(o.h100e for o in orders if o.limit == markup)
    part = min(max(left, 0.0) / marginal, 1.0) if marginal > 0 else 0.0
    return markup, [
        o.capacity_kw
        if o.limit > markup
        else math.floor(o.capacity_kw * part)
        if o.limit == markup
        else 0
        for o in orders
    ]


def allotment_h100e(market: "Market", class_: str) -> float:
    """Return what suppliers of a class ship this month, H100e; infinity without an allotment."""
    given = market.setup.classes[class_]
    if given.allotment_h100e_per_month is None:
        return math.inf
    growth = math.exp(given.allotment_growth_per_month * (market.month - 1))
    return given.allotment_h100e_per_month * growth


def allot(market: "Market", plans: Sequence[Equip]) -> None:
    """Ship what suppliers allot, class by class; what is not ordered is sold elsewhere (chp-1)."""
    for class_ in market.setup.classes:
        if allotment_h100e(market, class_) < math.inf:
            _allot(market, class_, [p for p in plans if _orders(market, p, class_)])


def _orders(market: "Market", plan: Equip, class_: str) -> bool:
    """Whether a plan orders chips of a class for a site that waits for nothing else."""
    site = market.books.sites[plan.site]
    same = market.setup.scenario.chips[site.pool.chip].class_ == class_
    return same and plan.wanted and site.stage is Stage.POWERED and can_be_fitted(market, site)


def _allot(market: "Market", class_: str, plans: Sequence[Equip]) -> None:
    seed, drawn_as, month = market.setup.seed, market.setup.drawn_as, market.month
    sites = [market.books.sites[plan.site] for plan in plans]
    orders = [_order(market, plan, site) for plan, site in zip(plans, sites, strict=True)]
    markup, given_kw = ration(orders, allotment_h100e(market, class_))
    h100e = math.fsum(kw * o.h100e_per_kw for kw, o in zip(given_kw, orders, strict=True))
    if not orders and market.books.markup.get(class_, 1.0) == 1.0:
        return
    cause = f"allotment:{class_} {month}"
    market.apply(Allotted(chip_class=class_, markup=markup, h100e=h100e, cause=cause))
    served = [(site, kw) for site, kw in zip(sites, given_kw, strict=True) if kw > 0]
    for site, kw in sorted(
        served, key=lambda s: (order(seed, "chips", drawn_as[s[0].pool.cloud], month), s[0].opened)
    ):
        _ship(market, site, kw, markup, cause)


def _order(market: "Market", plan: Equip, site: Site) -> Order:
    listed = list_price_usd(market, site.pool.chip) * chip_factor(market, site.pool)
    most = listed if plan.limit_usd_per_h100e is None else plan.limit_usd_per_h100e
    return Order(
        limit=min(most / listed, HIGHEST_MARKUP),
        capacity_kw=site.capacity_kw - market.books.chips_kw.get(site.name, 0),
        h100e_per_kw=market.setup.scenario.chips[site.pool.chip].h100e_per_mw / 1000,
    )


def _ship(market: "Market", site: Site, kw: int, markup: float, cause: str) -> None:
    """Ship what a cloud can pay for at the month's price; a site with all its chips is energised."""
    price = list_price_usd(market, site.pool.chip) * markup
    usd_per_kw = price * market.setup.scenario.chips[site.pool.chip].h100e_per_mw / 1000
    outlay = usd_per_kw * chip_factor(market, site.pool)
    if not pay_for_chips(market, site, cents(kw * usd_per_kw), cause):
        kw = min(int(market.books.deposits[site.pool.cloud] / 100 / outlay), kw)
        if kw <= 0 or not pay_for_chips(market, site, cents(kw * usd_per_kw), cause):
            return
    market.apply(Shipped(site=site.name, capacity_kw=kw, cause=cause))
    if market.books.chips_kw[site.name] == site.capacity_kw:
        market.apply(Energised(site=site.name, cause=cause))
