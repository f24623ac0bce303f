"""Results folders: whole or not there, never overwritten, checked when read."""

import datetime as dt
import errno
import json
import os
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from offtake.experiments import results
from offtake.experiments.results import (
    TABLES,
    CannotWrite,
    FolderInUse,
    FolderTaken,
    Result,
    ResultsDamaged,
    claim,
    describe,
    free_folder,
)
from offtake.model.scenario import Chip, Cloud, Lab, Region, Scenario


def scenario() -> Scenario:
    region = Region(
        construction_mean_months=12.0, grid_mean_months=12.0, power_usd_per_kwh=0.05, pue=1.2
    )
    lab = Lab(
        cash_usd=1e9,
        users_million=100.0,
        price_usd_per_user_month=2.0,
        compute_h100e_hours_per_user=0.5,
        training_h100e=1000.0,
    )
    return Scenario(
        format=1,
        name="tiny",
        question="Is it <whole>?",
        start=dt.date(2025, 1, 1),
        months=2,
        cutoff=dt.date(2025, 6, 30),
        regions={"north": region},
        chips={
            "h": Chip(
                released=dt.date(2023, 1, 1), h100e_per_mw=700.0, price_usd_per_h100e=30_000.0
            )
        },
        labs={"Aster": lab},
        clouds={"Nimbus": Cloud(cash_usd=1e9, kind="neocloud")},
    )


def result() -> Result:
    frames = {name: pl.DataFrame({"seed": [1, 2], "value": [0.5, 1.5]}) for name in TABLES}
    given = scenario()
    manifest = describe(given, digest="0" * 64, seeds=(1, 2), months=2, check=True)
    return Result(scenario=given, manifest=manifest, **frames)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_what_is_read(tmp_path):
    written = result()
    read = Result.open(written.write(tmp_path / "out"))
    for name in TABLES:
        assert_frame_equal(read.frames[name], written.frames[name])
    assert read.scenario == written.scenario
    assert read.seeds == (1, 2)


def test_a_folder_holds_the_tables_the_scenario_and_the_manifest(tmp_path):
    assert names(result().write(tmp_path / "out")) == [
        "balance_sheets.parquet",
        "contracts.parquet",
        "events.parquet",
        "flow_matrix.parquet",
        "flows.parquet",
        "manifest.json",
        "scenario.json",
        "sites.parquet",
        "trajectories.parquet",
    ]
    assert names(tmp_path) == ["out"]


def test_writing_twice_gives_equal_bytes(tmp_path):
    one, two = result().write(tmp_path / "one"), result().write(tmp_path / "two")
    assert [(one / name).read_bytes() for name in names(one)] == [
        (two / name).read_bytes() for name in names(two)
    ]


def test_the_manifest_tells_neither_machine_nor_place_nor_time(tmp_path):
    manifest = json.loads((result().write(tmp_path / "out") / "manifest.json").read_text())
    assert set(manifest) == {
        "schema",
        "offtake",
        "scenario",
        "seeds",
        "months",
        "checks",
        "failures",
        "versions",
        "files",
    }
    assert str(tmp_path) not in json.dumps(manifest)
    assert set(manifest["versions"]) == {"python", "numpy", "polars", "mesa"}


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(FolderTaken, match=r"never overwritten.*--out \S+out-2"):
        result().write(out)
    assert names(out) == ["notes.txt"]
    assert names(tmp_path) == ["out"]


def test_an_empty_folder_and_missing_parents_are_welcome(tmp_path):
    (tmp_path / "empty").mkdir()
    assert result().write(tmp_path / "empty").is_dir()
    assert result().write(tmp_path / "a" / "b").is_dir()


def test_a_folder_being_written_is_refused_to_another(tmp_path):
    with claim(tmp_path / "out"), pytest.raises(FolderInUse), claim(tmp_path / "out"):
        pass


def test_a_folder_taken_while_a_run_was_under_way_is_left_alone(tmp_path):
    with claim(tmp_path / "out") as place:
        place.put(result())
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").write_text("mine")
        with pytest.raises(FolderTaken):
            place.commit()
    assert names(tmp_path / "out") == ["notes.txt"]


