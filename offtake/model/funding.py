"""Rounds: labs that run short of money ask investors for more."""

import math
from typing import TYPE_CHECKING

from offtake.model.cents import cents, split
from offtake.model.circularity import credit, returned_per_usd
from offtake.model.events import Claim, Posted, Posting
from offtake.model.owners import promised_cents
from offtake.model.refinancing import refinance
from offtake.model.seeing import runway_months
from offtake.model.stakes import cut, part_allowed
from offtake.model.view import InvestorView

if TYPE_CHECKING:
    from offtake.model.market import Market


def finance(market: "Market") -> None:
    """Labs with a short runway look for a round that doubles the target; investors answer (fin-6).

    All answers are given before any money moves. A lab that is offered more than it asked for takes of
    each in proportion, and so does an investor that has offered more than it has.
    """
    refinance(market)
    believed = market.books.believed
    assert believed is not None
    offers: dict[tuple[str, str], int] = {}
    for i, name in enumerate(market.setup.labs):
        cash, burn = market.books.deposits[name] / 100, float(believed.burn_usd[i])
        if _needs_a_round(market, name, cash, burn):
            target = market.setup.scenario.finance.runway_target_months
            offers |= _let_pass(market, _offers(market, i, 2 * target * burn - cash))
    for investor, _ in market.setup.placed(market.setup.scenario.investors):
        mine = {pair: amount for pair, amount in offers.items() if pair[0] == investor}
        able = max(market.books.deposits[investor], 0)
        for (_, lab), amount in _within(mine, able).items():
            _invest(market, investor, lab, amount)


def _let_pass(market: "Market", offers: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return what policies on foreign and interlocking capital leave of offers."""
    return {
        pair: cut(amount, part_allowed(market, *pair, offers)) for pair, amount in offers.items()
    }


def _within(amounts: dict[tuple[str, str], int], most: int) -> dict[tuple[str, str], int]:
    """Return amounts reduced in proportion, in whole cents, so that they sum to no more than `most`."""
    if sum(amounts.values()) <= most:
        return amounts
    return dict(zip(amounts, split(most, list(amounts.values())), strict=True))


def _needs_a_round(market: "Market", lab: str, cash_usd: float, burn_usd: float) -> bool:
    """Return whether a lab's runway is short and its last round long enough ago."""
    rules = market.setup.scenario.finance
    short = runway_months(cash_usd, burn_usd) < rules.runway_target_months
    last = market.books.last_round.get(lab, -math.inf)
    rested = market.time - last >= rules.round_interval_months
    return lab not in market.books.failed and short and rested


def _offers(market: "Market", index: int, asked: float) -> dict[tuple[str, str], int]:
    """Return what investors offer to a lab, by investor and lab, cents; no more than it asked for."""
    if asked <= 0:
        return {}
    lab = market.setup.labs[index]
    forward, growth = _prospects(market, index)
    offers = {}
    for investor, data in market.setup.placed(market.setup.scenario.investors):
        if data.joins_rounds:
            offers[investor, lab] = _ask_investor(market, investor, lab, asked, forward, growth)
    return _within(offers, cents(asked))


def _prospects(market: "Market", index: int) -> tuple[float, float]:
    """Return a lab's revenue of the year ahead, USD, and its believed growth a year."""
    believed, served = market.books.believed, market.books.served
    assert believed is not None
    assert served is not None
    growth = math.exp(12 * float(believed.revenue_growth[index])) - 1
    forward = 12 * float(served.revenue_usd[index]) * math.sqrt(1 + max(growth, 0.0))
    return forward, growth


def _ask_investor(
    market: "Market", investor: str, lab: str, asked: float, forward: float, growth: float
) -> int:
    books, scenario = market.books, market.setup.scenario
    data = scenario.investors[investor]
    promised = sum(t.parts_cents(t.amount_cents).get(investor, 0) for t in books.tranches.values())
    promised += promised_cents(market, investor)
    view = InvestorView(
        name=investor,
        time=market.time,
        finance=scenario.finance,
        cash_usd=books.deposits[investor] / 100,
        committed_usd=promised / 100,
        hurdle_per_year=data.hurdle_per_year,
        lab=lab,
        asked_usd=asked,
        forward_revenue_usd=forward,
        growth_per_year=growth,
        returned_per_usd=returned_per_usd(market, investor, lab),
    )
    fund = market.participants[investor].decide("financier", view)
    return 0 if fund is None else min(cents(fund.usd), max(books.deposits[investor], 0))


def _invest(market: "Market", investor: str, lab: str, amount: int) -> None:
    """Pay equity into a lab, which spends a part of it on the investor's compute where that is agreed."""
    if amount <= 0:
        return
    data, cause = market.setup.scenario.investors[investor], f"proposal:round of {lab}"
    paid = Posting(investor, lab, amount, "round")
    equity = Claim(investor, lab, "equity", amount)
    market.post(Posted(postings=(paid,), claims=(equity,), cause=cause))
    part = round(amount * data.compute_share)
    if part > 0:
        cloud = next(iter(data.returns_from))
        postings, claims = credit(market, lab, part, cloud)
        market.post(Posted(postings=postings, claims=claims, cause=cause))
