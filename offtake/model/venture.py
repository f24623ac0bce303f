"""Ventures: they form or they do not, and they call in what their owners have committed (1.9, fin-2)."""

from typing import TYPE_CHECKING

from offtake.model.cents import split
from offtake.model.chance import stream
from offtake.model.contracts import OPEN
from offtake.model.events import Cancelled, Claim, Formed, Posted, Posting
from offtake.model.liquidity import raise_cash
from offtake.model.owners import uncalled_cents
from offtake.model.stakes import cut, part_allowed

if TYPE_CHECKING:
    from offtake.model.market import Market


def form(market: "Market", name: str) -> None:
    """Form a venture, if it comes to that; if not, its leases go back and it never is."""
    data = market.setup.scenario.clouds[name]
    condition = data.formation_condition or f"formation of {market.setup.drawn_as[name]}"
    draw = stream(market.setup.seed, "condition", condition).random()
    comes = not data.label_over and draw < data.formation_probability
    cause = f"scenario:clouds.{name}"
    told = market.apply(Formed(name=name, formed=comes, cause=cause))
    if not comes:
        for site in list(market.books.sites.values()):
            if site.pool.cloud == name and site.stage in OPEN and site.landlord is not None:
                market.apply(Cancelled(site=site.name, because="other", cause=f"event:{told}"))


def call_capital(market: "Market", venture: str, missing: int, cause: str) -> None:
    """Call in what is missing, from each owner in proportion to what it has still to pay.

    Whoever cannot pay all of its part pays what it can raise, and what policies on stakes let pass; what
    others have committed stays theirs.
    """
    left = uncalled_cents(market, venture)
    called = split(min(missing, sum(left.values())), list(left.values()))
    wanted = {(owner, venture): part for owner, part in zip(left, called, strict=True) if part}
    for owner, part in zip(left, called, strict=True):
        passed = cut(part, part_allowed(market, owner, venture, wanted)) if part else 0
        amount = raise_cash(market, owner, passed, venture, cause) if passed else 0
        if amount > 0:
            paid = Posting(owner, venture, amount, "capital call", venture)
            equity = Claim(owner, venture, "equity", amount)
            market.post(Posted(postings=(paid,), claims=(equity,), cause=cause))
