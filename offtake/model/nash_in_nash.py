"""Nash-in-Nash: every pair shares what its deals add, given all other deals (bar-4; rows B6, B8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from offtake.model.bargaining import Match, Outcome, Power, given_power
from offtake.model.bundles import Bundles
from offtake.model.problems import joined

ROUNDING = 1e-6
"""Share of a worth below which a difference is rounding of the linear programme."""
WORTHLESS = "it adds less than it costs, the lab's other deals given"
REPLACED = "another lab would pay more than it adds, the lab's other deals given"


class ComplementsError(ValueError):
    """Deals of a lab add more together than one by one: Nash-in-Nash does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NashInNash:
    """A price for each pair that is the Nash bargain given all other deals, found simultaneously.

    What a cloud adds to a lab is what the lab loses if it has to put its other deals to their best use
    alone. The pair shares that, less what it costs. A second cloud lowers what each one adds.

    Raises
    ------
    ComplementsError
        Where what clouds add does not decrease: the equilibrium has no foundation there.

    References
    ----------
    Horn and Wolinsky 1988; Collard-Wexler, Gowrisankaran and Lee 2019; with replacement Ho and
    Lee 2019.
    """

    lab_power: Power | None = None
    """b for every pair, for sensitivity; by default from impatience."""
    replacement: bool = False
    """Whether sides may threaten to replace each other: outside options bind as in bar-1 (row B8).

    A pair whose gain is less than what a side could have by replacing the other is not stable (Ho and
    Lee 2019): it walks away.
    """

    def __call__(self, match: Match) -> Outcome:
        """Return price and bounds; a pair that adds less than it costs, or than a rival pays, walks away."""
        margin = match.ceiling - match.floor
        share = added(match)
        lo, hi = match.floor, match.floor + np.maximum(share, 0.0) * margin
        b = given_power(match, self.lab_power)
        price = match.floor + (1 - b) * (hi - lo)
        if self.replacement:
            lo = np.maximum(lo, match.excluded)
            hi = np.minimum(hi, match.ceiling - match.alternative)
            price = np.clip(price, lo, np.maximum(lo, hi))
        worth_it = share * margin >= -match.slack - ROUNDING
        stable = hi - lo >= -match.slack - ROUNDING
        return Outcome(
            price=price,
            lo=lo,
            hi=hi,
            agreed=worth_it & stable,
            reasons=tuple(np.where(worth_it, np.where(stable, "", REPLACED), WORTHLESS).tolist()),
        )


def added(match: Match) -> np.ndarray:
    """Return by pair how much of the joint surplus its cloud adds, the lab's other deals given.

    1 where the lab has no other deals; several deals of a lab with one cloud are bargained together
    and have one share.
    """
    share = np.ones(len(match.ceiling))
    if match.bundles is None:
        return share
    for lab in dict.fromkeys(match.lab):
        adds = contributions(match.bundles, lab)
        for cloud, usd in adds.items():
            here = np.array(
                [p == (lab, cloud) for p in zip(match.lab, match.cloud, strict=True)], dtype=bool
            )
            h100e = np.broadcast_to(match.h100e, share.shape)[here]
            cost = float((match.floor[here] * h100e).sum())
            gain = float((match.ceiling[here] * h100e).sum()) - cost
            share[here] = (usd - cost) / gain if gain > 0 else 1.0
    return share


def contributions(bundles: Bundles, lab: str) -> dict[str, float]:
    """Return by cloud what its deals add to the lab's others, USD an hour, once they decrease."""
    every = bundles.sellers(lab)
    adds = {cloud: _adds(bundles, lab, every, {cloud}) for cloud in sorted(every)}
    for some in _groups(sorted(every)):
        together = _adds(bundles, lab, every, set(some))
        if together < sum(adds[cloud] for cloud in some) - ROUNDING * bundles.worth(lab, every):
            raise ComplementsError(_complaint(lab, some, together, [adds[c] for c in some]))
    return adds


def _adds(bundles: Bundles, lab: str, every: frozenset[str], some: set[str]) -> float:
    return bundles.worth(lab, every) - bundles.worth(lab, every - some)


def _groups(clouds: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield what is compared with its parts: every two clouds, and all of them."""
    yield from combinations(clouds, 2)
    if len(clouds) > 2:
        yield tuple(clouds)


def _complaint(lab: str, some: tuple[str, ...], together: float, alone: list[float]) -> str:
    return (
        "nash-in-nash needs contributions that decrease (Collard-Wexler, Gowrisankaran and Lee 2019): "
        f"to {lab}, {joined(list(some), 'and')} add {together:,.0f} USD an hour together, but "
        f"{joined([f'{usd:,.0f}' for usd in alone], 'and')} one by one"
    )
