"""The answer in five sentences, each with numbers from the tables, and how far to trust it."""

import math
from collections.abc import Sequence
from statistics import median

import polars as pl

from offtake.experiments.comparison import mean_and_margin
from offtake.experiments.results import Result
from offtake.experiments.summary import first_supplier, focal, over_runs

HHI_POINTS = 10_000
MW_PER_GW = 1_000
FEW_RUNS = 50


def answer(result: Result) -> list[str]:
    """Return five sentences: dependence, who replaces it, price, capacity and strain, concentration."""
    rows = result.trajectories
    lab = focal(result.scenario)
    cloud = first_supplier(result, lab)
    return [
        _dependence(rows, lab, cloud),
        _suppliers(rows, lab, cloud),
        _prices(rows),
        _capacity(rows),
        _market(rows, lab),
    ]


def _ends(rows: pl.DataFrame, observable: str, name: str = "", other: str = "") -> tuple[str, str]:
    """Return the first and the last month in which something has a value."""
    some = rows.filter(observable=observable, name=name, other=other).drop_nulls("value")
    dates = some["date"].unique().sort()
    return f"{dates[0]:%B %Y}", f"{dates[-1]:%B %Y}"


def _range(
    rows: pl.DataFrame, observable: str, name: str = "", other: str = "", *, first: bool = False
) -> tuple[float, float, float]:
    """Return median, 5 and 95 per cent of the runs in the last (or first) month with values."""
    some = rows.filter(observable=observable, name=name, other=other).drop_nulls("value")
    months = some["month"].to_numpy()
    if not len(months):
        return math.nan, math.nan, math.nan
    at = int(months.min() if first else months.max())
    row = over_runs(some.filter(month=at)).row(0, named=True)
    return row["median"], row["low"], row["high"]


def _dependence(rows: pl.DataFrame, lab: str, cloud: str) -> str:
    first, last = _ends(rows, "dependence", lab, cloud)
    before = _range(rows, "dependence", lab, cloud, first=True)[0]
    now, low, high = _range(rows, "dependence", lab, cloud)
    by_month = over_runs(rows.filter(observable="dependence", name=lab, other=cloud)).sort("month")
    at = by_month["median"].arg_min() or 0
    least, month = by_month["median"][at], by_month["month"][at]
    when = rows.filter(month=month)["date"][0]
    return (
        f"{lab} gets {now:.0%} of its compute from {cloud} in {last} (nine runs in ten: {low:.0%} to "
        f"{high:.0%}), after {before:.0%} in {first}; the median is lowest in {when:%B %Y}, at {least:.0%}."
    )


def _suppliers(rows: pl.DataFrame, lab: str, cloud: str) -> str:
    some = rows.filter(pl.col("other") != cloud, observable="dependence", name=lab)
    last = over_runs(some.filter(pl.col("month") == pl.col("month").max()))
    ranked = last.sort("median", "other", descending=[True, False]).head(2)
    told = " and ".join(
        f"{row['other']} with {row['median']:.0%} ({row['low']:.0%} to {row['high']:.0%})"
        for row in ranked.iter_rows(named=True)
        if row["median"] >= 0.005
    )
    if not told:
        return f"No other cloud supplies a noticeable part of what {lab} uses at the end."
    return f"Beside it, {lab} is then supplied mostly by {told}."


def _prices(rows: pl.DataFrame) -> str:
    first, last = _ends(rows, "price_contract")
    before = _range(rows, "price_contract", first=True)[0]
    now, low, high = _range(rows, "price_contract")
    spot, spot_low, spot_high = _range(rows, "price_spot")
    beside = (
        f"; spot costs ${spot:.2f} (${spot_low:.2f} to ${spot_high:.2f})"
        if not math.isnan(spot)
        else ""
    )
    return (
        f"An H100-equivalent hour costs ${now:.2f} on contract in {last} (${low:.2f} to ${high:.2f}), after "
        f"${before:.2f} in {first}{beside}."
    )


