"""The engine of one machine: a pool of processes that survives the death of any of them.

When a worker dies, the pool is made anew and every block that was under way is tried alone. A block
that dies alone died in the run its worker had noted: that run becomes a row of its own kind, and
the block goes on without it.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from offtake.experiments.studies.store import Store
from offtake.experiments.studies.trial import DIED
from offtake.experiments.studies.work import EngineFailed, Job, Receipt, never, work
from offtake.experiments.workers import Stop, follow_parent, signals_held

WINDOW = 3
"""Blocks under way for each worker."""
SECONDS_BETWEEN_LOOKS = 0.2
TRIES = 3
MESSAGE = "its process was ended from outside, twice; perhaps memory ran out"

_stop_flag: Any = None  # in a worker: set by the parent when somebody asks to stop


class Processes:
    """Makes blocks in processes of this machine."""

    def __init__(self, *, workers: int, start: str = "spawn") -> None:
        self.workers = workers
        self.context = multiprocessing.get_context(start)  # never fork: Polars has threads
        self.flag: Any = None
        self.pool: ProcessPoolExecutor | None = None
        self.job: Job | None = None
        self.stop: Stop = never

    def begin(self, job: Job, stop: Stop) -> None:
        """Start a pool; its workers stay for the whole sweep."""
        self.job, self.stop = job, stop
        self.flag = self.context.RawValue("b", 0)
        self.pool = self._pool(self.workers)

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            workers, self.context, initializer=_begin_work, initargs=(self.flag,)
        )

    def end(self) -> None:
        """Let workers finish the month they are in, and go."""
        if self.flag is not None:
            self.flag.value = 1
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def receipts(self, blocks: Iterator[int]) -> Iterator[Receipt]:
        """Keep a few blocks a worker under way; blocks whose worker died are tried alone."""
        pending: dict[Future[Receipt], int] = {}
        while True:
            lost = self._fill(blocks, pending)
            if not pending and not lost:
                return
            ready, _ = wait(pending, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            if self.stop():
                self.flag.value = 1
            for future in sorted(ready, key=pending.__getitem__):
                block = pending.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost.append(block)
            if lost:
                yield from self._recovered(pending, lost)

    def _fill(self, blocks: Iterator[int], pending: dict[Future[Receipt], int]) -> list[int]:
        """Submit blocks up to the window; return those that a broken pool did not take."""
        assert self.pool is not None and self.job is not None, "begin comes first"  # noqa: PT018
        while len(pending) < WINDOW * self.workers and (block := next(blocks, None)) is not None:
            try:
                with signals_held():
                    pending[self.pool.submit(_work, self.job, block)] = block
            except BrokenProcessPool:
                return [block]
        return []

    def _recovered(self, pending: dict[Future[Receipt], int], lost: list[int]) -> Iterator[Receipt]:
        """Make a new pool, and every block that was under way in the old one, each alone."""
        assert self.pool is not None, "a pool was lost"
        wait(pending)  # a broken pool fails them all
        for future, block in pending.items():
            if future.exception() is None:
                yield future.result()
            else:
                lost.append(block)
        pending.clear()
        self.pool.shutdown(cancel_futures=True)
        for block in sorted(lost):
            if not self.stop():
                yield self._alone(block)
        self.pool = self._pool(self.workers)

    def _alone(self, block: int) -> Receipt:
        """Make one block in a process of its own, giving up the runs that end it."""
        assert self.job is not None, "begin comes first"
        store, deaths = Store(self.job.folder), 0
        while True:
            busy = store.busy_file(block)
            busy.unlink(missing_ok=True)
            known = len(store.quarantined())
            with self._pool(1) as pool:
                try:
                    with signals_held():
                        future = pool.submit(_work, self.job, block)
                    return future.result()
                except BrokenProcessPool:
                    pass
            if len(store.quarantined()) > known:  # it was over a limit, and noted by itself
                continue
            if store.quarantine_noted(block, DIED, MESSAGE):
                continue
            deaths += 1
            if deaths == TRIES:
                raise EngineFailed(
                    "worker processes end before they begin a run; is there enough memory?"
                )


def _work(job: Job, block: int) -> Receipt:
    return work(job, block, lambda: bool(_stop_flag.value))


def _begin_work(flag: Any) -> None:
    global _stop_flag
    _stop_flag = flag
    follow_parent()
