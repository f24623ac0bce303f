"""Designs: which points of what nobody knows are tried, each finished prefix being a sample too."""

import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl

from offtake.experiments.studies.dials import plain_value
from offtake.experiments.studies.parts import Design, Parameters, Range, Value
from offtake.experiments.studies.reading import Asked
from offtake.model.chance import order
from offtake.model.problems import Path
from offtake.model.shapes import Leaf, shape_at

ROW_LENGTHS: Mapping[str, Callable[[int], int]] = {
    "morris": lambda dials: dials + 1,
    "saltelli": lambda dials: dials + 2,
}
"""Points that stand or fall together, by the number of uncertain keys."""

type Uncertain = Range | tuple[Value, ...]


class ExtraMissing(ImportError):  # noqa: N818 - read as a sentence
    """A design needs a package that is not installed."""


class UnusablePoints(ValueError):  # noqa: N818
    """A table of points does not fit the study."""


def futures(asked: Asked) -> list[Parameters]:
    """Return the points of the design: a value of every uncertain key for each."""
    if not asked.uncertain:
        return [{}]
    match asked.design.method:
        case "grid":
            return _grid(asked)
        case "file":
            return _from_file(asked)
    return sampled(asked.uncertain, asked.paths, asked.design, root_of(asked))


def sampled(
    uncertain: Mapping[str, Uncertain], paths: Mapping[str, Path], design: Design, root: int
) -> list[Parameters]:
    """Return the points of a sampled design."""
    return [
        {
            name: value_at(paths[name], dial, float(share))
            for (name, dial), share in zip(uncertain.items(), row, strict=True)
        }
        for row in unit_points(design, len(uncertain), root)
    ]


def combinations(levers: Mapping[str, tuple[Value, ...]]) -> list[Parameters]:
    """Return every combination of the levers, the last one turning fastest."""
    return [dict(zip(levers, row, strict=True)) for row in itertools.product(*levers.values())]


def root_of(asked: Asked) -> int:
    """Return the root of all chance in a study."""
    if asked.design.seed is not None:
        return asked.design.seed
    return order(0, "study", asked.title) % 2**32


# Grids and tables


def _grid(asked: Asked) -> list[Parameters]:
    levels = asked.design.levels
    shares = [i / (levels - 1) for i in range(levels)]
    values = {
        name: tuple(dict.fromkeys(value_at(asked.paths[name], dial, s) for s in shares))
        if isinstance(dial, Range)
        else dial
        for name, dial in asked.uncertain.items()
    }
    return combinations(values)


def _from_file(asked: Asked) -> list[Parameters]:
    file = asked.folder / (asked.design.file or "")
    table = pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file)
    missing = [name for name in asked.uncertain if name not in table.columns]
    if missing or table.is_empty():
        lack = f"lacks the column {missing[0]!r}" if missing else "has no rows"
        raise UnusablePoints(f"{file.name} {lack}; it needs a column for each uncertain key")
    rows = table.select(list(asked.uncertain)).iter_rows(named=True)
    return [_checked(row, number, asked) for number, row in enumerate(rows, start=1)]


def _checked(row: dict[str, Any], number: int, asked: Asked) -> Parameters:
    """Return a row of a table of points, if every value is one that the study allows."""
    point: Parameters = {}
    for name, value in row.items():
        dial = asked.uncertain[name]
        if isinstance(dial, Range):
            fits = isinstance(value, int | float) and dial.low <= value <= dial.high
        else:
            fits = value in dial
        if not fits:
            raise UnusablePoints(
                f"{asked.design.file}, row {number}: {value!r} is not among the values that "
                f"[uncertain] gives {name}"
            )
        point[name] = plain_value(asked.paths[name], value)
    return point


# Samples of the unit cube


def unit_points(design: Design, dials: int, root: int) -> np.ndarray:
    """Return the sample of a design in the unit cube, one row a point."""
    count, seed = design.points or 1, order(root, "design") % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a count that is no power of two the plan speaks
        match design.method:
            case "morris":
                sample = _salib("sample.morris").sample
                return sample(problem(dials), count, num_levels=even_levels(design), seed=seed)
            case "saltelli":
                sample = _salib("sample.sobol").sample
                return sample(problem(dials), count, calc_second_order=False, seed=seed)
        return _sampler(design.method, dials, seed).random(count)


def even_levels(design: Design) -> int:
    """Return the levels of the grid that morris walks on, which must be even."""
    return design.levels + design.levels % 2


def _sampler(method: str, dials: int, seed: int) -> Any:
    from scipy.stats import qmc  # half a second that only a plan has to pay

    kinds = {"lhs": qmc.LatinHypercube, "sobol": qmc.Sobol, "halton": qmc.Halton}
    return kinds[method](dials, rng=np.random.default_rng(seed))


def problem(dials: int) -> dict[str, Any]:
    """Return the unit cube as SALib describes it."""
    names = [f"x{i}" for i in range(dials)]
    return {"num_vars": dials, "names": names, "bounds": [[0.0, 1.0]] * dials}


def _salib(module: str) -> Any:
    try:
        return import_module(f"SALib.{module}")
    except ImportError:
        raise ExtraMissing(
            "morris and saltelli designs need SALib: pip install 'offtake[sensitivity]'"
        ) from None


def analysis(module: str) -> Any:
    """Return a module of SALib's analyses."""
    return _salib(f"analyze.{module}")


def value_at(path: Path, dial: Uncertain, share: float) -> Value:
    """Return the value that stands at a share of a range or list.

    Examples
    --------
    >>> value_at(("demand", "churn_per_month"), Range(**{"from": 0.02, "to": 0.1}), 0.5)
    0.06
    >>> value_at(("months",), ("open", "licensed", "closed"), 0.99)
    'closed'
    """
    if not isinstance(dial, Range):
        return dial[min(int(share * len(dial)), len(dial) - 1)]
    shape = shape_at(path)
    if isinstance(shape, Leaf) and shape.kind == "whole":
        count = int(dial.high - dial.low) + 1
        return int(dial.low) + min(int(share * count), count - 1)
    if dial.scale == "log":
        value = math.exp((1 - share) * math.log(dial.low) + share * math.log(dial.high))
    else:
        value = dial.low + share * (dial.high - dial.low)
    return min(max(value, dial.low), dial.high)
