"""A participant of the market: a name, what it is, and a strategy for each of its ports."""

import dataclasses
import difflib
import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import mesa

from offtake.model.plugins import strategies_from_elsewhere


class Participant(mesa.Agent):
    """A mesa agent that decides through strategies and never changes anything itself.

    Parameters
    ----------
    model
        The market.
    name
        Its name in the scenario.
    data
        Its table of the scenario.
    strategies
        Strategy by port; a name from the scenario or an instance. The rest are the role's defaults.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    """Strategy by port."""

    def __init__(
        self,
        model: mesa.Model,
        *,
        name: str,
        data: Any,
        strategies: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(model)
        self.name = name
        self.data = data
        self.strategies = dict(self.defaults)
        for port, chosen in (strategies or {}).items():
            self.strategies[port] = self._strategy(port, chosen)

    def __repr__(self) -> str:
        """Return kind and name."""
        return f"{type(self).__name__}({self.name!r})"

    @property
    def active(self) -> bool:
        """Whether it still takes part; a failed participant is inactive, never removed."""
        return self.name not in self.model.books.failed

    def decide(self, port: str, *seen: Any) -> Any:
        """Ask the strategy behind a port."""
        return self.strategies[port](*seen)

    def _strategy(self, port: str, chosen: Any) -> Any:
        if port not in self.defaults:
            raise ValueError(
                f"{self.name} has no port {port!r}; a {type(self).__name__.lower()} has "
                f"{', '.join(sorted(self.defaults)) or 'none'}"
            )
        if not isinstance(chosen, str):
            return chosen
        known = self.known(port)
        if chosen not in known:
            close = difflib.get_close_matches(chosen, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"{self.name}: {port} strategy {chosen!r} is unknown; "
                f"known: {', '.join(sorted(known))}{hint}"
            )
        return known[chosen]()

    @classmethod
    def known(cls, port: str) -> dict[str, type]:
        """Return the strategies of a port by name: those of the role's module and of other packages."""
        module = sys.modules[cls.__module__]
        here = {
            kebab(name): member
            for name, member in inspect.getmembers(module, inspect.isclass)
            if dataclasses.is_dataclass(member) and getattr(member, "port", None) == port
        }
        return here | strategies_from_elsewhere(port)


def kebab(name: str) -> str:
    """Return a class name as it is written in a scenario.

    Examples
    --------
    >>> kebab("CoverNeed")
    'cover-need'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
