"""Chips: what a class has shipped, what its chips cost now and later, and who may fit them (chp-1)."""

import math
from typing import TYPE_CHECKING

from offtake.model.experience import relative_price, shipped_by
from offtake.model.scenario import GPU

if TYPE_CHECKING:
    from offtake.model.market import Market


def count_shipments(market: "Market") -> None:
    """Set the volumes that the month's prices follow: what is bought in a month moves later ones only.

    Otherwise whoever is fitted first in a month would make chips cheaper for the others.
    """
    for class_, given in market.setup.classes.items():
        if given.learning_rate > 0:
            market.bought_h100e[class_] = bought_h100e(market, class_)


def bought_h100e(market: "Market", class_: str) -> float:
    """Return what the clouds of the scenario have bought of a class in the run, H100e."""
    shipped = market.books.shipped_kw
    return math.fsum(
        shipped[name] * chip.h100e_per_mw / 1000
        for name, chip in market.setup.generations[class_].chips
        if name in shipped
    )


def volume_h100e(market: "Market", class_: str, ahead: float = 0.0) -> float:
    """Return the cumulative volume X of a class, now or as it is believed some months ahead, H100e.

    What was shipped before the start, what the rest of the world buys, and what the clouds have bought;
    they are believed to go on at their mean pace so far.
    """
    given, now = market.setup.classes[class_], market.time
    world = shipped_by(
        given.world_h100e_per_month, given.world_growth_per_month, max(now + ahead, 0.0)
    )
    pace = ahead / now if now > 0 else 0.0
    return given.shipped_h100e + world + market.bought_h100e.get(class_, 0.0) * (1 + pace)


def experience(market: "Market", class_: str, ahead: float = 0.0) -> float:
    """Return P/P0 of a class by its experience curve, now or as it is believed later (chp-1, row D4)."""
    given = market.setup.classes[class_]
    if given.learning_rate == 0:
        return 1.0
    ratio = volume_h100e(market, class_, ahead) / given.shipped_h100e
    return relative_price(ratio, given.learning_rate)


def list_price_usd(market: "Market", chip: str, ahead: float = 0.0) -> float:
    """Return what a generation costs on its class's curve, before any markup, USD per H100e."""
    given = market.setup.scenario.chips[chip]
    return given.price_usd_per_h100e * experience(market, given.class_, ahead)


def price_usd(market: "Market", chip: str, ahead: float = 0.0) -> float:
    """Return what a generation costs, now or as it is believed some months ahead, USD per H100e.

    The scarcity markup is believed to stay where it last cleared.
    """
    class_ = market.setup.scenario.chips[chip].class_
    return list_price_usd(market, chip, ahead) * market.books.markup.get(class_, 1.0)


def replacements(
    market: "Market", chip: str, lead: float, price_usd_per_h100e: float
) -> tuple[float, ...]:
    """Return by life of a site's chips what those that replace them cost, in prices of the first.

    On the class's own curve where it has one: the newest generation of that day at the volume believed for
    it. Where prices are dated, they are believed to fall with the price of compute.
    """
    setup = market.setup
    class_ = setup.scenario.chips[chip].class_
    if setup.classes[class_].learning_rate == 0:
        return setup.rules.replacements
    life = setup.scenario.building.server_life_months
    prices = [price_usd_per_h100e]
    for k in range(1, len(setup.rules.replacements)):
        ahead = lead + k * life
        newest, _ = setup.newest_chip(market.time + ahead, class_)
        prices.append(list_price_usd(market, newest, ahead))
    return tuple(price / price_usd_per_h100e for price in prices)


def usable_from(market: "Market", cloud: str, class_: str) -> float:
    """Return the month from which a cloud can fit chips of a class; infinity if it has not adopted it."""
    return 0.0 if class_ == GPU else market.books.adopted.get((cloud, class_), math.inf)


def usable_classes(market: "Market", cloud: str, by: float) -> list[str]:
    """Return the classes that a cloud can fit in a month, GPUs first."""
    classes = market.setup.classes
    return [name for name in classes if name == GPU or usable_from(market, cloud, name) <= by]


def is_allotted(market: "Market", chip: str) -> bool:
    """Whether chips of a generation are rationed: their class has an allotment."""
    class_ = market.setup.scenario.chips[chip].class_
    return market.setup.classes[class_].allotment_h100e_per_month is not None
