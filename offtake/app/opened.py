"""What the application was started with: set once, before its server starts."""

from dataclasses import dataclass


@dataclass(slots=True)
class Opened:
    """The first scenario and seed of every session."""

    scenario: str = "stargate-2025"
    seed: int = 1


opened = Opened()
