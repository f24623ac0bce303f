"""What seeds do to total sensitivity indices: a fixed budget of runs, spent in several ways.

Ishigami's function with noise whose size depends on the second input; Jansen's estimator against the exact
indices of the mean response. Points and seeds are those that a study's plan would have.
"""

import math

import numpy as np
from _runs import options, say

from offtake.experiments.studies.designs import unit_points
from offtake.experiments.studies.identity import canonical, seed_of
from offtake.experiments.studies.parts import Design
from offtake.model.chance import stream

INPUTS = 3
ROW = INPUTS + 2
BUDGET = 2560
NOISE = 2.0
EXACT = 0.5576, 0.4424, 0.2437
"""Ishigami and Homma (1990), a = 7, b = 0.1."""
REPLICATES = 1, 4
SEEDS = "common", "one for each base row", "independent"


def main() -> None:
    """Print bias and deviation of the total indices by how seeds are given."""
    studies: int = options("Measure the bias of total indices.", studies=40).studies
    for seeds in SEEDS:
        for replicates in REPLICATES:
            points = BUDGET // ROW // replicates
            found = np.array([indices(seeds, replicates, points, root) for root in range(studies)])
            bias, deviation = found.mean(axis=0) - EXACT, found.std(axis=0, ddof=1)
            say(
                "noise",
                [],
                runs=studies * points * replicates * ROW,
                seeds=seeds,
                replicates=replicates,
                points=points,
                bias=[float(each) for each in bias],
                deviation=[float(each) for each in deviation],
                repetitions=studies,
            )


def indices(seeds: str, replicates: int, points: int, root: int) -> np.ndarray:
    """Return the total indices that one study would find."""
    design = Design(method="saltelli", points=points, replicates=replicates)
    x = (2 * unit_points(design, INPUTS, root) - 1) * math.pi
    noise = np.mean([drawn(seeds, x, replicate, root) for replicate in range(replicates)], axis=0)
    y = ishigami(x) + NOISE * (1 + 0.5 * x[:, 1] / math.pi) * noise
    rows = y.reshape(-1, ROW)
    spread = np.var(rows[:, [0, ROW - 1]])
    return ((rows[:, [0]] - rows[:, 1:-1]) ** 2).mean(axis=0) / (2 * spread)


def drawn(seeds: str, x: np.ndarray, replicate: int, root: int) -> np.ndarray:
    """Return each run's noise, from the seed that the run would have."""
    if seeds == "common":
        return np.full(len(x), _normal(seed_of(root, replicate, "", independent=False)))
    if seeds == "independent":
        texts = [canonical(dict(enumerate(row))) for row in x.tolist()]
    else:
        texts = [str(row // ROW) for row in range(len(x))]
    given = {text: _normal(seed_of(root, replicate, text, independent=True)) for text in texts}
    return np.array([given[text] for text in texts])


def _normal(seed: int) -> float:
    return float(stream(seed, "noise").normal())


def ishigami(x: np.ndarray) -> np.ndarray:
    """Return the exact response."""
    one, two, three = x.T
    return np.sin(one) + 7 * np.sin(two) ** 2 + 0.1 * three**4 * np.sin(one)


if __name__ == "__main__":
    main()
