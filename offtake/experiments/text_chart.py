"""A chart made of characters: a median and the band around it, month by month."""

import math
from collections.abc import Sequence
from datetime import date

MEDIAN, BAND, NOTHING = "█", "░", " "
AXIS_WIDTH = 7
MOST_COLUMNS = 72
HEIGHT = 9
YEAR_WIDTH = 4

type Spread = tuple[float | None, float | None, float | None]
"""Median, low and high; None for no value."""


def band_chart(
    values: Sequence[Spread], dates: Sequence[date], *, columns: int = MOST_COLUMNS
) -> list[str]:
    """Return shares from 0 to 1 as lines of characters, with years under them.

    Examples
    --------
    >>> from datetime import date
    >>> path = [(1.0, 0.9, 1.0), (0.5, 0.2, 0.8), (0.0, 0.0, 0.1)]
    >>> for line in band_chart(path, [date(2025, month, 1) for month in (1, 2, 3)]):
    ...     print(line)
      100% ┤█
           │░
           │ ░
           │ ░
       50% ┤ █
           │ ░
           │ ░
           │  ░
        0% ┤  █
           └───
            2025
    """
    picked = _picked(len(values), columns)
    shown = [values[at] for at in picked]
    rows = [
        f"{_axis(row):>{AXIS_WIDTH - 1}} {'┤' if _axis(row) else '│'}"
        + "".join(_cell(spread, row) for spread in shown).rstrip()
        for row in range(HEIGHT)
    ]
    foot = " " * AXIS_WIDTH + "└" + "─" * len(shown)
    return [*rows, foot, _years([dates[at] for at in picked])]


def _picked(count: int, columns: int) -> list[int]:
    """Return evenly spaced places, all of them where there is room."""
    if count <= columns:
        return list(range(count))
    return [round(at * (count - 1) / (columns - 1)) for at in range(columns)]


def _axis(row: int) -> str:
    return {0: "100%", HEIGHT // 2: "50%", HEIGHT - 1: "0%"}.get(row, "")


def _cell(spread: Spread, row: int) -> str:
    median, low, high = (None if value is None else _row(value) for value in spread)
    if median == row:
        return MEDIAN
    if low is None or high is None:
        return NOTHING
    return BAND if high <= row <= low else NOTHING


def _row(share: float) -> int:
    """Return the line of a share, 0 at the top."""
    return HEIGHT - 1 - math.floor(min(max(share, 0.0), 1.0) * (HEIGHT - 1) + 0.5)


def _years(dates: Sequence[date]) -> str:
    """Return the years at the columns where they begin, those left out that would run together."""
    line = " " * (AXIS_WIDTH + 1)
    last = None
    for column, when in enumerate(dates):
        place = AXIS_WIDTH + 1 + column
        is_first = last is None or when.year != last
        if is_first and len(line) <= place and (column == 0 or len(dates) - column >= YEAR_WIDTH):
            line = line.ljust(place) + f"{when.year} "
        last = when.year
    return line.rstrip()
