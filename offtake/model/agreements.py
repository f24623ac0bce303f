"""Standing agreements of the scenario: their clauses begin and end on known dates."""

import math
from typing import TYPE_CHECKING

from offtake.model.competition import void_unlawful
from offtake.model.events import Agreed, Lapsed
from offtake.model.opening import clauses_at, clauses_of
from offtake.model.standing import parties

if TYPE_CHECKING:
    from offtake.model.market import Market


def follow_agreement(market: "Market", name: str) -> None:
    """Let clauses of an agreement lapse or begin, as its dates say; what was waived is gone."""
    books, scenario = market.books, market.setup.scenario
    given = scenario.agreements[name]
    every = clauses_of(scenario, name)
    before = [clause for clause in books.clauses if clause in every]
    now = [c for c in clauses_at(scenario, name, market.time) if c not in books.waived]
    if {given.lab, given.cloud} & books.failed:
        now = []
    cause = f"scenario:agreements.{name}"
    for clause in before:
        if clause not in now:
            market.apply(Lapsed(clause=clause, cause=cause))
    for clause in now:
        if clause not in before:
            market.apply(Agreed(clause=clause, cause=cause))
    void_unlawful(market)


def lapse_what_a_waiver_left(market: "Market", name: str) -> None:
    """Let clauses lapse that a waiver of an agreement has brought and whose time is over."""
    scenario = market.setup.scenario
    given, every = scenario.agreements[name], clauses_of(scenario, name)
    for clause in list(market.books.clauses):
        over = getattr(clause, "until", math.inf) <= market.time
        if over and clause not in every and parties(clause) == (given.lab, given.cloud):
            market.apply(Lapsed(clause=clause, cause=f"scenario:agreements.{name}"))
