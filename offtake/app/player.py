"""The controller of one session: one thread owns the market, the page only ever gets finished frames.

Orders (play, pause, step, reset) are notes left for the thread; none of them waits. The thread takes a
month at a time and hands out a `Frame`, at most one of which is on its way to the browser, and at most
five a second: the browser says when it has drawn one. Months that pass meanwhile are not drawn one by one,
but they are recorded, and the next frame holds them.
"""

import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from offtake.app.snapshots import Recording, Watcher
from offtake.model.invariants import InvariantViolation
from offtake.model.market import Market
from offtake.model.problems import ScenarioError
from offtake.model.reading import read

FRAMES_PER_SECOND = 5
SECONDS_UNTIL_LOST = 5.0
"""A frame that nobody has drawn by then is given up: its browser has gone, or has come back."""
FASTEST = float("inf")
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run is made from: the same setting gives the same run, here and on the command line."""

    scenario: str
    """Name of an embedded scenario, or the path of a file."""
    overrides: tuple[str, ...] = ()
    """As of `offtake run --set`."""
    seed: int = 1

    @property
    def baseline(self) -> "Setting":
        """The same seed without the dials."""
        return replace(self, overrides=())

    def market(self) -> Market:
        """Return the market before its first month.

        Raises
        ------
        ScenarioError
            With everything that is wrong with the scenario as it was changed.
        """
        return Market(read(self.scenario, overrides=self.overrides).scenario, rng=self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the page shows: frozen, so that drawing it can take as long as it likes."""

    number: int
    setting: Setting
    recording: Recording | None
    """None until a market stands."""
    baseline: Recording | None = None
    playing: bool = False
    target: int | None = None
    """Month at which it will stop by itself."""
    problem: str | None = None


type Show = Callable[[Frame], object]


class Outbox:
    """Lets frames out: one under way at most, and `FRAMES_PER_SECOND` at most."""

    def __init__(self) -> None:
        self.sent = 0
        self._pending: int | None = None
        self._sent_at = -FASTEST

    def opens_at(self) -> float:
        """Return when the next frame may go, on the clock of `time.monotonic`."""
        waits = 1 / FRAMES_PER_SECOND if self._pending is None else SECONDS_UNTIL_LOST
        return self._sent_at + waits

    def send(self) -> int:
        """Note that a frame goes now; return its number."""
        self.sent += 1
        self._pending, self._sent_at = self.sent, time.monotonic()
        return self.sent

    def arrived(self, number: int) -> None:
        """Note that a frame has been drawn."""
        if self._pending is not None and number >= self._pending:
            self._pending = None


