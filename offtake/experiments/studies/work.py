"""What a worker does: make the runs of a block that nobody has made, and write their parts."""

import importlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from offtake.experiments.studies import durable
from offtake.experiments.studies.identity import fingerprint
from offtake.experiments.studies.naming import MODEL
from offtake.experiments.studies.store import (
    BUSY,
    DETAILS,
    EVENTS,
    MANIFEST,
    OK,
    RUNS,
    TICKS,
    TIMES,
    Store,
)
from offtake.experiments.studies.trial import MEMORY, TIMEOUT, Bench, Made
from offtake.experiments.workers import Stop, Stopped

try:
    import resource
except ImportError:  # not a POSIX system: memory is not watched
    resource = None

EXIT_BY_LIMIT = 75
SECONDS_BETWEEN_LOOKS = 0.05
LONGEST_STEP_SECONDS = 1.0
"""A machine that slept counts as this much of a run's time."""
BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024
BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all blocks of a sweep have in common: little, so that it may go anywhere."""

    folder: Path
    model: str = MODEL
    seconds_a_run: float | None = None
    mb_a_run: float | None = None
    retry: bool = False
    halt: str | None = None
    """Name of a file in `busy/` whose presence asks workers elsewhere to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an engine hears of a block; its results are in the store."""

    block: int
    ok: int
    failed: int
    seconds: float
    part: str | None = None
    """Name of the part in `runs/`, unless there was nothing to do."""


class EngineFailed(RuntimeError):  # noqa: N818 - read as a sentence
    """Blocks cannot be made any more, and no run is to blame."""


def never() -> bool:
    """Do not stop."""
    return False


class Halt:
    """Asks workers elsewhere to stop, through the folder that they share."""

    def __init__(self, job: Job, stop: Stop) -> None:
        name = f"halt-{secrets.token_hex(4)}"
        self.job, self.stop = replace(job, halt=name), stop
        self.file = job.folder / BUSY / name

    def heed(self) -> None:
        """Pass on that somebody asked to stop."""
        if self.stop() and not self.file.exists():
            self.file.parent.mkdir(exist_ok=True)
            self.file.touch()

    def clear(self) -> None:
        """Take the question back, once nobody is left to hear it."""
        self.file.unlink(missing_ok=True)


def halted(job: Job) -> Stop:
    """Return what tells a worker elsewhere whether to stop."""
    if job.halt is None:
        return never
    return _Look(job.folder / BUSY / job.halt)


@dataclass(slots=True)
class _Look:
    """Looks for a file, but not more often than its folder should be asked."""

    file: Path
    again: float = 0.0
    found: bool = field(default=False)

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self.found and now >= self.again:
            self.again, self.found = now + SECONDS_BETWEEN_LOOKS, self.file.exists()
        return self.found


@lru_cache(maxsize=4)
def _bench(folder: Path, model: str, stamp: int) -> Bench:
    """Return what runs are made with; `stamp` tells a manifest that was renewed."""
    module, _, name = model.partition(":")
    return Bench(Store(folder), getattr(importlib.import_module(module), name))


def bench_of(job: Job) -> Bench:
    """Return what the runs of a job are made with."""
    return _bench(job.folder, job.model, (job.folder / "manifest.json").stat().st_mtime_ns)


def work_elsewhere(job: Job, block: int) -> Receipt:
    """Make a block in a worker that knows nothing but the job: on another machine, perhaps."""
    if not (job.folder / MANIFEST).is_file():
        raise EngineFailed(
            f"a worker cannot see {job.folder}; a study is made in one folder that all workers share"
        )
    return work(job, block, halted(job))


def work(job: Job, block: int, stop: Stop = never) -> Receipt:
    """Make the runs of a block that are missing, and commit them together."""
    began = time.monotonic()
    bench = bench_of(job)
    _check_code(bench.store, job)
    made: list[Made] = []
    seconds: list[float] = []
    rows = _missing(bench.store, block, job)
    barred = bench.store.quarantined()
    with _busy(bench.store, block) as note, suppress(Stopped):
        for planned in rows.iter_rows(named=True):
            first = time.perf_counter()
            note(planned["run"])
            if planned["run"] in barred:
                made.append(_given_up(planned, barred[planned["run"]]))
            else:
                with _limited(bench.store, job, planned["run"]):
                    made.append(bench.make(planned, stop))
            seconds.append(time.perf_counter() - first)
            if stop():
                break
    part = commit(bench.store, block, made, seconds) if made else None
    good = sum(each.row["status"] == OK for each in made)
    spent = time.monotonic() - began
    return Receipt(block=block, ok=good, failed=len(made) - good, seconds=spent, part=part)


def _check_code(store: Store, job: Job) -> None:
    """Refuse to make runs with other code than the study was begun with."""
    if store.manifest.get("fingerprint") != fingerprint(job.model):
        raise EngineFailed(
            "a worker has another offtake, or other packages of strategies, than this study was "
            "begun with; runs of the two are never mixed"
        )


def _missing(store: Store, block: int, job: Job) -> pl.DataFrame:
    """Return the rows of a block that are wanted and not yet there."""
    rows = store.rows_of(block).filter("wanted")
    own = [name for name in store.parts(RUNS) if name.startswith(f"{block:06d}-")]
    known = rows.select("run", "run_id")
    for name in own:
        found = store.part_rows(name, known, deep=True)
        if isinstance(found, pl.DataFrame):
            found = found.filter(status=OK) if job.retry else found
            rows = rows.join(found, on="run_id", how="anti", maintain_order="left")
    return rows


def _given_up(planned: dict[str, Any], note: dict[str, Any]) -> Made:
    row = {"run": planned["run"], "run_id": planned["run_id"], "origin": "process"}
    return Made({**row, "status": note["status"], "error": note["error"]})


def commit(store: Store, block: int, made: list[Made], seconds: list[float]) -> str:
    """Write the parts of a block, the one that says it is finished last; return its name."""
    ids = [each.row["run_id"] for each in made]
    parts = {}
    for kind in (TICKS, EVENTS):
        frames = [each.frames[kind] for each in made if kind in each.frames]
        if frames:
            parts[DETAILS[kind]] = store.put_part(kind, block, ids, pl.concat(frames))
    rows = [{**each.row, **(parts if each.row["status"] == OK else {})} for each in made]
    times = pl.DataFrame({"run": [each.row["run"] for each in made], "seconds": seconds})
    durable.put(store.folder / TIMES / f"{block:06d}.parquet", durable.parquet(times))
    return store.put_part(RUNS, block, ids, pl.DataFrame(rows, schema=store.schema))


@contextmanager
def _busy(store: Store, block: int) -> Iterator[Any]:
    """Note the run under way in a file, so that a death can be told from its neighbours."""
    path = store.busy_file(block)
    path.parent.mkdir(exist_ok=True)
    opened = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        yield lambda run: os.pwrite(opened, f"{run:012d}".encode(), 0)
        with suppress(OSError):
            path.unlink()
    finally:
        os.close(opened)


@contextmanager
def _limited(store: Store, job: Job, run: int) -> Iterator[None]:
    """Watch a run: one that takes too long or too much is noted, and its process ended."""
    if job.seconds_a_run is None and job.mb_a_run is None:
        yield
        return
    over = threading.Event()
    threading.Thread(target=_watch, args=(store, job, run, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(store: Store, job: Job, run: int, over: threading.Event) -> None:
    spent, last = 0.0, time.monotonic()
    while not over.wait(SECONDS_BETWEEN_LOOKS):
        now = time.monotonic()
        spent, last = spent + min(now - last, LONGEST_STEP_SECONDS), now
        if job.seconds_a_run is not None and spent > job.seconds_a_run:
            store.quarantine(run, TIMEOUT, f"took longer than {job.seconds_a_run:g} s")
        elif job.mb_a_run is not None and _most_mb() > job.mb_a_run:
            store.quarantine(run, MEMORY, f"its process took more than {job.mb_a_run:g} MB")
        else:
            continue
        os._exit(EXIT_BY_LIMIT)


def _most_mb() -> float:
    """Return the most memory this process has held, in MB."""
    if resource is None:
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * BYTES_PER_MAXRSS / BYTES_PER_MB
