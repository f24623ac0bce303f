"""Bands: how a recorded series spreads over runs, month by month, in memory that is bounded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from offtake.experiments.studies.aggregate import HIGH, LOW, quantiles
from offtake.experiments.studies.store import OK, SERIES, TICKS, Ledger, Store

if TYPE_CHECKING:
    from offtake.experiments.studies.study import Study

MOST_VALUES = 25_000_000
"""Values held at once; what is more comes in slices of series and months."""
NUMBERS = {"runs": pl.UInt32, **dict.fromkeys(("low", "median", "high"), pl.Float64)}


@dataclass(frozen=True, slots=True)
class Slice:
    """Some months of some series, small enough to be held for every run."""

    series: range
    months: range

    @property
    def shape(self) -> tuple[int, int]:
        """Series and months."""
        return len(self.series), len(self.months)


def bands(
    study: "Study", observable: str | None = None, *, lever: int | None = None
) -> pl.DataFrame:
    """Return the spread of what is recorded over the good runs: nine in ten lie in low to high.

    Parameters
    ----------
    observable
        Its name; every recorded one where none is given.
    lever
        Number of a combination of the levers; all of them together where none is given.

    Returns
    -------
    DataFrame
        A row for each series and month: observable, name, other, unit, month, runs that have a
        value, low (5%), median, high (95%). The same runs give the same bits in whatever order
        they were made.
    """
    store, ledger = study.store, study.whole_ledger()
    told = pl.read_parquet(store.folder / SERIES)
    if observable is not None:
        told = told.filter(observable=observable)
    runs = _runs(store, ledger, lever)
    months = store.manifest["months"]
    found = [
        _spread(told["series"].to_numpy()[part.series], part, _values(store, runs, told, part))
        for part in slices(told.height, months, runs.height)
    ]
    keys = ["observable", "name", "other", "unit"]
    empty = pl.DataFrame(schema={"series": pl.UInt16, "month": pl.UInt16, **NUMBERS})
    rows = pl.concat([empty, *found]).filter(pl.col("runs") > 0)
    rows = rows.sort("series", "month").join(told, on="series", maintain_order="left")
    return rows.select(*keys, "month", *NUMBERS)


def _runs(store: Store, ledger: Ledger, lever: int | None) -> pl.DataFrame:
    """Return the good runs that are wanted, with the part that holds the months of each."""
    plan = store.plan().filter("wanted").select("run", "lever").collect()
    plan = plan if lever is None else plan.filter(lever=lever)
    good = ledger.rows.filter(status=OK).select("run", part="ticks_part").drop_nulls()
    return good.join(plan, on="run", how="semi", maintain_order="left").sort("part", "run")


def slices(series: int, months: int, runs: int) -> Iterator[Slice]:
    """Yield slices whose values for every run fit in memory.

    Examples
    --------
    >>> [each.shape for each in slices(3, 10, MOST_VALUES // 20)]
    [(2, 10), (1, 10)]
    >>> [each.shape for each in slices(1, 10, MOST_VALUES // 5)]
    [(1, 5), (1, 5)]
    """
    wide = max(1, MOST_VALUES // max(runs, 1))
    across = max(1, min(series, wide // months))
    along = min(months, wide)
    for first in range(0, series, across):
        for begin in range(0, months, along):
            yield Slice(
                range(first, min(first + across, series)), range(begin, min(begin + along, months))
            )


def _values(store: Store, runs: pl.DataFrame, told: pl.DataFrame, part: Slice) -> np.ndarray:
    """Return values by cell (series and month) and run, NaN where a run has none."""
    cells = part.shape[0] * part.shape[1]
    column = np.full(int(told["series"].max() or 0) + 1, -1)  # pyright: ignore
    column[told["series"].to_numpy()[part.series]] = range(len(part.series))
    found = np.full((runs.height, cells), np.nan, np.float32)
    first = 0
    for (name,), own in runs.group_by("part", maintain_order=True):
        rows = found[first : first + own.height]
        first += own.height
        _fill(rows, store.folder / TICKS / str(name), own["run"].to_numpy(), column, part)
    return np.ascontiguousarray(found.T)


def _fill(rows: np.ndarray, file: Path, runs: np.ndarray, column: np.ndarray, part: Slice) -> None:
    """Put what a part says of its runs into their rows."""
    wanted = np.flatnonzero(column >= 0).tolist()
    months = part.months
    asked = pl.col("series").is_in(wanted) & pl.col("month").is_between(months[0], months[-1])
    given = pl.scan_parquet(file).filter(asked, pl.col("run").is_in(runs.tolist())).collect()
    cell = column[given["series"].to_numpy()] * len(months)
    cell += given["month"].to_numpy().astype(np.int64) - months[0]
    values = given["value"].to_numpy()
    count = rows.shape[1]
    if len(values) == rows.size and (cell.reshape(-1, count) == np.arange(count)).all():
        rows[:] = values.reshape(rows.shape)  # as it is written: run by run, every cell in order
    else:
        rows[np.searchsorted(runs, given["run"].to_numpy()), cell] = values


def _spread(series: np.ndarray, part: Slice, values: np.ndarray) -> pl.DataFrame:
    low, median, high = quantiles(values, (LOW, 0.5, HIGH))
    return pl.DataFrame(
        {
            "series": np.repeat(series, len(part.months)),
            "month": np.tile(np.asarray(part.months, np.uint16), len(series)),
            "runs": np.isfinite(values).sum(axis=1).astype(np.uint32),
            "low": low,
            "median": median,
            "high": high,
        }
    )
