"""Policies in force: which of them have something to say to a question."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offtake.model.policies import Policy

if TYPE_CHECKING:
    from offtake.model.market import Market


def in_force(market: "Market", question: str) -> Iterator[Policy]:
    """Yield the policies in force that answer a question in their own way, by name."""
    for name in sorted(market.books.policies):
        rule = market.policies[name]
        if getattr(type(rule), question, None) is not getattr(Policy, question):
            yield rule


def since(market: "Market", name: str) -> float:
    """Return the month from which a policy has been in force; before the start where it is dated so."""
    dated, _ = market.setup.policy_dates[name]
    return min(dated, market.books.enacted[name])
