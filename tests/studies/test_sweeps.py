"""Sweeps: resumed, extended, shared between processes and machines, and always the same bits."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import offtake as ot
from offtake.experiments.results import FolderInUse, FolderTaken
from offtake.experiments.studies.bands import bands
from offtake.experiments.studies.engines import UnknownEngine
from offtake.experiments.studies.parts import Design, Outcome, Record
from offtake.experiments.studies.processes import Processes
from offtake.experiments.studies.report import document, text
from offtake.experiments.studies.sweep import TooManyFailures, claimed
from offtake.experiments.studies.work import Job, work
from tests.studies.made import STUBS, X, digest, part, statuses, study

ROOT = Path(__file__).parents[2]
CHANCY = f"{STUBS}:Chancy"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Return the folder of a study that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    study().run(folder, engine="here", model=CHANCY)
    return folder


def test_every_run_of_the_plan_is_made_once(undisturbed):
    done = ot.Study.open(undisturbed)
    rows = done.runs().collect()
    assert rows.height == rows["run_id"].n_unique() == study().plan().runs == 44
    assert done.ticks().collect().height == 44 * 2
    assert done.failures().is_empty()


def test_a_finished_study_is_not_touched_again(undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    study().run(folder, engine="here", model=CHANCY)
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()} == before


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_workers_and_their_start_do_not_change_a_bit(undisturbed, tmp_path, start):
    engine = Processes(workers=2 if start == "spawn" else 1, start=start)
    done = study().run(tmp_path / "out", engine=engine, model=CHANCY)
    assert digest(done.folder) == digest(undisturbed)


def test_any_executor_is_an_engine(undisturbed, tmp_path):
    with ThreadPoolExecutor(2) as executor:
        done = study().run(tmp_path / "out", engine=executor, workers=2, model=CHANCY)
    assert digest(done.folder) == digest(undisturbed)


def test_a_misspelt_engine_is_named(tmp_path):
    with pytest.raises(UnknownEngine, match="did you mean 'processes'"):
        study().run(tmp_path / "out", engine="proceses")


REAL = """\
import sys
from pathlib import Path
from tests.studies.made import digest, study
from tests.studies.test_sweeps import market
print(digest(market().run(Path(sys.argv[1]), engine="here").folder))
"""


def market() -> ot.Study:
    """Return a study of the market itself."""
    churn = {"demand.churn_per_month": (0.02, 0.08)}
    return study(months=2, design=Design(replicates=1, seed=3), uncertain=churn)


def test_the_order_of_hashes_does_not_change_a_bit(tmp_path):
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", REAL, str(tmp_path / hash_seed)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("0", "4242")
    ]
    here = digest(market().run(tmp_path / "here", engine="here").folder)
    assert [process.communicate()[0].strip() for process in begun] == [here, here]


def test_shards_share_a_folder_or_are_copied_together(undisturbed, tmp_path):
    together, apart = tmp_path / "together", tmp_path / "apart"
    for number in (1, 2, 3):
        study().run(together, engine="here", shard=(number, 3), model=CHANCY)
        own = tmp_path / f"machine-{number}"
        study().run(own, engine="here", shard=(number, 3), model=CHANCY)
        shutil.copytree(own, apart, dirs_exist_ok=True)
    assert digest(together) == digest(apart) == digest(undisturbed)


def test_a_longer_study_keeps_what_is_there_and_adds_what_is_missing(tmp_path):
    short, long = (study(design=Design(replicates=n, seed=3)) for n in (2, 4))
    folder = tmp_path / "out"
    short.run(folder, engine="here", model=CHANCY)
    before = sorted(path.name for path in (folder / "runs").iterdir())
    made = []
    long.run(folder, engine="here", model=CHANCY, told=made.append)
    assert (made[0].done_before, made[0].made) == (22, 22)
    assert set(before) < {path.name for path in (folder / "runs").iterdir()}
    assert long.run(folder, engine="here", model=CHANCY).runs().collect().height == 44
    assert short.run(folder, engine="here", model=CHANCY).runs().collect().height == 22


@pytest.mark.parametrize(
    "change",
    [
        {"months": 3},
        {"set": {"demand.churn_per_month": 0.02}},
        {"outcomes": {"other": Outcome(observable="efficiency", over="mean")}},
        {"design": Design(replicates=4, seed=4)},
        {"record": Record(level="summary")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_runs_that_are_not_comparable_are_never_mixed(undisturbed, tmp_path, change):
    folder = shutil.copytree(undisturbed, tmp_path / "out")
    with pytest.raises(FolderTaken, match="another study"):
        study(**change).run(folder, engine="here", model=CHANCY)
    assert digest(folder) == digest(undisturbed)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(FolderTaken, match="holds no study"):
        study().run(tmp_path, engine="here")
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_a_second_sweep_of_one_folder_is_refused_at_once(tmp_path):
    folder = tmp_path / "out"
    with claimed(folder, None), pytest.raises(FolderInUse, match="another process"):
        study().run(folder, engine="here", model=CHANCY)


def test_shards_keep_out_a_whole_sweep_and_their_own_like_only(tmp_path):
    with claimed(tmp_path, (1, 3)):
        with claimed(tmp_path, (2, 3)):
            pass
        for taken in ((1, 3), None):
            with pytest.raises(FolderInUse), claimed(tmp_path, taken):
                pass


def test_failed_runs_are_rows_and_the_rest_goes_on(tmp_path):
    done = study().run(tmp_path / "out", engine="here", model=f"{STUBS}:Fragile")
    failed = done.failures()
    assert statuses(done) == {"ok": 40, "failed": 4}
    assert failed["error"].unique().to_list() == ["ValueError: x1 is too large"]
    assert failed["origin"].unique().to_list() == ["run"]
    assert failed["repeat"][0] == f"offtake study rerun {done.folder} --run {failed['run'][0]}"
    assert done.ticks().collect()["run"].n_unique() == 40
    assert "4 runs failed and are left out" in text(document(done))


def test_failed_runs_are_made_again_on_request(tmp_path):
    folder = tmp_path / "out"
    study().run(folder, engine="here", model=f"{STUBS}:Fragile")
    made = []
    study().run(folder, engine="here", model=f"{STUBS}:Fragile", retry=True, told=made.append)
    assert made[0].made == 4
    assert statuses(ot.Study.open(folder)) == {"ok": 40, "failed": 4}


def test_a_study_whose_first_runs_fail_alike_is_stopped(tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(TooManyFailures, match=r"20 of the first 20 .* RuntimeError: it cannot"):
        study().run(folder, engine="here", model=f"{STUBS}:Broken")
    done = study().run(folder, engine="here", model=f"{STUBS}:Broken", keep_going=True)
    assert statuses(done) == {"failed": 44}


def test_a_stopped_sweep_keeps_whole_runs_and_goes_on(undisturbed, tmp_path):
    looks = iter(range(1000))
    folder, made = tmp_path / "out", []
    study().run(
        folder, engine="here", model=CHANCY, stop=lambda: next(looks) > 40, told=made.append
    )
    assert made[0].stopped
    assert 0 < made[0].done < 44
    assert ot.Study.open(folder).runs().collect().height == made[0].done
    study().run(folder, engine="here", model=CHANCY)
    assert digest(folder) == digest(undisturbed)


def test_a_block_made_twice_is_one_block(undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "out")
    first = part(folder)
    content = first.read_bytes()
    first.unlink()
    work(Job(folder=folder, model=CHANCY), 0)
    assert first.read_bytes() == content
    assert digest(folder) == digest(undisturbed)


def test_two_reports_of_a_study_are_equal_to_the_last_bit(undisturbed):
    done = ot.Study.open(undisturbed)
    assert document(done) == document(done)
    assert bands(done, "efficiency").equals(bands(done, "efficiency"))


def test_parts_are_plain_parquet_for_anybody(undisturbed):
    rows = pl.read_parquet(undisturbed / "runs" / "*.parquet")
    ticks = pl.read_parquet(undisturbed / "ticks" / "*.parquet")
    assert rows["run"].sort().to_list() == list(range(44))
    assert ticks.schema == {
        "run": pl.UInt32, "month": pl.UInt16, "series": pl.UInt16, "value": pl.Float32
    }  # fmt: skip


def test_parts_are_read_by_duckdb_and_pandas(undisturbed):
    duckdb = pytest.importorskip("duckdb", reason="needs DuckDB")
    asked = f"""
        select count(*), count(distinct run_id), sum(value)
        from read_parquet('{undisturbed}/runs/*.parquet') as runs
        join read_parquet('{undisturbed}/plan.parquet') as plan using (run, run_id)
    """
    (found,) = duckdb.sql(asked).fetchall()
    rows = ot.Study.open(undisturbed).runs().collect()
    assert found == (44, 44, pytest.approx(rows["value"].sum()))
    ticks = duckdb.sql(f"select * from read_parquet('{undisturbed}/ticks/*.parquet')").df()
    assert dict(ticks.dtypes.astype(str)) == {
        "run": "uint32", "month": "uint16", "series": "uint16", "value": "float32"
    }  # fmt: skip
    assert len(ticks) == 88


def test_ten_thousand_tiny_runs_are_made_once_each_in_few_files(tmp_path):
    points = {"demand.usage_growth_per_month": tuple(n / 1000 for n in range(1000))}
    asked = study(
        months=1,
        uncertain=points,
        design=Design(replicates=10, seed=3),
        record=Record(level="summary"),
    )
    done = asked.run(tmp_path / "out", engine="here", model=f"{STUBS}:Linear")
    rows = done.runs().collect()
    assert rows.height == rows["run_id"].n_unique() == 10_000
    assert rows["status"].unique().to_list() == ["ok"]
    assert rows["value"].to_list() == [2.0 * x - 0.04 for x in rows[X[0]]]
    assert len(done.parts()) < 100


def test_a_changed_scenario_file_is_another_study(tmp_path):
    file = tmp_path / "calm.toml"
    text = 'format = 1\nname = "calm"\nquestion = "?"\nextends = "duopoly"\n[demand]\n'
    file.write_text(f'{text}source = "what-if"\nchurn_per_month = 0.01\n')
    asked = study(scenario=(str(file),))
    folder = asked.run(tmp_path / "out", engine="here", model=CHANCY).folder
    file.write_text(f'{text}source = "what-if"\nchurn_per_month = 0.02\n')
    with pytest.raises(FolderTaken, match="another study"):
        asked.run(folder, engine="here", model=CHANCY)


def test_the_manifest_names_versions_and_neither_host_nor_user_nor_path(undisturbed):
    told = (undisturbed / "manifest.json").read_text()
    assert '"polars"' in told
    assert '"simd"' in told
    for secret in (os.uname().nodename, str(Path.home()), str(ROOT), str(undisturbed.parent)):
        assert secret not in told


def test_a_market_records_what_a_plain_run_of_it_shows(tmp_path):
    churn = {"demand.churn_per_month": (0.02, 0.08)}
    asked = study(
        uncertain=churn,
        record=Record(level="events", columns=("hhi_compute", "dependence")),
        outcomes={"hold": Outcome(observable="dependence", of="Lab A", on="Cloud X")},
        design=Design(replicates=1, seed=3),
    )
    done = asked.run(tmp_path / "out", engine="here")
    row = done.runs().collect().row(1, named=True)
    plain = ot.run(
        "duopoly", seed=row["seed"], months=2, overrides=["demand.churn_per_month=0.08"]
    ).trajectories
    hold = plain.filter(observable="dependence", name="Lab A", other="Cloud X", month=1)
    assert row["hold"] == hold["value"][0]
    ticks = done.ticks().filter(run=1, observable="hhi_compute").collect()
    expected = plain.filter(observable="hhi_compute")["value"].cast(pl.Float32)
    assert ticks["value"].to_list() == expected.to_list()
    assert part(tmp_path / "out", "events").is_file()


def test_a_study_that_asks_for_nothing_still_makes_its_runs(tmp_path):
    asked = study(
        uncertain={}, outcomes={}, record=Record(level="summary"), design=Design(replicates=2)
    )
    assert statuses(asked.run(tmp_path / "out", engine="here")) == {"ok": 2}


def test_tables_and_observables_that_are_not_asked_for_are_not_made():
    market = ot.Market(ot.load_scenario("duopoly"), rng=1)
    market.step()
    whole = market.frames()
    few = market.frames(("trajectories", "events"), observables={"hhi_compute", "dependence"})
    assert list(few) == ["trajectories", "events"]
    assert few["events"].equals(whole["events"])
    asked = pl.col("observable").is_in(["hhi_compute", "dependence"])
    assert few["trajectories"].equals(whole["trajectories"].filter(asked))


def test_a_point_that_makes_no_scenario_is_a_failed_run(tmp_path):
    asked = study(uncertain={"sites.x-1.capacity_mw": (300.0, 1.0)}, design=Design(replicates=1))
    done = asked.run(tmp_path / "out", engine="here", keep_going=True)
    failed = done.failures()
    assert (failed.height, failed["origin"][0]) == (1, "scenario")
    assert replace(done, folder=None).plan().runs == 2
    assert X[0] not in done.runs().collect_schema()
