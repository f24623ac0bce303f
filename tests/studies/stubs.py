"""Models that stand in for the market where a study itself is tested: quick, and known by formula."""

import math
import os
import signal
import time
from functools import cache
from typing import Any

import polars as pl

from offtake.model.chance import stream
from offtake.model.scenario import Scenario

PRESSED = ("usage", "willingness", "efficiency")
"""Three rates of growth of the scenario that stand for x1, x2 and x3."""


class Formula:
    """A market of one number a month, computed from three rates of growth."""

    def __init__(self, scenario: Scenario, *, rng: int, check: bool = True) -> None:
        self.x = [getattr(scenario.demand, f"{name}_growth_per_month") for name in PRESSED]
        self.seed, self.month = rng, 0
        self.cloud = next(iter(scenario.clouds))

    def step(self) -> None:
        self.month += 1

    def value(self) -> float:
        raise NotImplementedError

    def frames(self, *_: object, **__: object) -> dict[str, pl.DataFrame]:
        return {"trajectories": _months(self.month).with_columns(value=pl.lit(self.value()))}


@cache
def _months(count: int) -> pl.DataFrame:
    months = {"month": range(count), "observable": "efficiency", "name": "", "other": ""}
    return pl.DataFrame(months, schema_overrides={"month": pl.Int64})


def ishigami(x: list[float]) -> float:
    return math.sin(x[0]) + 7 * math.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * math.sin(x[0])


class Ishigami(Formula):
    def value(self) -> float:
        return ishigami(self.x)


class SobolG(Formula):
    """Sobol's g-function of eight inputs between 0 and 1."""

    INPUTS = (
        "usage_growth_per_month",
        "willingness_growth_per_month",
        "efficiency_growth_per_month",
        "churn_per_month",
        "innovation_per_year",
        "imitation_per_year",
        "value_slope",
        "quality_persistence",
    )
    WEIGHTS = (0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0)

    def __init__(self, scenario: Scenario, *, rng: int, check: bool = True) -> None:
        super().__init__(scenario, rng=rng)
        self.x = [getattr(scenario.demand, name) for name in self.INPUTS]

    def value(self) -> float:
        pairs = zip(self.x, self.WEIGHTS, strict=True)
        return math.prod((abs(4 * x - 2) + a) / (1 + a) for x, a in pairs)


class Noisy(Formula):
    """Ishigami's function with noise whose size depends on the second input."""

    def value(self) -> float:
        noise = stream(self.seed, "noise").normal()
        return ishigami(self.x) + 2.0 * (1 + 0.5 * self.x[1] / math.pi) * float(noise)


class Linear(Formula):
    def value(self) -> float:
        return 2.0 * self.x[0] - self.x[1]


class Chancy(Formula):
    """A number of chance, in a moment or two."""

    def value(self) -> float:
        return self.x[0] + float(stream(self.seed, "chance").random())

    def step(self) -> None:
        time.sleep(0.002)  # so that a kill finds it at work
        super().step()


class Poison(Chancy):
    """Ends its own process where x1 is large, as a lack of memory would."""

    def step(self) -> None:
        if self.x[0] > 0.9:
            os.kill(os.getpid(), signal.SIGKILL)
        super().step()


class Hanging(Chancy):
    def step(self) -> None:
        while self.x[0] > 0.9:
            time.sleep(0.01)  # for ever
        super().step()


class Hungry(Chancy):
    def step(self) -> None:
        if self.x[0] > 0.9:
            self.hoard: list[Any] = [bytearray(50_000_000) for _ in range(40)]
            while self.hoard:
                time.sleep(0.01)
        super().step()


class Fragile(Chancy):
    def step(self) -> None:
        if self.x[0] > 0.9:
            raise ValueError("x1 is too large")
        super().step()


class Broken(Formula):
    def __init__(self, scenario: Scenario, *, rng: int, check: bool = True) -> None:
        raise RuntimeError("it cannot be set up")
