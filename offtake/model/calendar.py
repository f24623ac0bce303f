"""The calendar: what is dated for later, in an order that a resumed run repeats."""

import heapq
from typing import NamedTuple


class Entry(NamedTuple):
    """One dated thing: what happens is named, not held, so nothing can vanish or be forgotten.

    Entries of the same instant run in order of `rank`, then in the order in which they were dated.
    """

    time: float
    rank: int
    number: int
    name: str
    action: str


class Calendar:
    """A heap of plain tuples; Mesa is only told when to wake the market."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._numbers = 0

    def add(self, time: float, action: str, name: str, *, rank: int = 5) -> None:
        """Date an action on a named thing."""
        if not time >= 0:  # catches NaN too, which would corrupt the heap
            raise ValueError(f"{action} of {name} is dated {time}; a time from 0 on is needed")
        self._numbers += 1
        heapq.heappush(self.entries, Entry(time, rank, self._numbers, name, action))

    def drop(self, action: str, name: str) -> None:
        """Remove what an action of a named thing is dated for; nothing if it is not dated."""
        self.entries = [e for e in self.entries if (e.action, e.name) != (action, name)]
        heapq.heapify(self.entries)

    def next_time(self) -> float:
        """Return the time of the earliest entry, infinity when there is none."""
        return self.entries[0].time if self.entries else float("inf")

    def due(self, until: float) -> Entry | None:
        """Remove and return the earliest entry at or before `until`, if any."""
        if self.entries and self.entries[0].time <= until:
            return heapq.heappop(self.entries)
        return None
