"""Who delivers to whom: what is bought meets what is sold, in proportion on both sides."""

from collections.abc import Sequence

import numpy as np

LEAST_H100E = 1e-6
"""Compute below which what is left of a bid or an offer is rounding."""
ROUNDS = 20
"""Rounds of proportional fitting at most."""
LEAST = 1e-30
"""What keeps a ratio to nothing finite."""


def place(wants: Sequence[float], sizes: Sequence[float], allowed: np.ndarray) -> np.ndarray:
    """Return what each buyer gets of each offer, H100e, shape (buyers, offers); no order matters.

    Notes
    -----
    Iterative proportional fitting (Deming and Stephan 1940), from each buyer's part of what is open to
    it by size: buyers are scaled to what they want, offers that are asked for too much are scaled back.
    Those with a choice so leave room to those without; what still misses could hardly be served.

    Examples
    --------
    >>> place([10.0, 10.0], [8.0, 12.0], np.array([[True, True], [True, True]])).tolist()
    [[4.0, 6.0], [4.0, 6.0]]
    >>> place([6.0, 6.0], [8.0, 12.0], np.array([[True, False], [True, True]])).round(1).tolist()
    [[6.0, 0.0], [2.0, 4.0]]
    """
    wanted, size = np.array(wants), np.array(sizes)
    given = np.where(allowed, size, 0.0)
    for _ in range(ROUNDS):
        given *= (wanted / np.maximum(given.sum(axis=1), LEAST))[:, None]
        asked = given.sum(axis=0)
        over = asked > size
        if not over.any():
            break
        given *= np.where(over, size / np.maximum(asked, LEAST), 1.0)
    return given
