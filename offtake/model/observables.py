"""Observables: one column each of the analyst's tables, with unit and meaning in one place."""

import functools
import math
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.adopting import breakeven
from offtake.model.borrowing import lending_rate_per_year, let_debt_cents
from offtake.model.cascades import largest_chain
from offtake.model.chips import price_usd
from offtake.model.circularity import circularity as circular
from offtake.model.concentration import herfindahl
from offtake.model.contracts import BEGUN, OPEN, Because, Stage
from offtake.model.covenants import cover
from offtake.model.demand import damped
from offtake.model.losses import CAUSES
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import PATIENT
from offtake.model.owners import consent, uncalled_cents, venture_kw
from offtake.model.porting import ported
from offtake.model.seeing import runway_months as months_of_cash
from offtake.model.shells import landlord_with_shells, outside_rent, vacant_in

if TYPE_CHECKING:
    from offtake.model.market import Market

IDLE_MONTHS = 3
"""Months after which uncommitted energised capacity counts as stranded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observable:
    """A function from the market to numbers, by the names of its index."""

    name: str
    unit: str
    meaning: str
    index: tuple[str, ...]
    """What its rows are about: none, one or two of "lab", "cloud", "region", "class" (of chips), "cause"."""
    headline: bool
    read: Callable[["Market"], np.ndarray]


TABLE: list[Observable] = []
"""Every observable, in the order of this file; code, tables and reference share it."""


def observable(
    unit: str, *index: str, headline: bool = False
) -> Callable[[Callable[["Market"], np.ndarray]], Callable[["Market"], np.ndarray]]:
    """Make a function an observable; its first docstring line is the meaning."""

    def add(read: Callable[["Market"], np.ndarray]) -> Callable[["Market"], np.ndarray]:
        meaning = (read.__doc__ or "").partition("\n")[0]
        if not meaning or any(item.name == read.__name__ for item in TABLE):
            why = (
                "has the name of another one"
                if meaning
                else "needs a docstring: its first line is its meaning"
            )
            raise ValueError(f"observable {read.__name__!r} of {read.__module__} {why}")
        TABLE.append(
            Observable(
                name=read.__name__,
                unit=unit,
                meaning=meaning,
                index=index,
                headline=headline,
                read=read,
            )
        )
        return read

    return add


@functools.cache
def load_observables() -> None:
    """Load observables of other packages, which then stand in the table (``offtake.observables``).

    Raises
    ------
    TypeError
        If what a package offers is not an observable.
    """
    for point in sorted(entry_points(group="offtake.observables")):
        found = point.load()
        if not any(item.read is found for item in TABLE):
            raise TypeError(
                f"{point.value} is offered as the observable {point.name!r} (offtake.observables), but "
                "is not one; put @observable(unit, ...) of offtake.model.observables above it"
            )


def _by_cloud(market: "Market", by_pool: np.ndarray) -> np.ndarray:
    return np.bincount(market.setup.pool_cloud, weights=by_pool, minlength=len(market.setup.clouds))


def _sums(rows: np.ndarray) -> np.ndarray:
    return np.array([math.fsum(row) for row in rows.tolist()])


def _shares(amounts: np.ndarray) -> np.ndarray:
    total = math.fsum(amounts.tolist())
    return amounts / total if total > 0 else amounts


def _delivered(market: "Market") -> np.ndarray:
    assert market.books.served is not None
    return market.books.served.delivered_h100e


@observable("share", "cloud", headline=True)
def share_compute(market: "Market") -> np.ndarray:
    """Share of all delivered compute, H100e, that a cloud delivers."""
    return _shares(_sums(_delivered(market).T))


@observable("share", "cloud", headline=True)
def share_contracted(market: "Market") -> np.ndarray:
    """Share of a cloud in all compute under contract for the next three years."""
    month = market.month
    kw = market.books.committed_kw[:, month : month + 36].mean(axis=1)
    return _shares(_by_cloud(market, kw * market.setup.theta))


@observable("share", "lab", headline=True)
def share_labs(market: "Market") -> np.ndarray:
    """Share of a lab in the revenue of all labs."""
    assert market.books.served is not None
    return _shares(market.books.served.revenue_usd)


@observable("share", "lab", "cloud", headline=True)
def dependence(market: "Market") -> np.ndarray:
    """Share of a lab's delivered compute that comes from a cloud."""
    delivered = _delivered(market)
    return delivered / np.maximum(_sums(delivered), 1e-12)[:, None]


