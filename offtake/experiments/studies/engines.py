"""Engines: who makes the blocks of a sweep. They hear receipts only; results are in the store."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from offtake.experiments.studies.processes import Processes
from offtake.experiments.studies.work import (
    EngineFailed,
    Halt,
    Job,
    Receipt,
    never,
    work,
    work_elsewhere,
)
from offtake.experiments.workers import Stop
from offtake.model.problems import joined, meant

GROUP = "offtake.engines"
WINDOW = 3
"""Blocks under way for each worker."""
TRIES = 3
SECONDS_BETWEEN_LOOKS = 0.2


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
    """Makes blocks with any executor of `concurrent.futures`.

    Parameters
    ----------
    executor
        What runs the blocks; its workers share the study's folder.
    window
        Blocks under way.
    owned
        Whether the executor ends with the sweep; otherwise its owner ends it.
    """

    def __init__(self, executor: Executor, *, window: int = 8, owned: bool = False) -> None:
        self.executor = executor
        self.window = window
        self.owned = owned
        self.halt: Halt | None = None

    def begin(self, job: Job, stop: Stop) -> None:
        """Remember what to do."""
        self.halt = Halt(job, stop)

    def receipts(self, blocks: Iterator[int]) -> Iterator[Receipt]:
        """Keep a few blocks under way; one that is lost is tried again."""
        assert self.halt is not None, "begin comes first"
        pending: dict[Future[Receipt], int] = {}
        tries: dict[int, int] = {}
        while True:
            while len(pending) < self.window and (block := next(blocks, None)) is not None:
                self._submit(block, pending)
            if not pending:
                return
            self.halt.heed()
            ready, _ = wait(pending, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            for future in sorted(ready, key=pending.__getitem__):
                block = pending.pop(future)
                try:
                    yield future.result()
                except BrokenExecutor as error:
                    raise EngineFailed(f"the engine's workers are gone: {error}") from error
                except (OSError, EngineFailed):
                    raise
                except Exception:
                    tries[block] = tries.get(block, 0) + 1
                    if tries[block] == TRIES:
                        raise
                    self._submit(block, pending)

    def _submit(self, block: int, pending: dict[Future[Receipt], int]) -> None:
        assert self.halt is not None, "begin comes first"
        pending[self.executor.submit(work_elsewhere, self.halt.job, block)] = block

    def end(self) -> None:
        """Leave the executor to its owner, or end it."""
        if self.halt is not None:
            self.halt.clear()
        if self.owned:
            self.executor.shutdown(cancel_futures=True)


class UnknownEngine(ValueError):  # noqa: N818 - read as a sentence
    """No engine has this name, or it cannot be had as it was asked for."""


def futures(*, workers: int, address: str | None = None) -> Futures:
    """Return the engine of an executor that is named by the function which makes it."""
    if address is None:
        raise UnknownEngine(
            "futures needs an executor: --address MODULE:NAME of what makes one, such as "
            "mpi4py.futures:MPIPoolExecutor"
        )
    return Futures(_made(address), window=WINDOW * workers, owned=True)


def _made(address: str) -> Executor:
    """Call what makes an executor; its module may stand in the folder one is in."""
    module, _, name = address.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        executor = getattr(import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownEngine(f"{address!r} makes no executor: {error}") from error
    finally:
        sys.path.pop(0)
    if not isinstance(executor, Executor):
        raise UnknownEngine(
            f"{address!r} makes a {type(executor).__name__}, which is no executor of "
            "concurrent.futures"
        )
    return executor


def _ray(**given: Any) -> Engine:
    from offtake.experiments.studies.clusters import Ray

    return Ray(**given)


def _at_home(kind: Callable[..., Engine]) -> Callable[..., Engine]:
    """Return the maker of an engine that has no address."""

    def make(*, workers: int, address: str | None = None) -> Engine:
        if address is not None:
            raise UnknownEngine("--address is of the engines ray and futures")
        return kind(workers=workers)

    return make


BUILT_IN: dict[str, Callable[..., Engine]] = {
    "processes": _at_home(Processes),
    "here": _at_home(lambda **_: Here()),
    "ray": _ray,
    "futures": futures,
}


def engine_of(given: Any, *, workers: int, address: str | None = None) -> Engine:
    """Return the engine that is meant: a name, an executor, or an engine itself.

    Notes
    -----
    Other packages offer engines through entry points of the group ``offtake.engines``: a callable
    that takes ``workers``, and ``address`` if one is given, and returns an object with `begin`,
    `receipts` and `end`.
    """
    if isinstance(given, Executor):
        return Futures(given, window=WINDOW * workers)
    if not isinstance(given, str):
        return given
    if given in BUILT_IN:
        return BUILT_IN[given](workers=workers, address=address)
    found = {point.name: point for point in entry_points(group=GROUP)}
    if given not in found:
        known = [*BUILT_IN, *found]
        near = meant(given, known, "'")
        there = f"there are {joined(known, 'and')}"
        raise UnknownEngine(f"no engine is called {given!r}; {near or there}")
    more = {} if address is None else {"address": address}
    return found[given].load()(workers=workers, **more)
