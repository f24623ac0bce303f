"""Exclusivity on supply: what it leaves a lab, what breaking it costs, and who is paid for that."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.contracts import PURPOSES, Contract
from offtake.model.dealing import Purpose, SupplyExclusivity
from offtake.model.events import Posting
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.negotiation import Table
from offtake.model.pairs import may_sign
from offtake.model.pricing import annuity, levelling
from offtake.model.settlement import paid
from offtake.model.standing import parties

if TYPE_CHECKING:
    from offtake.model.market import Market


def may_use(market: "Market", purpose: Purpose, *, breaking: bool = True) -> np.ndarray:
    """Return by lab and pool whether a lab may buy a pool's compute now, for a purpose (I5).

    `may_sign` sees what binds whole pairs; here exclusivities count that bind a region or a purpose only.
    One that may be broken against damages stands in no new contract's way. Damages are due on these alone:
    on spot, and where a contract changes hands, it binds like any other (`breaking` is false).
    """
    allowed = may_sign(market)[:, market.setup.pool_cloud]
    for clause in market.books.exclusivities(market.time):
        binds = not breaking or clause.breach_usd_per_h100e_hour is None
        if binds:
            i = market.books.lab_index[clause.lab]
            allowed[i] &= ~_covered(market, clause, purpose)
    return allowed


def _covered(market: "Market", clause: SupplyExclusivity, purpose: Purpose) -> np.ndarray:
    """Return by pool whether a contract on it would fall under a clause."""
    return np.array(
        [
            clause.covers(clause.lab, pool.cloud, market.time, purpose, pool.region)
            for pool in market.setup.pools
        ]
    )


def within_exclusivities(market: "Market", table: Table) -> Table:
    """Return the table as exclusivities leave it: what they forbid is out, damages lower its value (B12).

    The lab breaks a clause iff it gains more than the damages: that is what comes of counting them as a
    cost of the column. What it could not pay at signature is out, too.
    """
    if not market.books.exclusivities(market.time):
        return table
    pools = np.array([column.pool_index for column in table.columns])
    allowed, owed = table.allowed.copy(), np.zeros(table.value.shape)
    for purpose in PURPOSES:
        lots = [i for i, r in enumerate(table.requests) if r.lot.purpose == purpose]
        if not lots:
            continue
        labs = np.array([table.requests[i].lab for i in lots])
        allowed[lots] &= may_use(market, purpose)[labs][:, pools]
        owed[lots] = damages_usd(market, purpose)[labs][:, pools]
    allowed &= (owed == 0) | _payable(market, table, owed)
    return replace(table, allowed=allowed, value=table.value - owed)


def damages_usd(market: "Market", purpose: Purpose) -> np.ndarray:
    """Return by lab and pool what breaking exclusivities costs, start price, USD per H100e-hour."""
    owed = np.zeros((len(market.setup.labs), len(market.setup.pools)))
    for clause in market.books.exclusivities(market.time):
        if clause.breach_usd_per_h100e_hour is not None:
            covered = _covered(market, clause, purpose)
            owed[market.books.lab_index[clause.lab]] += clause.breach_usd_per_h100e_hour * covered
    return owed


def _payable(market: "Market", table: Table, owed: np.ndarray) -> np.ndarray:
    """Return by lot and column whether the lab has the damages in cash, whatever else it signs."""
    asked: dict[int, float] = {}
    for request, wanted in zip(table.requests, table.wanted.tolist(), strict=True):
        asked[request.lab] = asked.get(request.lab, 0.0) + wanted
    books, terms = market.books, market.setup.rules.terms
    cash = np.array([books.deposits[books.labs[r.lab]] / 100 for r in table.requests])
    most = cash / (HOURS_PER_MONTH * np.array([max(asked[r.lab], 1e-9) for r in table.requests]))
    months = np.array([weighed_months(market, books.labs[r.lab], terms) for r in table.requests])
    term = table.package // len(market.setup.rules.floors)
    return owed * np.take_along_axis(months, term, axis=1) <= most[:, None]


def weighed_months(market: "Market", lab: str, months: np.ndarray | float) -> np.ndarray:
    """Return the months of a term, later ones weighed by the lab's discount and the fall of prices."""
    rate = (1 + market.setup.scenario.labs[lab].discount_per_year) ** (1 / 12) - 1
    term = np.asarray(months, dtype=float)
    return annuity(rate, term) * levelling(rate, market.setup.rules.decline_per_month, term)


def broken(market: "Market", contract: Contract) -> tuple[SupplyExclusivity, ...]:
    """Return the exclusivities that a contract breaks against damages."""
    region = contract.pool.region
    return market.books.breakable(
        contract.buyer, contract.seller, contract.signed, contract.purpose, region
    )


def objection_now(market: "Market", contract: Contract) -> str:
    """Return what stands in the way of a signature now and did not when the pair was matched, if anything."""
    if {contract.buyer, contract.seller} & market.books.failed:
        return "default"
    deal = (contract.buyer, contract.seller, market.time, contract.purpose, contract.pool.region)
    unpaid = [c for c in market.books.breakable(*deal) if c.agreement not in contract.breaches]
    for clause in (market.books.forbids(*deal), *unpaid):
        if clause is not None:
            return f"clause:{type(clause).__name__} of {parties(clause)[1]}"
    return ""


def pay_damages(market: "Market", contract: Contract) -> None:
    """Pay the holders of the exclusivities that a contract breaks; what cash does not cover is in arrears."""
    for clause in broken(market, contract):
        if clause.agreement in contract.breaches:
            months = float(weighed_months(market, contract.buyer, contract.months))
            cents = clause.damages_cents(contract.h100e, months)
            due = Posting(contract.buyer, clause.holder, cents, "breach", contract.name)
            cause = f"clause:exclusivity of {clause.holder}"
            market.post(paid(market.books.deposits, [due], cause=cause))


def purpose_left(
    market: "Market", buyer: str, seller: str, purpose: Purpose, region: str
) -> Purpose:
    """Return what a contract may be used for: where an exclusivity leaves one purpose only, that one."""
    for clause in market.books.exclusivities(market.time):
        whole = clause.covers(buyer, seller, market.time, "any", region)
        if whole and not clause.covers(buyer, seller, market.time, purpose, region):
            return purpose
    return "any"
