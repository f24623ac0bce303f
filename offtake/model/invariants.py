"""What must hold at the end of every month, whatever happens (I1 to I11)."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.concentration import herfindahl
from offtake.model.contracts import Stage
from offtake.model.events import Entered

if TYPE_CHECKING:
    from offtake.model.market import Market

TOLERANCE = 1e-9
"""Relative rounding allowed in comparisons of valuations."""


class InvariantViolation(Exception):  # noqa: N818 - it is a violation, and says so
    """Something that must always hold does not."""

    def __init__(self, time: float, broken: list[str]) -> None:
        super().__init__(time, broken)  # what a worker process rebuilds it from
        self.time = time
        self.broken = broken

    def __str__(self) -> str:
        """Return the month and everything that is broken."""
        return f"month {self.time:g}: " + "; ".join(self.broken)


def violations(market: "Market") -> list[str]:
    """Return what does not hold, in words; empty when all is well."""
    return [
        *_money(market),
        *_claims(market),
        *_capacity(market),
        *_sites(market),
        *_contracts(market),
        *_shares(market),
        *_calendar(market),
        *_beliefs(market),
        *_failed(market),
    ]


def _money(market: "Market") -> Iterator[str]:
    """I1: deposits only move."""
    books = market.books
    if market.recorder.deposits_at_start is None:
        market.recorder.deposits_at_start = _entered(market)
    total = sum(books.deposits.values())
    if total != market.recorder.deposits_at_start:
        yield f"I1 deposits sum to {total} cents, entered were {market.recorder.deposits_at_start}"


def _entered(market: "Market") -> int:
    return sum(e.deposits_cents for _, e in market.books.journal if isinstance(e, Entered))


def _claims(market: "Market") -> Iterator[str]:
    """I2: every claim has its holder and its issuer, and none is negative."""
    books = market.books
    for (holder, issuer, kind, reference), owed in books.claims.items():
        if owed < 0 or holder not in books.deposits or issuer not in books.deposits:
            yield f"I2 claim {kind} {reference} of {holder} on {issuer} is {owed} cents"


def _capacity(market: "Market") -> Iterator[str]:
    """I3: delivered capacity is energised; the committed profile is the sum of contracts."""
    books = market.books
    c = books.contracts
    delivered = np.bincount(
        c.pool[: c.size], weights=c.delivered_kw[: c.size], minlength=len(books.pools)
    )
    over = np.flatnonzero(delivered > books.energised_kw - books.own_kw)
    for pool in over.tolist():
        yield f"I3 {books.pools[pool]} delivers {delivered[pool]:.0f} kW of {books.energised_kw[pool]}"
    promised = np.zeros(len(books.pools), dtype=np.int64)
    np.add.at(promised, c.pool[: c.size], c.committed_kw(market.month))
    for notice in books.notices.values():
        for contract in notice.in_escrow:
            if contract.runs_in_month(market.month):
                promised[books.pool_index[contract.pool]] += contract.capacity_kw
    wrong = np.flatnonzero(promised != books.committed_kw[:, market.month])
    for pool in wrong.tolist():
        profile = books.committed_kw[pool, market.month]
        yield f"I3 {books.pools[pool]}: contracts {promised[pool]} kW, the profile has {profile}"


def _sites(market: "Market") -> Iterator[str]:
    """I4: kilowatts of sites by stage are what was created."""
    books = market.books
    total = sum(site.capacity_kw for site in books.sites.values())
    if total != books.created_kw:
        yield f"I4 sites hold {total} kW, created were {books.created_kw}"
    dead = sum(s.capacity_kw for s in books.sites.values() if s.stage is Stage.CANCELLED)
    if dead != books.cancelled_kw:
        yield f"I4 cancelled sites hold {dead} kW, cancelled were {books.cancelled_kw}"
    energised = sum(s.capacity_kw for s in books.sites.values() if s.stage is Stage.ENERGISED)
    if energised != int(books.energised_kw.sum()):
        yield f"I4 energised sites hold {energised} kW, pools {int(books.energised_kw.sum())}"
    yield from _pools(market)
    for name, kw in books.shells_kw.items():
        if kw < 0:
            yield f"I4 {name} has let {-kw} kW more than it has"


def _pools(market: "Market") -> Iterator[str]:
    """I4, by pool: what a tenant is promised is what its sites hold, whoever had them before."""
    books = market.books
    promised = np.zeros(len(books.pools), dtype=np.int64)
    for site in books.sites.values():
        if Stage.LEASED <= site.stage <= Stage.ENERGISED:
            own = 0 if site.stage is Stage.ENERGISED else site.own_kw
            if site.promised <= books.horizon - 1:
                promised[books.pool_index[site.pool]] += site.capacity_kw - own
    for pool in np.flatnonzero(promised != books.promised_kw[:, -1]).tolist():
        profile = books.promised_kw[pool, -1]
        yield f"I4 {books.pools[pool]}: sites hold {promised[pool]} kW, the profile has {profile}"


def _contracts(market: "Market") -> Iterator[str]:
    """I5 to I7: signed by those who may, at a price both accept, within the outside options."""
    books = market.books
    c = books.contracts
    for row in range(market.recorder.contracts_checked, c.size):
        contract = c.facts[row]
        if contract.ceiling is None or contract.floor is None or contract.limits is None:
            continue  # given by the scenario
        price = contract.price_usd_per_h100e_hour
        slack = TOLERANCE * max(abs(contract.ceiling), 1.0)
        if not contract.floor - slack <= price <= contract.ceiling + slack:
            yield f"I6 {contract.name} at {price} is outside [{contract.floor}, {contract.ceiling}]"
        lo, hi = contract.limits
        slack += contract.slack
        if not lo - slack <= price <= hi + slack:
            yield f"I7 {contract.name} at {price} is outside [{lo}, {hi}]"
        if lo > hi + slack:
            yield f"I7 {contract.name} has outside options that leave no price: {lo} above {hi}"
        deal = (contract.buyer, contract.seller, contract.signed, contract.purpose)
        if books.forbids(*deal, contract.pool.region) is not None:
            yield f"I5 {contract.name} breaks an exclusivity in force"
        for clause in books.breakable(*deal, contract.pool.region):
            if clause.agreement not in contract.breaches:
                yield f"I5 {contract.name} breaks {clause.agreement} and pays no damages"
        lab, cloud = books.lab_index[contract.buyer], books.cloud_index[contract.seller]
        if market.setup.barred[lab, cloud]:
            yield f"I5 {contract.name} is between parties that may not deal"
    market.recorder.contracts_checked = c.size


def _shares(market: "Market") -> Iterator[str]:
    """I8: shares sum to one, concentration is within its bounds."""
    served = market.books.served
    assert served is not None
    total = math.fsum(served.delivered_h100e.ravel().tolist())
    hhi = herfindahl(market)
    if total > 0 and not 1 / len(market.setup.clouds) - TOLERANCE <= hhi <= 1 + TOLERANCE:
        yield f"I8 HHI is {hhi}"
    if (served.delivered_h100e < 0).any():
        yield "I8 negative delivery"


def _calendar(market: "Market") -> Iterator[str]:
    """I9: nothing past is still due; every open contract has one end ahead."""
    if market.calendar.next_time() <= market.time - 1:
        yield f"I9 {market.calendar.entries[0]} is past"
    ends: dict[str, int] = {}
    for entry in market.calendar.entries:
        if entry.action == "end":
            ends[entry.name] = ends.get(entry.name, 0) + 1
    for row, state in enumerate(market.books.contracts.state):
        name = market.books.contracts.facts[row].name
        if state in ("signed", "active") and ends.get(name) != 1:
            yield f"I9 {name} has {ends.get(name, 0)} ends ahead"


def _beliefs(market: "Market") -> Iterator[str]:
    """I10: beliefs are finite and positive where they must be."""
    believed = market.books.believed
    assert believed is not None
    if not np.isfinite(believed.growth).all() or not (believed.variance > 0).all():
        yield "I10 growth or variance believed is not finite and positive"
    if not (0 < believed.contract_price < 1e6 and 0 <= believed.spot_price < 1e6):
        yield f"I10 prices believed are {believed.contract_price}, {believed.spot_price}"


def _failed(market: "Market") -> Iterator[str]:
    """I11: a failed participant has nothing in force and owes nothing unbooked."""
    c = market.books.contracts
    for row, contract in enumerate(c.facts):
        if (
            c.state[row] in ("signed", "active")
            and {contract.buyer, contract.seller} & market.books.failed
        ):
            yield f"I11 {contract.name} is in force with a failed party"
    for (holder, issuer, kind, _), owed in market.books.claims.items():
        if issuer in market.books.failed:
            yield f"I11 {issuer} has failed and still owes {holder} {owed} cents of {kind}"