class Player:
    """Plays one market for one page.

    Parameters
    ----------
    setting
        What the first run is made from.
    show
        Is called with each frame, in the player's own thread; the page answers with `drawn`.
    """

    def __init__(self, setting: Setting, show: Show) -> None:
        self._show = show
        self._changed = threading.Condition()
        self._orders: list[Callable[[], None]] = []
        self._closed = False
        self._asked = setting
        self._months_per_second = FASTEST
        self._target: int | None = None
        self._due = 0.0
        self._market: Market | None = None
        self._watcher: Watcher | None = None
        self._baseline: _Baseline | None = None
        self._compares = False
        self._problem: str | None = None
        self._setting = setting
        self._outbox = Outbox()
        self._stale = True
        self._order(self._rebuild)
        self._thread = threading.Thread(target=self._work, name="offtake player", daemon=True)
        self._thread.start()

    @property
    def setting(self) -> Setting:
        """What the market that stands was made from."""
        return self._setting

    # Orders: called from the page, never wait

    def play(self) -> None:
        """Go on, to the end of the scenario."""
        self.run_to(None)

    def run_to(self, month: int | None) -> None:
        """Go on until a number of months has ended; to the end where it is not given."""
        self._order(lambda: self._head_for(month))

    def step(self) -> None:
        """Take one month, and stop."""
        self._order(
            lambda: self._head_for((self._watcher.recording.month if self._watcher else 0) + 1)
        )

    def run_to_event(self) -> None:
        """Go on to the end of the month of the scenario's next dated event."""
        self._order(lambda: self._head_for(self._next_event()))

    def pause(self) -> None:
        """Stop after the month that is being played."""
        self._order(self._halt)

    def pace(self, months_per_second: float) -> None:
        """Play no faster than this."""
        if not months_per_second > 0:
            raise ValueError(f"a pace is above 0 months a second, not {months_per_second}")
        self._order(lambda: setattr(self, "_months_per_second", months_per_second))

    def reset(self, setting: Setting) -> None:
        """Begin again before the first month, from this setting."""
        self._asked = setting
        self._order(self._rebuild)

    def compare(self, with_baseline: bool) -> None:
        """Run the baseline beside it, or no longer."""
        self._order(lambda: setattr(self, "_compares", with_baseline))

    def drawn(self, number: int) -> None:
        """Note that the browser has drawn a frame and can take the next one."""
        with self._changed:
            self._outbox.arrived(number)
            self._changed.notify()

    def ask(self, question: Callable[[Market], Any], seconds: float = 60.0) -> Any:
        """Return what a function makes of the market between two months; the only order that waits."""
        answer: Future[Any] = Future()

        def reply() -> None:
            try:
                if self._market is None:
                    raise RuntimeError("there is no market to ask: its scenario cannot be run")
                answer.set_result(question(self._market))
            except Exception as error:
                answer.set_exception(error)

        self._order(reply)
        return answer.result(seconds)

    def close(self) -> None:
        """Let the market go and end the thread, after the month that is being played."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self, seconds: float) -> bool:
        """Wait for the thread to end; return whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # The thread

    def _order(self, order: Callable[[], None]) -> None:
        with self._changed:
            self._orders.append(order)
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._orders or self._wait() <= 0):
                    wait = self._wait()
                    self._changed.wait(None if wait == FASTEST else wait)
                if self._closed:
                    break
                orders, self._orders = self._orders, []
            for order in orders:
                self._guarded(order)
                self._stale = True
            self._guarded(self._advance)
            with suppress(RuntimeError):  # of a page that has been closed meanwhile
                self._publish()
        self._market = self._watcher = self._baseline = None

    def _wait(self) -> float:
        """Return the seconds until there is something to do, infinity where an order must come first."""
        now = time.monotonic()
        waits = [FASTEST]
        if self._playing():
            waits.append(self._due - now)
        if self._baseline_is_wanted():
            waits.append(0.0)
        if self._stale:
            waits.append(self._outbox.opens_at() - now)
        return min(waits)

    def _publish(self) -> None:
        """Show how things stand, if they have changed and the browser can take it."""
        with self._changed:
            if not self._stale or time.monotonic() < self._outbox.opens_at():
                return
            number = self._outbox.send()
        self._stale = False
        self._show(self._frame(number))

    def _frame(self, number: int) -> Frame:
        return Frame(
            number=number,
            setting=self._setting,
            recording=self._watcher.recording if self._watcher else None,
            baseline=self._baseline.recording if self._baseline and self._compares else None,
            playing=self._playing(),
            target=self._target,
            problem=self._problem,
        )

    # What the thread does with its market

    def _guarded(self, work: Callable[[], None]) -> None:
        """Turn what goes wrong into a message on the page; the thread lives on."""
        try:
            work()
        except ScenarioError as error:
            self._fail(str(error))
        except InvariantViolation as error:
            self._fail(f"A rule of the model is broken, and the run has stopped: {error}")
        except Exception as error:
            self._fail(f"A bug in offtake, sorry: {type(error).__name__}: {error}")
            traceback.print_exc()

    def _fail(self, problem: str) -> None:
        self._problem = problem
        self._target = None
        self._stale = True

    def _rebuild(self) -> None:
        self._target, self._problem = None, None
        market = self._asked.market()
        self._setting, self._market, self._watcher = self._asked, market, Watcher(market)
        if self._baseline is None or self._baseline.setting != self._setting.baseline:
            self._baseline = _Baseline(self._setting.baseline)

    def _head_for(self, month: int | None) -> None:
        if self._watcher is None:
            return
        last = self._watcher.recording.cast.months
        self._target = last if month is None else min(month, last)
        self._due = time.monotonic()
        if not self._playing():
            self._halt()

    def _halt(self) -> None:
        self._target = None

    def _next_event(self) -> int | None:
        assert self._watcher is not None
        recording = self._watcher.recording
        later = (m.month for m in recording.cast.marks if m.month > recording.month)
        return next((int(-(-month // 1)) for month in later), None)

    def _playing(self) -> bool:
        ended = self._watcher.recording.month if self._watcher else 0
        return self._target is not None and ended < self._target

    def _advance(self) -> None:
        """Take a month of the market if one is due, and one of the baseline if it is wanted."""
        if self._playing() and time.monotonic() >= self._due:
            self._take_month()
        if self._baseline_is_wanted():
            assert self._baseline is not None
            self._baseline.take_month()
            self._stale = True

    def _take_month(self) -> None:
        assert self._market is not None
        assert self._watcher is not None
        self._due = max(self._due + 1 / self._months_per_second, time.monotonic())
        self._market.step()
        self._watcher.look()
        self._stale = True
        if not self._playing():
            self._halt()

    def _baseline_is_wanted(self) -> bool:
        return self._compares and self._baseline is not None and not self._baseline.is_complete


class _Baseline:
    """The run to compare with: the same seed, no dial moved."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.recording: Recording | None = None
        self._watcher: Watcher | None = None
        self._market: Market | None = None

    @property
    def is_complete(self) -> bool:
        return self.recording is not None and self.recording.ended

    def take_month(self) -> None:
        """Take a month; after the last one only the recording is kept."""
        if self._market is None:
            self._market = self.setting.market()
            self._watcher = Watcher(self._market)
        assert self._watcher is not None
        self._market.step()
        self.recording = self._watcher.look()
        if self.is_complete:
            self._market = self._watcher = None
