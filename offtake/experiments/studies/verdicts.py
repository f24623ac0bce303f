"""Verdicts: whether a claim held in enough futures, and how many runs would settle it.

A future is what nobody decides: a point of the uncertain keys under the chance of one replicate.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from offtake.experiments.studies.aggregate import quantile
from offtake.experiments.studies.parts import Claim
from offtake.experiments.studies.statements import (
    Comparison,
    Test,
    Trend,
    condition,
    holds,
    read_test,
)

Z = 1.959963984540054
"""Two-sided 95% of the normal distribution."""
MOST = 10**9
HALF = 0.5

type Row = Mapping[str, Any]


class Verdict(StrEnum):
    """What a study says about a claim."""

    ROBUST = "ROBUST"
    """It holds in at least the share of futures it names."""
    SHIFTED = "SHIFTED"
    """It holds in most futures but in fewer than it says; it would hold at another value."""
    FRAGILE = "FRAGILE"
    """It does not hold in most futures."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """The runs made do not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and what it rests on."""

    say: str
    verdict: Verdict
    asked: float
    """Share of futures in which it must hold."""
    held: int
    of: int
    low: float
    """Bounds of the share, with 95% confidence (Wilson)."""
    high: float
    runs_needed: int | None = None
    """Runs of the whole study that would probably settle it."""
    holds_at: float | None = None
    """Value in place of the claim's own at which it would hold in the share it names."""
    unanswered: int = 0
    """Runs in which a value was missing."""


def judge(claim: Claim, rows: Sequence[Row], levers: Sequence[str]) -> Judgement:
    """Hold a claim against the finished runs of a study."""
    when, test = condition(claim.when), read_test(claim.test)
    about = [row for row in rows if holds(when, row)]
    answers = list(_answers(test, about, levers))
    known = [answer for answer in answers if answer is not None]
    held, of = sum(known), len(known)
    low, high = wilson(held, of)
    verdict = _verdict(low, high, claim.share)
    needed = None
    if verdict is Verdict.INCONCLUSIVE and of:
        futures = futures_needed(held / of, claim.share)
        needed = math.ceil(futures * len(rows) / of) if futures else None
    return Judgement(
        say=claim.say,
        verdict=verdict,
        asked=claim.share,
        held=held,
        of=of,
        low=low,
        high=high,
        runs_needed=needed,
        holds_at=_holds_at(test, about, claim.share) if verdict is Verdict.SHIFTED else None,
        unanswered=len(answers) - of,
    )


def _verdict(low: float, high: float, asked: float) -> Verdict:
    if low >= asked:
        return Verdict.ROBUST
    if high >= asked:
        return Verdict.INCONCLUSIVE
    return Verdict.SHIFTED if low > HALF else Verdict.FRAGILE


def wilson(held: int, of: int) -> tuple[float, float]:
    """Return the interval of a share with 95% confidence.

    References
    ----------
    Wilson, E. B. (1927), Journal of the American Statistical Association 22(158).

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson(9, 10)]
    [0.596, 0.982]
    """
    if of == 0:
        return 0.0, 1.0
    share, z2 = held / of, Z * Z
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def futures_needed(share: float, asked: float) -> int | None:
    """Return how many futures would decide, if the share seen so far is the true one.

    Examples
    --------
    >>> futures_needed(1.0, 0.9), futures_needed(0.9, 0.9)
    (35, None)
    """
    low, high = 1, 2
    while not _decides(share, asked, high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _decides(share, asked, middle) else (middle, high)
    return high


def _decides(share: float, asked: float, of: int) -> bool:
    low, high = wilson(round(share * of), of)
    return low >= asked or high < asked


def _answers(test: Test, rows: Sequence[Row], levers: Sequence[str]) -> Iterator[bool | None]:
    if not isinstance(test, Trend):
        yield from (holds(test, row) for row in rows)
        return
    outcome, parameter = test.outcome.text, test.parameter.text
    for one, other in _pairs(rows, parameter, levers):
        before, after = one[outcome], other[outcome]
        if before is None or after is None:
            yield None
        else:
            yield after > before if test.way == "rises" else after < before


def _pairs(rows: Sequence[Row], parameter: str, levers: Sequence[str]) -> Iterator[tuple[Row, Row]]:
    """Yield runs that differ in a parameter: of one future for a lever, else of one replicate."""
    others = [name for name in levers if name != parameter]
    if parameter in levers:
        others = [*others, "point"]

    def stratum(row: Row) -> tuple[Any, ...]:
        return (row["replicate"], *(repr(row[name]) for name in others))

    ordered = sorted(rows, key=lambda row: (stratum(row), row[parameter], row["run"]))
    for _, group in groupby(ordered, key=stratum):
        yield from _halves(list(group), parameter, ends_only=parameter in levers)


def _halves(group: list[Row], parameter: str, *, ends_only: bool) -> Iterator[tuple[Row, Row]]:
    """Yield the ends of a group, or its lower half against its upper half."""
    half = (len(group) + 1) // 2
    pairs: Iterable[tuple[Row, Row]] = zip(group, group[half:], strict=False)
    if ends_only:
        pairs = [(group[0], group[-1])]
    for one, other in pairs:
        if one[parameter] != other[parameter]:
            yield one, other


def _holds_at(test: Test, rows: Sequence[Row], asked: float) -> float | None:
    """Return the value at which a single comparison would hold in the share asked."""
    if isinstance(test, Trend) or len(test) != 1:
        return None
    only: Comparison = test[0]
    if not isinstance(only.right, float) or only.sign not in ("<", "<=", ">", ">="):
        return None
    values = sorted(row[only.left.text] for row in rows if row[only.left.text] is not None)
    return quantile(values, asked if only.sign[0] == "<" else 1 - asked) if values else None