def _capacity(rows: pl.DataFrame) -> str:
    energised = _total(rows, "energised_mw") / MW_PER_GW
    need, met = _total(rows, "need_h100e"), _total(rows, "delivered_h100e")
    stranded = math.fsum(_total(rows, f"stranded_{kind}_mw") for kind in ("idle", "dark", "orphan"))
    return (
        f"The clouds then run {energised:.1f} GW and deliver {met / need:.0%} of what labs could use, while "
        f"{stranded:,.0f} MW stand idle, dark or without chips (medians)."
    )


def _total(rows: pl.DataFrame, observable: str) -> float:
    """Return the median over the runs of the last month's sum over all names."""
    some = rows.filter(observable=observable).drop_nulls("value")
    last = some.filter(pl.col("month") == pl.col("month").max()).sort("seed", "name")
    sums = [
        math.fsum(values)
        for values in last.group_by("seed", maintain_order=True)
        .agg(pl.col("value"))["value"]
        .to_list()
    ]
    return median(sums) if sums else 0.0


def _market(rows: pl.DataFrame, lab: str) -> str:
    hhi, low, high = (value * HHI_POINTS for value in _range(rows, "hhi_compute"))
    before = _range(rows, "hhi_compute", first=True)[0] * HHI_POINTS
    runway = rows.filter(observable="runway_months", name=lab)
    by_month = over_runs(runway).sort("month")
    at = by_month["median"].arg_min() or 0
    least = by_month["median"][at]
    when = rows.filter(month=by_month["month"][at])["date"][0]
    failed = rows.filter(observable="defaults").filter(pl.col("month") == pl.col("month").max())
    broke = failed.filter(pl.col("value") > 0)["seed"].n_unique()
    runs = rows["seed"].n_unique()
    return (
        f"Supply concentrates from {before:,.0f} to {hhi:,.0f} points on the Herfindahl scale ({low:,.0f} to "
        f"{high:,.0f}); {lab}'s cash covers least in {when:%B %Y}, {least:.0f} months in the median, and in "
        f"{broke} of {runs} runs somebody fails."
    )


def trust(result: Result, counts: dict[str, int] | None, total: int) -> list[str]:
    """Return what speaks for the numbers and what against, with numbers of its own."""
    lab = focal(result.scenario)
    cloud = first_supplier(result, lab)
    runs = len(result.seeds)
    rows = result.trajectories.filter(observable="dependence", name=lab, other=cloud)
    last = rows.filter(pl.col("month") == pl.col("month").max())["value"].to_list()
    _, margin = mean_and_margin(last)
    told = [
        "The numbers follow from the scenario's assumptions. They are not a forecast: nobody knows the "
        "probability that the assumptions hold."
    ]
    if runs == 1:
        told.append("There is one run: it shows how things can go, not how they usually go.")
    else:
        few = " Ranges of so few runs are rough." if runs < FEW_RUNS else ""
        told.append(
            f"{runs} runs draw chance anew; the mean dependence of {lab} on {cloud} is known to "
            f"{margin * 100:.1f} percentage points (95% interval) for these assumptions.{few}"
        )
    if counts is not None:
        told.append(
            f"Of {total} stated numbers, {counts['high']} carry high confidence, {counts['medium']} "
            f"medium and {counts['low']} low; {counts['judgement']} are judgement, not taken from a source."
        )
    checked = "were checked every month" if result.manifest["checks"] else "were not checked"
    failures = result.manifest["failures"]
    told.append(
        f"Money, capacity and contracts {checked} against the model's accounting rules; "
        + (f"{len(failures)} runs failed and are left out." if failures else "no run failed.")
    )
    told.append(
        "Information ends on "
        + result.manifest["scenario"]["cutoff"]
        + "; nothing later is known to the model."
    )
    return told


def sentences_text(lines: Sequence[str]) -> str:
    """Return sentences as one paragraph."""
    return " ".join(lines)
