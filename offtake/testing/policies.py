"""What is asked of a policy: answers of the right kind, the same to everybody who asks."""

import inspect
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

from offtake.model.market import Market
from offtake.model.policies import Credit, Policy
from offtake.testing.markets import POLICY
from offtake.testing.trials import Check, Trial, common_checks, run_all

QUESTIONS = tuple(
    name
    for name, member in vars(Policy).items()
    if inspect.isfunction(member) and not name.startswith("_")
)
"""Everything that institutions ask."""


def check_policy(policy: Any, *, markets: int = 2) -> None:
    """Raise an `AssertionError` with everything that is wrong with a policy.

    Parameters
    ----------
    policy
        An instance; it comes into force a month after the start of every market.
    markets
        In how many small markets it is played. Their regions are `north` and `south`.
    """
    run_all(policy_checks(policy, markets=markets))


def policy_checks(policy: Any, *, markets: int = 2) -> list[Check]:
    """Return the checks one by one, for `pytest.mark.parametrize("check", ..., ids=str)`."""

    def enter(market: Market, entered: Any) -> None:
        market.policies[POLICY] = entered

    def validate(question: str, seen: Sequence[Any], answer: Any) -> Iterator[str]:
        return _said(question, answer)

    trial = Trial(policy, enter=enter, validate=validate, markets=markets)
    missing = [name for name in QUESTIONS if not callable(getattr(policy, name, None))]
    if missing:
        text = f"{type(policy).__name__} does not answer {', '.join(missing)}"
        return [Check("it is a policy", lambda: [f"{text}; extend offtake.model.policies.Policy"])]
    return common_checks(trial, names=True)


def _said(question: str, answer: Any) -> Iterator[str]:
    match question:
        case "counts" if not isinstance(answer, bool):
            yield f"answers {answer!r} to `counts`; say True or False"
        case "objection" if not (answer is None or (isinstance(answer, str) and answer)):
            yield f"answers {answer!r} to `objection`; give the reason as a text, or None"
        case "quota_of" if not isinstance(answer, str):
            yield f"answers {answer!r} to `quota_of`; name a class of chips, or COMMON"
        case "yearly_h100e" if not (isinstance(answer, int | float) and answer >= 0):
            yield f"answers {answer!r} to `yearly_h100e`; a number, at least 0, math.inf for no quota"
        case "grid_multiplier" if not (
            isinstance(answer, int | float) and math.isfinite(answer) and answer > 0
        ):
            yield f"answers {answer!r} to `grid_multiplier`; a finite number greater than 0"
        case "bars_first_refusal" | "limits_channels" | "counted_together" if not isinstance(
            answer, bool
        ):
            yield f"answers {answer!r} to `{question}`; say True or False"
        case "objection_to_supply" | "objection_to_acquisition" if not (
            answer is None or (isinstance(answer, str) and answer)
        ):
            yield f"answers {answer!r} to `{question}`; give the reason as a text, or None"
        case "largest_stake" | "grant_share" | "loss_cover" if not (
            _number(answer) and 0 <= answer <= 1
        ):
            yield f"answers {answer!r} to `{question}`; a share from 0 to 1"
        case "credit" if not (
            answer is None or (isinstance(answer, Credit) and 0 <= answer.share <= 1)
        ):
            yield f"answers {answer!r} to `credit`; a Credit with a share from 0 to 1, or None"
        case name if name in AT_LEAST_0 and not (_number(answer) and answer >= 0):
            yield f"answers {answer!r} to `{question}`; a number, at least 0"


AT_LEAST_0 = frozenset(
    {
        "period_months",
        "licence_months",
        "tariff_share",
        "floor_usd_per_h100e_hour",
        "most_h100e",
        "review_months",
        "longest_exclusivity_months",
    }
)


def _number(answer: Any) -> TypeGuard[float]:
    return isinstance(answer, int | float) and not math.isnan(answer)
