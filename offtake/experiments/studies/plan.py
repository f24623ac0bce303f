"""The plan: one row a run, replicate by replicate, so that what is finished is always a design."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from offtake.experiments.studies import designs
from offtake.experiments.studies.identity import canonical, fingerprint, hashed, run_id, seed_of
from offtake.experiments.studies.naming import MODEL
from offtake.experiments.studies.parts import MOST_RUNS, Parameters
from offtake.experiments.studies.reading import OBSERVABLES, Asked
from offtake.model.reading import digest

MOST_WITH_TICKS = 100_000
KEYS = {
    "run": pl.UInt32,
    "run_id": pl.Binary,
    "point": pl.UInt32,
    "lever": pl.UInt32,
    "replicate": pl.UInt32,
    "seed": pl.Int64,
}
"""Columns of the plan before those of the parameters."""


class TooManyRuns(ValueError):  # noqa: N818 - read as a sentence
    """A study asks for more runs than a study may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run, and what makes its runs comparable."""

    family: str
    """Of everything that runs of one folder have in common."""
    root: int
    futures: int
    combinations: int
    replicates: int
    level: str
    columns: tuple[str, ...]
    table: pl.DataFrame

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return self.table.height


def plan_of(asked: Asked, *, model: str = MODEL) -> Plan:
    """Lay out the runs of a study."""
    points, levers = designs.futures(asked), designs.combinations(asked.levers)
    replicates = asked.design.replicates
    count = len(points) * len(levers) * replicates
    if count > MOST_RUNS:
        raise TooManyRuns(f"{count:,} runs; a study has at most {MOST_RUNS:,}")
    root = designs.root_of(asked)
    level = asked.record.level or ("ticks" if count <= MOST_WITH_TICKS else "summary")
    headline = tuple(name for name, each in OBSERVABLES.items() if each.headline)
    columns = () if level == "summary" else asked.record.columns or headline
    family = _family(asked, root, level, columns, model)
    return Plan(
        family=family,
        root=root,
        futures=len(points),
        combinations=len(levers),
        replicates=replicates,
        level=level,
        columns=columns,
        table=_table(asked, points, levers, root, family),
    )


def _family(asked: Asked, root: int, level: str, columns: tuple[str, ...], model: str) -> str:
    """Return the hash of what the runs of a folder share; points and replicates may grow."""
    common: dict[str, Any] = {
        "model": fingerprint(model),
        "scenarios": {name: digest(each) for name, each in asked.scenarios.items()},
        "months": asked.months,
        "root": root,
        "independent": asked.design.independent,
        "parameters": sorted(asked.parameters),
        "level": level,
        "columns": sorted(columns),
        "outcomes": {name: each.model_dump() for name, each in asked.outcomes.items()},
    }
    return hashed(canonical(common)).hex()


def _table(
    asked: Asked, points: list[Parameters], levers: list[Parameters], root: int, family: str
) -> pl.DataFrame:
    settings = [
        (p, c, {**lever, **point})
        for p, point in enumerate(points)
        for c, lever in enumerate(levers)
    ]
    texts = [canonical(parameters) for _, _, parameters in settings]
    independent, rows = asked.design.independent, []
    for replicate in range(asked.design.replicates):
        for (point, lever, _), text in zip(settings, texts, strict=True):
            seed = seed_of(root, replicate, text, independent=independent)
            rows.append((run_id(family, text, replicate), point, lever, replicate, seed))
    schema = {key: kind for key, kind in KEYS.items() if key != "run"}
    keys = pl.DataFrame(rows, schema=schema, orient="row")
    given = {name: [each[name] for _, _, each in settings] for name in asked.parameters}
    values = [pl.Series(name, column) for name, column in given.items()]
    values = [pl.concat([series] * asked.design.replicates) for series in values]
    table = keys.with_columns(values).unique("run_id", keep="first", maintain_order=True)
    return numbered(table, 0)


def numbered(table: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return rows of a plan with their numbers."""
    numbers = pl.Series("run", range(first, first + table.height), dtype=pl.UInt32)
    rest = [name for name in table.columns if name != "run"]
    return table.with_columns(numbers).select("run", *rest)
