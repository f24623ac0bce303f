"""Engines of clusters: Ray here and on two nodes, Dask, and executors named on the command line."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import offtake as ot
from benchmarks._cluster import Cluster
from offtake.cli import call
from offtake.experiments.studies.clusters import MODE, TOKEN, TOKEN_FILE, Ray
from offtake.experiments.studies.engines import Futures, UnknownEngine, engine_of
from offtake.experiments.studies.work import EngineFailed, Job, work, work_elsewhere
from tests.studies.made import STUBS, digest, statuses, study

ROOT = Path(__file__).parents[2]
CHANCY = f"{STUBS}:Chancy"
SECONDS = 120
SWEEP = """\
import sys
from pathlib import Path
from offtake.experiments.studies.parts import Design
from tests.studies.made import study
points = {"demand.usage_growth_per_month": (0.1, 1.0, 0.5)}
few = {"uncertain": points, "months": 1, "design": Design(replicates=1)}
if __name__ == "__main__":
    folder, model, address = sys.argv[1:]
    asked = study(**few) if model == "Poison" else study()
    address = None if address == "local" else address
    asked.run(folder, engine="ray", address=address, model=f"tests.studies.stubs:{model}")
"""
needs_ray = pytest.mark.skipif(
    find_spec("ray") is None or sys.platform != "linux",
    reason="needs Ray (offtake[ray]) and Linux, where 127.0.0.0/8 is loopback",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    return digest(study().run(folder, engine="here", model=CHANCY).folder)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(ROOT) as found:
        yield found


def sweep(folder: Path, model: str, address: str, environment=None) -> str:
    """Run a sweep in a process of its own, for Ray changes the one it is in; return its errors."""
    done = subprocess.run(
        [sys.executable, "-c", SWEEP, str(folder), model, address],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout == ""
    return done.stderr if done.returncode else ""


@needs_ray
def test_a_run_that_ends_every_worker_of_ray_is_a_row_and_costs_no_other(tmp_path):
    assert not sweep(tmp_path / "out", "Poison", "local")
    done = ot.Study.open(tmp_path / "out")
    assert statuses(done) == {"ok": 2, "died": 1}
    assert not list((tmp_path / "out" / "busy").iterdir())


@needs_ray
def test_two_nodes_of_ray_make_the_same_bits(cluster, undisturbed, tmp_path):
    assert not sweep(tmp_path / "out", "Chancy", cluster.address, cluster.environment)
    assert digest(tmp_path / "out") == undisturbed


@needs_ray
def test_a_cluster_joined_from_afar_makes_the_same_bits(cluster, undisturbed, tmp_path):
    assert not sweep(tmp_path / "out", "Chancy", cluster.client_address, cluster.environment)
    assert digest(tmp_path / "out") == undisturbed


@needs_ray
def test_a_cluster_lets_nobody_in_with_another_token(cluster, tmp_path):
    stranger = {**cluster.environment, TOKEN: "0" * 32}
    said = sweep(tmp_path / "out", "Chancy", cluster.address, stranger)
    assert f"EngineFailed: no Ray cluster at {cluster.address}" in said
    assert "token" in said.lower()


def test_a_cluster_without_a_token_is_not_joined(monkeypatch, tmp_path):
    for name in (MODE, TOKEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(TOKEN_FILE, str(tmp_path / "none"))
    with pytest.raises(EngineFailed, match=r"wants its token: set RAY_AUTH_TOKEN"):
        study().run(tmp_path / "out", engine="ray", address="10.0.0.1:6379", model=CHANCY)


def test_dask_is_an_engine_by_its_executor(undisturbed, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs Dask")
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with distributed.Client(**options, dashboard_address=None) as client:
        executor = client.get_executor()
        done = study().run(tmp_path / "out", engine=executor, workers=2, model=CHANCY)
    assert digest(done.folder) == undisturbed


def test_an_executor_may_be_named_on_the_command_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "churn.toml").write_text(
        'title = "T"\nscenario = "duopoly"\nmonths = 1\n[design]\nreplicates = 2\n'
    )
    monkeypatch.chdir(tmp_path)
    run = ["study", "run", "churn.toml", "--out", "out", "--engine", "futures"]
    assert call(run) == 2
    assert "--address MODULE:NAME" in capsys.readouterr().err
    assert call([*run, "--address", "concurrent.futures:ThreadPoolExecutor"]) == 0
    assert statuses(ot.Study.open(tmp_path / "out")) == {"ok": 2}


@pytest.mark.parametrize(
    ("engine", "address", "said"),
    [
        ("futures", "nowhere.at.all:Executor", "makes no executor: No module"),
        ("futures", "pathlib:Path", "which is no executor"),
        ("processes", "10.0.0.1:1", "of the engines ray and futures"),
    ],
)
def test_an_address_that_names_no_executor_is_refused(engine, address, said):
    with pytest.raises(UnknownEngine, match=said):
        engine_of(engine, workers=1, address=address)


def test_ray_starts_here_unless_a_cluster_is_named():
    found = engine_of("ray", workers=3)
    assert isinstance(found, Ray)
    assert (found.address, found.workers) == ("local", 3)


def test_a_worker_that_cannot_see_the_folder_says_so(tmp_path):
    with pytest.raises(EngineFailed, match="one folder that all workers share"):
        work_elsewhere(Job(folder=tmp_path / "elsewhere"), 0)


def test_a_worker_with_other_code_refuses_to_mix_its_runs_in(tmp_path):
    folder = study().run(tmp_path / "out", engine="here", model=CHANCY).folder
    assert folder is not None
    with pytest.raises(EngineFailed, match="never mixed"):
        work(Job(folder=folder, model=f"{STUBS}:Linear"), 0)


def test_workers_elsewhere_hear_that_somebody_asked_to_stop(tmp_path):
    folder = tmp_path / "out"
    asked: list[bool] = []

    class Elsewhere:
        """Runs a block only after somebody has asked to stop."""

        def submit(self, function, job, block):
            from concurrent.futures import Future

            engine_halt = engine.halt
            assert engine_halt is not None
            asked.append(True)
            engine_halt.heed()
            done: Future = Future()
            done.set_result(function(job, block))
            return done

    engine = Futures(Elsewhere(), window=1)  # pyright: ignore
    told = []
    study().run(folder, engine=engine, model=CHANCY, stop=lambda: bool(asked), told=told.append)
    assert told[0].stopped
    assert told[0].made == 0
    assert not list((folder / "busy").iterdir())
