"""The command line: what it prints where, and what it tells the shell."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

import offtake
from offtake.cli import COMMANDS, call
from offtake.commands.codes import EXPECTED, Code, code_of
from offtake.commands.terminal import Choice, ScenarioName, duration
from offtake.experiments import run as runs
from offtake.experiments.results import Ensemble, Failure, FolderTaken, Result
from offtake.experiments.summary import focal, median_seed, over_runs, text
from offtake.experiments.text_chart import band_chart
from offtake.model.invariants import InvariantViolation
from offtake.model.market import Market
from offtake.model.scenario import Scenario

WIDEST = 80
TALLEST_HELP = 24


@pytest.fixture(scope="module")
def result() -> Result:
    return offtake.run("duopoly", seeds=3, months=3)


@pytest.fixture
def broken(monkeypatch):
    """Make the third month of seed 2 fail with a given error."""

    def break_with(error: Exception) -> None:
        original = Market.step
        made: dict[int, int] = {}
        build = Market.__init__

        def remember(self, scenario, *, rng, **given):
            made[id(self)] = rng
            build(self, scenario, rng=rng, **given)

        def step(self):
            if made[id(self)] == 2:
                raise error
            original(self)

        monkeypatch.setattr(Market, "__init__", remember)
        monkeypatch.setattr(Market, "step", step)

    return break_with


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_fits_a_terminal_and_shows_examples_first(args, capsys):
    assert call([*args, "--help"]) == Code.DONE
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) <= TALLEST_HELP
    assert max(map(len, shown.splitlines())) <= WIDEST
    if args not in (["schedule"], ["observables"]):
        assert shown.index("  offtake ") < shown.index("Options:")


def test_version_is_one_line_of_name_and_number(capsys):
    assert call(["--version"]) == Code.DONE
    assert capsys.readouterr().out == f"offtake {offtake.__version__}\n"


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (["rnu"], "'run'"),
        (["run", "duopoly", "--monhts", "3"], "'--months'"),
        (["completion", "bahs"], "'bash'"),
        (["run", "duopoly", "--color", "alwys"], "'always'"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(args, meant, capsys):
    assert call(args) == Code.USAGE
    said = capsys.readouterr()
    assert "Did you mean" in said.err
    assert meant in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "args",
    [
        ["run"],
        ["run", "duopoly", "--seed", "1", "--seeds", "2"],
        ["run", "duopoly", "--seeds", "0"],
        ["run", "duopoly", "--seed", "-1"],
        ["run", "duopoly", "--months", "0"],
        ["run", "duopoly", "--months", "x"],
        ["run", "duopoly", "--workers", "0"],
        ["demo", "--seeds", "many"],
    ],
    ids=" ".join,
)
def test_wrong_use_runs_nothing_and_returns_two(args, capsys, monkeypatch):
    monkeypatch.setattr(runs, "simulate_many", None)
    assert call(args) == Code.USAGE
    assert capsys.readouterr().out == ""


def test_a_horizon_beyond_the_scenario_names_the_way_to_extend_it(capsys):
    assert call(["run", "duopoly", "--months", "600"]) == Code.USAGE
    assert "--set months=600" in capsys.readouterr().err


def test_no_command_shows_help(capsys):
    assert call([]) == Code.USAGE
    assert "offtake demo" in "".join(capsys.readouterr())


# --- exit codes -----------------------------------------------------------------------------------


def test_expected_errors_exist_under_their_names():
    for name in EXPECTED:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(import_module(module), kind), Exception)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FolderTaken("x"), Code.USAGE),
        (MemoryError(), Code.RESOURCES),
        (InvariantViolation(1.0, ["x"]), Code.MODEL),
        (ZeroDivisionError(), Code.BUG),
    ],
)
def test_errors_have_their_exit_codes(error, code):
    assert code_of(error) == code


def test_an_unknown_scenario_returns_three_and_prints_no_data(capsys):
    assert call(["run", "no-such-scenario"]) == Code.SCENARIO
    said = capsys.readouterr()
    assert said.out == ""
    assert "no-such-scenario" in said.err
    assert "Traceback" not in said.err


def test_a_bug_is_one_line_and_a_crash_file(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(runs, "plan", lambda *_, **__: 1 / 0)
    assert call(["run", "duopoly"]) == Code.BUG
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    (crash,) = tmp_path.glob("offtake-crash-*.txt")
    assert str(crash) in said
    assert "ZeroDivisionError" in crash.read_text()
    assert "Traceback" in crash.read_text()


def test_a_bug_shows_its_traceback_when_asked(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(runs, "plan", lambda *_, **__: 1 / 0)
    assert call(["run", "duopoly", "-v"]) == Code.BUG
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_without_a_place_for_its_crash_file_still_returns_seventy(
    capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr(runs, "plan", lambda *_, **__: 1 / 0)
    assert call(["run", "duopoly"]) == Code.BUG
    assert "no crash file" in capsys.readouterr().err


def test_ctrl_c_outside_a_run_returns_130(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "plan", interrupt)
    assert call(["run", "duopoly"]) == Code.INTERRUPTED
    assert "stopped" in capsys.readouterr().err


def test_memory_that_runs_out_returns_six(monkeypatch, capsys):
    def exhaust(*_, **__):
        raise MemoryError

    monkeypatch.setattr(runs, "plan", exhaust)
    assert call(["run", "duopoly"]) == Code.RESOURCES
    assert "out of memory" in capsys.readouterr().err


# --- run ------------------------------------------------------------------------------------------


def test_run_prints_a_summary_that_fits_and_writes_nothing(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert call(["run", "duopoly", "--months", "2", "--seeds", "2", "--workers", "1"]) == Code.DONE
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= WIDEST
    assert "Who supplies" in shown
    assert "not a forecast" in shown
    assert list(tmp_path.iterdir()) == []


def test_run_as_json_is_one_document_on_stdout_even_when_verbose(capsys):
    assert call(["run", "duopoly", "--months", "2", "--json", "-v"]) == Code.DONE
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["schema"] == "offtake.run/1"
    assert document["seeds"] == [1]
    assert document["scenario"]["name"] == "duopoly"
    assert len(document["dates"]) == len(document["series"][0]["median"])
    assert {"observable", "name", "other", "unit", "year_ends", "median"} == set(
        document["series"][0]
    )
    assert "share_compute" in {series["observable"] for series in document["series"]}


def test_run_into_a_folder_writes_what_can_be_opened(tmp_path, capsys):
    out = tmp_path / "out"
    assert call(["run", "duopoly", "--months", "2", "--seed", "7", "--out", str(out)]) == Code.DONE
    assert Result.open(out).seeds == (7,)
    assert str(out) in capsys.readouterr().err


def test_a_traced_run_keeps_every_offer(tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["run", "duopoly", "--months", "3", "--seeds", "2", "--workers", "1", "--trace"]
    tactics = ["--set", 'negotiation.bargainer="tactics"', "--set", "negotiation.protocol.rounds=4"]
    assert call([*asked, *tactics, "--out", str(out)]) == Code.DONE
    offers = Result.open(out).negotiations
    assert offers is not None
    assert offers["seed"].unique().sort().to_list() == [1, 2]
    assert {"lab", "cloud", "both"} <= set(offers["who"].to_list())
    assert offers["round"].max() == 2  # honest linear offers meet half way
    assert (out / "negotiations.parquet").is_file()


def test_a_trace_without_a_folder_is_wrong_use(capsys):
    assert call(["run", "duopoly", "--trace"]) == Code.USAGE
    assert "--out" in capsys.readouterr().err


def test_run_refuses_a_taken_folder_before_anything_runs(tmp_path, capsys, monkeypatch):
    (tmp_path / "x").touch()
    monkeypatch.setattr(runs, "plan", None)
    assert call(["run", "duopoly", "--out", str(tmp_path)]) == Code.USAGE
    assert "never overwritten" in capsys.readouterr().err


def test_run_refuses_a_place_it_cannot_write_before_anything_runs(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(runs, "plan", None)
    assert call(["run", "duopoly", "--out", str(tmp_path / "file" / "out")]) == Code.RESOURCES
    assert "nothing was kept" in capsys.readouterr().err


def test_quiet_says_nothing_but_the_result(capsys):
    assert call(["run", "duopoly", "--months", "2", "-q"]) == Code.DONE
    assert capsys.readouterr().err == ""


def test_a_failed_run_is_named_and_does_not_stop_the_others(broken, capsys, tmp_path):
    broken(ZeroDivisionError("oh"))
    args = ["run", "duopoly", "--months", "2", "--seeds", "3", "--workers", "1"]
    assert call([*args, "--out", str(tmp_path / "out")]) == Code.FINDINGS
    said = capsys.readouterr().err
    assert "seed 2 failed: ZeroDivisionError: oh" in said
    assert "offtake run duopoly --seed 2 -v" in said
    kept = Result.open(tmp_path / "out")
    assert kept.seeds == (1, 3)
    assert [failure["seed"] for failure in kept.manifest["failures"]] == [2]


def test_a_violated_invariant_returns_four_and_keeps_the_evidence(broken, capsys, tmp_path):
    broken(InvariantViolation(2.0, ["money does not add up"]))
    args = ["run", "duopoly", "--months", "2", "--seeds", "2", "--workers", "1"]
    assert call([*args, "--out", str(tmp_path / "out")]) == Code.MODEL
    assert "money does not add up" in capsys.readouterr().err
    evidence = tmp_path / "out" / "evidence" / "seed-2"
    assert (evidence / "events.parquet").exists()
    assert "InvariantViolation" in (evidence / "failure.txt").read_text()


def test_a_violated_invariant_of_the_only_run_keeps_the_evidence(broken, tmp_path):
    broken(InvariantViolation(2.0, ["money does not add up"]))
    args = ["run", "duopoly", "--months", "2", "--seed", "2", "--out", str(tmp_path / "out")]
    assert call(args) == Code.MODEL
    assert (tmp_path / "out" / "evidence" / "seed-2" / "failure.txt").exists()


def test_the_only_run_failing_is_a_bug(broken, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    broken(ZeroDivisionError("oh"))
    assert call(["run", "duopoly", "--months", "2", "--seed", "2"]) == Code.BUG
    (crash,) = tmp_path.glob("offtake-crash-*.txt")
    assert "ZeroDivisionError: oh" in crash.read_text()


# --- colour and streams ---------------------------------------------------------------------------


def test_colour_is_for_terminals_or_those_who_insist(capsys, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    args = ["run", "duopoly", "--out", os.fspath(Path(__file__).parent)]
    call(args)
    assert "\x1b[" not in capsys.readouterr().err
    call([*args, "--color", "always"])
    assert "\x1b[" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error():
    program = "from offtake.cli import main; main(['completion', 'bash'])"
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


# --- the other commands ---------------------------------------------------------------------------


def test_every_embedded_scenario_is_listed_with_its_question(capsys):
    assert call(["scenario", "list", "--json"]) == Code.DONE
    listed = json.loads(capsys.readouterr().out)["scenarios"]
    assert {"duopoly", "stargate-2025"} <= {each["name"] for each in listed}
    assert all(each["question"] for each in listed)


def test_a_shown_scenario_is_a_scenario(capsys):
    assert call(["scenario", "show", "duopoly", "--json"]) == Code.DONE
    shown = json.loads(capsys.readouterr().out)
    assert Scenario.model_validate_json(json.dumps(shown["scenario"])).name == "duopoly"


def test_a_new_scenario_passes_the_check_and_is_not_overwritten(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert call(["scenario", "new", "my-question", "--from", "duopoly"]) == Code.DONE
    assert call(["scenario", "check", "my-question.toml"]) == Code.DONE
    before = (tmp_path / "my-question.toml").read_text()
    assert call(["scenario", "new", "my-question", "--from", "duopoly"]) == Code.USAGE
    assert (tmp_path / "my-question.toml").read_text() == before
    assert json.loads((tmp_path / "offtake-scenario.schema.json").read_text())["properties"]


def test_a_faulty_scenario_returns_three_with_all_problems(capsys, tmp_path):
    faulty = tmp_path / "faulty.toml"
    faulty.write_text('format = 1\nname = "faulty"\nextends = "duopoly"\nmonhts = 3\n')
    assert call(["scenario", "check", str(faulty)]) == Code.SCENARIO
    assert "monhts" in capsys.readouterr().err
    assert call(["scenario", "check", str(faulty), "--json"]) == Code.SCENARIO
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert any("monhts" in problem["message"] for problem in problems)


def test_the_schedule_is_the_phases_of_the_market(capsys):
    assert call(["schedule", "--json"]) == Code.DONE
    phases = json.loads(capsys.readouterr().out)["phases"]
    assert phases
    assert all(phase["phase"] and phase["what"] for phase in phases)


def test_observables_have_units_and_meanings(capsys):
    assert call(["observables", "--json"]) == Code.DONE
    rows = json.loads(capsys.readouterr().out)["observables"]
    assert "share_compute" in {row["name"] for row in rows}
    assert all(row["unit"] and row["meaning"] for row in rows)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(shell, capsys):
    assert call(["completion", shell]) == Code.DONE
    assert "_OFFTAKE_COMPLETE" in capsys.readouterr().out


def test_completion_offers_embedded_scenarios():
    kind = ScenarioName()
    offered = kind.shell_complete(None, None, "duo")  # pyright: ignore[reportArgumentType]
    assert [item.value for item in offered] == ["duopoly"]


def test_a_choice_far_from_every_word_gets_no_guess():
    said = Choice(["auto", "never"]).get_invalid_choice_message("zzz", None)
    assert "Did you mean" not in said


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "0s"), (59.4, "59s"), (60, "1m00s")])
def test_durations_read_as_people_write_them(seconds, said):
    assert duration(seconds) == said


# --- the Python interface and the summary ---------------------------------------------------------


def test_python_and_command_line_give_the_same_tables(result, tmp_path):
    args = ["run", "duopoly", "--seeds", "3", "--months", "3", "--workers", "1"]
    assert call([*args, "--out", str(tmp_path / "cli")]) == Code.DONE
    one, two = result.write(tmp_path / "api"), tmp_path / "cli"
    for name in ("trajectories.parquet", "events.parquet", "manifest.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_scenario_object_cannot_be_overridden(result):
    with pytest.raises(ValueError, match="not a Scenario object"):
        offtake.run(result.scenario, overrides=["months=3"])


@pytest.mark.parametrize("seeds", [[], [-1]])
def test_seeds_that_make_no_sense_are_refused(seeds):
    with pytest.raises(ValueError, match="seed"):
        offtake.run("duopoly", seeds=seeds)


def test_a_horizon_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="not 0"):
        offtake.run("duopoly", months=0)


def test_the_focal_lab_buys_most_outside_its_group(result):
    given = result.scenario
    lab, other = sorted(given.labs)[:2]
    cloud = min(given.clouds)
    contract = next(iter(given.contracts.values()))
    big = contract.model_copy(update={"lab": other, "cloud": cloud, "capacity_mw": 9_000.0})
    market = given.model_copy(update={"contracts": {"big": big}})
    assert focal(market) == other
    owned = given.clouds[cloud].model_copy(update={"parent": other})
    own = market.model_copy(update={"clouds": {**given.clouds, cloud: owned}})
    assert focal(own) == lab


def test_the_median_run_is_one_of_the_runs(result):
    assert median_seed(result, focal(result.scenario)) in result.seeds


def test_ranges_over_runs_leave_out_what_is_not_known():
    rows = pl.DataFrame(
        {
            "observable": "price_spot",
            "name": None,
            "other": None,
            "unit": "USD",
            "month": 0,
            "value": [1.0, 3.0, float("nan")],
        }
    )
    (spread,) = over_runs(rows).iter_rows(named=True)
    assert spread["median"] == 2.0


def test_a_single_run_shows_no_ranges():
    one = offtake.run("duopoly", months=2)
    shown = text(Ensemble(result=one, wanted=(1,)))
    assert not re.search(r"\[\d", shown)


def test_nothing_finished_is_nothing_to_tell():
    failure = Failure(seed=1, kind="error", message="oh")
    with pytest.raises(ValueError, match="no run finished"):
        text(Ensemble(result=None, wanted=(1,), failures=(failure,)))


# --- the chart of the summary ---------------------------------------------------------------------


def test_the_summary_draws_the_focal_dependence_over_time():
    result = offtake.run("duopoly", seeds=3, months=12)
    lines = text(Ensemble(result=result, wanted=result.seeds)).splitlines()
    at = lines.index("Lab A on Cloud X: median █, 5-95% of runs ░")
    drawn = lines[at + 1 : at + 12]
    assert max(map(len, lines)) <= WIDEST
    assert [line[:8].strip() for line in (drawn[0], drawn[4], drawn[8])] == [
        "100% ┤",
        "50% ┤",
        "0% ┤",
    ]
    columns = [line[8:].ljust(12) for line in drawn[:9]]
    assert [sum(line[month] == "█" for line in columns) for month in range(12)] == [1] * 12
    assert columns[0].startswith("█")
    assert drawn[10].strip() == "2025"


def test_few_months_are_not_drawn(result):
    assert "█, 5-95%" not in text(Ensemble(result=result, wanted=result.seeds))


def test_a_long_path_keeps_its_ends_and_its_width():
    values = [(at / 99, at / 99, at / 99) for at in range(100)]
    lines = band_chart(values, [date(2025 + at // 12, at % 12 + 1, 1) for at in range(100)])
    assert max(map(len, lines)) <= WIDEST
    assert lines[8][8] == "█"
    assert lines[0].endswith("█")
    assert [int(year) for year in lines[-1].split()] == list(range(2025, 2033))
