"""Pictures of a study: who delivers compute, on whom a lab depends, at what price.

Every function takes the long table of trajectories and returns an Altair chart that carries its own
text alternative; `save` writes it as PNG, SVG and a page that needs no network.
"""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import altair as alt
import polars as pl

from offtake.experiments import look
from offtake.experiments.look import Tone
from offtake.experiments.page import save

__all__ = ["company_tones", "dependence", "fan", "market_shares", "overview", "save", "spread"]

type Marks = Sequence[tuple[date, str]]
type Months = tuple[date, date]
type View = alt.LayerChart | alt.VConcatChart

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
FEWEST_RUNS_FOR_BANDS = 5
SINGLE_RUNS_SHOWN = 10
LEAST_SHARE = 0.005  # a cloud that never averages half a per cent gets no panel
GUIDELINE_HHI = (1_000.0, 1_800.0)  # US Merger Guidelines of 2023: moderately, highly concentrated
HHI_OF_MONOPOLY = 10_000.0
MW_TO_GW = 1e-3
MOST_EVENTS_IN_A_COLUMN = 3
MOST_POINTS = 5_000  # Altair refuses longer tables
MOST_IN_WORDS = 2  # fans told in a sheet's sentence, lest it becomes a paragraph
SIGNIFICANT_DIGITS = 4
EN_DASH = "\u2013"

AXIS_PX = 42
STACK_LABEL_PX = 168
STACK_HEIGHT_PX = 330
END_LABEL_PX = 60
PANEL_HEIGHT_PX = 120
COLUMNS = 3
LABEL_GAP_PX = 15
RANGE_GAP_PX = 13
BADGE_PX = 15
YEAR_LABEL_PX = 31
MONTH_LABEL_PX = 70
Y_TICKS = 4
MOST_MONTHS_ON_AXIS = 24
EVEN_STEPS = (1, 2, 3, 6, 12)  # of years or months between ticks
LEADER_PX = 9
DASHED = {"strokeDash": [3, 3], "strokeWidth": 0.8, "opacity": 0.6}


# --- how a quantity is written --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How one observable is named and written on a chart."""

    heading: str
    unit: str
    write: Callable[[float], str]
    ticks: str
    factor: float = 1.0
    is_share: bool = False
    guides: tuple[float, ...] = ()
    suffix: str = ""

    def say(self, value: float) -> str:
        """Return the value as a sentence would have it."""
        return self.write(value) + self.suffix


