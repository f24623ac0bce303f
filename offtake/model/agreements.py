"""Standing agreements of the scenario: their clauses begin and end on known dates."""

from typing import TYPE_CHECKING

from offtake.model.events import Agreed, Lapsed
from offtake.model.opening import clauses_at
from offtake.model.standing import Clause, parties

if TYPE_CHECKING:
    from offtake.model.market import Market


def follow_agreement(market: "Market", name: str) -> None:
    """Let clauses of an agreement lapse or begin, as its dates say."""
    before = [c for c in market.books.clauses if _clause_of(market, name, c)]
    now = clauses_at(market.setup.scenario, name, market.time)
    cause = f"scenario:agreements.{name}"
    for clause in before:
        if clause not in now:
            market.apply(Lapsed(clause=clause, cause=cause))
    for clause in now:
        if clause not in before:
            market.apply(Agreed(clause=clause, cause=cause))


def _clause_of(market: "Market", name: str, clause: Clause) -> bool:
    given = market.setup.scenario.agreements[name]
    return parties(clause) == (given.lab, given.cloud)
