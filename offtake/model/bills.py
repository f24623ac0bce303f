"""The month's bills: who owes whom how much (section 1.12)."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.cents import cents
from offtake.model.clause_bills import clause_bills
from offtake.model.contracts import Stage
from offtake.model.events import Claim, Posting, Purchase, Sublease
from offtake.model.guarantees import guarantee_fees
from offtake.model.make_up import drawn_hours
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.seeing import other_cash_flow_usd, parent_funding_usd
from offtake.model.site_finance import debt_service, site_leases
from offtake.model.subleases import let
from offtake.model.sums import summed

if TYPE_CHECKING:
    from offtake.model.market import Market

MARKET_MAKER = "Suppliers"
"""External account that keeps what buyers pay beyond what sellers receive (McAfee 1992)."""


def income(market: "Market") -> Iterator[Posting]:
    """Yield what the rest of the world pays: services, parents, other business, backers."""
    books, scenario = market.books, market.setup.scenario
    served = books.served
    assert served is not None
    for i, name in enumerate(market.setup.labs):
        if name not in books.failed:
            revenue = cents(float(served.revenue_usd[i]))
            yield Posting("Customers", name, revenue, "services")
            funding = parent_funding_usd(scenario.labs[name], market.time)
            yield Posting("Customers", name, cents(funding), "parent")
    for name in market.setup.clouds:
        if name not in books.failed:
            other = other_cash_flow_usd(scenario.clouds[name], market.time)
            yield Posting("Customers", name, cents(other), "other business")
    for name, investor in market.setup.placed(scenario.investors):
        inflow = cents(investor.inflow_usd_per_year / 12)
        yield Posting("Customers", name, inflow, "backers")
    for name, government in market.setup.placed(scenario.governments):
        yield Posting("Customers", name, cents(government.budget_usd_per_year / 12), "budget")


def lab_bills(market: "Market", used: np.ndarray) -> tuple[list[Posting], list[Claim]]:
    """Return what labs owe for the month, and the prepayments that it draws down."""
    compute, draws = _compute_bills(market, used)
    bills = [
        *_overheads(market),
        *clause_bills(market, used, contract_bills_usd(market, used), market.setup.labs),
        *compute,
        *_spot_bills(market),
        *_arrears(market, market.setup.labs),
        *guarantee_fees(market, market.setup.labs),
    ]
    return bills, draws


def _overheads(market: "Market") -> Iterator[Posting]:
    served, labs = market.books.served, market.setup.scenario.labs
    assert served is not None
    for i, name in enumerate(market.setup.labs):
        if name not in market.books.failed:
            overhead = labs[name].overhead_revenue_share * float(served.revenue_usd[i])
            yield Posting(name, "Suppliers", cents(overhead), "overhead")


def _compute_bills(market: "Market", used: np.ndarray) -> tuple[list[Posting], list[Claim]]:
    """Return bills of contracts less what they draw from prepayments, and these draws."""
    contracts = market.books.contracts
    bills: list[Posting] = []
    draws: list[Claim] = []
    amounts = contract_bills_usd(market, used)
    for row in np.flatnonzero(amounts > 0).tolist():
        contract = contracts.facts[row]
        owed = cents(float(amounts[row]))
        left = contracts.prepaid_cents.get(contract.name, 0)
        if left:
            months_left = math.ceil(contract.end - market.time + 1)
            draw = contract.prepayment.draw_cents(owed, left, months_left)
            draws.append(Claim(contract.buyer, contract.seller, "prepayment", -draw, contract.name))
            owed -= draw
        bills.append(Posting(contract.buyer, contract.seller, owed, "compute", contract.name))
    return bills, draws


def contract_bills_usd(market: "Market", used: np.ndarray) -> np.ndarray:
    """Return the bill of each contract: ``p H max(u, phi q_delivered)`` (1.7), in one expression.

    What is drawn from a bank of compute paid for before is not billed again.
    """
    c = market.books.contracts
    n = c.size
    owed = np.maximum(used[:n], c.floor[:n] * market.delivered_h100e)
    bills = c.price[:n] * HOURS_PER_MONTH * owed
    for row, hours in drawn_hours(market, used).items():
        bills[row] -= c.price[row] * hours
    return bills


def _spot_bills(market: "Market") -> Iterator[Posting]:
    books = market.books
    for venue in sorted(books.spot):
        for bought in books.spot[venue].purchases:
            seller = books.pools[bought.pool].cloud
            yield from _spot_bill(bought, seller, bought.h100e, "spot", venue[0])
    for item in let(market):
        agreed = item.agreed
        yield from _spot_bill(agreed, agreed.lessor, item.h100e, "sublease", agreed.contract)


def _spot_bill(
    trade: Purchase | Sublease, seller: str, h100e: float, label: str, reference: str
) -> Iterator[Posting]:
    """Yield what a buyer owes for a month: the seller's part, and what a market maker keeps."""
    owed = cents(trade.pays * HOURS_PER_MONTH * h100e)
    received = min(cents(trade.receives * HOURS_PER_MONTH * h100e), owed)
    yield Posting(trade.lab, seller, received, label, reference)
    if received < owed:
        yield Posting(trade.lab, MARKET_MAKER, owed - received, "market making", reference)


