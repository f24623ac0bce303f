"""Which changed input makes how much of a difference between two scenarios: Shapley, or one by one."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from offtake.experiments.comparison import mean_and_margin
from offtake.experiments.figures import bare, signed, written
from offtake.experiments.inputs import Input, hybrid
from offtake.model.scenario import Scenario

MOST_FOR_EVERY_SUBSET = 4
"""Inputs up to which every subset is run: 2^4 scenarios."""
PERMUTATIONS = 4
"""Orders drawn where there are more inputs; each is also taken backwards."""
LABEL_WIDTH = 38

type Method = Literal["auto", "shapley", "sequential"]
type Target = tuple[str, str, str]
"""Observable, name, other."""
type Values = Mapping[int, float]
"""Of the target, by seed."""
type Evaluate = Callable[[Scenario], Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which scenarios have to be run, and how their values are added up."""

    inputs: tuple[Input, ...]
    method: str
    orders: tuple[tuple[int, ...], ...]
    """Orders in which inputs are changed; all of them are given equal weight."""

    @property
    def subsets(self) -> list[frozenset[int]]:
        """The sets of changed inputs that are run, the smallest first."""
        needed = {frozenset(order[:k]) for order in self.orders for k in range(len(order) + 1)}
        return sorted(needed, key=lambda some: (len(some), sorted(some)))

    @property
    def hybrids(self) -> int:
        """Scenarios that lie between the two."""
        return max(len(self.subsets) - 2, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one input contributes."""

    name: str
    values: tuple[float, ...]
    """By seed."""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return math.fsum(self.values) / len(self.values)

    @property
    def margin(self) -> float:
        """Half the width of the 95 per cent confidence interval of the mean."""
        return mean_and_margin(self.values)[1]

    @property
    def quantiles(self) -> tuple[float, float]:
        """5 and 95 per cent of the contributions."""
        low, high = np.quantile(self.values, [0.05, 0.95])
        return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """A difference split into the contributions of the changed inputs; they add up exactly."""

    base: str
    other: str
    target: Target
    unit: str
    seeds: tuple[int, ...]
    before: float
    """Mean of the target in the base."""
    after: float
    parts: tuple[Part, ...]
    """The largest first."""
    method: str
    hybrids: int

    @property
    def what(self) -> str:
        """What is split, in words."""
        observable, name, other = self.target
        who = f"{name} on {other}" if other else name
        return f"{observable} {who}".rstrip()

    @property
    def cost(self) -> str:
        """How many runs it took."""
        runs = self.hybrids * len(self.seeds)
        return f"{self.hybrids} scenarios between the two x {len(self.seeds)} seeds: {runs} runs"

    def as_dict(self) -> dict[str, Any]:
        """Return the attribution as JSON has it."""
        observable, name, other = self.target
        return {
            "base": self.base,
            "other": self.other,
            "observable": observable,
            "name": name or None,
            "of": other or None,
            "unit": self.unit,
            "method": self.method,
            "hybrid_scenarios": self.hybrids,
            "seeds": list(self.seeds),
            "base_mean": _short(self.before),
            "other_mean": _short(self.after),
            "parts": [
                {
                    "input": part.name,
                    "mean": _short(part.mean),
                    "mean_margin": _short(part.margin),
                    "q05": _short(part.quantiles[0]),
                    "q95": _short(part.quantiles[1]),
                }
                for part in self.parts
            ],
        }

    def text(self) -> str:
        """Return the attribution as text for a terminal."""
        total = self.after - self.before
        lines = [
            f"{self.what}: {written(self.before, self.unit)} to {written(self.after, self.unit)}, "
            f"{signed(total, self.unit)} (means of {len(self.seeds)} pairs)",
            f"split by changed input; {METHODS[self.method]}",
            f"cost: {self.cost}",
        ]
        for part in self.parts:
            low, high = (bare(value, self.unit) for value in part.quantiles)
            change = f"{signed(part.mean, self.unit)} [{low}, {high}]"
            lines.append(f"  {part.name[:LABEL_WIDTH]:<{LABEL_WIDTH}} {change}")
        lines.append(f"  {'sum':<{LABEL_WIDTH}} {signed(total, self.unit)}")
        return "\n".join(lines)


METHODS = {
    "shapley": "Shapley values over every subset of the inputs",
    "shapley-sampled": "Shapley values over drawn orders of the inputs, each also backwards",
    "sequential": "inputs changed one after the other in the order of the file: what comes later "
    "takes what was left",
    "none": "one input makes all of it",
}


def plan(inputs: Sequence[Input], method: Method = "auto") -> Plan:
    """Choose the orders in which inputs are changed.

    Up to four inputs take every order, by way of all subsets; more take a few drawn orders, each also
    backwards, which halves the error where inputs act in pairs. `sequential` takes the one order of
    the scenario file.

    References
    ----------
    Shapley 1953; Castro, Gomez and Tejada 2009 (drawn orders); Mitchell et al. 2022 (antithetic pairs).
    """
    count = len(inputs)
    given = tuple(range(count))
    if count <= 1:
        return Plan(inputs=tuple(inputs), method="none", orders=(given,))
    if method == "sequential":
        return Plan(inputs=tuple(inputs), method="sequential", orders=(given,))
    if count <= MOST_FOR_EVERY_SUBSET:
        return Plan(inputs=tuple(inputs), method="shapley", orders=tuple(_every_order(given)))
    drawn = [
        tuple(np.random.default_rng(seed).permutation(count).tolist())
        for seed in range(PERMUTATIONS)
    ]
    orders = [order for one in drawn for order in (one, one[::-1])]
    return Plan(inputs=tuple(inputs), method="shapley-sampled", orders=tuple(orders))


def _every_order(items: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    if not items:
        yield ()
    for at, item in enumerate(items):
        for rest in _every_order(items[:at] + items[at + 1 :]):
            yield (item, *rest)


def attribute(
    base: Scenario,
    other: Scenario,
    how: Plan,
    *,
    target: Target,
    unit: str,
    evaluate: Evaluate,
) -> Attribution:
    """Split the difference of a target between two scenarios into its changed inputs.

    Parameters
    ----------
    base, other
        The scenarios.
    how
        What `plan` has chosen for their inputs.
    target
        Observable, name and other.
    unit
        Of the observable.
    evaluate
        Returns the target by seed for a scenario; it is called once for each subset of the inputs.

    Notes
    -----
    The contribution of an input is the mean, over the orders, of what the target gains when the input
    changes after those before it. For every seed the contributions add up to the difference of the
    pair, because each order's do.
    """
    values = {some: evaluate(_scenario(base, other, how, some)) for some in how.subsets}
    seeds = sorted(set.intersection(*(set(each) for each in values.values())))
    every, nothing = frozenset(range(len(how.inputs))), frozenset[int]()
    parts = [
        Part(
            name=each.name,
            values=tuple(_contribution(how.orders, at, values, seed) for seed in seeds),
        )
        for at, each in enumerate(how.inputs)
    ]
    return Attribution(
        base=base.name,
        other=other.name,
        target=target,
        unit=unit,
        seeds=tuple(seeds),
        before=math.fsum(values[nothing][seed] for seed in seeds) / len(seeds),
        after=math.fsum(values[every][seed] for seed in seeds) / len(seeds),
        parts=tuple(sorted(parts, key=lambda part: (-abs(part.mean), part.name))),
        method=how.method,
        hybrids=how.hybrids,
    )


def _scenario(base: Scenario, other: Scenario, how: Plan, some: frozenset[int]) -> Scenario:
    """Return the scenario of a subset; the ends are the scenarios themselves."""
    if not some:
        return base
    if len(some) == len(how.inputs):
        return other
    return hybrid(base, other, [how.inputs[at] for at in sorted(some)])


def _contribution(
    orders: Sequence[tuple[int, ...]],
    item: int,
    values: Mapping[frozenset[int], Values],
    seed: int,
) -> float:
    gains = []
    for order in orders:
        before = frozenset(order[: order.index(item)])
        gains.append(values[before | {item}][seed] - values[before][seed])
    return math.fsum(gains) / len(gains)


def _short(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.9g}")
