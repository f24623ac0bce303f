"""A sweep: the blocks that are missing, made by an engine, with what is known while it runs."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from offtake.experiments.results import ResultsDamaged
from offtake.experiments.studies import durable
from offtake.experiments.studies.engines import engine_of
from offtake.experiments.studies.store import (
    LOCKS,
    OK,
    PILOT_BLOCK,
    PILOT_RUNS,
    TICKS,
    Damage,
    Store,
    put_manifest,
)
from offtake.experiments.studies.work import Job, Receipt, never
from offtake.experiments.workers import Stop

SECONDS_A_BLOCK = 2.0
MOST_BLOCKS = 20_000
MOST_RUNS_A_BLOCK = 4096
BYTES_A_PART = 64_000_000
SHARD_BLOCKS = 20
"""Blocks of a shard where no pilot says how long a run takes."""
VALUES_KEPT = 100_000

type Shard = tuple[int, int]


class TooManyFailures(RuntimeError):  # noqa: N818 - read as a sentence
    """More than half of the first runs failed alike."""


@dataclass(slots=True)
class Progress:
    """How far a sweep is, for whoever watches."""

    wanted: int
    done_before: int
    began: float = field(default_factory=time.monotonic)
    statuses: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    messages: list[str | None] = field(default_factory=list)
    outcome: str | None = None
    values: list[float] = field(default_factory=list)
    stopped: bool = False
    damage: list[Damage] = field(default_factory=list)

    @property
    def made(self) -> int:
        """Runs made by this sweep, failed ones included."""
        return self.statuses.total()

    @property
    def done(self) -> int:
        """Runs that need not be made any more."""
        return self.done_before + self.made

    @property
    def failed(self) -> int:
        """Runs of this sweep that failed."""
        return self.made - self.statuses[OK]

    def rate(self) -> float:
        """Return runs a second so far."""
        return self.made / max(time.monotonic() - self.began, 1e-9)

    def seconds_left(self) -> float | None:
        """Return how long it may still take, if anything is known."""
        return (self.wanted - self.done) / self.rate() if self.made else None


type Watch = Callable[[Progress], None]


def _silent(_: Progress) -> None:
    pass


def sweep(
    store: Store,
    job: Job,
    *,
    engine: Any = "processes",
    workers: int = 1,
    address: str | None = None,
    shard: Shard | None = None,
    keep_going: bool = False,
    stop: Stop = never,
    watch: Watch = _silent,
) -> Progress:
    """Make every run of a study that is wanted and missing."""
    with ExitStack() as held:
        if shard is None:
            durable.sweep(store.folder)
        if job.retry:
            store.release()
        maker = engine_of(engine, workers=workers, address=address)
        run = _Sweep(store, job, shard, keep_going, stop, watch)
        held.callback(maker.end)
        maker.begin(job, stop)
        return run.all(maker, workers)


@contextmanager
def claimed(folder: Path, shard: Shard | None) -> Iterator[None]:
    """Keep a second sweep out of a folder; shards keep out only their own like."""
    locks = folder / LOCKS
    with ExitStack() as held:
        held.enter_context(durable.locked(locks / "all", shared=shard is not None))
        if shard is not None:
            held.enter_context(durable.locked(locks / f"shard-{shard[0]}-of-{shard[1]}"))
        yield


@contextmanager
def opening(folder: Path) -> Iterator[None]:
    """Let one process at a time make or extend a folder; the others wait."""
    with durable.locked(folder / LOCKS / "opening", wait=True):
        yield


class _Sweep:
    def __init__(
        self,
        store: Store,
        job: Job,
        shard: Shard | None,
        keep_going: bool,
        stop: Stop,
        watch: Watch,
    ) -> None:
        self.store, self.job, self.shard = store, job, shard
        self.keep_going, self.stop, self.watch = keep_going, stop, watch
        self.made: set[int] = set()
        ledger = store.ledger(deep=True)
        plan = store.plan().filter("wanted").select("run", "run_id").collect()
        done = ledger.done(with_failed=not job.retry)
        self.missing = plan.filter(~pl.col("run_id").is_in(done.implode()))
        self.progress = Progress(
            wanted=plan.height,
            done_before=plan.height - self.missing.height,
            outcome=next(iter(store.outcomes), None),
            damage=ledger.damage,
        )

    def all(self, engine: Any, workers: int) -> Progress:
        """Make the pilot's blocks, decide how large the others are, and make them."""
        if self.store.manifest["block_runs"] is None:
            self._make(engine, (run // PILOT_BLOCK for run in range(0, PILOT_RUNS, PILOT_BLOCK)))
            if self.stop():
                self.progress.stopped = True
                return self.progress
            self._fix_block_size(workers)
        self._make(engine, iter(self._blocks()))
        self.progress.stopped = self.stop()
        return self.progress

    def _blocks(self) -> list[int]:
        """Return the blocks with missing runs, in order, of this shard."""
        found = self.missing.select(self.store.block_of().unique().sort()).to_series().to_list()
        if self.shard is None:
            return found
        number, count = self.shard
        return [block for block in found if block % count == number - 1]

    def _make(self, engine: Any, blocks: Iterator[int]) -> None:
        known = set(self.missing.select(self.store.block_of()).to_series().to_list()) - self.made
        wanted = (block for block in blocks if block in known and not self.stop())
        for receipt in engine.receipts(wanted):
            self._note(receipt)
            self.watch(self.progress)

    def _note(self, receipt: Receipt) -> None:
        """Read what a block brought: how its runs ended, and an early look at an outcome."""
        self.made.add(receipt.block)
        if receipt.part is None:
            return
        known = self.store.rows_of(receipt.block).select("run", "run_id")
        rows = self.store.part_rows(receipt.part, known)
        if isinstance(rows, Damage):
            raise ResultsDamaged(f"{rows.part}, written just now: {rows.what}")
        told = self.progress
        told.statuses.update(rows["status"].to_list())
        told.origins.update(rows["origin"].drop_nulls().to_list())
        if told.outcome and len(told.values) < VALUES_KEPT:
            told.values += rows[told.outcome].drop_nulls().to_list()
        if len(told.messages) < PILOT_RUNS:
            told.messages += rows["error"].to_list()
            if len(told.messages) >= PILOT_RUNS:
                self._check_first()

    def _check_first(self) -> None:
        first = self.progress.messages[:PILOT_RUNS]
        told = Counter(message for message in first if message)
        if self.keep_going or not told:
            return
        message, count = told.most_common(1)[0]
        if count > len(first) / 2:
            raise TooManyFailures(
                f"{count} of the first {len(first)} runs failed alike, so the study was stopped: "
                f"{message}. --keep-going runs the rest all the same"
            )

    def _fix_block_size(self, workers: int) -> None:
        runs = self.store.manifest["pilot_runs"]
        size = block_runs(self.store, self.progress.wanted - runs, workers)
        manifest = {**self.store.manifest, "block_runs": size}
        put_manifest(self.store.folder, manifest)
        self.store = Store(self.store.folder)


def block_runs(store: Store, left: int, workers: int) -> int:
    """Return how many runs make a block: two seconds of work, few files, small files."""
    times = [pl.read_parquet(file) for file in sorted((store.folder / "times").glob("*.parquet"))]
    seconds = pl.concat(times)["seconds"].median() if times else None
    parts = [store.folder / TICKS / name for name in store.parts(TICKS)]
    bytes_a_run = max((part.stat().st_size for part in parts), default=0) / PILOT_BLOCK
    by_time = SECONDS_A_BLOCK / max(float(seconds or 0.0), 1e-3)  # pyright: ignore
    by_share = left / (4 * workers)  # a few blocks for each worker, or some would idle
    most = min(MOST_RUNS_A_BLOCK, BYTES_A_PART / max(bytes_a_run, 1.0))
    size = min(by_time, max(by_share, 1), most)
    return max(int(size), -(-left // MOST_BLOCKS), 1)


def shard_block_runs(runs: int, shards: int) -> int:
    """Return how many runs make a block where every shard must come to the same answer."""
    return max(1, min(MOST_RUNS_A_BLOCK, -(-runs // (shards * SHARD_BLOCKS))))
