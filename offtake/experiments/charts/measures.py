"""How each quantity is named and written on charts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

GUIDELINE_HHI = (1_000.0, 1_800.0)  # US Merger Guidelines of 2023: moderately, highly concentrated
HHI_OF_MONOPOLY = 10_000.0


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


def percent(value: float) -> str:
    """Return a share as people write it; what is above zero never rounds to it."""
    return f"{value:.0%}" if value >= 0.01 or value == 0 else "<1%"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _tenths(value: float) -> str:
    return f"{value:,.1f}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _whole_dollars(value: float) -> str:
    return f"-${-value:.3g}" if value < 0 else f"${value:,.0f}" if value >= 100 else f"${value:.3g}"


def _dollars(value: float) -> str:
    return f"${value:,.2f}"


def _share(heading: str, unit: str) -> Measure:
    return Measure(heading=heading, unit=unit, write=percent, ticks=".0%", is_share=True)


def _price(heading: str) -> Measure:
    unit = "USD per H100-equivalent hour"
    return Measure(heading=heading, unit=unit, write=_dollars, ticks="$.2~f")


def _stranded(heading: str) -> Measure:
    return Measure(heading=heading, unit="MW", write=_whole, ticks=",.0f", suffix=" MW")


def _gigawatts(heading: str) -> Measure:
    return Measure(
        heading=heading,
        unit="GW of IT load",
        write=_tenths,
        ticks=",.3~f",
        factor=1e-3,
        suffix=" GW",
    )


def _compute(heading: str) -> Measure:
    unit = "million H100-equivalents"
    return Measure(
        heading=heading, unit=unit, write=_short, ticks=",.3~f", factor=1e-6, suffix=" m"
    )


def _billions(heading: str, unit: str = "USD bn") -> Measure:
    return Measure(
        heading=heading, unit=unit, write=_whole_dollars, ticks="$,.3~f", factor=1e-9, suffix=" bn"
    )


def _concentration(heading: str) -> Measure:
    return Measure(
        heading=heading,
        unit="0 to 10,000; dotted: 1,000 and 1,800",
        write=_whole,
        ticks=",.0f",
        guides=GUIDELINE_HHI,
    )


MEASURES = {
    "share_compute": _share("Delivered compute", "share of all delivered compute (H100e)"),
    "share_contracted": _share("Contracted compute", "share of all contracted compute (H100e)"),
    "share_labs": _share("Revenue of labs", "share of the revenue of all labs"),
    "dependence": _share("Dependence", "share of the lab's delivered compute (H100e)"),
    "price_contract": _price("Contract price"),
    "price_new": _price("Newly signed contracts"),
    "price_spot": _price("Spot price"),
    "owning_cost": _price("Cost of owning"),
    "price_vintage": _price("Contract price by generation"),
    "hhi_compute": _concentration("Concentration (HHI)"),
    "hhi_capacity": _concentration("Energised capacity (HHI)"),
    "hhi_labs": _concentration("Revenue of labs (HHI)"),
    "energised_mw": _gigawatts("Energised capacity"),
    "pipeline_mw": _gigawatts("Leased, building or waiting for chips"),
    "loi_mw": _gigawatts("Letters of intent"),
    "need_h100e": _compute("Need"),
    "delivered_h100e": _compute("Delivered"),
    "cash_usd": _billions("Cash"),
    "run_rate_usd": _billions("Revenue", "USD bn a year"),
    "runway_months": Measure(
        heading="Runway", unit="months; 120 stands for no end in sight", write=_whole, ticks=",.0f"
    ),
    "stranded_idle_mw": _stranded("Idle: energised, uncommitted"),
    "stranded_dark_mw": _stranded("Dark: paid for, unused"),
    "stranded_orphan_mw": _stranded("Orphan: with power, without chips"),
}
STRANDED = ("stranded_idle_mw", "stranded_dark_mw", "stranded_orphan_mw")


def measure_of(rows: pl.DataFrame) -> Measure:
    """Return how an observable is written; an unknown one goes by its own name and unit."""
    observable = rows["observable"][0]
    if observable not in MEASURES:
        heading = observable.replace("_", " ").capitalize()
        unit = rows["unit"][0].replace("_", " ")
        return Measure(heading=heading, unit=unit, write=_short, ticks=",.3~f")
    known = MEASURES[observable]
    is_sum_of_squares = observable.startswith("hhi_") and max(rows["value"].to_list()) <= 1.0
    return replace(known, factor=HHI_OF_MONOPOLY) if is_sum_of_squares else known
