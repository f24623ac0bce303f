"""A comparison as text for a terminal of 80 columns: inputs first, then what is different, and how sure."""

import math
from collections.abc import Sequence
from textwrap import wrap

from offtake.experiments.comparison import Comparison, Difference
from offtake.experiments.figures import bare, signed, written
from offtake.experiments.inputs import changes_text

WIDTH = 80
LABEL_WIDTH = 30
BASE_WIDTH = 9
CHANGE_WIDTH = 25
SIGN_WIDTH = 8
ROWS_SHOWN = 14
INPUTS_SHOWN = 6
FEW_PAIRS = 20
CAUTION = "These differences hold for these scenarios; they are not a forecast."
HEAD = ("", "base", "change [90% of pairs]", "pairs")


def text(comparisons: Sequence[Comparison], *, everything: bool = False) -> str:
    """Return comparisons as text; `everything` shows all observables, not the largest changes only."""
    blocks = [_block(each, everything=everything) for each in comparisons]
    return "\n\n".join(["\n".join(lines) for lines in blocks] + [CAUTION])


def _block(one: Comparison, *, everything: bool) -> list[str]:
    pairs = len(one.seeds)
    moved = [each for each in one.differences if each.higher or each.lower]
    shown = moved if everything else moved[:ROWS_SHOWN]
    lines = [
        *wrap(f"{one.other} against {one.base} in {one.when:%B %Y}", WIDTH),
        f"{pairs} pairs of runs with the same seed{_left(one.unpaired)}",
        *(line for note in one.notes for line in wrap(f"unlike: {note}", WIDTH)),
        "",
        *_inputs(one),
        "",
    ]
    if not moved:
        return [*lines, "No headline observable differs in any pair."]
    lines += [_line(*HEAD), *map(_row, shown)]
    hidden = len(moved) - len(shown)
    same = len(one.differences) - len(moved)
    if hidden:
        lines.append(f"  {hidden} more differ (--all shows them)")
    if same:
        lines.append(f"  {same} more are the same in every pair")
    lines.append("  ~ the mean change is not clearly different from 0")
    if pairs < FEW_PAIRS:
        lines.append(f"  {pairs} pairs show a sign, not a size")
    return lines


def _left(unpaired: int) -> str:
    if not unpaired:
        return ""
    return f"; {unpaired} run{'s' if unpaired > 1 else ''} without a partner left out"


def _inputs(one: Comparison) -> list[str]:
    count = len(one.changes)
    if not count:
        return ["Inputs: the same"]
    told = changes_text(list(one.changes))
    shown = told[:INPUTS_SHOWN]
    more = [f"  and {len(told) - len(shown)} more"] if len(told) > len(shown) else []
    lines = [
        line
        for text in shown
        for line in wrap(text, WIDTH - 2, initial_indent="  ", subsequent_indent="    ")
    ]
    return [f"Inputs: {count} difference{'s' if count > 1 else ''}", *lines, *more]


def _line(label: str, base: str, change: str, sign: str) -> str:
    left = f"  {label[:LABEL_WIDTH]:<{LABEL_WIDTH}}{base:>{BASE_WIDTH}}"
    room = max(CHANGE_WIDTH + SIGN_WIDTH - len(change), len(sign) + 1)  # a long change leaves less
    line = f"{left}  {change}{sign:>{room}}".rstrip()
    return line if len(line) <= WIDTH else f"{left} {change}{sign:>{room}}"


def _row(one: Difference) -> str:
    clear = "" if one.is_clear else "~"
    change = f"{clear}{signed(one.mean, one.unit)}"
    if one.pairs > 1:
        change += f" [{bare(one.low, one.unit)}, {bare(one.high, one.unit)}]"
    return _line(one.label, written(one.base, one.unit), change, sign_text(one))


def sign_text(one: Difference) -> str:
    """Return in how many pairs the change goes which way."""
    if one.higher == one.lower:
        return f"{one.higher}/{one.pairs} up"
    way, count = ("up", one.higher) if one.higher > one.lower else ("down", one.lower)
    return f"{count}/{one.pairs} {way}"


def sentence(one: Difference, base: str, other: str) -> str:
    """Return a difference as a sentence."""
    if not one.higher and not one.lower:
        return f"{one.label} is the same under {other} as under {base} in all {one.pairs} pairs."
    count = max(one.higher, one.lower)
    way = "higher" if one.higher >= one.lower else "lower"
    interval = (
        ""
        if math.isnan(one.mean_low)
        else f" (95% interval of the mean {bare(one.mean_low, one.unit)} to {bare(one.mean_high, one.unit)})"
    )
    return (
        f"Under {other}, {one.label} changes by {signed(one.mean, one.unit)} on average{interval}; "
        f"it is {way} than under {base} in {count} of {one.pairs} pairs."
    )
