"""The numbers of a result that people ask for first, and the text that tells them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import polars as pl

from offtake.experiments.results import Ensemble, Result
from offtake.experiments.text_chart import BAND, MEDIAN, band_chart
from offtake.model.observables import TABLE, load_observables
from offtake.model.scenario import Scenario

SCHEMA = "offtake.run/1"
QUANTILES = {"low": 0.05, "median": 0.50, "high": 0.95}
DIGITS = 9
SERIES = ["observable", "name", "other"]
BARS = "▁▂▃▄▅▆▇█"
BAR_COUNT = 9
WIDTH = 80
NAME_WIDTH = 24
ROWS_SHOWN = 6
LEAST_SHOWN = 0.01
CONTRACTS_SHOWN = 5
KW_PER_MW = 1_000
USD_PER_BILLION = 1e9
MARKET_ROWS = (
    ("price_contract", "contract $/H100e-h"),
    ("price_spot", "spot $/H100e-h"),
    ("hhi_compute", "concentration HHI"),
    ("energised_mw", "energised MW"),
    ("stranded_idle_mw", "stranded idle MW"),
    ("stranded_dark_mw", "stranded dark MW"),
    ("stranded_orphan_mw", "stranded orphan MW"),
)
MEGAWATT = "mw"
SHARE = "share"
HHI_POINTS = 10_000
CAUTION = "These numbers hold for this scenario; they are not a forecast."
FEW_RUNS = 50
FEWEST_MONTHS_DRAWN = 6

type Show = Callable[[float, float, float], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A quantity over the runs: its median, and the bounds of nine runs in ten."""

    median: float | None
    low: float | None
    high: float | None


type _Row = tuple[str, dict[int, Range], Show, str]


def focal(scenario: Scenario) -> str:
    """Return the lab with the most contracted capacity outside its own group."""
    bought = dict.fromkeys(sorted(scenario.labs), 0.0)
    for contract in scenario.contracts.values():
        if contract.lab in bought and not _related(scenario, contract.lab, contract.cloud):
            bought[contract.lab] += contract.capacity_mw
    return max(bought, key=lambda lab: (bought[lab], -sorted(bought).index(lab)))


def _related(scenario: Scenario, one: str, other: str) -> bool:
    return _group(scenario, one) == _group(scenario, other)


def _group(scenario: Scenario, name: str) -> str:
    """Return the head of the group a participant belongs to."""
    seen = {name}
    while (parent := _parent(scenario, name)) is not None and parent not in seen:
        seen.add(parent)
        name = parent
    return name


def _parent(scenario: Scenario, name: str) -> str | None:
    for kind in (scenario.labs, scenario.clouds, scenario.investors, scenario.landlords):
        if name in kind and kind[name].parent is not None:
            return kind[name].parent
    return None


def year_ends(trajectories: pl.DataFrame) -> dict[int, int]:
    """Return the last month of each year."""
    months = trajectories.select("month", year=pl.col("date").dt.year()).unique()
    return dict(months.group_by("year").agg(pl.col("month").max()).sort("year").iter_rows())


def years_shown(years: Iterable[int]) -> list[int]:
    """Return the first year, the one in the middle and the last.

    Examples
    --------
    >>> years_shown(range(2025, 2031))
    [2025, 2027, 2030]
    """
    known = sorted(years)
    middle = (known[0] + known[-1]) // 2
    return sorted({known[0], middle, known[-1]})


def over_runs(rows: pl.DataFrame) -> pl.DataFrame:
    """Return low, median and high over the runs, by series and month."""
    values = rows.with_columns(pl.col("value").fill_nan(None), *_unnamed(rows))
    columns = [pl.col("value").quantile(q, "linear").alias(name) for name, q in QUANTILES.items()]
    keys = [*SERIES, "unit", "month"]
    return values.group_by(keys).agg(*columns).sort(keys)


def _unnamed(rows: pl.DataFrame) -> list[pl.Expr]:
    """Return the name columns with nothing for null, so that they sort and compare."""
    return [pl.col(name).cast(pl.String).fill_null("") for name in ("name", "other")]


