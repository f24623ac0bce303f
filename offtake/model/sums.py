"""Sums by index."""

import numpy as np


def summed(index: np.ndarray, amounts: np.ndarray, count: int) -> np.ndarray:
    """Return the sum of amounts by index, shape (count,); zeros of an empty index are floats too.

    Examples
    --------
    >>> summed(np.array([0, 2, 2]), np.array([1.0, 2.0, 0.5]), 3).tolist()
    [1.0, 0.0, 2.5]
    >>> summed(np.array([], dtype=int), np.array([]), 2).tolist()
    [0.0, 0.0]
    """
    return np.bincount(index, weights=amounts, minlength=count).astype(float, copy=False)
