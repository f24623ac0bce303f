"""Circular finance: what clouds and their investors put into labs, against what labs pay them (1.13)."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from offtake.model.cents import cents
from offtake.model.events import Claim, Posting
from offtake.model.months import HOURS_PER_MONTH
from offtake.model.pricing import annuity

if TYPE_CHECKING:
    from offtake.model.market import Market

MONTHS = 12
"""Months over which equity and payments are compared."""
EQUITY = frozenset({"round", "tranche", "capital call"})
SPENDING = frozenset({"compute", "spot", "prepayment"})
MOST_RETURNED = 0.9
"""Part of an investment that can come back as contract margin at most."""


class PairFlows(NamedTuple):
    """Money of one month between labs and clouds, USD; arrays by lab and cloud."""

    equity: np.ndarray
    paid: np.ndarray


def pair_flows(market: "Market") -> PairFlows:
    """Return what the month has moved into labs from each cloud's side, and from labs to clouds."""
    books = market.books
    shape = (len(market.setup.labs), len(market.setup.clouds))
    equity, paid = np.zeros(shape), np.zeros(shape)
    for posting in market.month_postings:
        if posting.label in EQUITY and posting.payee in books.lab_index:
            lab = books.lab_index[posting.payee]
            for cloud, share in linked(market, posting.payer).items():
                equity[lab, books.cloud_index[cloud]] += share * posting.cents / 100
        elif posting.label in SPENDING and posting.payer in books.lab_index:
            cloud = books.cloud_index.get(posting.payee)
            if cloud is not None:
                paid[books.lab_index[posting.payer], cloud] += posting.cents / 100
    return PairFlows(equity, paid)


def linked(market: "Market", investor: str) -> dict[str, float]:
    """Return the clouds whose business an investor shares in, and how far: its group's and others."""
    scenario = market.setup.scenario
    if investor in scenario.clouds:
        return {investor: 1.0}
    data = scenario.investors.get(investor)
    if data is None:
        return {}
    group = {
        name: 1.0
        for name, cloud in scenario.clouds.items()
        if data.parent is not None and cloud.parent == data.parent
    }
    return group | dict(data.returns_from)


def circularity(market: "Market") -> np.ndarray:
    """Return by pair ``min(equity, payments) / payments`` over twelve months; zero without payments."""
    past = market.recorder.pair_flows[-MONTHS:]
    if not past:
        return np.zeros((len(market.setup.labs), len(market.setup.clouds)))
    equity = np.sum([month.equity for month in past], axis=0)
    paid = np.sum([month.paid for month in past], axis=0)
    return np.where(paid > 0, np.minimum(equity, paid) / np.maximum(paid, 1e-9), 0.0)


def returned_per_usd(market: "Market", investor: str, lab: str) -> float:
    """Return the present value of contract margin that a dollar put into a lab brings back (fin-6).

    The lab spends a part of it on training, with each cloud what it is expected to win, over the
    months in which it plans to spend its money; the margin is what the price is above running cost.
    """
    shares = market.setup.scenario.investors[investor].returns_from
    if not shares:
        return 0.0
    believed, books = market.books.believed, market.books
    assert believed is not None
    i = books.lab_index[lab]
    won = [
        share
        * float(believed.win_share[i, books.cloud_index[cloud]])
        * _margin(market, books.cloud_index[cloud])
        for cloud, share in shares.items()
        if cloud not in books.failed
    ]
    data, months = (
        market.setup.scenario.investors[investor],
        market.setup.scenario.finance.draw_months,
    )
    rate = (1 + data.hurdle_per_year) ** (1 / 12) - 1
    spent = float(market.training_shares[1][i]) * float(annuity(rate, months)) / months
    return min(max(spent, 0.0) * math.fsum(won), MOST_RETURNED)


def _margin(market: "Market", cloud: int) -> float:
    running = float(market.setup.running[market.setup.cloud_pools[cloud]].min())
    return max(1 - running / max(market.contract_price, 1e-9), 0.0)


def credit(
    market: "Market", lab: str, amount: int, cloud: str | None
) -> tuple[tuple[Posting, ...], tuple[Claim, ...]]:
    """Return how a lab turns a part of its new money into prepaid compute: equity for compute.

    It prepays its largest running contract with the cloud, within the take-or-pay left of it.
    """
    c = market.books.contracts
    rows = [
        r
        for r in market.books.active_rows().tolist()
        if c.facts[r].buyer == lab and c.facts[r].seller == cloud
    ]
    if amount <= 0 or not rows:
        return (), ()
    row = max(rows, key=lambda r: (_unbilled_cents(market, r), -r))
    part = min(amount, _unbilled_cents(market, row))
    if part <= 0 or cloud is None:
        return (), ()
    name = c.facts[row].name
    return (
        (Posting(lab, cloud, part, "prepayment", name),),
        (Claim(lab, cloud, "prepayment", part, name),),
    )


def _unbilled_cents(market: "Market", row: int) -> int:
    """Return the take-or-pay that a contract has still to bill and that is not prepaid, cents."""
    c = market.books.contracts
    left = max(float(c.end[row]) - market.time, 0.0)
    hours = c.facts[row].h100e * HOURS_PER_MONTH * left
    due = cents(float(c.floor[row] * c.price[row]) * hours)
    return max(due - c.prepaid_cents.get(c.facts[row].name, 0), 0)
