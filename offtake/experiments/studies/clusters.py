"""The engine of a cluster: Ray, whose workers share the study's folder and send receipts only.

Ray retries a task whose worker or node is lost. A block whose worker is lost every time died in the
run its worker had noted: that run becomes a row of its own kind, and the block goes on without it.
"""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from offtake.experiments.studies.designs import ExtraMissing
from offtake.experiments.studies.store import Store
from offtake.experiments.studies.trial import DIED
from offtake.experiments.studies.work import EngineFailed, Halt, Job, Receipt, work_elsewhere
from offtake.experiments.workers import Stop

LOCAL = "local"
WINDOW = 3
"""Blocks under way for each processor of the cluster."""
RETRIES = 3
TRIES = 3
SECONDS_BETWEEN_LOOKS = 0.2
MESSAGE = f"its process was ended from outside, {RETRIES + 1} times; perhaps memory ran out"
MODE, TOKEN, TOKEN_FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


class Ray:
    """Makes blocks with Ray: on this machine, or on a cluster that is named.

    Parameters
    ----------
    workers
        Processes on this machine; a cluster has its own.
    address
        ``"local"``, ``"HOST:PORT"`` of the cluster that this machine is part of, or
        ``"ray://HOST:PORT"`` of any other. Without one nothing is looked for: what an earlier
        program left running is never joined by accident.

    Notes
    -----
    Both sides prove themselves by a token. One for this machine is made up and forgotten. That of a
    cluster is taken from where Ray keeps it: ``RAY_AUTH_TOKEN``, the file ``RAY_AUTH_TOKEN_PATH``
    names, or ``~/.ray/auth_token``. ``RAY_AUTH_MODE=disabled`` does without on all sides.
    A connection that the caller has made with ``ray.init`` is used as it is, and left open.
    """

    def __init__(self, *, workers: int = 1, address: str | None = None) -> None:
        self.workers = workers
        self.address = address or LOCAL
        self.ray: Any = None
        self.task: Any = None
        self.job: Job | None = None
        self.halt: Halt | None = None
        self.held = ExitStack()

    def begin(self, job: Job, stop: Stop) -> None:
        """Start Ray here, or join the cluster."""
        self.held.enter_context(redirect_stdout(sys.stderr))  # where Ray tells of lost workers
        self.halt = Halt(job, stop)
        self.held.callback(self.halt.clear)
        self.job = self.halt.job
        if self.ray is None:
            self.ray = _ray(self.address)
        if not self.ray.is_initialized():
            self._connect()
            self.held.callback(self.ray.shutdown)
        self.task = self.ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(
            work_elsewhere
        )

    def _connect(self) -> None:
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.address == LOCAL:
            given |= {"num_cpus": self.workers, "include_dashboard": False}
        try:
            with _handlers_kept():
                self.ray.init(address=self.address, **given)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise EngineFailed(f"no Ray cluster at {self.address}: {_first_line(error)}") from error

    def end(self) -> None:
        """Leave the cluster, or stop what was started here."""
        self.held.close()

    def receipts(self, blocks: Iterator[int]) -> Iterator[Receipt]:
        """Keep a few blocks a processor under way; give up runs that end every worker."""
        assert self.halt is not None, "begin comes first"
        pending: dict[Any, int] = {}
        deaths: dict[int, int] = {}
        while True:
            self._fill(blocks, pending)
            if not pending:
                return
            self.halt.heed()
            ready, _ = self.ray.wait(list(pending), num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
            for each in ready:
                block = pending.pop(each)
                receipt = self._receipt(each)
                if receipt is not None:
                    yield receipt
                    continue
                deaths[block] = deaths.get(block, 0) + 1
                self._give_up(block, deaths[block])
                pending[self.task.remote(self.job, block)] = block

    def _fill(self, blocks: Iterator[int], pending: dict[Any, int]) -> None:
        room = WINDOW * max(1, int(self.ray.cluster_resources().get("CPU", 1)))
        while len(pending) < room and (block := next(blocks, None)) is not None:
            pending[self.task.remote(self.job, block)] = block

    def _receipt(self, done: Any) -> Receipt | None:
        """Return what a task brought; nothing if its worker died however often it was tried."""
        errors = self.ray.exceptions
        try:
            return self.ray.get(done)
        except errors.RayTaskError as error:  # raised in the task: by us, or by the disk
            raise error.cause from None
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError):
            return None
        except (errors.RayError, ConnectionError) as error:
            raise EngineFailed(f"Ray gave up: {_first_line(error)}") from error

    def _give_up(self, block: int, deaths: int) -> None:
        assert self.job is not None, "begin comes first"
        noted = Store(self.job.folder).quarantine_noted(block, DIED, MESSAGE)
        if not noted and deaths >= TRIES:
            raise EngineFailed("Ray's workers end before they begin a run; is there enough memory?")


def _ray(address: str) -> Any:
    """Import Ray, having settled how both sides prove themselves and that it tells nobody."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault(MODE, "token")
    if os.environ[MODE] == "token" and not _has_token():
        if address != LOCAL:
            raise EngineFailed(
                f"the cluster at {address} wants its token: set {TOKEN}, or {TOKEN_FILE} to the file "
                f"that holds it; a cluster without authentication needs {MODE}=disabled here too"
            )
        os.environ[TOKEN] = secrets.token_hex(16)
    try:
        return import_module("ray")
    except ImportError:
        raise ExtraMissing("the engine ray needs Ray: pip install 'offtake[ray]'") from None


def _has_token() -> bool:
    if os.environ.get(TOKEN):
        return True
    file = os.environ.get(TOKEN_FILE) or Path.home() / ".ray" / "auth_token"
    return Path(file).is_file()


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM ours, which Ray would take over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_line(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return said[0] if said else type(error).__name__
