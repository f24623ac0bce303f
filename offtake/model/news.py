"""News and shocks: dated events of the scenario move usage, efficiency and what labs believe."""

from typing import TYPE_CHECKING

from offtake.model.chance import stream
from offtake.model.events import Happened, Listed

if TYPE_CHECKING:
    from offtake.model.market import Market


def happen(market: "Market", name: str) -> None:
    """Make an event of the scenario happen, and tell a lab what it is to believe."""
    event = market.setup.scenario.events[name]
    _shock(market, name, 1 + event.usage_shock, 1 + event.efficiency_shock)
    if event.lists is not None:
        _list(market, name, event.lists, event.listing_probability)
    if event.growth_belief_per_month is not None and event.lab is not None:
        market.told_growth[market.books.lab_index[event.lab]] = event.growth_belief_per_month


def _list(market: "Market", event: str, name: str, probability: float) -> None:
    """List the shares of a participant, if it comes to that."""
    draw = stream(market.setup.seed, "listing", event).random()
    if name not in market.books.failed and draw < probability:
        market.apply(Listed(name=name, cause=f"scenario:events.{event}"))


def undo(market: "Market", name: str) -> None:
    """End the shocks of an event that lasts for some time only."""
    event = market.setup.scenario.events[name]
    _shock(market, name, 1 / (1 + event.usage_shock), 1 / (1 + event.efficiency_shock))


def _shock(market: "Market", name: str, usage_factor: float, efficiency_factor: float) -> None:
    market.apply(
        Happened(
            event=name,
            usage_factor=usage_factor,
            efficiency_factor=efficiency_factor,
            cause=f"scenario:events.{name}",
        )
    )
