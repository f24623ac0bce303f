"""The parts of the page that a browser draws: each takes plain data, and calls back with plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import solara


@dataclass(frozen=True, slots=True)
class Plain:
    """Data for the browser that holds no components.

    Solara looks for components in every list and mapping it is given, number by number: a chart's columns
    would cost more to search than to draw.
    """

    value: Any


def _unwrapped(given: object, _: object) -> Any:
    return given.value if isinstance(given, Plain) else given


def _drawn_by(vue: str, *plain: str) -> Any:
    """Return the decorator of a component that a Vue file draws, and what of it is plain data."""
    return solara.component_vue(f"vue/{vue}.vue", to_json=dict.fromkeys(plain, _unwrapped))


@_drawn_by("picture", "specification", "drawn", "marks")
def PictureView(
    heading: str,
    unit: str,
    ticks: str,
    script: str,
    specification: Plain,
    drawn: Plain,
    marks: Plain,
    cursor: int | None = None,
) -> None:
    """Draw a chart with its values in words, and the table behind it."""


@_drawn_by("network", "drawn")
def NetworkView(drawn: Plain, chosen: str, event_select: Callable[[str], object]) -> None:
    """Draw who buys of whom, with labs and clouds to choose from."""


@_drawn_by("ledger", "told", "answer")
def LedgerView(told: Plain, answer: Plain, event_ask: Callable[[int], object]) -> None:
    """Tell the last events, each with a button that asks why."""


@_drawn_by("card", "card", "names")
def CardView(card: Plain, names: Plain, event_select: Callable[[str], object]) -> None:
    """Show a participant: finances, beliefs, contracts and sites."""


@_drawn_by("controls", "paces", "happened")
def ControlsView(
    name: str,
    question: str,
    date: str,
    shown: int,
    recorded: int,
    months: int,
    playing: bool,
    ended: bool,
    moved: int,
    due: bool,
    paces: Plain,
    pace: str,
    seed: int,
    comparing: bool,
    happened: Plain,
    upcoming: str,
    problem: str | None,
    event_play: Callable[[Any], object],
    event_pause: Callable[[Any], object],
    event_step: Callable[[Any], object],
    event_run_to: Callable[[int], object],
    event_run_to_event: Callable[[Any], object],
    event_reset: Callable[[Any], object],
    event_set_pace: Callable[[str], object],
    event_set_seed: Callable[[str], object],
    event_compare: Callable[[bool], object],
    event_scrub: Callable[[int | None], object],
) -> None:
    """Offer play, pause, step, reset, the month and its events."""


@_drawn_by("dials", "dials", "moved", "scenarios")
def DialsView(
    dials: Plain,
    moved: Plain,
    scenario: str,
    scenarios: Plain,
    said: str,
    command: str,
    largest: int,
    event_turn: Callable[[dict[str, Any]], object],
    event_restore: Callable[[Any], object],
    event_choose: Callable[[str], object],
    event_save: Callable[[str], object],
    event_load: Callable[[str], object],
    event_refuse: Callable[[int], object],
) -> None:
    """Offer every dial by group, with unit, baseline, range and meaning."""


@_drawn_by("pulse", "parcel", "tables")
def PulseView(
    number: int,
    parcel: Plain,
    tables: Plain,
    event_drawn: Callable[[int], object],
    event_download: Callable[[dict[str, Any]], object],
) -> None:
    """Hand over downloads, and give the sign that everything before it has been drawn."""