def first_supplier(result: Result, lab: str) -> str:
    """Return the cloud a lab depends on most in the first month, by the median over the runs."""
    rows = result.trajectories.filter(observable="dependence", name=lab)
    if rows.is_empty():
        return ""
    first = over_runs(rows.filter(pl.col("month") == pl.col("month").min()))
    ranked = first.sort("median", "other", descending=[True, False], nulls_last=True)
    return str(ranked["other"][0])


def median_seed(result: Result, lab: str) -> int:
    """Return the seed whose final dependence of a lab on its first supplier is the median."""
    supplier = first_supplier(result, lab)
    rows = result.trajectories.filter(observable="dependence", name=lab, other=supplier)
    if rows.is_empty():
        return result.seeds[(len(result.seeds) - 1) // 2]
    last = rows.filter(pl.col("month") == pl.col("month").max())
    ordered = last.with_columns(pl.col("value").fill_nan(None)).sort("value", "seed")
    return int(ordered["seed"][(ordered.height - 1) // 2])


def largest_contracts(result: Result, seed: int, count: int = CONTRACTS_SHOWN) -> pl.DataFrame:
    """Return the contracts of one run with the greatest value."""
    rows = result.contracts.filter(seed=seed)
    return rows.sort("value_usd", "contract", descending=[True, False]).head(count)


# --- one document for programs --------------------------------------------------------------------


def document(ensemble: Ensemble) -> dict[str, Any]:
    """Return the headline observables of the runs as one JSON document."""
    result = ensemble.result
    if result is None:
        raise ValueError("no run finished, so there is nothing to tell")
    manifest = result.manifest
    return {
        "schema": SCHEMA,
        **{key: manifest[key] for key in ("offtake", "scenario", "seeds", "months", "checks")},
        "failures": manifest["failures"],
        "versions": manifest["versions"],
        "focal": focal(result.scenario),
        "dates": _dates(result.trajectories),
        "series": _series(result.trajectories),
    }


def _dates(trajectories: pl.DataFrame) -> list[str]:
    months = trajectories.select("month", "date").unique().sort("month")
    return [str(date) for date in months["date"]]


def _headline(trajectories: pl.DataFrame) -> pl.DataFrame:
    load_observables()
    names = [observable.name for observable in TABLE if observable.headline]
    return trajectories.filter(pl.col("observable").is_in(names))


def _series(trajectories: pl.DataFrame) -> list[dict[str, Any]]:
    ends = year_ends(trajectories)
    summary = over_runs(_headline(trajectories))
    return [
        _one_series([str(cell) for cell in key], rows, ends)
        for key, rows in summary.group_by([*SERIES, "unit"], maintain_order=True)
    ]


def _one_series(key: list[str], rows: pl.DataFrame, ends: dict[int, int]) -> dict[str, Any]:
    by_month = {row["month"]: row for row in rows.iter_rows(named=True)}
    observable, name, other, unit = key
    return {
        "observable": observable,
        "name": name or None,
        "other": other or None,
        "unit": unit,
        "year_ends": [
            {"year": year, **{q: _short(by_month[month][q]) for q in QUANTILES}}
            for year, month in ends.items()
            if month in by_month
        ],
        "median": [_short(row["median"]) for row in by_month.values()],
    }


def _short(value: float | None) -> float | None:
    """Return a value at the precision that is the same on every machine."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


# --- a page for people ----------------------------------------------------------------------------


def text(ensemble: Ensemble) -> str:
    """Return the summary of the runs as text that fits a terminal."""
    result = ensemble.result
    if result is None:
        raise ValueError("no run finished, so there is nothing to tell")
    lab = focal(result.scenario)
    ends = year_ends(result.trajectories)
    page = _Page(
        ends=_headings(result.trajectories, [ends[year] for year in years_shown(ends)]),
        many=len(result.seeds) > 1,
    )
    blocks = (
        _title(result),
        page.shares(result, f"Who supplies {lab}? Share of its delivered compute", lab),
        _drawn(result, lab),
        page.shares(result, "Who delivers? Share of all delivered compute"),
        page.market(result),
        _contracts(result, lab),
        _caution(result),
    )
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _title(result: Result) -> list[str]:
    given = result.manifest["scenario"]
    return [
        *wrap(f"{given['name']}: {given['question']}", WIDTH),
        f"{_count(len(result.seeds), 'run')} x {_count(result.manifest['months'], 'month')} "
        f"from {given['start']}, information up to {given['cutoff']}",
    ]


def _drawn(result: Result, lab: str) -> list[str]:
    """Return the focal lab's dependence on its first supplier as a chart of characters."""
    cloud = first_supplier(result, lab)
    rows = result.trajectories.filter(observable="dependence", name=lab, other=cloud)
    if rows["month"].n_unique() < FEWEST_MONTHS_DRAWN:
        return []
    months = over_runs(rows).sort("month")
    dates = rows.select("month", "date").unique().sort("month")["date"].to_list()
    spreads = list(months.select("median", "low", "high").iter_rows())
    band = f": median {MEDIAN}, 5-95% of runs {BAND}" if len(result.seeds) > 1 else ""
    return [f"{lab} on {cloud}{band}", *band_chart(spreads, dates)]


def _headings(trajectories: pl.DataFrame, months: list[int]) -> dict[str, int]:
    rows = trajectories.filter(pl.col("month").is_in(months)).select("month", "date").unique()
    return {f"{date:%b %Y}": month for month, date in rows.sort("month").iter_rows()}


def _caution(result: Result) -> list[str]:
    runs = len(result.seeds)
    few = [f"{_count(runs, 'run')}: the ranges are rough."] if 1 < runs < FEW_RUNS else []
    return [CAUTION, *few]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """The columns of the summary: the months shown, and whether there is a range to show."""

    ends: dict[str, int]
    many: bool

    def shares(self, result: Result, heading: str, lab: str | None = None) -> list[str]:
        """Return a table of clouds, greatest last share first."""
        series = _shares(result, lab)
        if not series:
            return []
        ordered = sorted(series, key=lambda cloud: (-self._last(series[cloud]), cloud))
        kept = [cloud for cloud in ordered if self._peak(series[cloud]) >= LEAST_SHOWN]
        rows = [
            (cloud, series[cloud], _percents, sparkline(_medians(series[cloud]), top=1.0))
            for cloud in kept[:ROWS_SHOWN]
        ]
        left = len(ordered) - len(rows)
        return [*self._table(self._with_ranges(heading), rows), *self._others(left)]

    def market(self, result: Result) -> list[str]:
        """Return a table of the market-wide observables."""
        rows: list[_Row] = []
        for observable, label in MARKET_ROWS:
            some = _market_wide(result.trajectories.filter(observable=observable))
            for name, months in _by_month(over_runs(some), "name").items():
                bars = "" if self.many else sparkline(_medians(months))
                rows.append((f"{label} {name}".rstrip(), months, _numbers, bars))
        return self._table(self._with_ranges("The market"), rows) if rows else []

    def _table(self, heading: str, rows: list[_Row]) -> list[str]:
        cells = [
            [_cell(months.get(m), show) for m in self.ends.values()] for _, months, show, _ in rows
        ]
        wide = max(len(cell) for cell in (*self.ends, *(c for line in cells for c in line))) + 1
        bars_wide = max((len(bars) + 2 for *_, bars in rows if bars), default=0)
        name_wide = min(NAME_WIDTH, WIDTH - 2 - wide * len(self.ends) - bars_wide)
        lines = [heading, "  " + " " * name_wide + "".join(f"{end:>{wide}}" for end in self.ends)]
        for (label, _, _, bars), line in zip(rows, cells, strict=True):
            shown = "".join(f"{cell:>{wide}}" for cell in line)
            lines.append(f"  {label[:name_wide]:<{name_wide}}{shown}  {bars}".rstrip())
        return lines

    def _with_ranges(self, heading: str) -> str:
        return f"{heading}: median [5-95% of runs]" if self.many else heading

    def _others(self, count: int) -> list[str]:
        return [f"  {_count(count, 'other')}"] if count else []

    def _last(self, months: dict[int, Range]) -> float:
        return _known(months.get(list(self.ends.values())[-1]))

    def _peak(self, months: dict[int, Range]) -> float:
        return max(_known(months.get(month)) for month in self.ends.values())


def _medians(months: dict[int, Range]) -> list[float | None]:
    return [months[month].median for month in sorted(months)]


def _cell(value: Range | None, show: Show) -> str:
    if value is None or value.median is None or value.low is None or value.high is None:
        return "-"
    return show(value.median, value.low, value.high)


def _percents(median: float, low: float, high: float) -> str:
    bounds = "" if low == high else f" [{low * 100:.0f}-{high * 100:.0f}]"
    return f"{median:.0%}{bounds}"


def _numbers(median: float, low: float, high: float) -> str:
    bounds = "" if low == high else f" [{number(low)}-{number(high)}]"
    return f"{number(median)}{bounds}"


def _known(value: Range | None) -> float:
    return 0.0 if value is None or value.median is None else value.median


def _shares(result: Result, lab: str | None) -> dict[str, dict[int, Range]]:
    if lab is None:
        rows = result.trajectories.filter(observable="share_compute")
        return _by_month(over_runs(rows), "name")
    rows = result.trajectories.filter(observable="dependence", name=lab)
    return _by_month(over_runs(rows), "other")


def _market_wide(rows: pl.DataFrame) -> pl.DataFrame:
    """Add up megawatts over the participants, and count concentration in points."""
    if rows["unit"].unique().to_list() == [MEGAWATT]:
        keys = ["seed", "month", "observable", "unit"]
        totals = rows.sort(*keys, "name").group_by(keys, maintain_order=True)
        return totals.agg(pl.col("value").sum()).with_columns(name=pl.lit(""), other=pl.lit(""))
    scale = pl.when(pl.col("unit") == SHARE).then(HHI_POINTS).otherwise(1)
    return rows.with_columns(value=pl.col("value") * scale)


def _by_month(summary: pl.DataFrame, key: str) -> dict[str, dict[int, Range]]:
    series: dict[str, dict[int, Range]] = {}
    for row in summary.sort("month").iter_rows(named=True):
        spread = Range(median=row["median"], low=row["low"], high=row["high"])
        series.setdefault(row[key], {})[row["month"]] = spread
    return series


def _contracts(result: Result, lab: str) -> list[str]:
    seed = median_seed(result, lab)
    rows = largest_contracts(result, seed)
    if rows.is_empty():
        return []
    which = f" of the median run (seed {seed})" if len(result.seeds) > 1 else ""
    return [f"Largest contracts{which}", *map(_contract, rows.iter_rows(named=True))]


def _contract(row: dict[str, Any]) -> str:
    parties = f"{row['buyer']} from {row['seller']}"
    return (
        f"  {parties:<34.34} {row['capacity_kw'] / KW_PER_MW:>6,.0f} MW  "
        f"{row['start']:%Y-%m} to {row['end']:%Y-%m}  "
        f"${row['value_usd'] / USD_PER_BILLION:>6.1f} bn"
    )


def number(value: float) -> str:
    """Return a number with about three digits.

    Examples
    --------
    >>> number(12_340.0), number(3120.4), number(12.34), number(2.345)
    ('12.3k', '3,120', '12.3', '2.35')
    """
    size = abs(value)
    if size >= 10_000:
        return f"{value / 1_000:,.0f}k" if size >= 100_000 else f"{value / 1_000:.1f}k"
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def sparkline(
    values: list[float | None], *, count: int = BAR_COUNT, top: float | None = None
) -> str:
    """Return a series as a few bars, from nothing to `top` or else its greatest value.

    Examples
    --------
    >>> sparkline([0.0, 1.0, 2.0, 4.0], count=4)
    '▁▃▅█'
    """
    if not values:
        return ""
    shown = min(count, len(values))
    last = len(values) - 1
    picked = [values[round(i * last / max(shown - 1, 1))] for i in range(shown)]
    if top is None:
        top = max((value for value in picked if value is not None), default=0.0)
    return "".join(_bar(value, top) for value in picked)


def _bar(value: float | None, top: float) -> str:
    if value is None:
        return " "
    height = min(max(value, 0.0) / top, 1.0) if top > 0 else 0.0
    return BARS[round(height * (len(BARS) - 1))]
