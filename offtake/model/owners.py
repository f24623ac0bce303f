"""Owners of a venture: what they have still to pay in, and whether they agree to build (1.9, fin-2)."""

import math
from typing import TYPE_CHECKING

from offtake.model.cents import cents
from offtake.model.pricing import equity_return_per_year
from offtake.model.scenario import Cloud

if TYPE_CHECKING:
    from offtake.model.market import Market


def uncalled_cents(market: "Market", venture: str) -> dict[str, int]:
    """Return what each owner has committed to a venture and not paid in, cents."""
    books = market.books
    if venture in books.unformed or venture in books.failed:
        return {}
    given = market.setup.scenario.clouds[venture].commitments
    left = {
        owner: cents(usd) - books.called_in_cents.get((owner, venture), 0)
        for owner, usd in given.items()
        if owner not in books.failed
    }
    return {owner: amount for owner, amount in left.items() if amount > 0}


def promised_cents(market: "Market", owner: str) -> int:
    """Return what an owner has committed to ventures and not paid in, cents."""
    ventures = (n for n, x in market.setup.scenario.clouds.items() if owner in x.commitments)
    return sum(uncalled_cents(market, venture).get(owner, 0) for venture in ventures)


def agree(market: "Market", venture: str) -> bool:
    """Whether enough owners agree that a venture builds now; whoever has no deed needs nobody."""
    deed = market.setup.scenario.clouds[venture].consent
    return deed == 0 or consent(market, venture) >= deed * (1 - 1e-9)


def consent(market: "Market", venture: str) -> float:
    """Return the part of a venture whose owners agree that it builds now.

    The lab with first call wants what is built for it. The others agree if equity in a site at the
    transfer price returns what they ask for, with the debt that the venture may take up (fin-4).
    """
    data = market.setup.scenario.clouds[venture]
    total = math.fsum(data.owners.values())
    if total == 0:
        return math.nan
    earned = site_return_per_year(market, data)
    agreed = [
        share
        for owner, share in data.owners.items()
        if owner not in market.books.failed
        and (owner == data.priority or earned >= _asked_per_year(market, owner))
    ]
    return math.fsum(agreed) / total


def site_return_per_year(market: "Market", venture: Cloud) -> float:
    """Return what equity in a site earns at the transfer price over the life of its chips, a year."""
    scenario = market.setup.scenario
    return equity_return_per_year(
        rate_per_month=(1 + venture.discount_per_year) ** (1 / 12) - 1,
        markup=venture.transfer_markup,
        months=scenario.building.server_life_months,
        debt_share=venture.debt_share,
        debt_rate_per_month=scenario.finance.debt_rate_per_year / 12,
    )


def _asked_per_year(market: "Market", owner: str) -> float:
    scenario = market.setup.scenario
    if owner in scenario.investors:
        return scenario.investors[owner].hurdle_per_year
    given = scenario.clouds.get(owner) or scenario.labs[owner]
    return given.discount_per_year


def venture_kw(market: "Market", venture: str) -> int:
    """Return capacity that runs for the priority lab in a venture's name: its own, or its members'.

    A venture that is only a label over contracts of the lab with its members has what these are for.
    """
    c, data = market.books.contracts, market.setup.scenario.clouds[venture]
    sellers = set(data.label_over) or {venture}
    rows = market.books.active_rows().tolist()
    return sum(
        int(c.delivered_kw[r])
        for r in rows
        if c.facts[r].buyer == data.priority and c.facts[r].seller in sellers
    )
