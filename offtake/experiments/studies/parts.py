"""The tables of a study file, as data: strict, frozen, unknown keys refused."""

import re
from typing import Annotated, Literal

from pydantic import Field

from offtake.model.scenario import Part

OUTCOME_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
MOST_RUNS = 10_000_000
METHODS = ("grid", "lhs", "sobol", "halton", "morris", "saltelli", "file")
SAMPLED = ("lhs", "sobol", "halton", "morris", "saltelli")
"""Designs that spread points over ranges and need to be told how many."""

type Value = float | int | str | bool | list[float | int | str]
type Parameters = dict[str, Value]
"""What one run changes, by the dotted path of the scenario's key."""


class Range(Part):
    """Values that nobody knows between two bounds."""

    low: float = Field(alias="from")
    """Least value."""
    high: float = Field(alias="to")
    """Greatest value."""
    scale: Literal["linear", "log"] = "linear"
    """Whether differences or ratios are spread evenly."""


class Design(Part):
    """Which points of what nobody knows are tried, and how often each."""

    method: Literal["grid", "lhs", "sobol", "halton", "morris", "saltelli", "file"] = "grid"
    """How points are chosen."""
    points: Annotated[int, Field(ge=1, le=MOST_RUNS)] | None = None
    """Points of a sampled design; trajectories for morris, base rows for saltelli."""
    levels: Annotated[int, Field(ge=2, le=1000)] = 4
    """Values of each range in a grid, or of the grid that morris walks on."""
    replicates: Annotated[int, Field(ge=1, le=100_000)] = 8
    """Runs of each point, each with its own seed."""
    seed: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """Root of all chance; drawn from the title where not given."""
    independent: bool = False
    """Whether each point has seeds of its own; by default replicate k has the same everywhere."""
    file: str | None = None
    """CSV or Parquet table of points for method = "file", one column a parameter."""


class Record(Part):
    """What is kept of each run."""

    level: Literal["summary", "ticks", "events"] | None = None
    """summary, ticks (monthly observables) or events; ticks up to 100,000 runs, else summary."""
    columns: tuple[str, ...] = ()
    """Observables kept each month; the headline ones where empty."""


class Outcome(Part):
    """One number of a run, read from an observable."""

    observable: str
    """Its name, as `offtake observables` prints it."""
    of: str | None = None
    """Lab or cloud it is about; "*" for the sum of all."""
    on: str | None = None
    """The cloud, for an observable of a lab and a cloud."""
    at: str | None = None
    """Month, such as "2026-06", or "end" (the default)."""
    over: Literal["mean", "min", "max", "sum"] | None = None
    """Instead of one month: what to make of all months."""


class Claim(Part):
    """A sentence that the study finds true or not."""

    say: str
    """The sentence."""
    test: str
    """What must hold, such as `leader_end > 0.5` or `hhi_end rises with demand.churn_per_month`."""
    when: str | None = None
    """Runs it is about, such as `scenario == "duopoly" and demand.churn_per_month < 0.05`."""
    share: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.9, alias="in")
    """Share of those runs in which it must hold."""
