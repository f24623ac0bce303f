"""National preference: which clouds a lab may not sign with because they are foreign (1.11)."""

import math
from typing import TYPE_CHECKING

import numpy as np

from offtake.model.control import foreign_part
from offtake.model.enforcing import in_force
from offtake.model.policies import Supply
from offtake.model.sums import summed

if TYPE_CHECKING:
    from offtake.model.market import Market


def kept_out(market: "Market") -> np.ndarray:
    """Return by lab and cloud whether a policy in force forbids the lab to sign with the cloud."""
    setup = market.setup
    out = np.zeros((len(setup.labs), len(setup.clouds)), dtype=bool)
    for rule in in_force(market, "objection_to_supply"):
        foreign = [
            foreign_part(setup.scenario, setup.homes, c, rule.government) for c in setup.clouds
        ]
        for i, domestic in enumerate(_domestic_shares(market, np.array(foreign))):
            for j, part in enumerate(foreign):
                asked = Supply(
                    lab_home=setup.homes[setup.labs[i]], foreign_part=part, domestic_share=domestic
                )
                out[i, j] |= rule.objection_to_supply(asked) is not None
    return out


def _domestic_shares(market: "Market", foreign: np.ndarray) -> list[float]:
    """Return by lab the share of compute promised to it now that is not foreign; 0 where it has none."""
    c, setup = market.books.contracts, market.setup
    n = c.size
    cell = c.lab[:n] * len(setup.clouds) + setup.pool_cloud[c.pool[:n]]
    shape = (len(setup.labs), len(setup.clouds))
    promised = summed(cell, c.delivered_kw[:n] * c.theta[:n], shape[0] * shape[1]).reshape(shape)
    total = [math.fsum(row) for row in promised.tolist()]
    home = [math.fsum(row) for row in (promised * (1 - foreign)).tolist()]
    return [h / t if t > 0 else 0.0 for h, t in zip(home, total, strict=True)]
