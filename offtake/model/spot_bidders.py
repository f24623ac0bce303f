"""Who bids on spot: labs, or a lab's inference and its training apart where only one of them is bound."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.exclusivity import may_use
from offtake.model.seeing import bound_by_purpose
from offtake.model.spot_demand import affordable_on_spot, spot_bids

if TYPE_CHECKING:
    from offtake.model.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Bidders:
    """The buying side of a month's auction; arrays by bidder."""

    lab: np.ndarray
    """Lab of each bidder: one that is bound for one purpose only bids for each apart."""
    gap: np.ndarray
    """H100e."""
    after: np.ndarray
    """Less valued need of the same lab that another bidder stands for, H100e."""
    purse: np.ndarray
    """What bidders can pay for, H100e."""
    allowed: np.ndarray
    """Whether a bidder may buy from a pool, by bidder and pool."""

    def bids(self, market: "Market", bidder: int) -> list[tuple[float, float]]:
        """Return (price, H100e) bids, the most valued first."""
        gap, purse = float(self.gap[bidder]), float(self.purse[bidder])
        most = min(gap, purse) if self.after[bidder] else purse
        return spot_bids(market, int(self.lab[bidder]), gap + float(self.after[bidder]), most)


def bidders_of(market: "Market", gap: np.ndarray) -> Bidders:
    """Return who bids for the gaps of labs."""
    found = Bidders(
        lab=np.arange(len(market.setup.labs)),
        gap=gap,
        after=np.zeros_like(gap),
        purse=affordable_on_spot(market),
        allowed=may_use(market, "any", breaking=False),
    )
    for i, name in enumerate(market.setup.labs):
        if bound_by_purpose(market, name):
            found = _apart(market, i, found)
    return found


def _apart(market: "Market", i: int, them: Bidders) -> Bidders:
    """Return the bidders with a lab's inference in its place and its training at the end."""
    assert market.books.served is not None
    training = min(float(market.books.served.training_need_h100e[i]), float(them.gap[i]))
    inference = float(them.gap[i]) - training
    spent = min(inference, float(them.purse[i]))
    gap, after, purse, allowed = (
        a.copy() for a in (them.gap, them.after, them.purse, them.allowed)
    )
    gap[i], after[i], purse[i] = inference, training, spent
    allowed[i] = may_use(market, "inference", breaking=False)[i]
    trains = may_use(market, "training", breaking=False)[i]
    return Bidders(
        lab=np.append(them.lab, i),
        gap=np.append(gap, training),
        after=np.append(after, 0.0),
        purse=np.append(purse, float(them.purse[i]) - spent),
        allowed=np.vstack([allowed, trains]),
    )
