"""Experience: what chips of a class cost falls with the volume that has been shipped (chp-1)."""

import math


def exponent(learning_rate: float) -> float:
    """Return b of the experience curve: a doubling of volume takes the learning rate off the price.

    Examples
    --------
    >>> round(exponent(0.2), 6)
    0.321928
    """
    return -math.log2(1 - learning_rate)


def relative_price(volume_ratio: float, learning_rate: float) -> float:
    """Return P/P0 at X/X0: ``(X / X0)^-b`` (chp-1; Wright 1936, row D4).

    Examples
    --------
    >>> round(relative_price(2.0, 0.2), 6), round(relative_price(10.0, 0.2), 6)
    (0.8, 0.47651)
    """
    return volume_ratio ** -exponent(learning_rate)


def shipped_by(h100e_per_month: float, growth_per_month: float, months: float) -> float:
    """Return what a flow that grows has come to after some months, H100e.

    Examples
    --------
    >>> shipped_by(100.0, 0.0, 12), round(shipped_by(100.0, 0.05, 12), 1)
    (1200.0, 1644.2)
    """
    if growth_per_month == 0:  # the quotient below is 0 / 0
        return h100e_per_month * months
    return h100e_per_month * math.expm1(growth_per_month * months) / growth_per_month
