"""Rows of the month, kept as arrays and turned into Polars frames once, after the run."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Collection
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from offtake.model.accounts import accounts
from offtake.model.books import TakenOver
from offtake.model.circularity import PairFlows, pair_flows
from offtake.model.contracts import Stage
from offtake.model.events import (
    Advanced,
    Cancelled,
    Deferred,
    Event,
    Opened,
    Parted,
    Posted,
    Sold,
    Transferred,
)
from offtake.model.losses import CAUSES
from offtake.model.months import date_of
from offtake.model.observables import TABLE
from offtake.model.setup import Setup
from offtake.model.standing import parties
from offtake.model.traces import NEGOTIATIONS

if TYPE_CHECKING:
    import polars as pl

    from offtake.model.market import Market


class Recorder:
    """Keeps one array a month for each observable; every participant every month, zeros included."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.values: dict[str, list[np.ndarray]] = {o.name: [] for o in TABLE}
        self.idle_since: np.ndarray = np.zeros(len(setup.pools), dtype=np.int64)
        self.deposits_at_start: int | None = None
        self.contracts_checked = 0
        self.pair_flows: list[PairFlows] = []

    def record(self, market: "Market") -> None:
        """Read every observable."""
        self._watch_idle(market)
        self.pair_flows.append(pair_flows(market))
        for item in TABLE:
            self.values[item.name].append(np.array(item.read(market), dtype=float).ravel())

    def _watch_idle(self, market: "Market") -> None:
        free = self._idle_kw(market)
        self.idle_since = np.where(free > 0, self.idle_since + 1, 0)

    def _idle_kw(self, market: "Market") -> np.ndarray:
        books = market.books
        committed = books.committed_kw[:, market.month]
        return np.maximum(books.energised_kw - books.own_kw - committed, 0)

    def idle_mw(self, market: "Market", months: int) -> np.ndarray:
        """Return by cloud what has been free for more than some months, less what spot took, MW."""
        free = np.where(self.idle_since > months, self._idle_kw(market), 0).astype(float)
        for cleared in market.books.spot.values():
            for _, pool, h100e, *_ in cleared.purchases:
                free[pool] = max(free[pool] - h100e / market.setup.theta[pool] * 1000, 0.0)
        return (
            np.bincount(market.setup.pool_cloud, weights=free, minlength=len(market.setup.clouds))
            / 1000
        )

    def frames(
        self,
        market: "Market",
        only: Collection[str] | None = None,
        observables: Collection[str] | None = None,
    ) -> dict[str, "pl.DataFrame"]:
        """Return the tables of the run, or only some, with only some observables in trajectories."""
        import polars as pl  # at the edge only: a run that nobody tabulates does not need it

        first = [pl.lit(self.setup.scenario.name).alias("scenario")]
        first.append(pl.lit(self.setup.seed, dtype=pl.Int64).alias("seed"))
        makers = _makers(market, lambda: self._trajectories(observables))
        wanted = [name for name in makers if only is None or name in only]
        return {name: makers[name]().select(*first, pl.all()) for name in wanted}

    def _trajectories(self, observables: Collection[str] | None) -> "pl.DataFrame":
        import polars as pl

        months = len(next(iter(self.values.values())))
        days = [date_of(self.setup.scenario.start, m) for m in range(months)]
        parts = []
        for item in TABLE:
            if observables is not None and item.name not in observables:
                continue
            labels = self._index(item.index)
            by_name = sorted(range(len(labels)), key=labels.__getitem__)
            names, others = zip(*(labels[i] for i in by_name), strict=True)
            count = len(names)
            values = np.reshape(self.values[item.name], (months, count))[:, by_name].ravel()
            parts.append(
                pl.DataFrame(
                    {
                        "month": np.repeat(np.arange(months, dtype=np.int64), count),
                        "date": pl.Series(days, dtype=pl.Date).gather(
                            np.repeat(np.arange(months, dtype=np.uint32), count)
                        ),
                        "observable": pl.Series([item.name]).gather(
                            np.zeros(months * count, dtype=np.uint32)
                        ),
                        "name": pl.Series(names, dtype=pl.String).gather(_tile(count, months)),
                        "other": pl.Series(others, dtype=pl.String).gather(_tile(count, months)),
                        "value": pl.Series(values, dtype=pl.Float64).fill_nan(None),
                        "unit": pl.Series([item.unit]).gather(
                            np.zeros(months * count, dtype=np.uint32)
                        ),
                    }
                )
            )
        return pl.concat([pl.DataFrame(schema=TRAJECTORIES), *parts])

    def _index(self, index: tuple[str, ...]) -> list[tuple[str, str]]:
        """Return what the values of an observable stand for, in the order of its array."""
        setup = self.setup
        by = {"lab": setup.labs, "cloud": setup.clouds, "region": setup.regions}
        by |= {"class": tuple(setup.classes), "cause": CAUSES}
        columns = [by[name] for name in index] + [("",)] * (2 - len(index))
        return [(a, b) for a in columns[0] for b in columns[1]]


