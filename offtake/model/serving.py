"""Serving: capacity that was delivered meets the demand of users, and the rest of it trains."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.contracts import PURPOSES
from offtake.model.dealing import Purpose
from offtake.model.demand import (
    adoption,
    choice,
    service_price,
    stock_after,
    users_after,
    utilities,
)
from offtake.model.events import Served
from offtake.model.make_up import prices_of_more_use
from offtake.model.opening import load
from offtake.model.porting import learn_to_port
from offtake.model.subleases import let, let_by_contract
from offtake.model.sums import summed
from offtake.model.training import training_need_h100e
from offtake.model.worth import hours_asked, training_efficiency, training_values

if TYPE_CHECKING:
    from offtake.model.market import Market

LEAST_STOCK = 1e-6
"""Training stock below which a lab's quality does not fall further, H100e-months."""


def serve(market: "Market") -> None:
    """Capacity delivered in the month serves demand; what is left over trains."""
    before = market.books.served
    assert before is not None
    delivered = _delivered_h100e(market)
    capacity = np.array([math.fsum(row) for row in delivered.tolist()])
    wanted = load(before.users_million, hours_asked(market, market.month - 1))
    trains_only = _by_lab(market, _kept_for(market, "training"))
    served = np.minimum(wanted, np.maximum(capacity - trains_only, 0.0))
    unserved = 1 - served / np.maximum(wanted, 1e-12)
    shares = before.users_million / market.adopters_million
    revenue = before.price_usd * before.users_million * 1e6 * (1 - unserved)
    market.used_h100e = _used(market, served, capacity, shares)
    own = market.used_h100e - let_by_contract(market)
    used = _by_lab(market, own) + _spot_by_lab(market)
    trained = np.maximum(used - served, 0.0)
    stock = _stock(market, before, trained)
    chosen = _chosen(market, before, stock, unserved)
    share, users = _users(market, before, chosen)
    failed = np.array([name in market.books.failed for name in market.setup.labs])
    market.apply(
        Served(
            users_million=np.where(failed, 1e-9, users),
            adopters_share=share,
            training_stock=stock,
            price_usd=_service_price(market, before, chosen),
            unserved=unserved,
            revenue_usd=np.where(failed, 0.0, revenue),
            load_h100e=load(users, hours_asked(market, market.month)),
            training_need_h100e=training_need_h100e(market, revenue),
            delivered_h100e=delivered,
            used_share=np.where(capacity > 0, used / np.maximum(capacity, 1e-9), 0.0),
            cause="demand",
        )
    )
    learn_to_port(market)


def _delivered_h100e(market: "Market") -> np.ndarray:
    """Return compute delivered in the month by the lab that uses it and cloud, spot included, H100e."""
    books, setup = market.books, market.setup
    c = books.contracts
    n = c.size
    market.delivered_h100e = c.delivered_kw_months[:n] * c.theta[:n]
    market.delivered_kw = summed(
        setup.pool_cloud[c.pool[:n]], c.delivered_kw_months[:n], len(setup.clouds)
    )
    cell = c.lab[:n] * len(setup.clouds) + setup.pool_cloud[c.pool[:n]]
    shape = (len(setup.labs), len(setup.clouds))
    matrix = summed(cell, market.delivered_h100e, shape[0] * shape[1]).reshape(shape)
    for venue in sorted(books.spot):
        for bought in books.spot[venue].purchases:
            cell = books.lab_index[bought.lab], setup.pool_cloud[bought.pool]
            matrix[cell] += bought.h100e
    for item in let(market):
        cloud = setup.pool_cloud[c.pool[item.row]]
        matrix[books.lab_index[item.agreed.lab], cloud] += item.h100e
        owner = books.lab_index[item.agreed.lessor]
        matrix[owner, cloud] = max(matrix[owner, cloud] - item.h100e, 0.0)
    return matrix


