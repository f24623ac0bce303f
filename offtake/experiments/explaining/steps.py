"""An explanation as a waterfall: the largest deals one by one, the rest by supplier."""

from collections.abc import Mapping

import altair as alt
import polars as pl

from offtake.experiments.charts.waterfall import waterfall
from offtake.experiments.explaining.explanation import DEALS_SHOWN, Effect, Explanation
from offtake.experiments.explaining.replay import SPOT
from offtake.experiments.look import Tone

LEAST_EFFECT = 0.002
"""Share points below which suppliers' small changes are added up over suppliers."""
MORE_SHOWN = 4


def deals_waterfall(found: Explanation, tones: Mapping[str, Tone]) -> alt.LayerChart:
    """Draw which deals moved a dependence from its first to its last value, in the order of time."""
    change = (found.after - found.before) * 100
    return waterfall(
        steps(found),
        before=found.before,
        after=found.after,
        heads=(f"{found.since:%B %Y}", f"{found.when:%B %Y}"),
        tones=tones,
        title=f"Which deals moved {found.lab}'s dependence on {found.cloud} by {change:+.0f} points",
        subtitle=(
            f"Share of its delivered compute; scenario {found.scenario}, one run (seed {found.seed}); "
            "bars have the colour of the cloud that delivers; exact month by month"
        ),
    )


def steps(found: Explanation) -> pl.DataFrame:
    """Return the steps of the waterfall: single deals by date, then what is left by supplier."""
    deals = [each for each in found.effects if each.contract != SPOT]
    shown = sorted(deals[: DEALS_SHOWN + MORE_SHOWN], key=lambda each: (each.when, each.what))
    rest = [each for each in found.effects if each not in shown]
    rows = [(f"{each.when:%b %Y}  {each.what}", each.seller, each.effect) for each in shown]
    return pl.DataFrame(
        rows + _rest(rest), schema={"label": str, "cloud": str, "effect": float}, orient="row"
    )


def _rest(rest: list[Effect]) -> list[tuple[str, str, float]]:
    """Add up what is left by supplier, and what is too small to be seen over suppliers."""
    sums: dict[str, float] = {}
    for each in rest:
        sums[each.seller] = sums.get(each.seller, 0.0) + each.effect
    large = {cloud: effect for cloud, effect in sums.items() if abs(effect) >= LEAST_EFFECT}
    small = sum(effect for cloud, effect in sums.items() if cloud not in large)
    rows = [
        (f"spot and smaller deals of {cloud}", cloud, effect)
        for cloud, effect in sorted(large.items(), key=lambda item: (-abs(item[1]), item[0]))
    ]
    return [*rows, ("all else", "", small)] if small else rows