def _makers(
    market: "Market", trajectories: Callable[[], "pl.DataFrame"]
) -> dict[str, Callable[[], "pl.DataFrame"]]:
    """Return what makes each table of a run, so that one can be had without the others."""
    import polars as pl

    def table(rows: Callable[["Market"], Any], schema: dict[str, Any]) -> "pl.DataFrame":
        return pl.DataFrame(rows(market), schema=schema, infer_schema_length=None)

    both = cache(lambda: accounts(market))
    makers = {
        "trajectories": trajectories,
        "contracts": lambda: table(_contracts, CONTRACTS),
        "sites": lambda: table(_sites, SITES),
        "flows": lambda: pl.DataFrame(_flows(market), schema=FLOWS, orient="row"),
        "balance_sheets": lambda: both()[0],
        "flow_matrix": lambda: both()[1],
        "events": lambda: table(lambda each: Telling(each).more(), EVENTS),
    }
    traces = market.traces
    if traces is not None:
        makers["negotiations"] = lambda: table(lambda _: traces.rows(), NEGOTIATIONS)
    return makers


def _tile(count: int, months: int) -> np.ndarray:
    return np.tile(np.arange(count, dtype=np.uint32), months)


TRAJECTORIES = {
    "month": int,
    "date": dt.date,
    "observable": str,
    "name": str,
    "other": str,
    "value": float,
    "unit": str,
}
CONTRACTS = {
    "contract": str,
    "buyer": str,
    "seller": str,
    "region": str,
    "chip": str,
    "capacity_kw": int,
    "h100e": float,
    "price_usd_per_h100e_hour": float,
    "signed_month": float,
    "start": dt.date,
    "end": dt.date,
    "take_or_pay": float,
    "prepayment_usd": float,
    "value_usd": float,
    "affiliate": bool,
    "state": str,
    "ceiling": float,
    "floor": float,
    "lowest": float,
    "highest": float,
}
SITES = {
    "site": str,
    "cloud": str,
    "region": str,
    "chip": str,
    "capacity_kw": int,
    "stage": str,
    "landlord": str,
    "rent_usd_per_kw_month": float,
    "opened_month": float,
    "first_promise_month": float,
    "promised_month": float,
    "energised_month": float,
    "deferrals": int,
    "tenants": str,
    "taken_over_month": float,
}
FLOWS = {"month": int, "payer": str, "payee": str, "label": str, "usd_cents": int, "postings": int}
EVENTS = {
    "event": int,
    "month": float,
    "date": dt.date,
    "kind": str,
    "actor": str,
    "target": str,
    "capacity_kw": int,
    "usd_cents": int,
    "cause": str,
    "detail": str,
}


