"""What is asked of a standing clause: whole cents between its own parties, and a plain yes or no."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from offtake.model.books import CAPITAL
from offtake.model.events import Agreed
from offtake.model.market import Market
from offtake.model.named_clauses import made
from offtake.model.standing import Clause, Due, parties
from offtake.testing.trials import Check, Trial, common_checks, run_all

LAB, CLOUD = "Lab A", "Cloud Q"
"""Parties of a clause on trial; every small market has them."""
TAKEN = CAPITAL | {"arrears", "principal", "prepayment", "asset sale", "round", "compute", "spot"}
"""Labels of money that books and observables read something into."""


def check_clause(kind: Callable[..., Clause], *, markets: int = 2, **numbers: float) -> None:
    """Raise an `AssertionError` with everything that is wrong with a clause.

    Parameters
    ----------
    kind
        The class, which is given `lab` and `cloud` and its numbers.
    markets
        In how many small markets it is in force between one lab and one cloud.
    numbers
        Its own numbers, as a scenario would give them.
    """
    run_all(clause_checks(kind, markets=markets, **numbers))


def clause_checks(
    kind: Callable[..., Clause], *, markets: int = 2, **numbers: float
) -> list[Check]:
    """Return the checks one by one, for `pytest.mark.parametrize("check", ..., ids=str)`."""
    rule = made(kind, LAB, CLOUD, numbers)

    def enter(market: Market, entered: Any) -> None:
        if entered is rule:  # parties may have other names here
            traders = {**market.setup.scenario.labs, **market.setup.scenario.clouds}
            now = {data.drawn_as or name: name for name, data in traders.items()}
            entered = made(kind, now[LAB], now[CLOUD], numbers)
        market.apply(Agreed(clause=entered, cause="test"))

    def validate(question: str, seen: Sequence[Any], answer: Any) -> Iterator[str]:
        return _owed(rule, answer) if question == "owes" else _said(rule, question, seen, answer)

    trial = Trial(rule, enter=enter, validate=validate, markets=markets)
    return [Check("it is a clause", lambda: _is_clause(rule)), *common_checks(trial)]


def _is_clause(rule: Any) -> Iterator[str]:
    name = type(rule).__name__
    if not isinstance(rule, Clause):
        yield f"{name} is no clause; extend offtake.model.standing.Clause"
    elif rule.label in TAKEN:
        yield f"{name}.label is {rule.label!r}, which means something else; leave `label` as it is"


def _owed(rule: Clause, answer: Any) -> Iterator[str]:
    pair = parties(rule)
    for due in answer:
        if not isinstance(due, Due):
            yield f"answers {due!r}; `owes` returns Due(payer, payee, cents)"
        elif type(due.cents) is not int or due.cents < 0:
            yield (
                f"makes {due.cents!r} cents due, and so money from nothing; amounts are whole cents, at "
                "least 0: use offtake.model.cents.cents"
            )
        elif {due.payer, due.payee} != set(pair):
            yield (
                f"moves money from {due.payer!r} to {due.payee!r}; a clause moves money between its own "
                f"parties only, `self.lab` and `self.cloud`"
            )


def _said(rule: Clause, question: str, seen: Sequence[Any], answer: Any) -> Iterator[str]:
    if question != "forbids":
        return
    if not isinstance(answer, bool):
        yield f"answers {answer!r} to `forbids`; say True or False"
    elif answer and not set(seen[:2]) & set(parties(rule)):
        yield f"forbids {seen[0]!r} and {seen[1]!r} to sign, who have not agreed to it"
