"""Settlement: the month's bills are paid as far as deposits reach (section 1.12)."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.bills import cloud_bills, income, lab_bills, other_bills
from offtake.model.books import EXTERNAL
from offtake.model.cents import split
from offtake.model.damages import damages_bill, damages_due
from offtake.model.events import Claim, Posted, Posting
from offtake.model.guarantees import call_guarantees
from offtake.model.indices import revise_prices
from offtake.model.liquidity import raise_for_bills
from offtake.model.make_up import bank_changes
from offtake.model.most_favoured import keep_down
from offtake.model.warrants import vest

if TYPE_CHECKING:
    from offtake.model.market import Market

OPERATING = frozenset(
    {
        "services",
        "parent",
        "overhead",
        "revenue share",
        "compute",
        "clause",
        "spot",
        "sublease",
        "market making",
        "arrears",
        "other business",
        "delay damages",
    }
)
"""Labels of postings that count towards a lab's burn."""


def settle(market: "Market") -> None:
    """Bills of the month are paid: revenue, compute, revenue shares, rent, running cost, debt service.

    Then banks of unused compute change and prices are revised for the months to come.
    """
    books = market.books
    overdraft = frozenset(EXTERNAL)
    received = paid(books.deposits, income(market), overdraft)
    bills, draws = lab_bills(market, market.used_h100e)
    market.post(received)
    if draws:
        market.apply(Posted(postings=(), claims=tuple(draws), cause="settlement"))
    market.post(paid(books.deposits, bills, overdraft))
    damages = list(damages_due(market))
    bills = [*cloud_bills(market, market.used_h100e), *(damages_bill(market, d) for d in damages)]
    raise_for_bills(market, bills)
    market.post(paid(books.deposits, bills, overdraft))
    market.post(paid(books.deposits, other_bills(market), overdraft))
    call_guarantees(market)
    vest(market)
    for change in (*bank_changes(market, market.used_h100e), *damages):
        market.apply(change)
    if revise_prices(market):
        keep_down(market)
    market.burn_usd = _burn_usd(market)


def paid(
    deposits: dict[str, int],
    bills: Iterable[Posting],
    overdraft: frozenset[str] = frozenset(),
    cause: str = "settlement",
) -> Posted | None:
    """Return the entry that pays bills as far as deposits reach; the rest becomes arrears.

    All bills are weighed at once against the deposits before any of them is paid; a payer that is
    short pays all its bills in the same proportion, to the cent.
    """
    by_payer: dict[str, list[Posting]] = {}
    for bill in bills:
        if bill.cents > 0:
            by_payer.setdefault(bill.payer, []).append(bill)
    postings: list[Posting] = []
    claims: list[Claim] = []
    for payer, owed in by_payer.items():
        total = sum(bill.cents for bill in owed)
        able = total if payer in overdraft else max(min(deposits[payer], total), 0)
        parts = [b.cents for b in owed] if able == total else split(able, [b.cents for b in owed])
        postings.extend(_parts(owed, parts) if able < total else owed)
        for bill, part in zip(owed, parts, strict=True):
            if bill.label == "arrears":
                claims.append(Claim(bill.payee, payer, "arrears", -part, ""))
            elif bill.label == "principal":
                claims.append(Claim(bill.payee, payer, "loan", -bill.cents, bill.reference))
            elif bill.label == "refund":
                claims.append(Claim(bill.payee, payer, "prepayment", -bill.cents, bill.reference))
            if bill.label != "arrears" and part < bill.cents:
                claims.append(Claim(bill.payee, payer, "arrears", bill.cents - part, ""))
    if not postings and not claims:
        return None
    return Posted(postings=tuple(postings), claims=tuple(claims), cause=cause)


def pay_back(market: "Market", name: str, cause: str) -> None:
    """Pay back what is left prepaid of a contract that ends now; what the seller lacks is in arrears."""
    contracts = market.books.contracts
    contract, left = contracts.facts[contracts.row[name]], contracts.prepaid_cents.get(name, 0)
    refund = Posting(contract.seller, contract.buyer, left, "refund", name)
    market.post(paid(market.books.deposits, [refund], cause=cause))


def _parts(bills: list[Posting], parts: list[int]) -> Iterator[Posting]:
    for bill, part in zip(bills, parts, strict=True):
        if part:
            yield bill._replace(cents=part)


def _burn_usd(market: "Market") -> np.ndarray:
    """Return what each lab spends on its operation beyond what it takes in, USD this month."""
    burn = dict.fromkeys(market.setup.labs, 0)
    for posting in market.month_postings:
        if posting.label in OPERATING:
            if posting.payer in burn:
                burn[posting.payer] += posting.cents
            if posting.payee in burn:
                burn[posting.payee] -= posting.cents
    return np.array([burn[name] / 100 for name in market.setup.labs])
