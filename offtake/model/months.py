"""Dates and months: one unit of time is one month from the scenario's start."""

import calendar
import datetime as dt

HOURS_PER_MONTH = 8766 / 12
"""H of the formal model (row U1)."""


def month_of(start: dt.date, day: dt.date) -> float:
    """Return a day as months since `start`, a first of the month; days count evenly in their month.

    Examples
    --------
    >>> month_of(dt.date(2025, 1, 1), dt.date(2026, 2, 15))
    13.5
    """
    whole = (day.year - start.year) * 12 + day.month - start.month
    return whole + (day.day - 1) / calendar.monthrange(day.year, day.month)[1]


def date_of(start: dt.date, month: float) -> dt.date:
    """Return the day that stands `month` months after `start`.

    Examples
    --------
    >>> date_of(dt.date(2025, 1, 1), 13.5)
    datetime.date(2026, 2, 15)
    """
    whole = int(month // 1)
    year, index = divmod(start.month - 1 + whole, 12)
    days = calendar.monthrange(start.year + year, index + 1)[1]
    return dt.date(start.year + year, index + 1, 1 + int(round((month - whole) * days, 9)))