@observable("share", "lab")
def share_hhi_sourcing(market: "Market") -> np.ndarray:
    """Concentration of a lab's sourcing: sum of squared dependences, 1 for a single supplier."""
    return _sums(dependence(market) ** 2)


@observable("share", headline=True)
def hhi_compute(market: "Market") -> np.ndarray:
    """Herfindahl-Hirschman index of delivered compute by cloud, from 0 to 1."""
    return np.array([herfindahl(market)])


@observable("share")
def hhi_capacity(market: "Market") -> np.ndarray:
    """Herfindahl-Hirschman index of energised capacity by cloud, from 0 to 1."""
    return np.array([_hhi(_by_cloud(market, market.books.energised_kw))])


@observable("share")
def hhi_labs(market: "Market") -> np.ndarray:
    """Herfindahl-Hirschman index of the labs' revenue, from 0 to 1."""
    assert market.books.served is not None
    return np.array([_hhi(market.books.served.revenue_usd)])


def _hhi(amounts: np.ndarray) -> float:
    return math.fsum((_shares(amounts) ** 2).tolist())


@observable("share", headline=True)
def share_domestic(market: "Market") -> np.ndarray:
    """Share of energised capacity in regions at home to the cloud's own government."""
    setup = market.setup
    home = [
        setup.scenario.regions[p.region].domestic_to == setup.scenario.clouds[p.cloud].home
        and setup.scenario.clouds[p.cloud].home is not None
        for p in setup.pools
    ]
    energised = market.books.energised_kw
    return np.array([float(energised[np.array(home)].sum()) / max(float(energised.sum()), 1.0)])


@observable("usd_per_h100e_hour", headline=True)
def price_contract(market: "Market") -> np.ndarray:
    """Mean price of contracts in force between independent parties, by quantity delivered."""
    c = market.books.contracts
    rows = [r for r in market.books.active_rows().tolist() if not c.facts[r].affiliate]
    weights = [float(c.delivered_kw[r] * c.theta[r]) for r in rows]
    total = math.fsum(weights)
    if total == 0:
        return np.array([math.nan])
    return np.array([math.fsum(w * c.price[r] for w, r in zip(weights, rows, strict=True)) / total])


@observable("ratio")
def price_dispersion(market: "Market") -> np.ndarray:
    """Ninetieth over tenth percentile of prices of contracts in force between independent parties."""
    c = market.books.contracts
    prices = [float(c.price[r]) for r in market.books.active_rows() if not c.facts[r].affiliate]
    if not prices:
        return np.array([math.nan])
    low, high = np.quantile(np.sort(prices), [0.1, 0.9])
    return np.array([high / low if low > 0 else math.nan])


@observable("usd_per_h100e_hour", headline=True)
def price_new(market: "Market") -> np.ndarray:
    """Index of prices at which contracts have lately been signed, as start prices."""
    return np.array([market.contract_price])


@observable("usd_per_h100e_hour", headline=True)
def price_spot(market: "Market") -> np.ndarray:
    """Price of the month's call auctions, by quantity; no value in a month without trade."""
    return np.array([_spot_price(market, market.setup.classes)])


@observable("usd_per_h100e_hour", "class")
def price_spot_class(market: "Market") -> np.ndarray:
    """Price of the month's call auctions of a class of chips, by quantity; no value without trade."""
    return np.array([_spot_price(market, (kind,)) for kind in market.setup.classes])


def _spot_price(market: "Market", classes: Container[str]) -> float:
    cleared = [
        c for _, c in sorted(market.books.spot.items()) if c.h100e > 0 and c.chip_class in classes
    ]
    total = math.fsum(c.h100e for c in cleared)
    if total == 0:
        return math.nan
    return math.fsum(c.price_usd_per_h100e_hour * c.h100e for c in cleared) / total


@observable("h100e", "lab")
def spot_h100e(market: "Market") -> np.ndarray:
    """Compute that a lab has bought in the month's spot auctions for the next, of clouds and of labs."""
    bought = dict.fromkeys(market.setup.labs, 0.0)
    for _, cleared in sorted(market.books.spot.items()):
        for item in (*cleared.purchases, *cleared.subleases):
            bought[item.lab] += item.h100e
    return np.array(list(bought.values()))


