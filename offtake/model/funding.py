"""Rounds: labs that run short of money ask investors for more."""

import math
from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.events import Claim, Posted, Posting
from offtake.model.seeing import runway_months
from offtake.model.view import InvestorView

if TYPE_CHECKING:
    from offtake.model.market import Market


def finance(market: "Market") -> None:
    """Labs with a short runway look for a round that doubles the target; investors answer (fin-6)."""
    books, scenario = market.books, market.setup.scenario
    rules = scenario.finance
    believed, served = books.believed, books.served
    assert believed is not None
    assert served is not None
    for i, name in enumerate(market.setup.labs):
        burn = float(believed.burn_usd[i])
        cash = books.deposits[name] / 100
        if name in books.failed or runway_months(cash, burn) >= rules.runway_target_months:
            continue
        last = books.last_round.get(name, -math.inf)
        if market.time - last < rules.round_interval_months:
            continue
        asked = 2 * rules.runway_target_months * burn - cash
        growth = math.exp(12 * float(believed.revenue_growth[i])) - 1
        forward = 12 * float(served.revenue_usd[i]) * math.sqrt(1 + max(growth, 0.0))
        for investor in sorted(scenario.investors):
            if scenario.investors[investor].joins_rounds and asked > 0:
                asked -= _ask_investor(market, investor, name, asked, forward, growth)


def _ask_investor(
    market: "Market", investor: str, lab: str, asked: float, forward: float, growth: float
) -> float:
    books, scenario = market.books, market.setup.scenario
    data = scenario.investors[investor]
    promised = sum(t.amount_cents for t in books.tranches.values() if t.investor == investor)
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
    )
    fund = market.participants[investor].decide("financier", view)
    if fund is None:
        return 0.0
    amount = min(cents(fund.usd), max(books.deposits[investor], 0))
    market.post(
        Posted(
            postings=(Posting(investor, lab, amount, "round"),),
            claims=(Claim(investor, lab, "equity", amount),),
            cause=f"proposal:round of {lab}",
        )
    )
    return amount / 100
