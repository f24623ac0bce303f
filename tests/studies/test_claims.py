"""Claims: what they may say, and how they are judged."""

import pytest

from offtake.experiments.studies.parts import Claim
from offtake.experiments.studies.statements import NotAStatement, condition, holds, read_test
from offtake.experiments.studies.verdicts import Verdict, futures_needed, judge, wilson

LEVER = "demand.churn_per_month"


def claim(test: str, share: float = 0.9, when: str | None = None) -> Claim:
    return Claim.model_validate({"say": "It is so", "test": test, "in": share, "when": when})


def rows(values, **more):
    return [
        {"run": n, "point": n, "replicate": 0, "x": value, **more} for n, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("held", "of", "verdict"),
    [
        (100, 100, Verdict.ROBUST),
        (97, 100, Verdict.ROBUST),
        (91, 100, Verdict.INCONCLUSIVE),
        (10, 10, Verdict.INCONCLUSIVE),
        (75, 100, Verdict.SHIFTED),
        (40, 100, Verdict.FRAGILE),
        (0, 0, Verdict.INCONCLUSIVE),
    ],
)
def test_a_verdict_follows_from_how_often_it_held(held, of, verdict):
    found = judge(claim("x > 0.5"), rows([1.0] * held + [0.0] * (of - held)), [])
    assert (found.verdict, found.held, found.of) == (verdict, held, of)


def test_an_open_claim_says_how_many_runs_would_settle_it():
    found = judge(claim("x > 0.5"), rows([1.0] * 10), [])
    assert found.runs_needed == 35
    assert wilson(35, 35)[0] >= 0.9 > wilson(34, 34)[0]


def test_runs_that_a_condition_leaves_out_are_needed_too():
    made = rows([1.0] * 10, kind="one") + rows([1.0] * 30, kind="other")
    found = judge(claim("x > 0.5", when='kind == "one"'), made, [])
    assert (found.of, found.runs_needed) == (10, 140)


def test_a_share_that_is_the_one_asked_for_is_never_settled():
    assert futures_needed(0.9, 0.9) is None


def test_a_shifted_claim_says_at_which_value_it_would_hold():
    found = judge(claim("x > 50", share=0.9), rows([float(n) for n in range(20, 120)]), [])
    assert found.verdict is Verdict.SHIFTED
    assert found.holds_at == pytest.approx(29.9)


def test_a_trend_with_a_lever_compares_futures_with_themselves():
    made = [
        {"run": 2 * n + lever, "point": n, "replicate": 0, LEVER: lever, "x": n * 100.0 + lever}
        for n in range(40)
        for lever in (0, 1)
    ]
    found = judge(claim(f"x rises with {LEVER}"), made, [LEVER])
    assert (found.verdict, found.held, found.of) == (Verdict.ROBUST, 40, 40)
    assert judge(claim(f"x falls with {LEVER}"), made, [LEVER]).verdict is Verdict.FRAGILE


def test_a_trend_with_something_uncertain_compares_low_with_high():
    made = [
        {"run": n, "point": n, "replicate": 0, "u": float(n % 50), "x": float(n % 50)}
        for n in range(100)
    ]
    found = judge(claim("x rises with u"), made, [])
    assert (found.held, found.of) == (50, 50)


def test_a_missing_value_is_no_answer():
    found = judge(claim("x > 0.5"), rows([1.0, None, 1.0]), [])
    assert (found.of, found.unanswered) == (2, 1)


@pytest.mark.parametrize("text", ["", "x", "x >", "> 3", "x => 3", "x > 3 or y > 2", "import os"])
def test_a_text_that_says_nothing_testable_is_refused(text):
    with pytest.raises(NotAStatement):
        read_test(text or " ")


def test_numbers_that_differ_by_rounding_are_equal():
    assert holds(condition("x == 0.3"), {"x": 0.1 + 0.2}) is True