@observable("h100e", "lab")
def sublet_h100e(market: "Market") -> np.ndarray:
    """Compute that a lab has let to others in the month's spot auctions for the next."""
    sold = dict.fromkeys(market.setup.labs, 0.0)
    for _, cleared in sorted(market.books.spot.items()):
        for item in cleared.subleases:
            sold[item.lessor] += item.h100e
    return np.array(list(sold.values()))


@observable("share")
def share_spot(market: "Market") -> np.ndarray:
    """Share of all need that is met on spot, by the month's auctions."""
    need, bought = need_h100e(market).tolist(), spot_h100e(market).tolist()
    return np.array([math.fsum(bought) / max(math.fsum(need), 1e-12)])


@observable("h100e", "lab", headline=True)
def delivered_h100e(market: "Market") -> np.ndarray:
    """Compute delivered to a lab in the month, H100-equivalents."""
    return _sums(_delivered(market))


@observable("h100e", "lab")
def need_h100e(market: "Market") -> np.ndarray:
    """Compute a lab could use: inference load and the training its budget buys."""
    served = market.books.served
    assert served is not None
    return served.load_h100e + served.training_need_h100e


@observable("share", "lab")
def unserved(market: "Market") -> np.ndarray:
    """Share of a lab's inference load that went unserved in the month."""
    assert market.books.served is not None
    return market.books.served.unserved


@observable("share", "lab")
def utilisation(market: "Market") -> np.ndarray:
    """Share of delivered compute that a lab used."""
    assert market.books.served is not None
    return market.books.served.used_share


@observable("share", "cloud")
def utilisation_energised(market: "Market") -> np.ndarray:
    """Share of a cloud's energised capacity that was delivered or kept for its own use."""
    energised = _by_cloud(market, market.books.energised_kw)
    own = _by_cloud(market, market.books.own_kw)
    return np.minimum((market.delivered_kw + own) / np.maximum(energised, 1.0), 1.0)


@observable("usd", "lab")
def holdup_usd(market: "Market") -> np.ndarray:
    """Loss expected a year from renegotiation at a lab's dependence: psi times exposure (pro-5)."""
    assert market.books.served is not None
    rules = market.setup.scenario.procurement
    moved = _sums(dependence(market) ** 2) * _sums(_delivered(market))
    return rules.renegotiation_per_year * PATIENT * rules.porting_usd_per_h100e * moved


@observable("share", "lab", headline=True)
def coverage(market: "Market") -> np.ndarray:
    """Compute under contract a year ahead over the need forecast for then."""
    books = market.books
    assert books.served is not None
    assert books.believed is not None
    grown = damped(books.believed.growth, market.setup.scenario.beliefs.damping, 12)
    return books.covered_h100e[:, market.month + 12] / np.maximum(
        need_h100e(market) * np.exp(grown), 1e-9
    )


@observable("mw", "cloud", headline=True)
def energised_mw(market: "Market") -> np.ndarray:
    """Energised capacity, MW of IT load."""
    return _by_cloud(market, market.books.energised_kw) / 1000


@observable("mw", "cloud")
def pipeline_mw(market: "Market") -> np.ndarray:
    """Capacity leased, building or powered but not energised, MW of IT load."""
    return _stage_mw(market, set(OPEN) - {Stage.LOI})


@observable("mw", "cloud")
def loi_mw(market: "Market") -> np.ndarray:
    """Capacity under letters of intent, MW of IT load."""
    return _stage_mw(market, {Stage.LOI})


@observable("mw", "cloud", headline=True)
def cancelled_mw(market: "Market") -> np.ndarray:
    """Capacity given up so far, letters of intent included, MW of IT load."""
    return _given_up_mw(market, lambda stage, because: True)


@observable("mw", "cloud")
def cancelled_loi_mw(market: "Market") -> np.ndarray:
    """Capacity given up so far as letters of intent, lapsed ones included, MW of IT load."""
    return _given_up_mw(market, lambda stage, because: stage is Stage.LOI)