def _by_lab(market: "Market", by_contract: np.ndarray) -> np.ndarray:
    c = market.books.contracts
    return summed(c.lab[: c.size], by_contract, len(market.setup.labs))


def _spot_by_lab(market: "Market") -> np.ndarray:
    bought = np.zeros(len(market.setup.labs))
    for venue in sorted(market.books.spot):
        for item in market.books.spot[venue].purchases:
            bought[market.books.lab_index[item.lab]] += item.h100e
    for lent in let(market):
        bought[market.books.lab_index[lent.agreed.lab]] += lent.h100e
    return bought


def _stock(market: "Market", before: Served, trained: np.ndarray) -> np.ndarray:
    """Return training stock after a month's training, H100e-months (dem-7)."""
    decay = market.setup.scenario.demand.training_decay_per_month
    stock = stock_after(before.training_stock, trained, decay, training_efficiency(market))
    return np.maximum(stock, LEAST_STOCK)


def _chosen(
    market: "Market", before: Served, stock: np.ndarray, unserved: np.ndarray
) -> np.ndarray:
    """Return the share of choosing users that each lab wins (dem-2)."""
    setup, demand = market.setup, market.setup.scenario.demand
    utility = utilities(
        appeal=market.appeal + setup.appeal_path[market.month - 1],
        stock=stock,
        price_usd=before.price_usd,
        unserved=unserved,
        reach=market.books.reach(),
        quality_return=demand.quality_return,
        price_sensitivity=float(setup.price_sensitivity[market.month - 1]),
        unserved_penalty=demand.unserved_penalty,
    )
    chosen, _ = choice(utility)
    return chosen


def _users(market: "Market", before: Served, chosen: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the share of adopters and users by lab after a month's adoption and churn, million."""
    demand = market.setup.scenario.demand
    potential = demand.potential_users_million
    share = adoption(
        before.adopters_share, demand.innovation_per_year, demand.imitation_per_year, 1 / 12
    )
    users = users_after(
        before.users_million,
        before.adopters_share * potential,
        (share - before.adopters_share) * potential,
        chosen,
        demand.churn_per_month,
    )
    return share, users


def _service_price(market: "Market", before: Served, chosen: np.ndarray) -> np.ndarray:
    """Return what a user pays next month, USD (dem-6)."""
    return service_price(
        before.price_usd,
        hours_asked(market, market.month) * market.contract_price,
        chosen,
        market.conduct,
        float(market.setup.price_sensitivity[market.month]),
        market.setup.scenario.demand.price_adjustment,
    )


def _kept_for(market: "Market", purpose: Purpose) -> np.ndarray:
    """Return what is delivered by contracts that serve one purpose only, H100e; 0 for others."""
    c = market.books.contracts
    return np.where(c.purpose[: c.size] == PURPOSES.index(purpose), market.delivered_h100e, 0.0)


def _used(
    market: "Market", served: np.ndarray, capacity: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Return what is used of each contract: inference evenly, then training where it is worth its price.

    A unit beyond the floor is used for training iff v^T reaches ``(1 - phi) p`` (row B14), less where
    compute paid for before is banked. What is let to another lab is used by that lab. What serves
    inference only is used for it first; it never trains.
    """
    c = market.books.contracts
    n = c.size
    purpose = c.purpose[:n]
    kept = _by_lab(market, _kept_for(market, "inference"))
    first = np.minimum(served, kept)
    free = capacity - kept - _by_lab(market, _kept_for(market, "training"))
    evenly = ((served - first) / np.maximum(free, 1e-12))[c.lab[:n]]
    before = (first / np.maximum(kept, 1e-12))[c.lab[:n]]
    part = np.choose(purpose, [evenly, before, np.zeros(n)])
    worth = training_values(market, shares)[c.lab[:n]]
    trains = (worth >= prices_of_more_use(market)) & (purpose != PURPOSES.index("inference"))
    others = let_by_contract(market)
    return (market.delivered_h100e - others) * (part + (1 - part) * trains) + others
