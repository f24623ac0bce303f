"""The commands of studies: what they print, write and return."""

import json
from pathlib import Path

import pytest

from offtake.cli import call
from tests.studies.made import part

FILE = """\
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
RUN = ("study", "run", "churn.toml", "--engine", "here", "--out", "out")


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "churn.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def run(file, capsys) -> Path:
    assert call(RUN) == 0
    capsys.readouterr()
    return file.parent / "out"


def told(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_plan_tells_the_cost_and_writes_nothing(file, capsys):
    assert call(["study", "plan", str(file), "--json"]) == 0
    found = told(capsys)
    assert (found["runs"], found["done"], found["pilot"]) == (2, 0, 2)
    assert list(file.parent.iterdir()) == [file]


def test_plan_counts_what_is_done(run, capsys):
    assert call(["study", "plan", "churn.toml", "--out", "out", "--json"]) == 0
    assert told(capsys)["done"] == 2


def test_run_names_its_folder_and_goes_on_where_it_was(run, capsys):
    assert call([*RUN, "--json"]) == 0
    found = told(capsys)
    assert (found["done"], found["made"], found["folder"]) == (2, 0, "out")


def test_fresh_starts_over_beside_what_is_there(run, capsys):
    assert call([*RUN, "--fresh", "--json"]) == 0
    found = told(capsys)
    assert (found["made"], found["folder"]) == (2, "out-2")


def test_a_study_file_that_is_wrong_runs_nothing(file, capsys):
    file.write_text(FILE.replace("hhi_compute", "hhi_compte"))
    assert call(RUN) == 3
    assert "churn.toml:12:" in capsys.readouterr().err
    assert list(file.parent.iterdir()) == [file]


def test_a_folder_of_another_study_is_wrong_use(run, file, capsys):
    file.write_text(FILE.replace("months = 1", "months = 2"))
    assert call(RUN) == 2
    assert "never mixed" in capsys.readouterr().err


@pytest.mark.parametrize("shard", ["0/4", "5/4", "three"])
def test_a_shard_that_is_none_is_wrong_use(file, capsys, shard):
    assert call([*RUN, "--shard", shard]) == 2
    assert "3/64" in capsys.readouterr().err


def test_status_report_verify_and_rerun_of_a_good_study(run, capsys):
    assert call(["study", "status", "out"]) == 0
    assert "2 of 2 runs are done.  2 ok" in capsys.readouterr().out
    assert call(["study", "report", "out"]) == 0
    assert "INCONCLUSIVE  The market is concentrated" in capsys.readouterr().out
    assert call(["study", "verify", "out"]) == 0
    assert "2 runs made again, 0 differ" in capsys.readouterr().out
    assert call(["study", "rerun", "out", "--run", "1", "--json"]) == 0
    assert told(capsys)["agrees"] is True
    assert call(["study", "rerun", "out", "--run", "2"]) == 2


def test_reports_are_one_json_document(run, capsys):
    for command in ("status", "report", "verify"):
        assert call(["study", command, "out", "--json"]) == 0
        assert told(capsys)["schema"].startswith(f"offtake.study-{command}/")


def test_verify_says_when_another_offtake_made_the_runs(run, capsys):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["fingerprint"] = "0" * 32
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert call(["study", "verify", "out", "--json"]) == 0
    found = told(capsys)
    assert (found["same_code"], found["same_versions"], found["differ"]) == (False, True, [])
    assert call(["study", "verify", "out"]) == 0
    assert "not the one the study was made with" in capsys.readouterr().err


def test_damage_has_its_own_exit_code_and_run_mends_it(run, capsys):
    part(run).write_bytes(b"")
    assert call(["study", "status", "out"]) == 7
    assert call(["study", "report", "out"]) == 7
    assert call(["study", "verify", "out"]) == 7
    assert call(RUN) == 0
    assert "mended" in capsys.readouterr().err
    assert call(["study", "verify", "out"]) == 0


def test_a_crate_lists_every_file_with_its_hash(run, capsys):
    assert call(["study", "export", "out", "--ro-crate"]) == 0
    graph = json.loads((run / "ro-crate-metadata.json").read_text())["@graph"]
    listed = {each["@id"] for each in graph if each["@type"] == "File"}
    assert {"manifest.json", "plan.parquet", f"runs/{part(run).name}"} <= listed
    assert all(len(each["sha256"]) == 64 for each in graph if each["@type"] == "File")


def test_a_folder_that_is_no_study_is_said_to_be_none(tmp_path, capsys):
    assert call(["study", "status", str(tmp_path)]) == 7
    assert "no folder of a study" in capsys.readouterr().err
