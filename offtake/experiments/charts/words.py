"""What charts say: headings, ranges and the sentence that stands for the picture."""

import textwrap
from collections.abc import Sequence
from datetime import date

from offtake.experiments.charts.ranges import SINGLE_RUNS_SHOWN, Fan, Months

MOST_IN_WORDS = 2  # fans told in a sheet's sentence, lest it becomes a paragraph
EN_DASH = "\u2013"


def runs_text(number: int) -> str:
    """Return a number of runs in words."""
    return "one run" if number == 1 else f"{number:,} runs"


def month_text(when: date) -> str:
    """Return a date as month and year."""
    return f"{when:%b %Y}"


def range_text(one: Fan) -> str:
    """Return the last 5 to 95 per cent range of a fan, its unit written once; nothing for no range."""
    last = one.spread.row(-1, named=True)
    low, high = one.measure.write(last["q05"]), one.measure.write(last["q95"])
    if low == high:
        return ""
    return (
        f"{low.removesuffix('%') if high.endswith('%') else low}{EN_DASH}{high.removeprefix('$')}"
    )


def fan_words(one: Fan) -> str:
    """Return where a fan begins and ends, in words."""
    medians = one.spread["median"].to_list()
    among = f" ({range_text(one)} in 90% of runs)" if one.has_bands and range_text(one) else ""
    start, end = one.measure.say(medians[0]), one.measure.say(medians[-1])
    return f"{one.name} {start} to {end}{among}"


def fans_words(fans: Sequence[Fan]) -> str:
    """Return where some fans begin and end, in words."""
    first, last = span_of(fans)
    statistic = "" if fans[0].runs == 1 else f" (medians of {runs_text(fans[0].runs)})"
    each = ", ".join(fan_words(one) for one in fans)
    return f"{each} from {month_text(first)} to {month_text(last)}{statistic}"


def how_to_read(fans: list[Fan]) -> str:
    """Return what line, bands and grey lines of fans stand for."""
    one = fans[0]
    if one.runs == 1:
        return "One run: no ranges"
    if not one.has_bands:
        return f"Line: median of {runs_text(one.runs)}; grey: each run (too few for bands)"
    return (
        f"Line: median of {runs_text(one.runs)}; bands: the middle 50% and 90% of runs; "
        f"grey: {min(SINGLE_RUNS_SHOWN, one.runs)} single runs"
    )


def span_of(fans: Sequence[Fan]) -> Months:
    """Return the first and the last month that fans have values for."""
    dates = [when for one in fans for when in one.spread["date"].to_list()]
    return min(dates), max(dates)


def wrapped(text: str, characters: int) -> list[str]:
    """Return a text in lines of a width, in characters."""
    return textwrap.wrap(text, characters)
