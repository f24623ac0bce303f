"""The transport problem: the largest gain from lots that may use columns, as a linear programme."""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array


def most_surplus(
    surplus: np.ndarray, *, wanted: np.ndarray, room: np.ndarray, limit: np.ndarray
) -> float:
    """Return the largest sum of surplus over lots and columns (row A5).

    Parameters
    ----------
    surplus
        USD per H100e-hour by lot and column; pairs without gain are left out.
    wanted
        H100e by lot.
    room
        H100e by column.
    limit
        Most H100e of a pair.

    Returns
    -------
    float
        USD an hour.
    """
    lots, columns = surplus.shape
    pairs = np.flatnonzero((surplus > 0).ravel())
    if not len(pairs):
        return 0.0
    lot, column = np.divmod(pairs, columns)
    ones, at = np.ones(len(pairs)), np.arange(len(pairs))
    matrix = csr_array(
        (np.r_[ones, ones], (np.r_[lot, lots + column], np.r_[at, at])),
        shape=(lots + columns, len(at)),
    )
    solution = linprog(
        -surplus.ravel()[pairs],
        A_ub=matrix,
        b_ub=np.r_[wanted, room],
        bounds=np.c_[np.zeros(len(pairs)), limit.ravel()[pairs]],
        method="highs",
    )
    return float(-solution.fun)
