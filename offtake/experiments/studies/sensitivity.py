"""Which uncertain key moves an outcome: by Morris, by Sobol, or from whatever runs are given.

What failed is left out whole and counted, never filled in: a base row of a Morris or Saltelli design
with all its points, else a point with all its replicates.
"""

import json
import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from offtake.experiments.studies.aggregate import mean, variance
from offtake.experiments.studies.designs import (
    ROW_LENGTHS,
    analysis,
    even_levels,
    problem,
    sampled,
    unit_points,
)
from offtake.experiments.studies.given import first_order
from offtake.experiments.studies.identity import canonical
from offtake.experiments.studies.store import OK

if TYPE_CHECKING:
    from offtake.experiments.studies.study import Study

RESAMPLES = 100
FEWEST_ROWS = 2


def sensitivities(study: "Study", rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the indices of every outcome at every combination of the levers."""
    if not study.uncertain or rows.is_empty():
        return []
    of_outcome = _by_rows if study.design.method in ROW_LENGTHS else _by_points
    groups = rows.sort("lever", "run").partition_by("lever", maintain_order=True)
    found = [of_outcome(study, group, outcome) for group in groups for outcome in study.outcomes]
    return [each for each in found if each["indices"] or each["dropped"]]


def _by_rows(study: "Study", rows: pl.DataFrame, outcome: str) -> dict[str, Any]:
    """Return the indices of a design whose points stand or fall in rows."""
    manifest = study.store.manifest
    by_point = _replicates(rows, outcome, list(study.uncertain), study.design.replicates)
    points = sampled(study.uncertain, manifest["paths"], study.design, manifest["root_entropy"])
    values = [by_point.get(canonical(point)) for point in points]
    length = ROW_LENGTHS[study.design.method](len(study.uncertain))
    kept, dropped = whole_rows(values, length)
    return {
        **_head(study, rows, outcome, study.design.method),
        "dropped": dropped,
        "dropped_of": "base rows",
        "indices": _indices(study, kept, [values[i] for i in kept]),
        "seed_share": _seed_share([value for value in values if value]),
    }


def _by_points(study: "Study", rows: pl.DataFrame, outcome: str) -> dict[str, Any]:
    """Return the indices of a design that was not made for them."""
    names = list(study.uncertain)
    by_point = _replicates(rows, outcome, names, study.design.replicates)
    points = [json.loads(point) for point in by_point]
    means = np.array([mean(values) for values in by_point.values()])
    columns = [[point[name] for point in points] for name in names]
    found = first_order(columns, means) if points else []
    tried = rows.filter(pl.col("status").is_not_null()).select(names).unique().height
    return {
        **_head(study, rows, outcome, "given data"),
        "dropped": tried - len(points),
        "dropped_of": "points",
        "indices": dict(zip(names, found, strict=True)) if found else {},
        "seed_share": _seed_share(list(by_point.values())),
    }


def _head(study: "Study", rows: pl.DataFrame, outcome: str, method: str) -> dict[str, Any]:
    levers = {lever: rows[lever][0] for lever in study.store.manifest["levers"]}
    return {"outcome": outcome, "levers": levers, "method": method}


def _replicates(
    rows: pl.DataFrame, outcome: str, names: list[str], replicates: int
) -> dict[str, list[float]]:
    """Return the values of a point's replicates, of those points where none failed."""
    found: dict[str, list[float]] = {}
    for row in rows.filter(status=OK).sort("run").iter_rows(named=True):
        if row[outcome] is not None:
            point = canonical({name: row[name] for name in names})
            found.setdefault(point, []).append(row[outcome])
    return {point: values for point, values in found.items() if len(values) == replicates}


def whole_rows(values: list[Any], length: int) -> tuple[list[int], int]:
    """Return the places of values in base rows without a gap, and how many rows had one.

    Examples
    --------
    >>> whole_rows([1.0, 2.0, None, 4.0], 2)
    ([0, 1], 1)
    """
    rows = [range(first, first + length) for first in range(0, len(values), length)]
    whole = [row for row in rows if all(values[i] is not None for i in row)]
    return [i for row in whole for i in row], len(rows) - len(whole)


def _indices(study: "Study", kept: list[int], values: list[Any]) -> Mapping[str, dict[str, float]]:
    names = list(study.uncertain)
    means = np.array([mean(each) for each in values])
    if len(kept) < FEWEST_ROWS * ROW_LENGTHS[study.design.method](len(names)):
        return {}
    if float(means.max()) == float(means.min()):  # nothing moves it, and the indices are 0 / 0
        return {}
    analyse: Callable[..., Any] = _morris if study.design.method == "morris" else _sobol
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of bounds from few rows
        columns = analyse(study, kept, means)
    return {
        name: {key: _finite(float(column[i])) for key, column in columns.items()}
        for i, name in enumerate(names)
    }


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _morris(study: "Study", kept: list[int], values: np.ndarray) -> dict[str, Any]:
    root = study.store.manifest["root_entropy"]
    cube = unit_points(study.design, len(study.uncertain), root)[kept]
    found = analysis("morris").analyze(
        problem(len(study.uncertain)),
        cube,
        values,
        num_levels=even_levels(study.design),
        num_resamples=RESAMPLES,
        seed=0,
    )
    return {"mu_star": found["mu_star"], "mu": found["mu"], "sigma": found["sigma"]}


def _sobol(study: "Study", kept: list[int], values: np.ndarray) -> dict[str, Any]:
    found = analysis("sobol").analyze(
        problem(len(study.uncertain)),
        values,
        calc_second_order=False,
        num_resamples=RESAMPLES,
        seed=0,
    )
    return {key: found[key] for key in ("S1", "S1_conf", "ST", "ST_conf")}


def _seed_share(points: list[list[float]]) -> float | None:
    """Return the share of all variance that lies between replicates of one point."""
    values = [value for each in points for value in each]
    whole = variance(values) if values else 0.0
    if whole == 0 or len(points[0]) == 1:
        return None
    return mean([variance(each) for each in points]) / whole