@observable("mw", "cloud")
def cancelled_leased_mw(market: "Market") -> np.ndarray:
    """Capacity given up so far before construction began, letters apart, MW of IT load."""
    return _given_up_mw(market, lambda stage, because: stage is Stage.LEASED)


@observable("mw", "cloud")
def cancelled_building_mw(market: "Market") -> np.ndarray:
    """Capacity given up so far after construction began, MW of IT load."""
    return _given_up_mw(market, lambda stage, because: stage in BEGUN)


@observable("mw", "cloud")
def cancelled_demand_mw(market: "Market") -> np.ndarray:
    """Capacity given up so far because no buyer was expected, though the price would have paid, MW."""
    return _given_up_mw(market, lambda stage, because: because == "demand")


@observable("mw", "cloud")
def cancelled_price_mw(market: "Market") -> np.ndarray:
    """Capacity given up so far because it would not have paid even if all of it were sold, MW."""
    return _given_up_mw(market, lambda stage, because: because == "price")


def _given_up_mw(market: "Market", counts: Callable[[Stage, Because], bool]) -> np.ndarray:
    total = dict.fromkeys(market.setup.clouds, 0)
    for (cloud, stage, because), kw in market.books.given_up_kw.items():
        if counts(stage, because):
            total[cloud] += kw
    return np.array(list(total.values())) / 1000


@observable("mw", "cloud")
def transferred_mw(market: "Market") -> np.ndarray:
    """Capacity a cloud has taken over so far that another had given up, MW of IT load."""
    total = dict.fromkeys(market.setup.clouds, 0)
    for taken in market.books.takeovers:
        if taken.seller != taken.site.pool.cloud:
            total[taken.site.pool.cloud] += taken.site.capacity_kw
    return np.array(list(total.values())) / 1000


@observable("mw", "cloud")
def deferred_mw(market: "Market") -> np.ndarray:
    """Letters and leases whose deadline has been moved and that have not been started, MW of IT load."""
    total = dict.fromkeys(market.setup.clouds, 0)
    for site in market.books.sites.values():
        if site.deferred and site.stage in (Stage.LOI, Stage.LEASED):
            total[site.pool.cloud] += site.capacity_kw
    return np.array(list(total.values())) / 1000


@observable("months")
def months_vacant(market: "Market") -> np.ndarray:
    """Months that what was taken over so far had stood without a tenant, mean by MW; empty if nothing was."""
    kw = math.fsum(t.site.capacity_kw for t in market.books.takeovers)
    stood = math.fsum(t.vacant_months * t.site.capacity_kw for t in market.books.takeovers)
    return np.array([stood / kw if kw else math.nan])


@observable("mw", "region")
def vacancy_mw(market: "Market") -> np.ndarray:
    """Empty shells of a region, new ones and sites begun that have lost their tenant, MW of IT load."""
    return np.array([sum(vacant_in(market, r)) for r in market.setup.regions]) / 1000


@observable("share", "region")
def vacancy(market: "Market") -> np.ndarray:
    """Empty shells of a region over all it has, let and empty; letters of intent count as let."""
    empty = vacancy_mw(market)
    let = dict.fromkeys(market.setup.regions, 0)
    for site in market.books.sites.values():
        if site.landlord is not None and site.stage is not Stage.CANCELLED:
            let[site.pool.region] += site.capacity_kw
    return empty / np.maximum(empty + np.array(list(let.values())) / 1000, 1e-9)


@observable("usd_per_kw_month", "region")
def rent_asked_usd_per_kw_month(market: "Market") -> np.ndarray:
    """Lowest rent asked for a new shell in a region; empty where no site's worth is to let."""
    landlords = [landlord_with_shells(market, region) for region in market.setup.regions]
    return np.array([outside_rent(market, name) if name else math.nan for name in landlords])


@observable("usd_per_kw_month", "region")
def rent_cleared_usd_per_kw_month(market: "Market") -> np.ndarray:
    """Rent at which the month's auction of a region's shells cleared; empty where nothing was let."""
    cleared = [market.books.rents.get(r, (-1.0, math.nan)) for r in market.setup.regions]
    return np.array([rent if when == market.time else math.nan for when, rent in cleared])


