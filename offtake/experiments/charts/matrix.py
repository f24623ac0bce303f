"""On whom each lab depends at a date: labs in rows, clouds in columns, ranges in the cells."""

from typing import Any

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.charts.drawing import frame_of, word
from offtake.experiments.charts.measures import percent
from offtake.experiments.charts.ranges import (
    FEWEST_RUNS_FOR_BANDS,
    mean_paths,
    parts_by,
    rows_of,
    spread,
)
from offtake.experiments.charts.sheets import about, sheet_of
from offtake.experiments.charts.words import EN_DASH, month_text, wrapped

ROW_PX = 34
NAMES_PX = 150
MOST_COLUMNS = 9
DARK = 0.45
"""Share from which a cell is dark enough for white text."""
LEAST_SHOWN = 0.005
HEAD_CHARACTERS = 11


def dependence_matrix(
    trajectories: pl.DataFrame, *, months: tuple[int, ...] = (), title: str | None = None
) -> alt.VConcatChart:
    """Draw the share of each lab's compute that comes from each cloud, at the first and last month.

    The number in a cell is the median over the runs, the range under it holds nine runs in ten.
    `months` are other months to show, counted from 0.
    """
    rows = rows_of(trajectories, "dependence")
    ends = months or (int(rows["month"].to_numpy().min()), int(rows["month"].to_numpy().max()))
    labs, clouds = _names(rows, "name"), _columns(rows)
    parts = [_part(rows.filter(month=month), labs, clouds) for month in dict.fromkeys(ends)]
    return sheet_of(
        parts,
        about=about(trajectories),
        title=title or _title(rows.filter(month=max(ends))),
        words=[_words(rows.filter(month=max(ends)))],
    )


def _names(rows: pl.DataFrame, key: str) -> list[str]:
    return rows[key].unique().sort().to_list()


def _columns(rows: pl.DataFrame) -> list[str]:
    """Return the clouds that any lab depends on most, largest first, and a column for the rest."""
    means = mean_paths(parts_by(rows.sort("other", "date", "seed"), "other"))
    peaks = {cloud: max(path) for cloud, path in means.items() if max(path) > 0}
    ranked = sorted(peaks, key=lambda cloud: (-peaks[cloud], cloud))
    return ranked[:MOST_COLUMNS]


def _part(rows: pl.DataFrame, labs: list[str], clouds: list[str]) -> alt.VConcatChart:
    ranges = rows["seed"].n_unique() >= FEWEST_RUNS_FOR_BANDS
    size = (look.SHEET_PX - 2 * look.PADDING_PX - NAMES_PX, ROW_PX * len(labs))
    cells = _cells(rows, labs, clouds, ranges=ranges)
    ground = (
        alt.Chart(frame_of(cells))
        .mark_rect(stroke=look.PAPER, strokeWidth=2, aria=False)
        .encode(**_place(), color=alt.Color("fill:N", scale=None))
    )
    narrow = [cell for cell in cells if cell["range"]]
    alone = [cell for cell in cells if cell["median"] and not cell["range"]]
    layers = [ground, *_written(alone, "median", 12, 0), *_written(narrow, "median", 12, -6)]
    layers += [*_written(narrow, "range", 9.5, 9), *_heads(clouds, size[0])]
    statistic = ": median, and range of nine runs in ten under it" if ranges else ""
    heading = alt.TitleParams(
        f"Who supplies whom in {month_text(rows['date'][0])}",
        subtitle=f"Share of the lab's delivered compute{statistic}",
        fontSize=13,
        offset=10,
    )
    return alt.vconcat(alt.LayerChart(layer=layers, width=size[0], height=size[1]), title=heading)


def _place() -> dict[str, Any]:
    return {
        "x": alt.X("cloud:N", sort=None, axis=None),
        "y": alt.Y("lab:N", sort=None, axis=_sides()),
    }


def _written(cells: list[dict[str, object]], field: str, size: float, dy: int) -> list[alt.Chart]:
    """Write one of the numbers of some cells, above or below their middle."""
    if not cells:
        return []
    mark = alt.Chart(frame_of(cells)).mark_text(
        fontSize=size, dy=dy, fontWeight="bold" if field == "median" else "normal"
    )
    return [mark.encode(**_place(), text=f"{field}:N", color=alt.Color("ink:N", scale=None))]


def _heads(clouds: list[str], width: int) -> list[alt.Chart]:
    """Name the columns above them, in lines short enough."""
    words = []
    for at, cloud in enumerate(clouds):
        x = (at + 0.5) * width / len(clouds)
        for up, line in enumerate(wrapped(cloud, HEAD_CHARACTERS)[::-1]):
            y = -8 - up * (look.LINE_PX - 2)
            words.append(word(line, x, y, look.INK, align="center", fontSize=11))
    return words


def _sides() -> alt.Axis:
    return alt.Axis(
        ticks=False,
        domain=False,
        labelLimit=NAMES_PX - 12,
        minExtent=NAMES_PX - 8,
        maxExtent=NAMES_PX - 8,
        labelFontSize=12,
        labelColor=look.INK,
    )


def _cells(
    rows: pl.DataFrame, labs: list[str], clouds: list[str], *, ranges: bool
) -> list[dict[str, object]]:
    cells: list[dict[str, object]] = []
    for lab in labs:
        for cloud in clouds:
            some = rows.filter(name=lab, other=cloud)
            if some.is_empty():
                continue
            found = spread(some.select("date", "value")).row(0, named=True)
            share = found["median"]
            seen = max(share, found["q95"]) >= LEAST_SHOWN
            low, high = f"{found['q05'] * 100:.0f}", f"{found['q95'] * 100:.0f}"
            cells.append(
                {
                    "lab": lab,
                    "cloud": cloud,
                    "fill": _shade(share),
                    "ink": look.PAPER if share >= DARK else look.INK,
                    "median": percent(share) if seen else "",
                    "range": f"{low}{EN_DASH}{high}" if ranges and seen and low != high else "",
                    "name": lab,
                    "month": month_text(found["date"]),
                    "unit": f"share of compute from {cloud}",
                    "mean": found["mean"],
                    "q05": found["q05"],
                    "q95": found["q95"],
                }
            )
    return cells


def _shade(share: float) -> str:
    """Return the colour of a share: from almost white to the market's blue."""
    white, full = (246, 248, 250), (52, 80, 107)
    part = min(max(share, 0.0), 1.0) ** 0.8
    mixed = (round(a + (b - a) * part) for a, b in zip(white, full, strict=True))
    return "#" + "".join(f"{channel:02X}" for channel in mixed)


def _strongest(rows: pl.DataFrame) -> tuple[str, str, float]:
    found = (
        rows.group_by("name", "other")
        .agg(pl.col("value").median())
        .sort("value", "name", "other", descending=[True, False, False])
    )
    return found.row(0)


def _title(rows: pl.DataFrame) -> str:
    alone = (
        rows.group_by("name", "other")
        .agg(pl.col("value").median())
        .filter(pl.col("value") > 0.5)["name"]
        .n_unique()
    )
    labs = rows["name"].n_unique()
    when = month_text(rows["date"][0])
    return f"{alone} of {labs} labs get more than half of their compute from one cloud in {when}"


def _words(rows: pl.DataFrame) -> str:
    lab, cloud, share = _strongest(rows)
    when = month_text(rows["date"][0])
    return f"{_title(rows)}; the closest pair is {lab} with {cloud}, {percent(share)} in {when}"
