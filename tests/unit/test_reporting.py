"""The report: one page, complete in itself, with numbers from the tables."""

import json
import re
import subprocess
import sys
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import altair as alt
import polars as pl
import pytest

import offtake as ot
from offtake.cli import call
from offtake.experiments import charts
from offtake.experiments.charts.events import without_event_list
from offtake.experiments.page import write
from offtake.experiments.reporting.answers import answer, trust
from offtake.experiments.reporting.assumptions import confidence_counts, known, swings, uncertain
from offtake.experiments.reporting.pictures import picture, slim
from offtake.experiments.reporting.report import Options, marks_of, report
from offtake.experiments.results import Result

MOST_BYTES = 5_000_000
MONTHS = 10
VOID = {"meta", "img", "br", "link", "hr"}


@pytest.fixture(scope="module")
def result() -> Result:
    return ot.run("duopoly", seeds=3, months=MONTHS)


@pytest.fixture(scope="module")
def other() -> Result:
    return ot.run("duopoly", seeds=3, months=MONTHS, overrides=['labs."Lab A".cash_usd=1e9'])


@pytest.fixture(scope="module")
def page(result, other) -> str:
    return report([result, other], Options(events=1, screened=1))


class Reader(HTMLParser):
    """Collects tags, addresses and text, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self.addresses += [
            value or "" for key, value in given.items() if key in {"src", "href", "srcset", "data"}
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def read(page) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_needs_no_network_and_no_script(page, read):
    assert all(a.startswith(("#", "data:image/svg+xml;base64,")) for a in read.addresses)
    names = [tag for tag, _ in read.tags]
    assert not {"script", "iframe", "link", "object", "embed", "form"} & set(names)
    assert not re.search(r"@import|url\(", page)
    (policy,) = (given["content"] for tag, given in read.tags if "http-equiv" in given)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_pictures_name_no_address_but_their_own_language(read):
    for address in read.addresses:
        if address.startswith("data:"):
            svg = b64decode(address.split(",", 1)[1]).decode()
            links = set(re.findall(r"https?://[^\"' )]+", svg))
            assert links <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
            assert "<script" not in svg


def test_every_link_of_the_page_leads_somewhere(read):
    ids = {given["id"] for _, given in read.tags if "id" in given}
    assert {a.removeprefix("#") for a in read.addresses if a.startswith("#")} == ids


def test_the_page_says_language_title_and_width(read, result):
    tags = dict(read.tags[:4])
    assert tags["html"] == {"lang": "en"}
    assert any(given.get("name") == "viewport" for _, given in read.tags)
    assert result.manifest["scenario"]["question"] in read.texts
    assert sum(tag == "h1" for tag, _ in read.tags) == 1
    assert all(given.get("alt") for tag, given in read.tags if tag == "img")


def test_it_prints_without_the_list_of_parts(page):
    printed = page[page.index("@media print") :]
    assert "nav { display: none; }" in printed
    assert "break-inside: avoid" in printed


def test_a_page_of_two_scenarios_is_small(page):
    assert len(page.encode()) < MOST_BYTES / 4


def test_the_same_chart_makes_the_same_picture(result):
    draw = charts.concentration
    first, second = (picture(draw(result.trajectories), "Concentration") for _ in range(2))
    assert first == second


def test_the_answer_is_five_sentences_of_the_tables(result):
    told = answer(result)
    assert len(told) == 5
    last = result.trajectories.filter(
        observable="dependence", name="Lab A", other="Cloud X", month=MONTHS - 1
    )
    assert told[0].startswith(
        f"Lab A gets {last['value'].median():.0%} of its compute from Cloud X"
    )
    hhi = result.trajectories.filter(observable="hhi_compute", month=MONTHS - 1)["value"].median()
    assert f"to {hhi * 10_000:,.0f} points" in told[4]
    assert all(sentence.endswith(".") for sentence in told)


def test_parts_are_all_there(read):
    headings = [given["id"] for tag, given in read.tags if tag == "section"]
    assert headings == [
        "answer",
        "charts",
        "against-1",
        "contracts",
        "why",
        "assumptions",
        "trust",
        "provenance",
    ]


def test_provenance_names_digest_version_and_seeds(read, result, other):
    said = " ".join(read.texts)
    for one in (result, other):
        assert one.manifest["scenario"]["digest"] in said
    assert "1 to 3" in said
    assert "offtake run duopoly --seeds 3 --months 10" in said
    assert ot.__version__ in said


def test_largest_contracts_are_told_with_their_terms(read, result):
    said = " ".join(read.texts)
    largest = result.contracts.filter(seed=1).sort("value_usd").tail(1)
    assert f"{largest['buyer'][0]} from {largest['seller'][0]}" in said


def test_trust_counts_runs_and_confidence(result):
    reading = known(result)
    assert reading is not None
    counts = confidence_counts(reading.facts)
    told = trust(result, counts, len(reading.facts))
    assert any(line.startswith("3 runs draw chance anew") for line in told)
    assert any(f"{counts['judgement']} are judgement" in line for line in told)
    one = ot.run("duopoly", months=3)
    assert any("There is one run" in line for line in trust(one, None, 0))


def test_a_scenario_that_is_not_the_same_any_more_is_not_used(result):
    assert known(result) is not None
    changed = {**result.manifest["scenario"], "digest": "0" * 32}
    stale = Result(
        **result.frames,
        scenario=result.scenario,
        manifest={**result.manifest, "scenario": changed},
    )
    assert known(stale) is None


def test_assumptions_are_run_at_both_ends():
    result = ot.run("stargate-2025", seeds=[1], months=3)
    reading = known(result)
    assert reading is not None
    (fact,) = uncertain(reading, 1)
    assert fact.low is not None
    (swing,) = swings(result, reading, count=1)
    assert swing.path == fact.path
    assert swing.at_low is not None
    assert swing.at_high is not None
    assert swing.width == abs(swing.at_high - swing.at_low)


def test_a_slim_picture_shows_the_same(result):
    svg = '<svg><path class="mark-x" opacity="0" d="M1,2"/><path aria-label="a" d="M1.23456,2"/></svg>'
    assert slim(svg) == '<svg><path d="M1.2,2"/></svg>'
    chart = charts.concentration(result.trajectories)
    assert "<text" in b64decode(picture(chart, "x").source.split(",", 1)[1]).decode()


def test_the_list_of_events_can_be_left_out():
    run = ot.run("stargate-2025", seeds=[1], months=4)
    chart = charts.concentration(run.trajectories, marks_of(run))
    shorter = without_event_list(chart)
    assert len(shorter.to_dict()["vconcat"]) == len(chart.to_dict()["vconcat"]) - 1
    assert without_event_list(shorter) is shorter
    assert isinstance(without_event_list(alt.Chart(pl.DataFrame({"a": [1]})).mark_bar()), alt.Chart)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_in_a_process_of_its_own(result, tmp_path):
    folder = result.write(tmp_path / "first")
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from offtake.cli import main; main()"),
            *("report", str(folder), "--no-replays", "--json", "-q"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    told = json.loads(done.stdout)
    assert told["schema"] == "offtake.report/1"
    path = Path(told["path"])
    assert path == tmp_path / "first.html"
    assert path.stat().st_size == told["bytes"]


def test_a_study_has_a_page_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn.toml").write_text(STUDY)
    assert call(["study", "run", "churn.toml", "--engine", "here", "--out", "out"]) == 0
    assert call(["report", "out", "--out", "study.html", "-q"]) == 0
    reader = Reader()
    reader.feed((tmp_path / "study.html").read_text())
    assert reader.open == []
    said = " ".join(reader.texts)
    assert "Does churn matter?" in said
    assert "The market is concentrated" in said
    assert call(["report", "out", "out"]) == 2
    assert "name it alone" in capsys.readouterr().err


STUDY = """\
title = "Does churn matter?"
scenario = "duopoly"
months = 1

[uncertain]
demand.churn_per_month = [0.02, 0.08]

[design]
replicates = 1

[outcomes]
hhi = { observable = "hhi_compute" }

[[claims]]
say = "The market is concentrated"
test = "hhi > 0.25"
"""


def test_a_page_is_written_whole(tmp_path):
    path = write(tmp_path / "page.html", b"whole")
    assert path.read_bytes() == b"whole"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
