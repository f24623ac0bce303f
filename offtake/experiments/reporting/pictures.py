"""Charts as images inside a page: SVG without what nobody sees, small enough to mail."""

import base64
import re
from dataclasses import dataclass
from html import escape
from typing import Any

import altair as alt
import vl_convert

from offtake.experiments.page import VEGA_LITE

LONG = re.compile(r"(\d+\.\d)\d+")
INVISIBLE = re.compile(r'<path[^>]*\bopacity="0"[^>]*/?>(?:</path>)?')
LABELS = re.compile(r' aria-(?:label|roledescription|hidden)="[^"]*"| role="[^"]*"')
MARK_CLASSES = re.compile(r' class="mark-[^"]*"| pointer-events="none"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart as a page shows it."""

    title: str
    alternative: str
    """The picture in words."""
    source: str
    """Address with the picture itself in it."""

    @property
    def size(self) -> int:
        """Bytes it takes in a page."""
        return len(self.source)


def picture(chart: alt.TopLevelMixin, title: str) -> Picture:
    """Return a chart as a picture that needs neither network nor script."""
    spec = chart.to_dict()
    svg = base64.b64encode(_drawn(spec).encode()).decode()
    return Picture(
        title=title,
        alternative=str(spec.get("description", title)),
        source=f"data:image/svg+xml;base64,{svg}",
    )


def small_svg(chart: alt.TopLevelMixin) -> str:
    """Return a chart as SVG of a few ten kilobytes, with its own text alternative."""
    return _drawn(chart.to_dict())


def _drawn(spec: dict[str, Any]) -> str:
    svg = slim(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE))
    said = escape(str(spec.get("description", "")), quote=True)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{said}" ', 1)


def slim(svg: str) -> str:
    """Return an SVG with coordinates to a tenth of a pixel, without invisible points and labels of marks."""
    svg = INVISIBLE.sub("", svg)
    svg = MARK_CLASSES.sub("", LABELS.sub("", svg))
    return LONG.sub(r"\1", svg)