def _stage_mw(market: "Market", stages: Container[Stage]) -> np.ndarray:
    total = [0] * len(market.setup.clouds)
    for site in market.books.sites.values():
        if site.stage in stages:
            total[market.books.cloud_index[site.pool.cloud]] += site.capacity_kw
    return np.array(total) / 1000


@observable("mw", "cloud", headline=True)
def stranded_idle_mw(market: "Market") -> np.ndarray:
    """Energised capacity that nobody has committed to for more than three months, MW."""
    return market.recorder.idle_mw(market, IDLE_MONTHS)


@observable("mw", "cloud", headline=True)
def stranded_dark_mw(market: "Market") -> np.ndarray:
    """Capacity paid for under take-or-pay and not used in the month, MW."""
    c = market.books.contracts
    n = len(market.used_h100e)
    dark = np.maximum(c.floor[:n] * market.delivered_h100e - market.used_h100e, 0) / c.theta[:n]
    return (
        np.bincount(
            market.setup.pool_cloud[c.pool[:n]], weights=dark, minlength=len(market.setup.clouds)
        )
        / 1000
    )


@observable("mw", "cloud", headline=True)
def stranded_orphan_mw(market: "Market") -> np.ndarray:
    """Shells with power and without chips, MW of IT load."""
    return _stage_mw(market, {Stage.POWERED})


@observable("months", "cloud")
def delay_months(market: "Market") -> np.ndarray:
    """Mean delay of sites energised so far in the run against their first promise."""
    late: list[list[float]] = [[] for _ in market.setup.clouds]
    for site in market.books.sites.values():
        if site.stage is Stage.ENERGISED and site.energised_at > 0:
            late[market.books.cloud_index[site.pool.cloud]].append(
                site.energised_at - site.first_promise
            )
    return np.array([math.fsum(x) / len(x) if x else 0.0 for x in late])


@observable("usd", "cloud", headline=True)
def backlog_usd(market: "Market") -> np.ndarray:
    """Take-or-pay still to be billed under signed contracts, undiscounted."""
    c = market.books.contracts
    n = c.size
    left = np.maximum(c.end[:n] - np.maximum(c.start[:n], market.time), 0.0)
    live = np.array([s in ("signed", "active") for s in c.state], dtype=bool)
    kw = np.array([f.capacity_kw for f in c.facts])
    owed = np.where(
        live, c.floor[:n] * c.price[:n] * kw * c.theta[:n] * HOURS_PER_MONTH * left, 0.0
    )
    return np.bincount(
        market.setup.pool_cloud[c.pool[:n]], weights=owed, minlength=len(market.setup.clouds)
    )


@observable("ratio", "cloud")
def backlog_over_revenue(market: "Market") -> np.ndarray:
    """Backlog over twelve times the month's revenue; 0 where there is no revenue."""
    yearly = 12 * revenue_usd(market)
    return np.where(yearly > 0, backlog_usd(market) / np.maximum(yearly, 1.0), 0.0)


@observable("usd", "cloud", headline=True)
def capex_usd(market: "Market") -> np.ndarray:
    """Spent in the month on shells and chips."""
    return _posted(market, market.setup.clouds, {"shell", "chips"}, paid=True)


@observable("usd", "cloud", headline=True)
def revenue_usd(market: "Market") -> np.ndarray:
    """Received in the month for compute, contract and spot, and as revenue share."""
    return _posted(market, market.setup.clouds, {"compute", "spot", "revenue share"}, paid=False)


def _posted(
    market: "Market", names: tuple[str, ...], labels: set[str], *, paid: bool
) -> np.ndarray:
    total = dict.fromkeys(names, 0)
    for posting in market.month_postings:
        who = posting.payer if paid else posting.payee
        if posting.label in labels and who in total:
            total[who] += posting.cents
    return np.array(list(total.values())) / 100


@observable("mw", "cloud")
def venture_mw(market: "Market") -> np.ndarray:
    """Delivered to a venture's priority lab in its name: by itself, or by those it is only a label over."""
    return np.array(
        [
            venture_kw(market, n) / 1000 if market.setup.scenario.clouds[n].priority else 0.0
            for n in market.setup.clouds
        ]
    )


@observable("share", "cloud")
def owners_consent(market: "Market") -> np.ndarray:
    """Part of a venture whose owners agree that it builds now; empty where it has no owners."""
    return np.array([consent(market, n) for n in market.setup.clouds])


