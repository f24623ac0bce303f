"""What a study would cost: a pilot of a few runs, in memory, before anything is written."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offtake.experiments.studies import durable
from offtake.experiments.studies.opening import opened
from offtake.experiments.studies.plan import Plan
from offtake.experiments.studies.reading import Asked
from offtake.experiments.studies.store import MANIFEST, OK, PILOT_RUNS, Store, read_manifest
from offtake.experiments.studies.work import Job, bench_of, never
from offtake.experiments.workers import Stop

MOST_SECONDS = 10.0
SUMMARY_BYTES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a pilot says about the whole."""

    runs: int
    done: int
    pilot: int
    failed: int
    message: str | None
    seconds_a_run: float
    slowest_seconds: float
    bytes_a_run: float

    @property
    def left(self) -> int:
        """Runs still to be made."""
        return self.runs - self.done

    def seconds(self, workers: int) -> float:
        """Return how long the rest would take."""
        return self.left * self.seconds_a_run / workers

    @property
    def bytes(self) -> float:
        """How much room all runs would take."""
        return self.runs * self.bytes_a_run


def forecast(asked: Asked, plan: Plan, folder: Path, *, stop: Stop = never) -> Forecast:
    """Make a few runs and extrapolate; the study's folder is neither made nor changed.

    The pilot stops after 20 runs or ten seconds.
    """
    with tempfile.TemporaryDirectory(prefix="offtake-plan-") as aside:
        store = opened(asked, plan, Path(aside))
        bench, first = bench_of(Job(folder=store.folder)), time.monotonic()
        made, seconds = [], []
        for planned in store.plan().head(PILOT_RUNS).collect().iter_rows(named=True):
            began = time.perf_counter()
            made.append(bench.make(planned, stop))
            seconds.append(time.perf_counter() - began)
            if time.monotonic() - first > MOST_SECONDS:
                break
    failed = [each.row["error"] for each in made if each.row["status"] != OK]
    ticks = [frame for each in made for frame in each.frames.values()]
    size = sum(len(durable.parquet(frame)) for frame in ticks)
    return Forecast(
        runs=plan.runs,
        done=_done(plan, folder),
        pilot=len(made),
        failed=len(failed),
        message=failed[0] if failed else None,
        seconds_a_run=sum(seconds) / len(seconds),
        slowest_seconds=max(seconds),
        bytes_a_run=size / len(made) + SUMMARY_BYTES,
    )


def _done(plan: Plan, folder: Path) -> int:
    if not (folder / MANIFEST).exists() or read_manifest(folder)["family"] != plan.family:
        return 0
    done = Store(folder).ledger().done()
    return plan.table.filter(pl.col("run_id").is_in(done.implode())).height
