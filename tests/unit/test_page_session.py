"""A session without a browser: dials, seeds, scenarios and tables; and what the page tells of a run."""

import io
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import offtake.app as page_css
from offtake.app import ledger
from offtake.app.assets import Asset, listed, wrong
from offtake.app.cards import card, links
from offtake.app.pictures import MOST_POINTS, PICTURES, drawing, marks_of, pictured, thinned
from offtake.app.session import Session
from offtake.app.snapshots import Watcher, recording_of
from offtake.experiments.look import contrast
from offtake.experiments.run import run
from offtake.model.market import Market
from offtake.model.problems import ScenarioError
from offtake.model.reading import load_scenario, read

MONTHS = 14


@pytest.fixture
def session():
    opened = Session("duopoly", 1, lambda frame: None)
    yield opened
    opened.close()
    assert opened.player.join(60)


@pytest.fixture(scope="module")
def recording():
    market = Market(load_scenario("stargate-2025"), rng=1)
    watcher = Watcher(market)
    for _ in range(MONTHS):
        market.step()
        watcher.look()
    return watcher.look()


def test_a_moved_dial_is_an_override_and_a_restored_one_is_not(session):
    session.turn("building.order_months", 3)
    assert session.setting.overrides == ("building.order_months=3.0",)
    assert session.command == "offtake run duopoly --seed 1 --set 'building.order_months=3.0'"
    session.turn("building.order_months", 6.0)
    assert session.setting.overrides == ()


@pytest.mark.parametrize(
    ("path", "value"), [("labs.Nobody.cash_usd", 1), ("building.order_months", None)]
)
def test_a_dial_that_is_not_or_cannot_be_is_refused(session, path, value):
    with pytest.raises(ValueError, match=r"no dial|cannot be"):
        session.turn(path, value)
    assert session.moved == {}


@pytest.mark.parametrize("seed", ["", "-1", "4.5", "four", str(2**31), "1_000", None])
def test_a_seed_is_a_whole_number(session, seed):
    with pytest.raises(ValueError, match="a seed is a whole number"):
        session.sow(seed)
    session.sow("43")
    assert session.setting.seed == 43


def test_only_listed_scenarios_are_chosen(session):
    with pytest.raises(ValueError, match="not one of the scenarios"):
        session.choose("/etc/hostname.toml")
    session.turn("building.order_months", 3)
    session.choose("arm-push")
    assert (session.reading.scenario.name, session.moved) == ("arm-push", {})


def test_saved_dials_are_loaded_as_moved_dials(session):
    session.turn("building.order_months", 3)
    session.turn("policies.faster-grid", False)
    moved, (name, content) = session.moved, session.save("slow-orders")
    assert name == "slow-orders.toml"
    session.restore()
    session.load(content.decode())
    assert (session.scenario, session.moved) == ("duopoly", moved)


def test_a_scenario_with_more_than_dials_is_its_own_baseline(session):
    session.load('format = 1\nname = "later"\nquestion = "?"\nextends = "duopoly"\nmonths = 30\n')
    assert session.reading.scenario.months == 30
    assert session.moved == {}
    assert session.scenario.endswith("later.toml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('format = 1\nname = "x"\nextends = "../../secret.toml"\n', "leads out of the folder"),
        ('format = 1\nname = "x"\nextends = "/etc/x.toml"\n', "leads out of the folder"),
        ("format = [\n", "not TOML"),
        ("x = 1\n" * 200_000, "the most a scenario may have"),
        ("a = " + "[" * 40 + "]" * 40, "nested"),
    ],
)
def test_what_is_sent_is_read_under_the_limits_of_a_file(session, content, said):
    with pytest.raises((ScenarioError, ValueError), match=said):
        session.load(content)
    assert session.scenario == "duopoly"


def test_a_scenario_from_a_file_is_saved_beside_it_and_loaded_again(tmp_path):
    base = tmp_path / "own.toml"
    base.write_text('format = 1\nname = "own"\nquestion = "?"\nextends = "duopoly"\nmonths = 9\n')
    session = Session(str(base), 1, lambda frame: None)
    session.turn("building.order_months", 3)
    name, content = session.save("moved")
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name).scenario.building.order_months == 3
    session.restore()
    session.load(content.decode())
    assert session.moved == {"building.order_months": 3}
    session.close()
    assert session.player.join(60)


def test_tables_are_those_of_the_same_run(session):
    session.player.run_to(5)
    while session.player.ask(lambda market: market.month) < 5:
        pass
    for form, opened in (("parquet", pl.read_parquet), ("csv", pl.read_csv)):
        name, content = session.table("trajectories", form)
        assert name == f"duopoly-seed-1-month-5-trajectories.{form}"
        told = run("duopoly", months=5).trajectories
        assert opened(io.BytesIO(content))["value"].equals(told["value"])
    with pytest.raises(ValueError, match="no 'secrets' as 'csv'"):
        session.table("secrets", "csv")


# What the page tells


def test_every_chart_draws_the_months_of_a_run_beside_the_baselines(recording):
    for picture in PICTURES:
        drawn = drawing(picture, recording, lab="OpenAI", baseline=recording)
        assert len(drawn["dates"]) == MONTHS
        assert drawn["lines"]
        assert drawn["ghosts"]["lines"] == drawn["lines"]
        assert {len(line["values"]) for line in drawn["lines"]} == {MONTHS}
        json.dumps(drawn, allow_nan=False)