@observable("usd", "cloud")
def uncalled_usd(market: "Market") -> np.ndarray:
    """Equity that the owners of a venture have committed and that has not been called in."""
    return np.array([sum(uncalled_cents(market, n).values()) / 100 for n in market.setup.clouds])


@observable("usd", "cloud")
def debt_usd(market: "Market") -> np.ndarray:
    """Owed on loans by a cloud itself."""
    return np.array([market.books.owed(n, "loan") / 100 for n in market.setup.clouds])


@observable("usd", "cloud")
def debt_off_balance_usd(market: "Market") -> np.ndarray:
    """Owed on loans by the vehicle that lets a cloud its sites, for that cloud; not on its balance sheet."""
    return np.array([let_debt_cents(market, n) / 100 for n in market.setup.clouds])


@observable("per_year", "cloud")
def rate_of_debt(market: "Market") -> np.ndarray:
    """Interest that lenders would ask of a cloud now, with the spread for its tenants."""
    return np.array([lending_rate_per_year(market, n) for n in market.setup.clouds])


@observable("ratio", "cloud")
def debt_cover(market: "Market") -> np.ndarray:
    """Contracted cash flow over debt service, both of the next twelve months; empty without debt."""
    return _finite(cover(market, n) for n in market.setup.clouds)


@observable("count")
def breaches(market: "Market") -> np.ndarray:
    """Borrowers that are in breach of their covenant."""
    return np.array([float(len(market.books.breached_since.keys() - market.books.failed))])


@observable("usd", "lab", headline=True)
def run_rate_usd(market: "Market") -> np.ndarray:
    """Twelve times the month's revenue of a lab."""
    assert market.books.served is not None
    return 12 * market.books.served.revenue_usd


@observable("usd", "lab")
def cash_usd(market: "Market") -> np.ndarray:
    """Deposits of a lab."""
    return np.array([market.books.deposits[n] / 100 for n in market.setup.labs])


@observable("months", "lab", headline=True)
def runway_months(market: "Market") -> np.ndarray:
    """Months until a lab's cash is gone at its present burn; 120 where it is not shrinking."""
    assert market.books.believed is not None
    return np.array(
        [
            months_of_cash(market.books.deposits[n] / 100, float(market.books.believed.burn_usd[i]))
            for i, n in enumerate(market.setup.labs)
        ]
    )


@observable("users_million", "lab")
def users_million(market: "Market") -> np.ndarray:
    """Users of a lab, million."""
    assert market.books.served is not None
    return market.books.served.users_million


@observable("share", "class")
def share_chip_class(market: "Market") -> np.ndarray:
    """Share of all delivered compute, H100e, that comes from a class of chips."""
    return _shares(_sums(market.delivered_by_class.T))


@observable("share", "lab", "class")
def ported_share(market: "Market") -> np.ndarray:
    """Part of a lab's software that runs on a class of chips: the porting stock S (chp-2)."""
    return ported(market)


@observable("usd_per_h100e", "class")
def price_chips(market: "Market") -> np.ndarray:
    """Price of the newest generation of a class, markup included; no value before its first release."""
    now = market.time
    newest = {n: g.released(now)[-1:] for n, g in market.setup.generations.items()}
    return np.array(
        [price_usd(market, chips[0][0]) if chips else math.nan for chips in newest.values()]
    )


@observable("ratio", "class")
def markup_chips(market: "Market") -> np.ndarray:
    """Price of a class of chips over that on its experience curve: 1 where its allotment suffices."""
    return np.array([market.books.markup.get(name, 1.0) for name in market.setup.classes])


@observable("h100e", "cloud", "class")
def breakeven_h100e(market: "Market") -> np.ndarray:
    """Volume from which a custom class would pay for its engineering; no value where it saves nothing."""
    return _finite(pair[0] for pair in _breakevens(market))


@observable("months", "cloud", "class")
def breakeven_months(market: "Market") -> np.ndarray:
    """Months until a cloud's expected volume reaches that; no value beyond the months that views reach."""
    return _finite(pair[1] for pair in _breakevens(market))


def _breakevens(market: "Market") -> list[tuple[float, float]]:
    return [
        breakeven(market, cloud, class_)
        for cloud in market.setup.clouds
        for class_ in market.setup.classes
    ]


