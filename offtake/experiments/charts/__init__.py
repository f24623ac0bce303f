"""Pictures of runs: who delivers compute, on whom a lab depends, at what price, and why.

Every function takes tables of a result and returns an Altair chart that carries its own text
alternative; `save` writes it as PNG, SVG and a page that needs no network.
"""

from offtake.experiments.charts.capacity import capacity, stranded
from offtake.experiments.charts.concentration import concentration
from offtake.experiments.charts.fans import dependence, fan
from offtake.experiments.charts.funding import funding
from offtake.experiments.charts.matrix import dependence_matrix
from offtake.experiments.charts.network import network
from offtake.experiments.charts.overview import overview
from offtake.experiments.charts.prices import prices
from offtake.experiments.charts.ranges import company_tones, spread
from offtake.experiments.charts.shares import market_shares
from offtake.experiments.charts.waterfall import waterfall
from offtake.experiments.page import save

__all__ = [
    "capacity",
    "company_tones",
    "concentration",
    "dependence",
    "dependence_matrix",
    "fan",
    "funding",
    "market_shares",
    "network",
    "overview",
    "prices",
    "save",
    "spread",
    "stranded",
    "waterfall",
]
