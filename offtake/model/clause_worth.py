"""What exclusivity and first refusal are worth to a lab and its holder, per H100e-hour it has yet to buy.

Both sides believe that what two suppliers could sell for lies anywhere between avoidable cost c and the
lab's value v, which is the market of row B13. Shares below are fractions of v - c. The holder can serve a
part f of what the lab has yet to buy; b is the lab's bargaining power against a single seller.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["none", "first-refusal", "supply"]
KINDS: tuple[Kind, ...] = ("none", "first-refusal", "supply")
"""What a lab can promise the holder on later purchases, the lightest first."""
WINS = {"none": 1 / 2, "first-refusal": 3 / 4, "supply": 1.0}
"""Part of what the holder could serve that it sells: half, all that is below the rival's bid, all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What later purchases leave to each side, USD per H100e-hour of them."""

    lab: np.ndarray
    holder: np.ndarray

    @property
    def joint(self) -> np.ndarray:
        """What they leave to both."""
        return self.lab + self.holder


def worth(
    kind: Kind,
    *,
    margin: np.ndarray | float,
    served: np.ndarray | float,
    lab_power: np.ndarray | float,
    dependence: np.ndarray | float = 0.0,
    wait: np.ndarray | float = 0.0,
) -> Worth:
    """Return what later purchases leave to lab and holder under a promise.

    Parameters
    ----------
    margin
        v - c, USD per H100e-hour.
    served
        Part f of later purchases that the holder could serve.
    lab_power
        b: what the lab gets of the surplus with one seller (bar-2).
    dependence
        psi, what a unit bought from the holder costs the lab in hold-up, USD per H100e-hour (pro-5).
    wait
        Part of a contract's life that passes while the holder decides whether to match.

    Notes
    -----
    Among two, the lab gets 1/3 and each supplier 1/6; where one of them may match the other's bid, 1/4,
    7/24 and 1/12 (row B13); with one seller the surplus of 1/2 is divided by b. So exclusivity leaves the
    pair no more than competition does: a rival earns what it adds, and shutting it out gains nothing
    (Bernheim and Whinston 1998; O'Brien and Shaffer 1997). First refusal takes 1/24 from the rival (Choi
    2009). What the holder cannot serve is bought from another alone, or under exclusivity not at all.

    Examples
    --------
    >>> sides = worth("first-refusal", margin=24.0, served=1.0, lab_power=0.5)
    >>> float(sides.lab), float(sides.holder)
    (6.0, 7.0)
    """
    f, b = np.asarray(served, dtype=float), np.asarray(lab_power, dtype=float)
    alone = (1 - f) * b / 2
    match kind:
        case "none":
            lab, holder = f / 3 + alone, f / 6
        case "first-refusal":
            others = f * (1 - WINS[kind]) + (1 - f)
            lab, holder = (f / 4 + alone) * (1 - wait * others), f * 7 / 24
        case "supply":
            lab, holder = f * b / 2, f * (1 - b) / 2
    return Worth(lab=lab * margin - dependence * WINS[kind] * f, holder=holder * margin)