def test_shares_add_up_with_the_others(recording):
    drawn = drawing(PICTURES[0], recording, lab="OpenAI")
    sums = np.sum([line["values"] for line in drawn["lines"]], axis=0)
    assert sums == pytest.approx(np.ones(MONTHS), abs=2e-3)


def test_before_the_first_month_a_chart_is_empty(recording):
    assert drawing(PICTURES[0], recording.until(0), lab="OpenAI")["lines"] == []


def test_long_lines_are_thinned_and_keep_their_ends():
    kept = thinned(600)
    assert len(kept) <= MOST_POINTS + 1
    assert (kept[0], kept[-1]) == (0, 599)
    assert thinned(72) == list(range(72))


def test_specifications_hold_no_numbers_of_a_run(recording):
    for specification in pictured(recording.cast).values():
        names = [layer["data"]["name"] for layer in specification["layer"]]
        assert names == ["ghosts", "lines", "cursor", "marks"]
        assert "datasets" not in specification


def test_marks_of_one_day_are_one_mark(recording):
    days = [mark["date"] for mark in marks_of(recording.cast)]
    assert len(days) == len(set(days)) < len(recording.cast.marks)


def test_a_card_tells_what_the_tables_say(recording):
    told = card(recording, "OpenAI")
    assert told is not None
    result = run("stargate-2025", months=MONTHS)
    cash = result.trajectories.filter(observable="cash_usd", name="OpenAI")["value"][-1]
    assert told["finances"][0] == {
        "what": "Deposits",
        "value": f"{cash / 1e6:,.0f}",
        "unit": "million USD",
    }
    live = result.contracts.filter(buyer="OpenAI", state="live")
    assert live.height in (0, len(told["contracts"]))
    assert told["beliefs"]
    assert card(recording, "Nobody") is None
    assert card(recording.until(0), "OpenAI") is None


def test_the_network_adds_up_contracts_by_pair(recording):
    drawn = links(recording)
    seen = recording.at(MONTHS)
    assert seen is not None
    held = seen.contracts
    pair = max(drawn["pairs"], key=lambda p: p["mw"])
    kw = sum(
        h.capacity_kw
        for h in held
        if (h.contract.buyer, h.contract.seller) == (pair["lab"], pair["cloud"])
    )
    assert pair["mw"] == pytest.approx(kw / 1000, abs=0.05)
    assert drawn["labs"][0] == "OpenAI"


def test_the_ledger_tells_the_latest_events_first_without_routine(recording):
    told = ledger.latest(recording)
    assert len(told) == ledger.LATEST
    assert [row["event"] for row in told] == sorted((r["event"] for r in told), reverse=True)
    assert not {row["kind"] for row in told} & ledger.ROUTINE


def test_every_event_can_be_asked_why_and_the_answer_goes_back_in_time(recording):
    for event in recording.events():
        steps = ledger.why(recording, event["event"])
        assert steps[0].event == event["event"]
        numbers = [step.event for step in steps if step.event is not None]
        assert numbers == sorted(numbers, reverse=True)
        assert len(steps) >= 2


def test_a_signature_goes_back_to_its_tender(recording):
    signed = [e for e in recording.events() if str(e["cause"]).startswith("tender:")]
    texts = [step.text for step in ledger.why(recording, signed[0]["event"])]
    assert any("tenders for capacity" in text for text in texts)


def test_why_of_an_event_that_was_not_told_is_refused(recording):
    with pytest.raises(ValueError, match="no event"):
        ledger.why(recording, 10**9)


def test_a_market_shows_the_recording_that_its_watcher_keeps():
    market = Market(load_scenario("duopoly"), rng=1)
    assert recording_of(market).month == 0
    market.step()
    seen = recording_of(market)
    assert seen.month == 1
    assert recording_of(seen) is seen
    assert recording_of(market).snapshots[0] is seen.snapshots[0]


def test_every_colour_of_text_can_be_read_on_white():
    style = Path(page_css.__file__ or "").with_name("page.css").read_text("utf-8")
    rules = re.findall(r"(?<!-)color: (#[0-9a-f]{6})", style)
    assert len(rules) > 5
    faint = [colour for colour in rules if colour != "#ffffff" and contrast(colour) < 4.5]
    assert faint == []


# The front-end files


def test_the_list_of_front_end_files_names_packages_at_exact_versions():
    for asset in listed():
        assert len(asset.sha256) == 64
        assert asset.package.rpartition("@")[2][0].isdigit()
        assert ".." not in asset.path


def test_a_changed_front_end_file_is_noticed(tmp_path, monkeypatch):
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    monkeypatch.setattr(
        "offtake.app.assets.listed", lambda: [Asset(digest, "a@1/x.js", "a@1", "x.js")]
    )
    file = tmp_path / "a@1" / "x.js"
    assert wrong(tmp_path) == ["a@1/x.js"]
    file.parent.mkdir()
    file.write_text("foo")
    assert wrong(tmp_path) == []
    file.write_text("bar")
    assert wrong(tmp_path) == ["a@1/x.js"]