def test_nothing_is_left_without_a_commit(tmp_path):
    with claim(tmp_path / "out") as place:
        place.put(result())
    assert names(tmp_path) == []


def test_remains_of_a_killed_run_are_cleared(tmp_path):
    remains = tmp_path / ".out.partial"
    (remains / "evidence").mkdir(parents=True)
    (remains / "trajectories.parquet").write_bytes(b"half")
    folder = result().write(tmp_path / "out")
    assert "evidence" not in names(folder)
    assert Result.open(folder).seeds == (1, 2)


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_system_call_leaves_nothing_and_is_named(tmp_path, monkeypatch, call, code):
    """Fail the first, the second, the third ... call until writing succeeds."""
    for nth in range(1, 30):
        with monkeypatch.context() as patched:
            calls = fail(patched, call, nth, code)
            try:
                result().write(tmp_path / "out")
            except CannotWrite as error:
                assert str(tmp_path / "out") in str(error)  # noqa: PT017 - success ends the loop
                assert error.errno == code  # noqa: PT017
                if not (tmp_path / "out").exists():  # else only the last fsync failed
                    assert names(tmp_path) == []
                    continue
            assert calls["made"] >= nth - 1
        assert Result.open(tmp_path / "out").seeds == (1, 2)
        assert nth > 1
        return
    pytest.fail(f"{call} was called more than 30 times")


def fail(monkeypatch, call: str, nth: int, code: int) -> dict[str, int]:
    owner = Path if call == "rename" else os
    original = getattr(owner, call)
    count = {"made": 0}

    def counted(*args):
        count["made"] += 1
        if count["made"] == nth:
            raise OSError(code, os.strerror(code))
        return original(*args)

    monkeypatch.setattr(owner, call, counted)
    return count


def test_a_full_disk_says_how_much_is_needed(tmp_path, monkeypatch):
    fail(monkeypatch, "write", 1, errno.ENOSPC)
    with pytest.raises(CannotWrite, match=r"No space left .*needs about 0\.1 MB.*nothing was kept"):
        result().write(tmp_path / "out")


def test_short_writes_are_continued(tmp_path, monkeypatch):
    original = os.write
    monkeypatch.setattr(os, "write", lambda opened, data: original(opened, data[:100]))
    assert Result.open(result().write(tmp_path / "out")).seeds == (1, 2)


@pytest.mark.parametrize("name", [f"{table}.parquet" for table in TABLES] + ["scenario.json"])
def test_one_flipped_bit_is_noticed_and_named(tmp_path, name):
    folder = result().write(tmp_path / "out")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ResultsDamaged, match=name):
        Result.open(folder)


def test_a_missing_table_is_named(tmp_path):
    folder = result().write(tmp_path / "out")
    (folder / "sites.parquet").unlink()
    with pytest.raises(ResultsDamaged, match=r"sites\.parquet cannot be read"):
        Result.open(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "of format None"),
        ('{"schema": "offtake.results/9"}', "offtake.results/9"),
        ('{"schema": "offtake.results/1", "files": {}}', "does not list"),
        ("\x00\x01", "is not JSON"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(tmp_path, content, said):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ResultsDamaged, match=said):
        Result.open(tmp_path)


def test_a_manifest_cannot_point_outside_its_folder(tmp_path):
    folder = result().write(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../secret"] = {"sha256": "", "bytes": 0}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ResultsDamaged, match="outside its folder"):
        Result.open(folder)


def test_a_folder_without_a_manifest_is_no_results_folder(tmp_path):
    with pytest.raises(ResultsDamaged, match="no results folder"):
        Result.open(tmp_path)


def test_a_free_folder_counts_on(tmp_path):
    assert free_folder(tmp_path, "demo") == tmp_path / "demo"
    for name in ("demo", "demo-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
    assert free_folder(tmp_path, "demo") == tmp_path / "demo-3"


def test_a_notebook_shows_a_small_escaped_table():
    shown = result()._repr_html_()
    assert "Is it &lt;whole&gt;?" in shown
    assert len(shown) < 1000


def test_results_can_be_written_where_there_are_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "fcntl", None)
    assert result().write(tmp_path / "out").is_dir()
