"""Private information: both sides know their own value only, and some gains are lost (row B9)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from offtake.model.bargaining import Match, Offer, Outcome, bounds

APART = "the lab bids less than the cloud asks"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateInformation:
    """The sealed-offer bargain of Chatterjee and Samuelson (1983), split in the middle.

    What is known is how far values can reach: the lab's up to ``hi``, the cloud's down to ``lo``, the
    bounds of bar-1. What each really values the deal at is uniform on ``spread (hi - lo)`` from there,
    drawn for the pair and the month. Both make one offer from the linear equilibrium; offers that
    cross trade at their middle, others do not trade. For a spread of 1 a trade has probability 9/32 and
    27/32 of the possible gains are made, which is all that any mechanism can do (Myerson and
    Satterthwaite 1983).

    Notes
    -----
    The linear strategies are an equilibrium down to a spread of 3/4, which is why less is not
    allowed. The bounds recorded are the private values: neither side trades at a loss.
    """

    spread: Annotated[float, Field(ge=0.75, le=1)] = 1.0
    """How far private values reach into the gap between the bounds, share of the gap."""

    def __call__(self, match: Match) -> Outcome:
        """Return the middle of crossing offers, with the private values as bounds."""
        lo, hi = bounds(match)
        gap = np.maximum(hi - lo, 0.0)
        down, up = self.spread * _draws(match)
        value, cost = hi - down * gap, lo + up * gap
        bid = lo + gap * (2 * (value - lo) / np.where(gap > 0, gap, 1.0) / 3 + 1 / 12)
        ask = lo + gap * (2 * (cost - lo) / np.where(gap > 0, gap, 1.0) / 3 + 1 / 4)
        agreed = (bid >= ask) | (gap <= match.slack)
        open_ = gap > match.slack
        return Outcome(
            price=np.where(open_, (bid + ask) / 2, (lo + hi) / 2),
            lo=np.where(open_, cost, lo),
            hi=np.where(open_, value, hi),
            agreed=agreed,
            reasons=tuple("" if ok else APART for ok in agreed.tolist()),
            offers=tuple(_offers(bid, ask, agreed)) if match.traced else (),
        )


def _draws(match: Match) -> np.ndarray:
    """Return two uniform numbers by pair, of the lab and of the cloud; 0 where nothing is private."""
    pairs = len(match.ceiling)
    if match.chance is None:
        return np.zeros((2, pairs))
    return np.array([match.chance(k).random(2) for k in range(pairs)]).reshape(pairs, 2).T


def _offers(bid: np.ndarray, ask: np.ndarray, agreed: np.ndarray) -> Iterator[Offer]:
    for k, ok in enumerate(agreed.tolist()):
        outcome = "accepted" if ok else "refused"
        yield Offer(pair=k, round=0, who="lab", price=float(bid[k]), outcome=outcome)
        yield Offer(pair=k, round=0, who="cloud", price=float(ask[k]), outcome=outcome)
