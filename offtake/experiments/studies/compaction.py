"""Compaction: many small parts become a few large ones, and nothing goes before its copy is proved.

A large part is a part like any other: named by its content, told of by a part in `runs/` that is
written last. A process that is killed on the way leaves some runs told twice, in equal words, which
readers put up with and the next compaction clears away.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from offtake.experiments.results import ResultsDamaged
from offtake.experiments.studies import durable
from offtake.experiments.studies.store import DETAILS, RUNS, TIMES, Damage, Ledger, Store

BYTES_A_PART = 64_000_000
RUNS_A_PART = 100_000
ALL_TIMES = "all.parquet"


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many parts there were, and how many there are."""

    before: int
    after: int


def compact(store: Store) -> Compacted:
    """Make large parts of small ones; raises ResultsDamaged where something is not whole."""
    ledger = store.ledger(deep=True)
    if ledger.damage:
        first = ledger.damage[0]
        raise ResultsDamaged(
            f"{store.folder}/{first.part}: {first.what}. Run the study again to mend it, then compact"
        )
    before = _count(store)
    for group in _groups(store, ledger):
        _merge(store, group)
    _check(store, ledger)
    _remove_unused(store, store.ledger(deep=True))
    _merge_times(store)
    return Compacted(before, _count(store))


def _count(store: Store) -> int:
    return sum(len(store.parts(kind)) for kind in (RUNS, *DETAILS))


def _groups(store: Store, ledger: Ledger) -> Iterator[pl.DataFrame]:
    """Yield rows of consecutive runs that together make parts of a good size."""
    rows = ledger.rows.sort("run")
    size = pl.Series([0.0] * rows.height)
    for kind, column in DETAILS.items():
        size += _bytes_a_run(store, kind, rows[column])
    by_bytes = (size.cum_sum() // BYTES_A_PART).cast(pl.Int64)
    by_runs = pl.Series(range(rows.height), dtype=pl.Int64) // RUNS_A_PART
    marked = rows.with_columns(_bytes=by_bytes, _runs=by_runs)
    for _, group in marked.group_by("_bytes", "_runs", maintain_order=True):
        yield group.drop("_bytes", "_runs")


def _bytes_a_run(store: Store, kind: str, names: pl.Series) -> pl.Series:
    """Return each run's share of the part that holds its details."""
    sizes = {name: (store.folder / kind / name).stat().st_size for name in store.parts(kind)}
    whole = names.replace_strict(sizes, default=0, return_dtype=pl.Float64)
    return whole / names.to_frame("part").select(pl.len().over("part")).to_series()


def _merge(store: Store, rows: pl.DataFrame) -> None:
    """Write the parts of some runs as one, the one that tells of them last."""
    ids = rows["run_id"].to_list()
    block = _block(store, int(rows["run"][0]))
    for kind, column in DETAILS.items():
        frames = [
            _details(store, kind, name, own["run"])
            for (name,), own in rows.drop_nulls(column).group_by(column, maintain_order=True)
        ]
        if frames:
            part = store.put_part(kind, block, ids, pl.concat(frames))
            named = pl.when(pl.col(column).is_not_null()).then(pl.lit(part)).alias(column)
            rows = rows.with_columns(named)
    store.put_part(RUNS, block, ids, rows.select(list(store.schema)))


def _block(store: Store, run: int) -> int:
    return pl.DataFrame({"run": [run]}).select(store.block_of()).item()


def _details(store: Store, kind: str, name: object, runs: pl.Series) -> pl.DataFrame:
    """Return what a part says of its own runs, in the order in which it stands there."""
    content = store.content(kind, str(name))
    if isinstance(content, Damage):
        raise ResultsDamaged(f"{store.folder}/{content.part}: {content.what}")
    return pl.read_parquet(io.BytesIO(content)).filter(pl.col("run").is_in(runs.implode()))


def _check(store: Store, before: Ledger) -> None:
    """Read everything back before anything goes: the same runs, in the same words."""
    after = store.ledger(deep=True)
    words = [name for name in store.schema if name not in DETAILS.values()]
    same = after.rows.select(words).equals(before.rows.select(words))
    if after.damage or not same:
        raise ResultsDamaged(f"{store.folder} did not read back as it was; nothing was removed")


def _remove_unused(store: Store, ledger: Ledger) -> None:
    """Remove parts whose runs a larger part tells of."""
    largest: dict[int, tuple[int, str]] = {}
    tells: dict[str, pl.DataFrame] = {}
    known = store.plan().select("run", "run_id").collect()
    for name in store.parts(RUNS):
        rows = store.part_rows(name, known)
        if isinstance(rows, Damage):
            raise ResultsDamaged(f"{store.folder}/{rows.part}: {rows.what}")
        tells[name] = rows
        for run in rows["run"].to_list():
            largest[run] = max(largest.get(run, (0, "")), (rows.height, name))
    kept = {name for _, name in largest.values()}
    for name in tells.keys() - kept:
        (store.folder / RUNS / name).unlink()
    durable.sync(store.folder / RUNS)
    for kind, column in DETAILS.items():
        used = {part for name in kept for part in tells[name][column].drop_nulls().to_list()}
        for name in set(store.parts(kind)) - used:
            (store.folder / kind / name).unlink()


def _merge_times(store: Store) -> None:
    """Put the seconds of all runs into one file."""
    files = sorted((store.folder / TIMES).glob("*.parquet"))
    if len(files) > 1:
        times = pl.concat([pl.read_parquet(file) for file in files])
        times = times.unique("run", keep="last", maintain_order=True).sort("run")
        durable.put(store.folder / TIMES / ALL_TIMES, durable.parquet(times))
        for file in files:
            if file.name != ALL_TIMES:
                file.unlink()