def _arrears(market: "Market", names: Iterable[str]) -> Iterator[Posting]:
    debtors = set(names) - market.books.failed
    for (holder, issuer, kind, _), owed in market.books.claims.items():
        if kind == "arrears" and issuer in debtors:
            yield Posting(issuer, holder, owed, "arrears")


def cloud_bills(market: "Market", used: np.ndarray) -> list[Posting]:
    """Return what clouds owe for the month: rent, power and operation, debt service, refunds."""
    bills = [
        *_running_costs(market, used),
        *_rents(market),
        *(b for n in market.books.loans.values() if not n.lessee for b in debt_service(market, n)),
        *site_leases(market),
        *_refunds(market),
        *_arrears(market, market.setup.clouds),
        *guarantee_fees(market, market.setup.clouds),
        *clause_bills(market, used, contract_bills_usd(market, used), market.setup.clouds),
    ]
    return [bill for bill in bills if bill.payer not in market.books.failed]


def _running_costs(market: "Market", used: np.ndarray) -> Iterator[Posting]:
    """Yield what power and operation of used capacity cost each cloud, spot included."""
    books, setup = market.books, market.setup
    c = books.contracts
    n = c.size
    running = used[:n] * setup.running[c.pool[:n]] * HOURS_PER_MONTH
    costs = summed(setup.pool_cloud[c.pool[:n]], running, len(setup.clouds))
    for venue in sorted(books.spot):
        for _, pool, h100e, *_ in books.spot[venue].purchases:
            costs[setup.pool_cloud[pool]] += h100e * setup.running[pool] * HOURS_PER_MONTH
    for index, name in enumerate(setup.clouds):
        if name not in books.failed:
            yield Posting(name, "Suppliers", cents(float(costs[index])), "running")


def _rents(market: "Market") -> Iterator[Posting]:
    for site in market.books.sites.values():
        if site.landlord is not None and site.stage in (Stage.POWERED, Stage.ENERGISED):
            usd = site.rent_usd_per_kw_month * site.capacity_kw
            yield Posting(site.pool.cloud, site.landlord, cents(usd), "rent", site.name)


def _refunds(market: "Market") -> Iterator[Posting]:
    """Yield what is left prepaid of contracts that are over: it was for compute that did not come."""
    c = market.books.contracts
    for name, left in c.prepaid_cents.items():
        if left and c.state[c.row[name]] in ("ended", "terminated"):
            contract = c.facts[c.row[name]]
            yield Posting(contract.seller, contract.buyer, left, "refund", name)


def other_bills(market: "Market") -> list[Posting]:
    """Return what landlords and investors owe for the month, vehicles of sites with what leases brought."""
    books = market.books
    others = [n for t in ("landlords", "investors") for n in getattr(market.setup.scenario, t)]
    bills = [
        *(b for loan in books.loans.values() if loan.lessee for b in debt_service(market, loan)),
        *_arrears(market, others),
        *guarantee_fees(market, others),
    ]
    return [bill for bill in bills if bill.payer not in books.failed]
