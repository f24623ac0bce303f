"""What packages of others can ask of their strategies, clauses and policies in their own tests.

Needs nothing beyond offtake itself: a check that fails raises an `AssertionError` that says what to do.
"""

from offtake.testing.clauses import check_clause, clause_checks
from offtake.testing.policies import check_policy, policy_checks
from offtake.testing.strategies import check_strategy, strategy_checks
from offtake.testing.trials import Check

__all__ = [
    "Check",
    "check_clause",
    "check_policy",
    "check_strategy",
    "clause_checks",
    "policy_checks",
    "strategy_checks",
]
