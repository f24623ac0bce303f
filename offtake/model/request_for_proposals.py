"""Request for proposals with sealed bids: clouds shade their bids, or are paid the second-best (row M5)."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from offtake.model.bargaining import Match, Offer, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForProposals:
    """A reverse auction: the cloud with the best bid gets the lot at what its bid says.

    First price: in the symmetric equilibrium for costs uniform up to the lab's reserve price, a cloud
    bids its cost and a share ``1 / n`` of what lies between cost and reserve, n being the number of
    bidders. The bid rises with cost, so the cloud with the largest joint surplus wins, which is whom
    the clearing matches. Second price: clouds bid their cost, and the winner gets what would make the
    lab indifferent to the runner-up.

    Notes
    -----
    A shaded bid rests on what is expected of rivals, not on what they turn out to ask: it may lie above
    the price at which the lab would have turned to the runner-up, had it known. The bounds are
    therefore the winner's cost, or what another lab would pay for the capacity, and the reserve.

    References
    ----------
    Vickrey 1961; Riley and Samuelson 1981.
    """

    format: Literal["first-price", "second-price"] = "first-price"
    """Whether the winner gets its own bid, or what the second-best bid is worth."""

    def __call__(self, match: Match) -> Outcome:
        """Return the winning bids, and cost and reserve as bounds."""
        lo, hi = np.maximum(match.floor, match.excluded), match.ceiling
        lo = np.minimum(lo, hi)
        price = self._first(match, lo) if self.format == "first-price" else self._second(match, lo)
        outcome = Outcome(price=price, lo=lo, hi=hi)
        return replace(outcome, offers=_bids(price)) if match.traced else outcome

    def _first(self, match: Match, lo: np.ndarray) -> np.ndarray:
        return lo + (match.ceiling - lo) / (1 + np.asarray(match.rivals))

    def _second(self, match: Match, lo: np.ndarray) -> np.ndarray:
        return np.clip(match.ceiling - np.maximum(match.alternative, 0.0), lo, match.ceiling)


def _bids(price: np.ndarray) -> tuple[Offer, ...]:
    return tuple(
        Offer(pair=k, round=0, who="cloud", price=p, outcome="accepted")
        for k, p in enumerate(price.tolist())
    )
