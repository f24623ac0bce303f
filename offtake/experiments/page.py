"""Files for a chart: PNG, SVG and one page that opens without a network."""

import base64
import contextlib
import html
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

import altair as alt
import vl_convert

from offtake.experiments import look

PNG_SCALE = 2
VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
STATISTICS = ("mean", "q05", "q25", "median", "q75", "q95")
HEADINGS = {"q05": "5%", "q25": "25%", "q75": "75%", "q95": "95%"}

# `ast` makes the page draw without `unsafe-eval`; the policy then forbids every request.
PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { margin: 0 auto; max-width: ${width_px}px; padding: 8px; color: $ink;
  background: $paper; font: 14px/1.45 $font; }
figure { margin: 0; }
.chart { overflow-x: auto; }
p, details.numbers { margin: 8px 14px; }
summary { cursor: pointer; }
table { border-collapse: collapse; margin-top: 8px; font-size: 12px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 2px 12px 2px 0; text-align: right; border-bottom: 1px solid $grid; }
th:first-child, td:first-child { text-align: left; }
</style>
</head>
<body>
<main>
<figure>
<div class="chart" id="chart"></div>
<noscript><img src="$picture" alt="$description" style="max-width: 100%"></noscript>
<figcaption><p>$description</p></figcaption>
</figure>
<details class="numbers">
<summary>The numbers behind the picture</summary>
$table
</details>
</main>
<script>$bundle</script>
<script>
vegaEmbed("#chart", $spec, {
  ast: true, mode: "vega-lite", renderer: "svg", logLevel: 1,
  actions: { export: true, source: false, compiled: false, editor: false }
});
</script>
</body>
</html>
""")


def save(
    chart: alt.TopLevelMixin, folder: Path, stem: str, *, title: str, description: str | None = None
) -> dict[str, Path]:
    """Write a chart as PNG, SVG and offline HTML; each file appears whole or not at all.

    The text alternative is the chart's own unless a `description` is given.
    """
    spec = chart.to_dict()
    spec["description"] = description or spec.get("description", title)
    drawing = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    label = html.escape(spec["description"])
    svg = drawing.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    files = {
        "png": vl_convert.svg_to_png(svg, scale=PNG_SCALE),
        "svg": svg.encode(),
        "html": page(spec, svg, title=title).encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    return {kind: write(folder / f"{stem}.{kind}", content) for kind, content in files.items()}


def page(spec: Mapping[str, Any], svg: str, *, title: str) -> str:
    """Return a page that draws the chart, says it in a sentence and holds its numbers."""
    picture = base64.b64encode(svg.encode()).decode()
    return PAGE.substitute(
        title=html.escape(title),
        description=html.escape(spec["description"]),
        width_px=look.SHEET_PX + 40,
        ink=look.INK,
        paper=look.PAPER,
        grid=look.GRID,
        font=look.FONT,
        picture=f"data:image/svg+xml;base64,{picture}",
        table=_table(spec.get("datasets", {})),
        bundle=_bundle(),
        spec=json.dumps(spec, separators=(",", ":")).replace("<", "\\u003c"),
    )


@cache
def _bundle() -> str:
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)


def _table(datasets: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the summary rows of all panels as one table, without the single runs."""
    rows = [row for data in datasets.values() for row in data if "unit" in row]
    shown = [column for column in STATISTICS if any(column in row for row in rows)]
    heads = "".join(
        f'<th scope="col">{HEADINGS.get(c, c)}</th>' for c in ("name", "month", "unit", *shown)
    )
    body = "\n".join(_table_row(row, shown) for row in rows)
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _table_row(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    cells = (row["name"], row["month"], row["unit"], *(row.get(column, "") for column in columns))
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"


def write(path: Path, content: bytes) -> Path:
    """Write under a temporary name in the same folder, then rename."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp keeps files to their owner
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    return path