def _finite(values: Iterable[float]) -> np.ndarray:
    return np.array([value if math.isfinite(value) else math.nan for value in values])


@observable("share", headline=True)
def efficiency(market: "Market") -> np.ndarray:
    """Joint surplus of the month's deals over the efficient allocation with the same eligibility."""
    found = market.round
    if found is None or math.isnan(found.optimum):
        return np.array([math.nan])
    return np.array([found.surplus / found.optimum if found.optimum > 0 else 1.0])


@observable("usd_per_hour")
def surplus_agreed(market: "Market") -> np.ndarray:
    """Joint surplus of the month's deals, at floors of clouds that see all that is free."""
    return np.array([math.nan if market.losses is None else market.losses.achieved])


@observable("usd_per_hour")
def surplus_possible(market: "Market") -> np.ndarray:
    """Largest joint surplus of the month's tenders without policies, clauses and frictions."""
    return np.array([math.nan if market.losses is None else market.losses.free])


@observable("usd_per_hour", "cause")
def loss_by_cause(market: "Market") -> np.ndarray:
    """Joint surplus missed because of policies, clauses, beliefs (information) and frictions."""
    if market.losses is None:
        return np.full(len(CAUSES), math.nan)
    return np.array(market.losses.by_cause())


@observable("share", "cause")
def share_lost_by_cause(market: "Market") -> np.ndarray:
    """Share of the largest joint surplus that is missed because of each cause."""
    return loss_by_cause(market) / np.maximum(surplus_possible(market), 1.0)


@observable("usd_per_hour")
def loss_of_means(market: "Market") -> np.ndarray:
    """Part of what frictions cost that is due to what buyers can bear (pro-6)."""
    return np.array([math.nan if market.losses is None else market.losses.means])


@observable("ratio", "lab", "cloud")
def circularity(market: "Market") -> np.ndarray:
    """Smaller of equity from a cloud's side and payments to it, over payments, both of twelve months."""
    return circular(market)


@observable("usd", "lab")
def raised_usd(market: "Market") -> np.ndarray:
    """Equity that a lab has raised in the month, in rounds and tranches."""
    return _posted(market, market.setup.labs, {"round", "tranche"}, paid=False)


@observable("usd")
def guarantees_called_usd(market: "Market") -> np.ndarray:
    """Paid by guarantors for their debtors so far."""
    return np.array([sum(market.books.called_cents.values()) / 100])


@observable("count")
def defaults(market: "Market") -> np.ndarray:
    """Participants that have failed so far."""
    return np.array([float(len(market.books.failed))])


@observable("count")
def defaults_by_contagion(market: "Market") -> np.ndarray:
    """Participants that have failed so far after the failure of others had cost them money or contracts."""
    return np.array([float(sum(1 for after in market.books.cascade.values() if after))])


@observable("count")
def largest_cascade(market: "Market") -> np.ndarray:
    """Participants in the largest chain of failures so far, the first of them included."""
    return np.array([float(largest_chain(market.books.cascade))])


@observable("count")
def restructurings(market: "Market") -> np.ndarray:
    """Plans that participants in arrears have agreed with their creditors so far."""
    return np.array([float(sum(market.books.restructured.values()))])


@observable("usd")
def written_off_usd(market: "Market") -> np.ndarray:
    """Claims on failed participants written off so far, recoveries deducted."""
    return np.array([sum(market.books.lost_cents.values()) / 100])


@observable("usd")
def lost_by_lenders_usd(market: "Market") -> np.ndarray:
    """Part of what was written off that lenders have lost."""
    lenders = market.setup.scenario.lenders
    return np.array([sum(market.books.lost_cents.get(n, 0) for n in lenders) / 100])


HEADLINE: dict[str, Callable[["Market"], object]] = {
    "hhi_compute": lambda market: herfindahl(market) if market.books.served else math.nan,
    "price_contract": lambda market: float(price_contract(market)[0]),
    "price_new": lambda market: market.contract_price,
    "energised_mw": lambda market: float(market.books.energised_kw.sum()) / 1000,
    "delivered_h100e": lambda market: math.fsum(_delivered(market).ravel().tolist()),
}
"""Numbers of the whole market for Mesa's data collector, one a month."""