def _contracts(market: "Market") -> list[dict[str, Any]]:
    start = market.setup.scenario.start
    rows = []
    for row, contract in enumerate(market.books.contracts.facts):
        lo, hi = contract.limits or (None, None)
        rows.append(
            {
                "contract": contract.name,
                "buyer": contract.buyer,
                "seller": contract.seller,
                "region": contract.pool.region,
                "chip": contract.pool.chip,
                "capacity_kw": contract.capacity_kw,
                "h100e": contract.h100e,
                "price_usd_per_h100e_hour": contract.price_usd_per_h100e_hour,
                "signed_month": contract.signed,
                "start": date_of(start, contract.start),
                "end": date_of(start, contract.end),
                "take_or_pay": contract.take_or_pay.floor,
                "prepayment_usd": contract.prepayment.amount_cents / 100,
                "value_usd": contract.value_usd(),
                "affiliate": contract.affiliate,
                "state": market.books.contracts.state[row],
                "ceiling": contract.ceiling,
                "floor": contract.floor,
                "lowest": lo,
                "highest": hi,
            }
        )
    return rows


def _sites(market: "Market") -> list[dict[str, Any]]:
    taken: dict[str, list[TakenOver]] = {}
    for takeover in market.books.takeovers:
        taken.setdefault(takeover.site.name, []).append(takeover)
    return [
        {
            "site": site.name,
            "cloud": site.pool.cloud,
            "region": site.pool.region,
            "chip": site.pool.chip,
            "capacity_kw": site.capacity_kw,
            "stage": site.stage.name.lower(),
            "landlord": site.landlord,
            "rent_usd_per_kw_month": site.rent_usd_per_kw_month,
            "opened_month": site.opened,
            "first_promise_month": site.first_promise,
            "promised_month": site.promised,
            "energised_month": site.energised_at if site.stage is Stage.ENERGISED else None,
            "deferrals": site.deferred,
            "tenants": "; ".join([*(t.seller for t in taken.get(site.name, ())), site.pool.cloud]),
            "taken_over_month": taken[site.name][-1].at if site.name in taken else None,
        }
        for _, site in sorted(market.books.sites.items())
    ]


