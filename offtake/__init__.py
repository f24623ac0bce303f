"""A market for AI compute, simulated: labs, clouds, landlords, investors and governments.

The public names are loaded when they are first used, so that `import offtake` is quick and pulls in
no array, table or chart library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offtake.experiments.results import Result
    from offtake.experiments.run import run
    from offtake.experiments.studies.study import Study
    from offtake.model.market import Market
    from offtake.model.problems import ScenarioError
    from offtake.model.reading import load_scenario

    __version__: str

__all__ = ["Market", "Result", "ScenarioError", "Study", "__version__", "load_scenario", "run"]

_HOMES = {
    "Market": "offtake.model.market",
    "Result": "offtake.experiments.results",
    "ScenarioError": "offtake.model.problems",
    "Study": "offtake.experiments.studies.study",
    "load_scenario": "offtake.model.reading",
    "run": "offtake.experiments.run",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("offtake")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'offtake' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
