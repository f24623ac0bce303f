"""Which uncertain numbers of a scenario matter most: each at its low and its high end, one at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from offtake.experiments.results import Result
from offtake.experiments.run import Plan, plan, simulate_many
from offtake.experiments.summary import first_supplier, focal, median_seed
from offtake.model.facts import Fact
from offtake.model.problems import ScenarioError
from offtake.model.reading import Reading, read

RULES = ("demand", "beliefs", "procurement", "negotiation", "building", "finance")
"""Tables of rules: what everybody does the same way."""
LEAST_WIDTH = 1e-9

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """What an assumption does to the target over its stated range, all else equal, in one run."""

    path: str
    value: float
    low: float
    high: float
    unit: str
    confidence: str
    source: str
    note: str
    at_low: float | None = None
    """The target with the assumption at its low end; None where it was not run."""
    at_high: float | None = None

    @property
    def width(self) -> float:
        """How far the target moves between the ends."""
        if self.at_low is None or self.at_high is None:
            return 0.0
        return abs(self.at_high - self.at_low)


def known(result: Result, scenario: str | None = None) -> Reading | None:
    """Return where a result's numbers come from, if its scenario can be read again and is the same."""
    given = result.manifest["scenario"]
    try:
        found = read(scenario or given["name"], overrides=given["overrides"])
    except ScenarioError:
        return None
    return found if found.digest == given["digest"] else None


def uncertain(reading: Reading, count: int) -> list[Fact]:
    """Return the rules with the widest stated range for their size."""
    rules = [
        fact
        for fact in reading.facts
        if fact.path.split(".")[0] in RULES
        and fact.low is not None
        and fact.high is not None
        and isinstance(fact.value, int | float)
        and not isinstance(fact.value, bool)
        and fact.value
    ]
    return sorted(rules, key=lambda fact: (-_width(fact), fact.path))[:count]


def _width(fact: Fact) -> float:
    assert fact.low is not None
    assert fact.high is not None
    assert isinstance(fact.value, int | float)
    return (fact.high - fact.low) / max(abs(fact.value), LEAST_WIDTH)


def swings(
    result: Result,
    reading: Reading,
    *,
    count: int,
    scenario: str | None = None,
    workers: int = 1,
    say: Say = lambda _: None,
) -> list[Swing]:
    """Run the median seed with each of the least certain rules at either end of its range.

    The target is the focal lab's dependence on its first supplier in the last month. Returned from the
    largest swing to the smallest; what is not run keeps its place by width.
    """
    lab = focal(result.scenario)
    cloud, seed = first_supplier(result, lab), median_seed(result, lab)
    found = []
    for fact in uncertain(reading, count):
        say(f"running seed {seed} with {fact.path} at its low and high end")
        ends = [
            _target(result, scenario, fact, end, seed, lab, cloud, workers)
            for end in (fact.low, fact.high)
        ]
        found.append(replace(swing_of(fact), at_low=ends[0], at_high=ends[1]))
    return sorted(found, key=lambda swing: (-swing.width, swing.path))


def swing_of(fact: Fact) -> Swing:
    """Return an assumption that was not run."""
    return Swing(
        path=fact.path,
        value=float(str(fact.value)),
        low=float(fact.low or 0.0),
        high=float(fact.high or 0.0),
        unit=fact.unit or "",
        confidence=fact.confidence or "",
        source=fact.source,
        note=fact.note or "",
    )


def _target(
    result: Result,
    scenario: str | None,
    fact: Fact,
    value: float | None,
    seed: int,
    lab: str,
    cloud: str,
    workers: int,
) -> float | None:
    """Return the target of one run with one number changed; None where it cannot be run."""
    given = result.manifest["scenario"]
    number = int(value or 0) if isinstance(fact.value, int) else value
    changes = (*given["overrides"], f"{fact.path}={number}")
    try:
        asked: Plan = plan(
            scenario or given["name"],
            seeds=[seed],
            months=None,
            overrides=changes,
            check=False,
        )
    except ScenarioError:
        return None
    asked = replace(asked, months=min(result.manifest["months"], asked.months))
    made = simulate_many(asked, workers=workers).result
    if made is None:
        return None
    rows = made.trajectories.filter(
        observable="dependence", name=lab, other=cloud, month=asked.months - 1
    )
    return float(rows["value"][0])


def confidence_counts(facts: Sequence[Fact]) -> dict[str, int]:
    """Return how many numbers are stated with which confidence, and how many are judgement."""
    counts = {"high": 0, "medium": 0, "low": 0, "judgement": 0}
    for fact in facts:
        if fact.confidence in counts:
            counts[fact.confidence] += 1
        counts["judgement"] += fact.source == "judgement"
    return counts
