"""Ctrl-C and SIGTERM: the first asks for an orderly stop, the second stops at once."""

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

from offtake.commands.codes import Code

STDERR = 2  # written to directly: a handler may interrupt a buffered write
CODES = {signal.SIGINT: Code.INTERRUPTED, signal.SIGTERM: Code.TERMINATED}


class Interrupts:
    """While it lasts, the first signal is a request that can be asked for."""

    def __init__(self) -> None:
        self.code: Code | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in CODES}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def requested(self) -> bool:
        """Return whether somebody asked to stop."""
        return self.code is not None

    def _receive(self, number: int, _: FrameType | None) -> None:
        code = CODES[signal.Signals(number)]
        if self.code is not None:
            os.write(STDERR, b"stopped at once\n")
            raise SystemExit(code)
        self.code = code
        os.write(STDERR, b"stopping after this month; once more to stop at once\n")
