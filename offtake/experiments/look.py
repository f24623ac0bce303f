"""How pictures look: one palette, one theme, one width for every chart and page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A colour to fill with, and its darker twin that can be read as text on white."""

    fill: str
    text: str


# Okabe and Ito (2008) without yellow: told apart with every common colour vision deficiency.
PALETTE = (
    Tone(fill="#0072B2", text="#005A8E"),
    Tone(fill="#E69F00", text="#8A5A00"),
    Tone(fill="#009E73", text="#00694D"),
    Tone(fill="#CC79A7", text="#8E3F6B"),
    Tone(fill="#D55E00", text="#A84300"),
    Tone(fill="#56B4E9", text="#22708F"),
)
QUIET = Tone(fill="#B0B7BF", text="#5F6B7A")  # everybody else
MARKET = Tone(fill="#4B6A88", text="#34506B")  # prices and indices, which belong to no company
STAGES = (  # of capacity, from what stands to what is only reserved: one hue, lighter and lighter
    MARKET,
    Tone(fill="#8DA9C4", text="#34506B"),
    Tone(fill="#CBD8E4", text="#5F6B7A"),
)
MOST_NAMED = len(PALETTE)

PAPER = "#FFFFFF"
INK = "#1F2933"
GRID = "#E6E9ED"
RULE = "#7B8794"
SINGLE_RUN = "#9AA5B1"

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"  # metrically equal: labels fit everywhere
SHEET_PX = 900
PADDING_PX = 14
LINE_PX = 15
CHARACTER_PX = 6.0  # mean advance of the font at 11 px, generously, for wrapping


def colours(names: Iterable[str], *, fixed: Mapping[str, Tone] | None = None) -> dict[str, Tone]:
    """Give names their colours in order of appearance; `fixed` ones keep theirs, late ones grey.

    Examples
    --------
    >>> colours(["a", "b"])["a"].fill
    '#0072B2'
    >>> colours(["a", "b"], fixed={"b": PALETTE[0]})["a"].fill
    '#E69F00'
    """
    names = list(dict.fromkeys(names))
    kept = {name: fixed[name] for name in names if fixed and name in fixed}
    free = iter([tone for tone in PALETTE if tone not in kept.values()])
    return {name: kept[name] if name in kept else next(free, QUIET) for name in names}


def contrast(one: str, other: str = PAPER) -> float:
    """Return the contrast ratio of two colours, 1 (equal) to 21 (black on white).

    References
    ----------
    W3C, Web Content Accessibility Guidelines 2.2, "contrast ratio" and "relative luminance".
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def theme() -> dict[str, Any]:
    """Return the chart configuration shared by all pictures."""
    axis = {
        "domain": False,
        "gridColor": GRID,
        "labelColor": QUIET.text,
        "labelFontSize": 11,
        "tickColor": RULE,
        "title": None,
    }
    title = {
        "anchor": "start",
        "color": INK,
        "fontSize": 16,
        "fontWeight": "bold",
        "offset": 10,
        "subtitleColor": QUIET.text,
        "subtitleFontSize": 11.5,
        "subtitleLineHeight": 15,
        "subtitlePadding": 5,
    }
    return {
        "font": FONT,
        "background": PAPER,
        "padding": PADDING_PX,
        "axis": axis,
        "axisX": {"grid": False, "domain": True, "domainColor": RULE, "tickSize": 4},
        "axisY": {"ticks": False, "labelPadding": 6},
        "title": title,
        "view": {"stroke": None},
        "concat": {"spacing": 18},
    }
