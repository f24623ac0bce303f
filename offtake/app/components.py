"""The parts of the page that a browser draws: each takes plain data, and calls back with plain data."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import solara

type Data = Mapping[str, Any]


@solara.component_vue("vue/picture.vue")
def PictureView(
    heading: str,
    unit: str,
    ticks: str,
    script: str,
    specification: Data,
    drawn: Data,
    marks: Sequence[Data],
    cursor: int | None = None,
) -> None:
    """Draw a chart with its values in words, and the table behind it."""


@solara.component_vue("vue/network.vue")
def NetworkView(drawn: Data, chosen: str, event_select: Callable[[str], object]) -> None:
    """Draw who buys of whom, with labs and clouds to choose from."""


@solara.component_vue("vue/ledger.vue")
def LedgerView(
    told: Sequence[Data], answer: Data | None, event_ask: Callable[[int], object]
) -> None:
    """Tell the last events, each with a button that asks why."""


@solara.component_vue("vue/card.vue")
def CardView(
    card: Data | None, names: Sequence[str], event_select: Callable[[str], object]
) -> None:
    """Show a participant: finances, beliefs, contracts and sites."""


@solara.component_vue("vue/controls.vue")
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
    paces: Sequence[str],
    pace: str,
    seed: int,
    comparing: bool,
    happened: Sequence[str],
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


@solara.component_vue("vue/dials.vue")
def DialsView(
    dials: Sequence[Data],
    moved: Data,
    scenario: str,
    scenarios: Sequence[str],
    said: str,
    command: str,
    largest: int,
    event_turn: Callable[[Data], object],
    event_restore: Callable[[Any], object],
    event_choose: Callable[[str], object],
    event_save: Callable[[str], object],
    event_load: Callable[[str], object],
    event_refuse: Callable[[int], object],
) -> None:
    """Offer every dial by group, with unit, baseline, range and meaning."""


@solara.component_vue("vue/pulse.vue")
def PulseView(
    number: int,
    parcel: Data | None,
    tables: Sequence[str],
    event_drawn: Callable[[int], object],
    event_download: Callable[[Data], object],
) -> None:
    """Hand over downloads, and give the sign that everything before it has been drawn."""
