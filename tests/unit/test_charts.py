import math
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import altair as alt
import polars as pl
import pytest
import vl_convert

from offtake.experiments import charts, look, page
from offtake.experiments.charts import drawing, measures, ranges

MARKS = [(date(2025, 3, 10), "Five-year contract signed"), (date(2099, 1, 1), "Beyond the horizon")]
CLOUDS = [f"Cloud {letter}" for letter in "ABCDEFGHIJ"]
LISTED = "Mar 2025: Five-year contract signed"
LAB = "Aster"
MONTHS = 30
COLUMNS = ["scenario", "seed", "month", "date", "observable", "name", "other", "value", "unit"]


def trajectories(seeds: int = 20, months: int = MONTHS) -> pl.DataFrame:
    """Return made-up runs of ten clouds: cloud A shrinks, J enters late, all wobble."""
    rows = [
        ("made-up", seed, month, date(2025 + month // 12, month % 12 + 1, 1), *values)
        for seed in range(seeds)
        for month in range(months)
        for values in _month_rows(seed, month, months)
    ]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _month_rows(seed: int, month: int, months: int) -> list[tuple[str, str, str, float, str]]:
    weights = [(10 - at) * math.exp(0.3 * math.sin(seed * (at + 1) + month / 9)) for at in range(9)]
    weights[0] *= 1.5 - month / months
    weights.append(9.0 if month >= 3 else 0.0)
    shares = [weight / math.fsum(weights) for weight in weights]
    hhi = math.fsum(share * share for share in shares)
    price = 2.4 * math.exp(-0.01 * month + 0.2 * math.sin(seed + month / 6))
    rows = [("share_compute", c, "", s, "share") for c, s in zip(CLOUDS, shares, strict=True)]
    rows += [("dependence", LAB, c, s, "share") for c, s in zip(CLOUDS, shares, strict=True)]
    rows += [("energised_mw", c, "", 9_000 * s, "mw") for c, s in zip(CLOUDS, shares, strict=True)]
    rows += [(kind, c, "", 100.0, "mw") for kind in measures.STRANDED for c in CLOUDS]
    rows += [
        ("price_contract", "", "", price, "usd_per_h100e_hour"),
        ("price_spot", "", "", 0.9 * price, "usd_per_h100e_hour"),
        ("hhi_compute", "", "", hhi, "share"),
    ]
    return rows


@pytest.fixture(scope="module")
def runs() -> pl.DataFrame:
    return trajectories()


def datasets(chart: alt.VConcatChart) -> list[list[dict[str, object]]]:
    return list(chart.to_dict()["datasets"].values())


def texts(chart: alt.VConcatChart) -> list[str]:
    return [str(row["text"]) for rows in datasets(chart) for row in rows if "text" in row]


def panels(chart: alt.VConcatChart) -> list[list[dict[str, object]]]:
    return [rows for rows in datasets(chart) if "median" in rows[0]]


def test_bands_of_runs_are_nested_around_the_median(runs):
    prices = runs.filter(pl.col("observable") == "price_contract")
    columns = charts.spread(prices.select("date", "value")).select(*ranges.QUANTILES)
    assert all(list(row) == sorted(row) for row in columns.rows())


def test_spread_of_one_to_five_is_known_by_hand():
    values = pl.DataFrame({"date": [date(2025, 1, 1)] * 5, "value": [5.0, 1.0, 4.0, 2.0, 3.0]})
    row = charts.spread(values).row(0, named=True)
    assert (row["q25"], row["median"], row["q75"], row["mean"]) == (2.0, 3.0, 4.0, 3.0)


def test_spread_does_not_depend_on_the_order_of_rows(runs):
    shares = runs.filter(pl.col("observable") == "share_compute").select("date", "value")
    assert charts.spread(shares).equals(
        charts.spread(shares.sample(fraction=1, shuffle=True, seed=1))
    )


def test_mean_shares_stack_to_one_in_every_month(runs):
    stack = next(rows for rows in datasets(charts.market_shares(runs)) if "lower" in rows[0])
    totals: dict[object, float] = {}
    for row in stack:
        totals[row["month"]] = totals.get(row["month"], 0.0) + float(str(row["mean"]))
    assert len(totals) == MONTHS
    assert all(math.isclose(total, 1.0, abs_tol=1e-3) for total in totals.values())


def test_stack_names_six_clouds_and_counts_the_others(runs):
    labels = [text for text in texts(charts.market_shares(runs)) if re.match(r"<?\d+% ", text)]
    assert len(labels) == look.MOST_NAMED + 1
    assert any(label.endswith("4 others") for label in labels)


def test_a_late_entrant_is_named_and_coloured_after_the_incumbents(runs):
    assert list(charts.company_tones(runs))[-1] == "Cloud J"


def test_a_cloud_keeps_its_colour_in_every_chart(runs):
    tones = charts.company_tones(runs, fixed={"Cloud B": look.PALETTE[4]})
    rows = charts.dependence(runs, [], LAB, tones=tones).to_dict()["vconcat"][0]["vconcat"]
    titles = [panel["title"] for row in rows for panel in row["hconcat"]]
    assert {t["text"]: t["color"] for t in titles} == {n: tones[n].text for n in tones}


def test_text_colours_can_be_read_on_paper():
    tones = [*look.PALETTE, look.QUIET, look.MARKET]
    assert min(look.contrast(tone.text) for tone in tones) >= 4.5


def test_contrast_of_black_on_white_is_twenty_one():
    assert math.isclose(look.contrast("#000000", "#FFFFFF"), 21.0)


def test_the_seventh_name_is_grey():
    assert look.colours("abcdefg")["g"] == look.QUIET


def test_labels_move_apart_and_stay_on_the_chart():
    assert drawing.apart([50.0, 50.0], 10, 0, 100) == [45.0, 55.0]
    assert drawing.apart([98.0, 99.0], 10, 0, 100) == [90.0, 100.0]
    assert drawing.apart([10.0, 90.0], 10, 0, 100) == [10.0, 90.0]


def test_marks_are_numbered_and_listed_within_the_horizon(runs):
    chart = charts.dependence(runs, MARKS, LAB)
    badges = [row for rows in datasets(chart) for row in rows if "number" in row]
    assert {(row["number"], row["event"]) for row in badges} == {("1", LISTED)}
    assert LISTED in texts(chart)


def test_one_run_is_drawn_without_bands():
    chart = charts.overview(trajectories(seeds=1, months=6), MARKS, lab=LAB)
    assert not any("high" in rows[0] for rows in datasets(chart))
    assert "90% of runs" not in str(chart.to_dict())


def test_twenty_runs_are_drawn_with_bands_over_single_runs(runs):
    chart = charts.fan(runs, "price_spot")
    assert sum("high" in rows[0] for rows in datasets(chart)) == 2
    singles = next(rows for rows in datasets(chart) if "seed" in rows[0])
    assert len({row["seed"] for row in singles}) == ranges.SINGLE_RUNS_SHOWN


def test_concentration_is_drawn_on_ten_thousand_points_with_its_guides(runs):
    spec = charts.fan(runs, "hhi_compute").to_dict()
    assert "1800.0" in str(spec)
    drawn = [float(str(row["median"])) for row in panels(charts.fan(runs, "hhi_compute"))[0]]
    assert 1_000 < drawn[0] < 2_500


def test_stranded_capacity_is_added_over_clouds(runs):
    chart = charts.overview(runs)
    idle = next(rows for rows in panels(chart) if str(rows[0]["name"]).startswith("Idle"))
    assert idle[0]["median"] == 100.0 * len(CLOUDS)


def test_the_text_alternative_tells_numbers_from_the_data(runs):
    description = str(charts.dependence(runs, [], LAB).to_dict()["description"])
    assert description.startswith(f"Dependence of {LAB}: ")
    assert re.search(r"Cloud B \d+% to \d+% \(\d+.\d+% in 90% of runs\)", description)


def test_the_subtitle_says_mean_of_runs(runs):
    assert "Mean of 20 runs" in str(charts.market_shares(runs).to_dict())


def test_missing_months_leave_a_gap_and_no_error(runs):
    unpriced = (pl.col("observable") == "price_spot") & (pl.col("month") < 3)
    value = pl.when(unpriced).then(float("nan")).otherwise(pl.col("value"))
    chart = charts.overview(runs.with_columns(value=value))
    assert {len(rows) for rows in panels(chart)} == {MONTHS - 3, MONTHS}


def test_an_unknown_lab_is_refused_with_the_names_there_are(runs):
    with pytest.raises(ValueError, match=f"'Asters' has no 'dependence'; those who do: {LAB}"):
        charts.dependence(runs, [], "Asters")


def test_years_are_ticks_and_short_horizons_show_months():
    years = drawing.time_ticks((date(2025, 1, 1), date(2030, 12, 1)), 200)
    assert [text for _, text in years] == ["2025", "2026", "2027", "2028", "2029", "2030"]
    months = drawing.time_ticks((date(2025, 11, 1), date(2026, 2, 1)), 300)
    assert [text for _, text in months] == ["Nov 2025", "Dec 2025", "Jan 2026", "Feb 2026"]


def test_no_expression_needs_more_than_the_interpreter_of_pages_without_eval(runs):
    spec = charts.overview(runs, MARKS, lab=LAB).to_dict()
    compiled = vl_convert.vegalite_to_vega(spec, vl_version=page.VEGA_LITE)
    assert "datetime(" not in str(compiled)


def test_two_scenarios_on_one_chart_are_refused(runs):
    both = pl.concat([runs, runs.with_columns(scenario=pl.lit("other"))])
    with pytest.raises(ValueError, match="one scenario at a time; given made-up, other"):
        charts.market_shares(both)


@pytest.fixture(scope="module")
def saved(runs, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("charts")
    chart = charts.dependence(runs, [(date(2025, 6, 1), "a </script> & more")], LAB)
    return charts.save(chart, folder, "picture", title="Who supplies <Aster>?")


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def tags(saved) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(saved["html"].read_text())
    return parser.tags


def test_a_chart_is_saved_three_times_and_nothing_else_is_left(saved):
    names = sorted(path.name for path in saved["png"].parent.iterdir())
    assert names == ["picture.html", "picture.png", "picture.svg"]
    assert saved["png"].read_bytes().startswith(b"\x89PNG")
    assert saved["svg"].read_text().startswith("<svg role=")


def test_the_page_asks_nothing_of_the_network(tags):
    addresses = [
        value or ""
        for tag, attributes in tags
        for key, value in attributes.items()
        if key in {"src", "href", "action", "data", "srcset"}
    ]
    assert addresses
    assert all(address.startswith("data:image/svg+xml;base64,") for address in addresses)


def test_the_page_forbids_requests_and_draws_without_eval(saved, tags):
    policy = next(a["content"] for tag, a in tags if tag == "meta" and "content" in a)
    expected = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
    assert policy == f"{expected}; img-src data:"
    assert "ast: true" in saved["html"].read_text()


def test_the_page_says_its_language_title_and_numbers(saved, tags):
    text = saved["html"].read_text()
    assert ("html", {"lang": "en"}) in tags
    assert "<title>Who supplies &lt;Aster&gt;?</title>" in text
    table = text[text.index("<table>") : text.index("</table>")]
    assert table.count("<tr>") == 1 + look.MOST_NAMED * MONTHS
    assert sum(tag == "script" for tag, _ in tags) == 2


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    path = tmp_path / "picture.svg"
    path.write_bytes(b"old")

    def full_disk(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        page.write(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("picture.svg", b"old")]
