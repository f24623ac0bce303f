"""The transport problem: the largest joint surplus that lots and columns allow (row A5)."""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array


def transport_optimum(
    surplus: np.ndarray, wanted: np.ndarray, room: np.ndarray, limit: np.ndarray
) -> float:
    """Return the largest joint surplus, USD an hour.

    Parameters
    ----------
    surplus
        USD per H100e-hour by lot and column; a pair without surplus does not trade.
    wanted, room
        H100e by lot, and by column.
    limit
        Most of a column that a lot could use, H100e by lot and column.

    Examples
    --------
    >>> transport_optimum(
    ...     np.array([[3.0, 1.0], [2.0, -1.0]]),
    ...     np.array([10.0, 10.0]), np.array([10.0, 10.0]), np.full((2, 2), 10.0)
    ... )
    30.0
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