def _flows(market: "Market") -> list[tuple[Any, ...]]:
    """Return money by month, payer, payee and label; every posting is in one row."""
    totals: dict[tuple[int, str, str, str], list[int]] = {}
    for time, event in market.books.journal:
        if isinstance(event, Posted):
            month = max(int(-(-time // 1)) - 1, 0)
            for posting in event.postings:
                cell = totals.setdefault(
                    (month, posting.payer, posting.payee, posting.label), [0, 0]
                )
                cell[0] += posting.cents
                cell[1] += 1
    return [(*key, cents, count) for key, (cents, count) in sorted(totals.items())]


QUIET = frozenset({"Posted", "Served", "Believed", "Entered", "Ported"})
"""Events whose content stands in the other tables."""


class Telling:
    """Events told as rows, one after the other: a later one needs what earlier ones said of its site."""

    def __init__(self, market: "Market") -> None:
        self._market = market
        self._tenancies: dict[str, Tenancy] = {}
        self._told = 0

    def more(self) -> list[dict[str, Any]]:
        """Return a row for each event since the last call, quiet ones left out."""
        first, self._told = self._told, len(self._market.books.journal)
        numbered = enumerate(self._market.books.journal[first : self._told], start=first)
        rows = (self._row(number, time, event) for number, (time, event) in numbered)
        return [row for row in rows if row is not None]

    def _row(self, number: int, time: float, event: Event) -> dict[str, Any] | None:
        before = self._tenancies.get(event.site) if isinstance(event, Transferred) else None
        _follow(self._tenancies, event)
        kind = type(event).__name__
        if kind in QUIET:
            return None
        return {
            "event": number,
            "month": float(time),
            "date": date_of(self._market.setup.scenario.start, time),
            "kind": kind,
            "cause": event.cause,
            **_told(self._market, event),
            **_told_of_site(self._tenancies, before, event),
        }


class Tenancy(NamedTuple):
    """Who has how much of a site."""

    tenant: str
    capacity_kw: int


def _follow(tenancies: dict[str, Tenancy], event: Event) -> None:
    """Keep up with who has how much of every site."""
    match event:
        case Opened() | Advanced():
            tenancies[event.site.name] = Tenancy(event.site.pool.cloud, event.site.capacity_kw)
        case Parted():
            whole = tenancies[event.site]
            left = whole.capacity_kw - event.capacity_kw
            tenancies[event.site] = whole._replace(capacity_kw=left)
            tenancies[event.part] = whole._replace(capacity_kw=event.capacity_kw)
        case Transferred() | Sold():
            tenancies[event.site] = tenancies[event.site]._replace(tenant=event.to)


def _told_of_site(now: dict[str, Tenancy], before: Tenancy | None, event: Event) -> dict[str, Any]:
    """Return who and how much of an event that names a site, as it was then."""
    match event:
        case Cancelled():
            who, kw = now[event.site]
            detail = f"{event.site}: {event.because}"
        case Deferred():
            who, kw = now[event.site]
            detail = f"{event.site}: {event.months:g} months"
        case Parted():
            who, kw = now[event.part]
            detail = event.part
        case Transferred():
            who, kw = now[event.site]
            detail = f"{event.site}: {event.rent_usd_per_kw_month:.2f} USD per kW-month"
            return {
                "actor": who,
                "target": before.tenant if before else None,
                "capacity_kw": kw,
                "detail": detail,
            }
        case Sold():
            who, kw = now[event.site]
            return {"actor": who, "target": event.seller, "capacity_kw": kw, "detail": event.site}
        case _:
            return {}
    return {"actor": who, "capacity_kw": kw, "detail": detail}


def _told(market: "Market", event: Event) -> dict[str, Any]:
    """Return who, whom, how much and what else of an event."""
    facts = {f.name: getattr(event, f.name) for f in dataclasses.fields(event) if f.name != "cause"}
    contract, site = facts.get("contract"), facts.get("site")
    told: dict[str, Any] = {
        "actor": facts.get("lab") or facts.get("name") or facts.get("landlord"),
        "target": facts.get("holder")
        or facts.get("region")
        or facts.get("policy")
        or facts.get("event")
        or facts.get("chip_class"),
        "capacity_kw": facts.get("capacity_kw"),
        "usd_cents": facts.get("paid_cents")
        or facts.get("damages_cents")
        or facts.get("owed_cents"),
        "detail": facts.get("reason") or facts.get("outcome") or facts.get("tender"),
    }
    tranche = facts.get("tranche")
    if isinstance(tranche, str):
        told |= {"target": tranche}
    elif tranche is not None:
        told |= {"actor": tranche.investor, "target": tranche.issuer, "detail": tranche.name}
        told["usd_cents"] = tranche.amount_cents
    loan = facts.get("loan")
    if loan is not None:
        told |= {"actor": loan.borrower, "target": loan.lender, "detail": loan.name}
        told["usd_cents"] = loan.principal_cents
    if isinstance(contract, str) and contract in market.books.contracts.row:
        contract = market.books.contracts.facts[market.books.contracts.row[contract]]
    if contract is not None and not isinstance(contract, str):
        told |= {"actor": contract.buyer, "target": contract.seller, "detail": contract.name}
        told["capacity_kw"] = facts.get("capacity_kw") or contract.capacity_kw
    if isinstance(site, str):
        site = market.books.sites[site]
    if site is not None:
        told |= {"actor": site.pool.cloud, "target": site.landlord, "capacity_kw": site.capacity_kw}
        told["detail"] = f"{site.name}: {site.stage.name.lower()}"
    if facts.get("following"):
        told["detail"] = f"after {', '.join(facts['following'])}"
    if "swapped_cents" in facts:
        told["detail"] = f"{facts['swapped_cents'] / 100:.2f} USD for equity"
    if "cover" in facts:
        told["detail"] = f"cover {facts['cover']:.3f}"
    clause = facts.get("clause")
    if clause is not None:
        lab, cloud = parties(clause)
        told |= {"actor": lab, "target": cloud, "detail": type(clause).__name__}
    if "h100e" in facts and told["detail"] is None:
        told["detail"] = f"{facts['h100e']:.0f} H100e"
    return told


def record(market: "Market") -> None:
    """Observables are read, invariants checked."""
    market.recorder.record(market)
    if market.check:
        market.check_invariants()
