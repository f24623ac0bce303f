"""The market whose runs are measured, and models that stand in for it; workers import them."""

import time
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from offtake.model.chance import stream
from offtake.model.market import Market
from offtake.model.reading import read
from offtake.model.scenario import Scenario

MARKET = "duopoly"
MONTHS = 4
"""Months of a run that takes about 50 ms."""
KEY = "demand.churn_per_month"


class Idle:
    """Costs next to nothing, so that what is left is the cost of a study."""

    def __init__(self, scenario: Scenario, *, rng: int, check: bool = True) -> None:
        self.scenario, self.seed, self.month = scenario, rng, 0

    def step(self) -> None:
        """Let a month pass."""
        self.month += 1

    def frames(self, *_: Any, **__: Any) -> dict[str, pl.DataFrame]:
        """Return one number a month."""
        value = float(stream(self.seed, "idle").random())
        return {"trajectories": _rows("hhi_compute", [""], np.full((self.month, 1), value))}


class Busy(Idle):
    """Takes its time, so that it can be killed at work."""

    def step(self) -> None:
        """Let a month pass in twenty milliseconds."""
        time.sleep(0.02)
        super().step()


class Shares(Idle):
    """Gives every cloud a share of the market each month, drawn at random."""

    def frames(self, *_: Any, **__: Any) -> dict[str, pl.DataFrame]:
        """Return shares that sum to one."""
        clouds = sorted(self.scenario.clouds)
        shares = stream(self.seed, "shares").dirichlet(np.ones(len(clouds)), self.month)
        return {"trajectories": _rows("share_compute", clouds, shares)}


def _rows(observable: str, names: list[str], values: np.ndarray) -> pl.DataFrame:
    months, count = values.shape
    return pl.DataFrame(
        {
            "month": np.repeat(np.arange(months), count),
            "observable": pl.Series([observable]).gather(np.zeros(months * count, np.uint32)),
            "name": pl.Series(names).gather(np.tile(np.arange(count, dtype=np.uint32), months)),
            "other": pl.Series([""]).gather(np.zeros(months * count, np.uint32)),
            "value": values.ravel(),
        }
    )


@cache
def base() -> Scenario:
    """Return the scenario of the comparison."""
    return read(MARKET).scenario


def scenario_with(churn: float) -> Scenario:
    """Return the scenario with another churn, checked as a study checks it."""
    data = base().model_dump()
    return Scenario.model_validate({**data, "demand": {**data["demand"], KEY.split(".")[1]: churn}})


def value(churn: float, seed: int) -> float:
    """Make one run and return one number of it."""
    market = Market(scenario_with(churn), rng=seed, check=True)
    for _ in range(MONTHS):
        market.step()
    return float(market.recorder.values["hhi_compute"][-1][0])
