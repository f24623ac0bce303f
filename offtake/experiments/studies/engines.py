"""Engines: who makes the blocks of a sweep. They hear receipts only; results are in the store."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from offtake.experiments.studies.processes import EngineFailed, Processes
from offtake.experiments.studies.work import Job, Receipt, never, work
from offtake.experiments.workers import Stop
from offtake.model.problems import joined, meant

GROUP = "offtake.engines"
WINDOW = 3
"""Blocks under way for each worker."""
TRIES = 3


@runtime_checkable
class Engine(Protocol):
    """Makes blocks anywhere: a task is a folder and a block, its answer a receipt."""

    def begin(self, job: Job, stop: Stop) -> None:
        """Get ready to work on a study; `stop` asks not to begin anything new."""

    def receipts(self, blocks: Iterator[int]) -> Iterator[Receipt]:
        """Make blocks, taking the next only when there is room, and yield their receipts."""
        ...

    def end(self) -> None:
        """Let workers go."""


class Here:
    """Makes blocks one after the other in this process."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.stop: Stop = never

    def begin(self, job: Job, stop: Stop) -> None:
        """Remember what to do."""
        self.job, self.stop = job, stop

    def receipts(self, blocks: Iterator[int]) -> Iterator[Receipt]:
        """Make each block when it is asked for."""
        assert self.job is not None, "begin comes first"
        for block in blocks:
            yield work(self.job, block, self.stop)

    def end(self) -> None:
        """Nothing to let go."""


class Futures:
    """Makes blocks with any executor of `concurrent.futures`; its owner ends it."""

    def __init__(self, executor: Executor, *, window: int = 8) -> None:
        self.executor = executor
        self.window = window
        self.job: Job | None = None

    def begin(self, job: Job, stop: Stop) -> None:
        """Remember what to do; a block under way elsewhere is finished."""
        self.job = job

    def receipts(self, blocks: Iterator[int]) -> Iterator[Receipt]:
        """Keep a few blocks under way; one that is lost is tried again."""
        pending: dict[Future[Receipt], int] = {}
        tries: dict[int, int] = {}
        while True:
            while len(pending) < self.window and (block := next(blocks, None)) is not None:
                self._submit(block, pending)
            if not pending:
                return
            ready, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in sorted(ready, key=pending.__getitem__):
                block = pending.pop(future)
                try:
                    yield future.result()
                except BrokenExecutor as error:
                    raise EngineFailed(f"the engine's workers are gone: {error}") from error
                except OSError:
                    raise
                except Exception:
                    tries[block] = tries.get(block, 0) + 1
                    if tries[block] == TRIES:
                        raise
                    self._submit(block, pending)

    def _submit(self, block: int, pending: dict[Future[Receipt], int]) -> None:
        pending[self.executor.submit(work, self.job, block)] = block  # pyright: ignore

    def end(self) -> None:
        """Leave the executor to its owner."""


class UnknownEngine(ValueError):  # noqa: N818 - read as a sentence
    """No engine has this name."""


BUILT_IN: dict[str, Callable[..., Engine]] = {
    "processes": Processes,
    "here": lambda **_: Here(),
}


def engine_of(given: Any, *, workers: int) -> Engine:
    """Return the engine that is meant: a name, an executor, or an engine itself.

    Notes
    -----
    Other packages offer engines through entry points of the group ``offtake.engines``: a callable
    that takes ``workers`` and returns an object with `begin`, `receipts` and `end`.
    """
    if isinstance(given, Executor):
        return Futures(given, window=WINDOW * workers)
    if not isinstance(given, str):
        return given
    if given in BUILT_IN:
        return BUILT_IN[given](workers=workers)
    found = {point.name: point for point in entry_points(group=GROUP)}
    if given not in found:
        known = [*BUILT_IN, *found]
        near = meant(given, known, "'")
        there = f"there are {joined(known, 'and')}"
        raise UnknownEngine(f"no engine is called {given!r}; {near or there}")
    return found[given].load()(workers=workers)