def _percent(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 or value == 0 else "<1%"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _tenths(value: float) -> str:
    return f"{value:,.1f}"


def _dollars(value: float) -> str:
    return f"${value:,.2f}"


def _share(heading: str, unit: str) -> Measure:
    return Measure(heading=heading, unit=unit, write=_percent, ticks=".0%", is_share=True)


def _price(heading: str) -> Measure:
    unit = "USD per H100-equivalent hour"
    return Measure(heading=heading, unit=unit, write=_dollars, ticks="$.2~f")


def _stranded(heading: str) -> Measure:
    return Measure(heading=heading, unit="MW", write=_whole, ticks=",.0f", suffix=" MW")


MEASURES = {
    "share_compute": _share("Delivered compute", "share of all delivered compute (H100e)"),
    "share_contracted": _share("Contracted compute", "share of all contracted compute (H100e)"),
    "share_labs": _share("Compute in use", "share of all delivered compute (H100e)"),
    "dependence": _share("Dependence", "share of the lab's delivered compute (H100e)"),
    "price_contract": _price("Contract price"),
    "price_spot": _price("Spot price"),
    "hhi_compute": Measure(
        heading="Concentration (HHI)",
        unit="0 to 10,000; dotted: 1,000 and 1,800",
        write=_whole,
        ticks=",.0f",
        guides=GUIDELINE_HHI,
    ),
    "energised_mw": Measure(
        heading="Energised capacity",
        unit="GW",
        write=_tenths,
        ticks=",.3~f",
        factor=MW_TO_GW,
        suffix=" GW",
    ),
    "stranded_idle_mw": _stranded("Idle: energised, uncommitted"),
    "stranded_dark_mw": _stranded("Dark: paid for, unused"),
    "stranded_orphan_mw": _stranded("Orphan: without chips or tenant"),
}
STRANDED = ("stranded_idle_mw", "stranded_dark_mw", "stranded_orphan_mw")


# --- from trajectories to numbers -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """One quantity month by month: how it spreads over the runs, and some single runs."""

    name: str
    spread: pl.DataFrame
    singles: pl.DataFrame
    runs: int
    months: Months
    tone: Tone
    measure: Measure

    @property
    def has_bands(self) -> bool:
        """Whether there are enough runs to speak of their middle half."""
        return self.runs >= FEWEST_RUNS_FOR_BANDS

    @property
    def top(self) -> float:
        """Return the highest value drawn."""
        upper = "q95" if self.has_bands else "median"
        highest = [*self.spread[upper].to_list(), *self.singles["value"].to_list()]
        return max(highest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One cloud's strip in the stack, from the largest at the bottom to the others on top."""

    name: str
    tone: Tone
    dates: list[date]
    means: list[float]
    lower: list[float]


def spread(values: pl.DataFrame) -> pl.DataFrame:
    """Summarise the runs of each month: quantiles and mean of `value` by `date`.

    Sums are exactly rounded, so the same runs give the same numbers in any order of rows.
    """
    months = values.sort("date", "value").group_by("date", maintain_order=True)
    quantiles = [pl.col("value").quantile(q, "linear").alias(n) for n, q in QUANTILES.items()]
    summary = months.agg(*quantiles, pl.col("value"))
    means = [math.fsum(runs) / len(runs) for runs in summary["value"].to_list()]
    return summary.drop("value").with_columns(mean=pl.Series(means, dtype=pl.Float64))


def company_tones(
    trajectories: pl.DataFrame, *, fixed: Mapping[str, Tone] | None = None
) -> dict[str, Tone]:
    """Colour the clouds that matter most over the whole time, by their size in the first month."""
    means = _means(_by(_rows(trajectories, "share_compute"), "name"))
    first = {name: means[name][0] for name in means}
    named = sorted(_largest(means), key=lambda name: (-first[name], name))
    return look.colours(named, fixed=fixed)


def _rows(trajectories: pl.DataFrame, observable: str, name: str | None = None) -> pl.DataFrame:
    """Return the finite rows of one observable (of one name), sorted by their keys."""
    scenarios = trajectories["scenario"].unique().sort().to_list()
    if len(scenarios) > 1:
        raise ValueError(f"a chart shows one scenario at a time; given {', '.join(scenarios)}")
    rows = trajectories.filter(pl.col("observable") == observable, pl.col("value").is_finite())
    if name is not None:
        _refuse_unknown(name, rows, observable)
        rows = rows.filter(pl.col("name") == name)
    if rows.is_empty():
        known = ", ".join(trajectories["observable"].unique().sort().to_list())
        raise ValueError(f"no values of {observable!r} to draw; the trajectories hold {known}")
    return rows.sort("name", "other", "month", "seed")


def _refuse_unknown(name: str, rows: pl.DataFrame, observable: str) -> None:
    known = rows["name"].unique().sort().to_list()
    if name not in known:
        raise ValueError(f"{name!r} has no {observable!r}; those who do: {', '.join(known)}")


def _by(rows: pl.DataFrame, key: str) -> dict[str, pl.DataFrame]:
    return {str(who): part for (who,), part in rows.group_by(key, maintain_order=True)}


def _means(groups: Mapping[str, pl.DataFrame]) -> dict[str, list[float]]:
    return {
        who: spread(part.select("date", "value"))["mean"].to_list() for who, part in groups.items()
    }


def _largest(means: Mapping[str, list[float]]) -> list[str]:
    """Return the names with the largest average over time, largest first, no more than colours."""
    totals = {name: math.fsum(values) for name, values in means.items()}
    ranked = sorted((name for name in totals if totals[name] > 0), key=lambda n: (-totals[n], n))
    return ranked[: look.MOST_NAMED]


def _stack(trajectories: pl.DataFrame, tones: Mapping[str, Tone]) -> list[Layer]:
    """Pile up the mean shares: the coloured clouds by first size, then everybody else in grey."""
    rows = _rows(trajectories, "share_compute")
    dates = rows["date"].unique().sort().to_list()
    means = _means(_by(rows, "name"))
    named = [name for name in tones if name in means and tones[name] != look.QUIET]
    rest = [name for name in means if name not in named and max(means[name]) > 0]
    piled = {name: (tones[name], means[name]) for name in named}
    if rest:
        sums = [math.fsum(month) for month in zip(*(means[n] for n in rest), strict=True)]
        piled[rest[0] if len(rest) == 1 else f"{len(rest)} others"] = (look.QUIET, sums)
    layers: list[Layer] = []
    lower = [0.0] * len(dates)
    for name, (tone, values) in piled.items():
        layers.append(Layer(name=name, tone=tone, dates=dates, means=values, lower=lower))
        lower = [low + mean for low, mean in zip(lower, values, strict=True)]
    return layers


def _fans(
    trajectories: pl.DataFrame,
    observable: str,
    name: str | None = None,
    *,
    tones: Mapping[str, Tone] | None = None,
) -> list[Fan]:
    """Return a fan for each of the largest names (or of the others of one name), largest first."""
    rows = _rows(trajectories, observable, name)
    measure = _measure(rows)
    groups = _by(rows, "name" if name is None else "other")
    if list(groups) == [""]:
        return [_fan(measure.heading, rows, look.MARKET, measure, _horizon(trajectories))]
    means = _means(groups)
    shown = _largest(means) or list(groups)[:1]
    if measure.is_share:
        shown = [who for who in shown if max(means[who]) >= LEAST_SHARE] or shown[:1]
    colours = look.colours(shown, fixed=_coloured(trajectories, tones))
    horizon = _horizon(trajectories)
    return [_fan(who, groups[who], colours[who], measure, horizon) for who in shown]


def _horizon(trajectories: pl.DataFrame) -> Months:
    dates = trajectories["date"].unique().sort().to_list()
    return dates[0], dates[-1]


def _left_out(fans: list[Fan], trajectories: pl.DataFrame, lab: str | None) -> int:
    """Count the clouds that supply something and have no panel."""
    rows = _rows(trajectories, *_share_of(lab)).filter(pl.col("value") > 0)
    suppliers = rows["name" if lab is None else "other"].unique().to_list()
    return len(set(suppliers) - {one.name for one in fans})


def _total(trajectories: pl.DataFrame, observable: str) -> Fan:
    """Return the fan of a quantity added up over all names within each run."""
    rows = _rows(trajectories, observable)
    runs = rows.sort("seed", "date", "name").group_by("seed", "date", maintain_order=True)
    summed = runs.agg(pl.col("value"))
    totals = [math.fsum(values) for values in summed["value"].to_list()]
    measure = _measure(rows)
    rows = summed.with_columns(value=pl.Series(totals, dtype=pl.Float64))
    return _fan(measure.heading, rows, look.MARKET, measure, _horizon(trajectories))


def _fan(name: str, rows: pl.DataFrame, tone: Tone, measure: Measure, months: Months) -> Fan:
    values = rows.select("date", "seed", pl.col("value") * measure.factor)
    seeds = values["seed"].unique().sort().to_list()
    months_drawn = values["date"].n_unique()
    shown = max(min(SINGLE_RUNS_SHOWN, len(seeds), MOST_POINTS // months_drawn), 1)
    evenly = [seeds[at * len(seeds) // shown] for at in range(shown)]
    return Fan(
        name=name,
        spread=spread(values),
        singles=values.filter(pl.col("seed").is_in(evenly)).sort("seed", "date"),
        runs=len(seeds),
        months=months,
        tone=tone,
        measure=measure,
    )


def _measure(rows: pl.DataFrame) -> Measure:
    """Return how an observable is written; an unknown one goes by its own name and unit."""
    observable = rows["observable"][0]
    if observable not in MEASURES:
        heading = observable.replace("_", " ").capitalize()
        unit = rows["unit"][0].replace("_", " ")
        return Measure(heading=heading, unit=unit, write=_plain, ticks=",.3~f")
    known = MEASURES[observable]
    is_sum_of_squares = observable == "hhi_compute" and max(rows["value"].to_list()) <= 1.0
    return replace(known, factor=HHI_OF_MONOPOLY) if is_sum_of_squares else known


def _coloured(trajectories: pl.DataFrame, tones: Mapping[str, Tone] | None) -> Mapping[str, Tone]:
    """Return the tones given, else those of the clouds in these trajectories."""
    if tones is not None:
        return tones
    has_shares = "share_compute" in trajectories["observable"].unique().to_list()
    return company_tones(trajectories) if has_shares else {}


# --- the charts -----------------------------------------------------------------------------------


def market_shares(
    trajectories: pl.DataFrame,
    marks: Marks = (),
    *,
    lab: str | None = None,
    title: str | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> alt.VConcatChart:
    """Draw who delivers the compute: mean shares stacked, then a fan for each main cloud.

    With `lab`, the fans show on whom that lab depends instead.
    """
    tones = _coloured(trajectories, tones)
    stack = _stack(trajectories, tones)
    fans = _fans(trajectories, *_share_of(lab), tones=tones)
    return _sheet(
        [_stack_part(stack, fans, marks), _suppliers_part(fans, marks, trajectories, lab)],
        fans=fans,
        marks=marks,
        title=title or _stack_title(stack),
        scenario=trajectories["scenario"][0],
        words=[_stack_words(stack, fans), _suppliers_words(fans, lab)],
    )


def dependence(
    trajectories: pl.DataFrame,
    marks: Marks,
    lab: str,
    *,
    title: str | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> alt.VConcatChart:
    """Draw on whom a lab depends: the share of its compute from each main cloud, as fans."""
    fans = _fans(trajectories, *_share_of(lab), tones=tones)
    return _sheet(
        [_suppliers_part(fans, marks, trajectories, lab)],
        fans=fans,
        marks=marks,
        title=title or _dependence_title(lab, fans),
        scenario=trajectories["scenario"][0],
        words=[f"Dependence of {lab}: {_fans_words(fans)}"],
    )


def fan(
    trajectories: pl.DataFrame,
    observable: str,
    marks: Marks = (),
    *,
    name: str | None = None,
    title: str | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> alt.VConcatChart:
    """Draw one observable over time as fans: one panel, or one for each of the largest names."""
    fans = _fans(trajectories, observable, name, tones=tones)
    of_whom = f" of {name}" if name else ""
    heading = fans[0].measure.heading + of_whom
    return _sheet(
        [_fans_part(fans, marks, heading)],
        fans=fans,
        marks=marks,
        title=title or _fan_title(heading, fans),
        scenario=trajectories["scenario"][0],
        words=[_fans_words(fans) if fans[0].name == heading else f"{heading}: {_fans_words(fans)}"],
    )


def overview(
    trajectories: pl.DataFrame,
    marks: Marks = (),
    *,
    lab: str | None = None,
    title: str | None = None,
    tones: Mapping[str, Tone] | None = None,
) -> alt.VConcatChart:
    """Compose one sheet: shares, a lab's dependence, prices, concentration, stranded capacity."""
    tones = _coloured(trajectories, tones)
    stack = _stack(trajectories, tones)
    shares = _fans(trajectories, *_share_of(lab), tones=tones)
    drawable = trajectories.filter(pl.col("value").is_finite())
    present = drawable["observable"].unique().to_list()
    market = [
        panel
        for observable in ("price_contract", "price_spot", "hhi_compute")
        if observable in present
        for panel in _fans(trajectories, observable)
    ]
    stranded = [_total(trajectories, kind) for kind in STRANDED if kind in present]
    parts = [_stack_part(stack, shares, marks), _suppliers_part(shares, marks, trajectories, lab)]
    if market:
        parts.append(_fans_part(market, marks, "Prices and concentration", own_scales=True))
    if stranded:
        parts.append(_fans_part(stranded, marks, "Stranded capacity of all clouds"))
    return _sheet(
        parts,
        fans=shares,
        marks=marks,
        title=title or _stack_title(stack),
        scenario=trajectories["scenario"][0],
        words=[
            _stack_words(stack, shares),
            _suppliers_words(shares, lab),
            *([_fans_words(market)] if market else []),
        ],
    )


def _share_of(lab: str | None) -> tuple[str, str | None]:
    """Return the observable (and whose) that tells shares by cloud: of the market or of a lab."""
    return ("share_compute", None) if lab is None else ("dependence", lab)


# --- words ----------------------------------------------------------------------------------------


def _runs(number: int) -> str:
    return "one run" if number == 1 else f"{number:,} runs"


def _month(when: date) -> str:
    return f"{when:%b %Y}"


def _stack_title(stack: list[Layer]) -> str:
    last = max((layer for layer in stack if layer.tone != look.QUIET), key=lambda x: x.means[-1])
    return (
        f"{last.name} delivers {_percent(last.means[-1])} of all compute in "
        f"{_month(last.dates[-1])}, after {_percent(last.means[0])} in {_month(last.dates[0])}"
    )


def _dependence_title(lab: str, fans: list[Fan]) -> str:
    main = max(fans, key=lambda one: one.spread["median"][0])
    first, last = main.spread.row(0, named=True), main.spread.row(-1, named=True)
    return (
        f"{lab} gets {_percent(last['median'])} of its compute from {main.name} in "
        f"{_month(last['date'])}, after {_percent(first['median'])} in {_month(first['date'])}"
    )


def _fan_title(heading: str, fans: Sequence[Fan]) -> str:
    first, last = _span(fans)
    lead = max(fans, key=lambda one: one.spread["median"][-1])
    medians = [lead.measure.say(value) for value in lead.spread["median"].to_list()]
    whose = "" if len(fans) == 1 else f" of {lead.name}"
    return f"{heading}{whose}: {medians[0]} in {_month(first)}, {medians[-1]} in {_month(last)}"


def _fans_heading(lab: str | None) -> str:
    return "Share of each main cloud" if lab is None else f"Who supplies {lab}"


def _stack_words(stack: list[Layer], fans: list[Fan]) -> str:
    ends = ", ".join(f"{layer.name} {_percent(layer.means[-1])}" for layer in stack)
    when = _month(stack[0].dates[-1])
    return f"Mean shares of delivered compute in {when} over {_runs(fans[0].runs)}: {ends}"


def _suppliers_words(fans: list[Fan], lab: str | None) -> str:
    return f"{_fans_heading(lab)}: {_fans_words(fans[:MOST_IN_WORDS])}"


def _fans_words(fans: Sequence[Fan]) -> str:
    first, last = _span(fans)
    statistic = "" if fans[0].runs == 1 else f" (medians of {_runs(fans[0].runs)})"
    each = ", ".join(_fan_words(one) for one in fans)
    return f"{each} from {_month(first)} to {_month(last)}{statistic}"


def _fan_words(one: Fan) -> str:
    medians = one.spread["median"].to_list()
    among = f" ({_range(one)} in 90% of runs)" if one.has_bands else ""
    start, end = one.measure.say(medians[0]), one.measure.say(medians[-1])
    return f"{one.name} {start} to {end}{among}"


def _range(one: Fan) -> str:
    last = one.spread.row(-1, named=True)
    low, high = one.measure.write(last["q05"]), one.measure.write(last["q95"])
    return (
        f"{low.removesuffix('%') if high.endswith('%') else low}{EN_DASH}{high.removeprefix('$')}"
    )


def _how_to_read(fans: list[Fan]) -> str:
    one = fans[0]
    if one.runs == 1:
        return "One run: no ranges"
    if not one.has_bands:
        return f"Line: median of {_runs(one.runs)}; grey: each run (too few for bands)"
    return (
        f"Line: median of {_runs(one.runs)}; bands: the middle 50% and 90% of runs; "
        f"grey: {min(SINGLE_RUNS_SHOWN, one.runs)} single runs"
    )


# --- parts of a sheet -----------------------------------------------------------------------------


def _sheet(
    parts: Sequence[View],
    *,
    fans: list[Fan],
    marks: Marks,
    title: str,
    scenario: str,
    words: list[str],
) -> alt.VConcatChart:
    """Put parts under one another, the list of events last, and dress them."""
    events = _events(marks, fans[0].months)
    views = [*parts, _event_list(events)] if events else parts
    runs = _runs(fans[0].runs)
    subtitle = f"Scenario {scenario} in {runs}: conditional on its assumptions, not a forecast"
    return alt.vconcat(
        *views,
        title=alt.TitleParams(_wrapped(title, 92), subtitle=subtitle),
        description="; ".join(words) + ".",
        spacing=22,
    ).configure(**look.theme())


def _span(fans: Sequence[Fan]) -> Months:
    dates = [when for one in fans for when in one.spread["date"].to_list()]
    return min(dates), max(dates)


def _wrapped(text: str, characters: int) -> list[str]:
    return textwrap.wrap(text, characters)


def _heading(text: str, subtitle: str) -> alt.TitleParams:
    return alt.TitleParams(text, subtitle=subtitle, fontSize=13, offset=8)


def _stack_part(stack: list[Layer], fans: list[Fan], marks: Marks) -> alt.VConcatChart:
    months = fans[0].months
    statistic = "One run" if fans[0].runs == 1 else f"Mean of {_runs(fans[0].runs)}"
    heading = _heading(
        "Who delivers the compute",
        f"{statistic}, {MEASURES['share_compute'].unit}; labels: {_month(months[1])}",
    )
    return alt.vconcat(_stack_view(stack, _events(marks, months), months), title=heading)


def _suppliers_part(
    fans: list[Fan], marks: Marks, trajectories: pl.DataFrame, lab: str | None
) -> alt.VConcatChart:
    left_out = _left_out(fans, trajectories, lab)
    note = f"; {left_out} smaller not shown" if left_out else ""
    return _fans_part(fans, marks, _fans_heading(lab), note=note)


def _fans_part(
    fans: list[Fan], marks: Marks, heading: str, *, own_scales: bool = False, note: str = ""
) -> alt.VConcatChart:
    """Lay fans out in rows, on one scale unless they measure different things."""
    events = _events(marks, fans[0].months)
    columns = min(COLUMNS, len(fans))
    inner = look.SHEET_PX - 2 * look.PADDING_PX
    width = inner // columns - AXIS_PX - END_LABEL_PX
    height = PANEL_HEIGHT_PX if columns > 1 else 2 * PANEL_HEIGHT_PX
    common = max(one.top for one in fans)
    views = [
        _panel(
            one,
            size=(width, height),
            top=one.top if own_scales else common,
            events=events,
            numbered=at < columns,
            heading=_panel_heading(one, heading, with_unit=own_scales),
        )
        for at, one in enumerate(fans)
    ]
    rows = [views[at : at + columns] for at in range(0, len(views), columns)]
    grid = [alt.hconcat(*row, spacing=AXIS_PX + END_LABEL_PX, bounds="flush") for row in rows]
    unit = fans[0].measure.unit
    lead = "" if own_scales else f"{unit[0].upper()}{unit[1:]}. "
    title = _heading(heading, lead + _how_to_read(fans) + note)
    return alt.vconcat(*grid, title=title, spacing=12)


# --- marks ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A dated event of the scenario with its number on the charts."""

    number: int
    when: date
    text: str
    at: float


def _events(marks: Marks, months: Months) -> list[Event]:
    """Return the dated events within the months shown, numbered in order."""
    first, last = months
    inside = sorted(
        (when, text)
        for when, text in marks
        if first <= when and (when.year, when.month) <= (last.year, last.month)
    )
    return [
        Event(number=n, when=when, text=text, at=min(_at(when, months), 1.0))
        for n, (when, text) in enumerate(inside, start=1)
    ]


def _at(when: date, months: Months) -> float:
    """Return where a date lies on the time axis, from 0 (first month) to 1 (last).

    Plain numbers, because no time zone moves them and because Vega writes the domain of a time
    scale as an expression that its interpreter, which pages without `eval` need, cannot read.
    """
    first, last = months
    return (when - first).days / max((last - first).days, 1)


def _table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return what a mark draws; a frame, because Altair copies and checks lists value by value."""
    return pl.DataFrame([{key: _rounded(row[key]) for key in row} for row in rows])


def _rounded(value: object) -> object:
    """Round numbers to the digits a reader can use."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value


def _placed(frame: pl.DataFrame, months: Months) -> list[dict[str, Any]]:
    """Return rows with their place on the time axis instead of their date."""
    places = [_at(when, months) for when in frame["date"].to_list()]
    return frame.drop("date").with_columns(at=pl.Series(places, dtype=pl.Float64)).to_dicts()


def _time_axis(months: Months, width: int) -> alt.X:
    ticks = _ticks(months, width)
    words = "".join(f"datum.value < {at + 1e-6} ? '{text}' : " for at, text in ticks) + "''"
    axis = alt.Axis(
        values=[at for at, _ in ticks],
        labelExpr=words,
        tickCount=len(ticks),
        labelFlush=False,
        labelOverlap=False,
    )
    return alt.X("at:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=axis)


def _ticks(months: Months, width: int) -> list[tuple[float, str]]:
    """Return places and words of the time axis: years, or months where there are few."""
    first, last = months
    count = (last.year - first.year) * 12 + last.month - first.month
    starts = [first.year * 12 + first.month - 1 + n for n in range(count + 1)]
    in_years = count > MOST_MONTHS_ON_AXIS
    if in_years:
        starts = [n for n in starts if n % 12 == 0]
    room = max(width // (YEAR_LABEL_PX if in_years else MONTH_LABEL_PX), 1)
    fewest = math.ceil(len(starts) / room)
    step = next((step for step in EVEN_STEPS if step >= fewest), fewest)
    dates = [date(n // 12, n % 12 + 1, 1) for n in starts[::step]]
    return [(_at(when, months), str(when.year) if in_years else _month(when)) for when in dates]


def _value_axis(field: str, top: float, measure: Measure) -> alt.Y:
    """Return an axis from zero; published thresholds are its ticks where there are any."""
    values = [0.0, *measure.guides, top] if measure.guides else alt.Undefined
    axis = alt.Axis(
        format=measure.ticks, values=values, tickCount=Y_TICKS, minExtent=AXIS_PX, maxExtent=AXIS_PX
    )
    return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=axis)


def _ceiling(value: float, *, is_share: bool = False) -> float:
    """Return the next round number for the end of an axis."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
    ceiling = next(step * power for step in steps if step * power >= value * (1 - 1e-9))
    return min(ceiling, 1.0) if is_share else ceiling


def _apart(places: list[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted label places at least a gap apart, and each as little as that allows.

    Crowded neighbours are pooled and spread around their common middle.
    """
    pools: list[tuple[float, int]] = []  # sum of places less their steps, how many
    for step, place in enumerate(places):
        pools.append((place - step * gap, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            (one, few), (other, more) = pools.pop(), pools.pop()
            pools.append((one + other, few + more))
    middles = [total / count for total, count in pools for _ in range(count)]
    highest = max(high - gap * (len(places) - 1), low)
    return [min(max(m, low), highest) + step * gap for step, m in enumerate(middles)]


def _word(text: str, x: float, y: float, colour: str, **style: Any) -> alt.Chart:
    """Write a text at a place given in pixels."""
    mark: dict[str, Any] = {"align": "left", "baseline": "middle", "fontSize": 12} | style
    return (
        alt.Chart(_table([{"text": text}]))
        .mark_text(color=colour, **mark)
        .encode(x=alt.value(x), y=alt.value(y), text="text:N")
    )


def _stack_view(stack: list[Layer], events: list[Event], months: Months) -> alt.LayerChart:
    width = look.SHEET_PX - 2 * look.PADDING_PX - AXIS_PX - STACK_LABEL_PX
    size = (width, STACK_HEIGHT_PX)
    rows = [
        {
            "name": layer.name,
            "at": _at(when, months),
            "month": _month(when),
            "lower": low,
            "upper": min(low + mean, 1.0),
            "unit": MEASURES["share_compute"].unit,
            "mean": mean,
        }
        for layer in stack
        for when, mean, low in zip(layer.dates, layer.means, layer.lower, strict=True)
    ]
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(
            domain=[layer.name for layer in stack], range=[layer.tone.fill for layer in stack]
        ),
        legend=None,
    )
    areas = (
        alt.Chart(_table(rows))
        .mark_area(line={"stroke": look.PAPER, "strokeWidth": 0.8}, opacity=0.92, aria=False)
        .encode(
            x=_time_axis(months, width),
            y=_value_axis("upper", 1.0, MEASURES["share_compute"]),
            y2="lower:Q",
            color=colour,
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("month:N"), alt.Tooltip("mean:Q")],
        )
    )
    layers = [areas, *_event_rules(events, size), *_stack_labels(stack, width)]
    return alt.LayerChart(layer=layers, width=width, height=STACK_HEIGHT_PX)


def _stack_labels(stack: list[Layer], width: int) -> list[alt.Chart]:
    """Name the strips at their right end, with a short line to each from its middle."""
    downwards = stack[::-1]
    middles = [STACK_HEIGHT_PX * (1 - x.lower[-1] - x.means[-1] / 2) for x in downwards]
    places = _apart(middles, LABEL_GAP_PX, 0, STACK_HEIGHT_PX)
    labels = []
    for layer, middle, place in zip(downwards, middles, places, strict=True):
        text = f"{_percent(layer.means[-1])} {layer.name}"
        labels.append(_leader(width + 3, middle, width + 14, place, layer.tone.fill))
        style = {"fontWeight": "bold", "limit": STACK_LABEL_PX - 18}
        labels.append(_word(text, width + 18, place, layer.tone.text, **style))
    return labels


def _leader(x: float, y: float, x2: float, y2: float, colour: str, **style: Any) -> alt.Chart:
    """Draw a straight line between two places given in pixels."""
    return (
        alt.Chart(_table([{"mark": "line"}]))
        .mark_rule(color=colour, aria=False, **style)
        .encode(x=alt.value(x), y=alt.value(y), x2=alt.value(x2), y2=alt.value(y2))
    )


def _panel(
    one: Fan,
    *,
    size: tuple[int, int],
    top: float,
    events: list[Event],
    numbered: bool,
    heading: alt.TitleParams | None,
) -> alt.LayerChart:
    """Draw one fan: single runs below, bands, median line, the last value at its end."""
    measure = one.measure
    top = _ceiling(max(top, *measure.guides, 0.0), is_share=measure.is_share)
    time = _time_axis(one.months, size[0])
    layers = _event_rules(events, size, numbered=numbered)
    if one.runs > 1:
        layers.append(_single_runs(one, time, _value_axis("value", top, measure)))
    if one.has_bands:
        layers += _bands(one, time, _value_axis("low", top, measure))
    layers += [_guide(level, size, top) for level in measure.guides]
    layers.append(_median(one, time, _value_axis("median", top, measure)))
    layers += _end_labels(one, size, top)
    return alt.LayerChart(
        layer=layers,
        width=size[0],
        height=size[1],
        title=alt.Undefined if heading is None else heading,
    )


def _panel_heading(one: Fan, part_heading: str, *, with_unit: bool) -> alt.TitleParams | None:
    """Name a panel in its own colour, unless the part it stands in already says so."""
    if one.name == part_heading:
        return None
    unit = one.measure.unit if with_unit else alt.Undefined
    return alt.TitleParams(
        one.name, subtitle=unit, subtitleFontSize=10.5, color=one.tone.text, fontSize=12, offset=5
    )


def _single_runs(one: Fan, time: alt.X, value: alt.Y) -> alt.Chart:
    return (
        alt.Chart(_table(_placed(one.singles, one.months)))
        .mark_line(color=look.SINGLE_RUN, strokeWidth=0.7, opacity=0.6, aria=False)
        .encode(x=time, y=value, detail="seed:N")
    )


def _bands(one: Fan, time: alt.X, value: alt.Y) -> list[alt.Chart]:
    bands = []
    for low, high, opacity in (("q05", "q95", 0.16), ("q25", "q75", 0.34)):
        columns = one.spread.select("date", pl.col(low).alias("low"), pl.col(high).alias("high"))
        area = alt.Chart(_table(_placed(columns, one.months))).mark_area(
            color=one.tone.fill, opacity=opacity, aria=False
        )
        bands.append(area.encode(x=time, y=value, y2="high:Q"))
    return bands


def _median(one: Fan, time: alt.X, value: alt.Y) -> alt.Chart:
    columns = ["median", *(["q05", "q25", "q75", "q95", "mean"] if one.runs > 1 else [])]
    rows = _placed(one.spread.select("date", *columns), one.months)
    words = [_month(when) for when in one.spread["date"].to_list()]
    named = [
        {"name": one.name, "month": month, "unit": one.measure.unit} | row
        for month, row in zip(words, rows, strict=True)
    ]
    line = alt.Chart(_table(named)).mark_line(
        color=one.tone.fill,
        strokeWidth=2,
        description=_fan_words(one),
        point={"opacity": 0, "size": 60, "aria": False},
    )
    tooltip = [alt.Tooltip("name:N"), alt.Tooltip("month:N")]
    numbers = [alt.Tooltip(f"{column}:Q", format=one.measure.ticks) for column in columns]
    return line.encode(x=time, y=value, tooltip=[*tooltip, *numbers])


def _end_labels(one: Fan, size: tuple[int, int], top: float) -> list[alt.Chart]:
    """Write the last value, and the range of runs under it, to the right of the line."""
    width, height = size
    last = one.spread.row(-1, named=True)
    place = height * (1 - last["median"] / top)
    value = one.measure.write(last["median"])
    bold = {"fontWeight": "bold"}
    if not one.has_bands:
        return [_word(value, width + 5, place, one.tone.text, **bold)]
    upper = min(place, height - RANGE_GAP_PX)
    small = {"fontSize": 10}
    return [
        _word(value, width + 5, upper, one.tone.text, **bold),
        _word(_range(one), width + 5, upper + RANGE_GAP_PX, look.QUIET.text, **small),
    ]


def _guide(level: float, size: tuple[int, int], top: float) -> alt.Chart:
    """Draw a dotted line at a published threshold."""
    place = size[1] * (1 - level / top)
    return _leader(0, place, size[0], place, look.INK, strokeDash=[1, 3], strokeWidth=1.2)


def _event_rules(
    events: list[Event], size: tuple[int, int], *, numbered: bool = True
) -> list[alt.Chart]:
    """Draw a dashed rule for each dated event, and its number in a row above the plot."""
    if not events:
        return []
    width, height = size
    gap = min(BADGE_PX, width / len(events))
    places = _apart([event.at * width for event in events], gap, -BADGE_PX / 2, width)
    rows = [
        {
            "at": event.at,
            "badge": place / width,
            "number": str(event.number),
            "event": f"{_month(event.when)}: {event.text}",
        }
        for event, place in zip(events, places, strict=True)
    ]
    x, badge = alt.X("at:Q"), alt.X("badge:Q")  # on the scale of what they mark
    lines = alt.Chart(_table(rows)).mark_rule(color=look.INK, aria=False, **DASHED)
    rules = [lines.encode(x=x, y=alt.value(0), y2=alt.value(height))]
    if numbered:
        leader = lines.encode(x=x, x2="badge", y=alt.value(0), y2=alt.value(-LEADER_PX))
        rules += [leader, *_badges(rows, badge, alt.value(-LEADER_PX - BADGE_PX / 2))]
    return rules


def _badges(rows: list[dict[str, Any]], x: alt.X, y: Any) -> list[alt.Chart]:
    """Draw numbers in solid discs: these events come from outside the market."""
    discs = alt.Chart(_table(rows)).mark_point(
        shape="circle", filled=True, size=150, color=look.INK, opacity=1, aria=False
    )
    numbers = alt.Chart(_table(rows)).mark_text(color=look.PAPER, fontSize=9, aria=False)
    return [discs.encode(x=x, y=y, tooltip="event:N"), numbers.encode(x=x, y=y, text="number:N")]


def _event_list(events: list[Event]) -> alt.LayerChart:
    """List the numbered events in two columns under the charts."""
    inner = look.SHEET_PX - 2 * look.PADDING_PX
    columns = 2 if len(events) > MOST_EVENTS_IN_A_COLUMN else 1
    per_column = math.ceil(len(events) / columns)
    badges: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    deepest = 0.0
    for column in range(columns):
        x = column * inner / columns + BADGE_PX / 2 - AXIS_PX  # as far left as the titles
        y = look.LINE_PX / 2
        for event in events[column * per_column : (column + 1) * per_column]:
            badges.append(
                {
                    "x": x,
                    "y": y,
                    "number": str(event.number),
                    "event": f"{_month(event.when)}: {event.text}",
                }
            )
            characters = int(inner / columns / look.CHARACTER_PX) - 6
            for line in _wrapped(f"{_month(event.when)}: {event.text}", characters):
                lines.append({"x": x + BADGE_PX, "y": y, "text": line})
                y += look.LINE_PX
            y += 3
        deepest = max(deepest, y)
    x_px, y_px = alt.X("x:Q", scale=None, axis=None), alt.Y("y:Q", scale=None, axis=None)
    words = alt.Chart(_table(lines)).mark_text(
        align="left", baseline="middle", fontSize=11, color=look.INK
    )
    heading = alt.TitleParams("Dated events of the scenario", fontSize=13, offset=8)
    return alt.LayerChart(
        layer=[words.encode(x=x_px, y=y_px, text="text:N"), *_badges(badges, x_px, y_px)],
        width=inner - AXIS_PX,
        height=deepest,
        title=heading,
    )
