"""Runs that are stopped, killed, or run out of room: what was kept is whole, and said."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from offtake.experiments.results import TABLES, Result
from offtake.experiments.run import plan, simulate_many
from offtake.model.market import Market

PATIENCE_SECONDS = 60
LONG = ["--seeds", "400"]
QUARTER = ["--months", "3"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")


def start(*args: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from offtake.cli import main; main()", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], object]) -> None:
    """Poll until something has come about; the time it takes proves nothing."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.01)  # between looks, not instead of a condition


def begin_run(out: Path, *more: str) -> subprocess.Popen[str]:
    process = start("run", "duopoly", "--out", str(out), *LONG, "--workers", "1", *more)
    wait_for(out.with_name(f".{out.name}.partial").exists)
    return process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_keeps_whole_runs_or_nothing_and_says_which(tmp_path, number, code):
    process = begin_run(tmp_path / "out")
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in err
    if names(tmp_path):
        kept = Result.open(tmp_path / "out").seeds
        assert f"{len(kept)} of 400 runs finished; they are kept in {tmp_path / 'out'}" in err
    else:
        assert "0 of 400 runs finished; nothing was kept" in err


def test_an_interrupted_command_keeps_the_runs_that_finished(tmp_path):
    asked = plan("duopoly", seeds=10, months=3)
    finished: list[int] = []
    ensemble = simulate_many(
        asked, stop=lambda: len(finished) == 4, tick=lambda _, count: note(finished, count)
    )
    assert ensemble.stopped
    assert ensemble.finished == (1, 2, 3, 4)
    kept = Result.open(ensemble.result.write(tmp_path / "out"))  # pyright: ignore
    whole = simulate_many(replace(asked, seeds=(1, 2, 3, 4))).result
    assert whole is not None
    for name in TABLES:
        assert_frame_equal(kept.frames[name], whole.frames[name])


def note(finished: list[int], count: int) -> None:
    if count > len(finished):
        finished.append(count)


def test_a_killed_command_leaves_no_results_folder_and_the_next_one_works(tmp_path):
    process = begin_run(tmp_path / "out")
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    assert names(tmp_path) == [".out.partial"]
    again = start("run", "duopoly", "--out", str(tmp_path / "out"), *QUARTER)
    _, err = again.communicate(timeout=PATIENCE_SECONDS)
    assert again.returncode == 0, err
    assert names(tmp_path) == ["out"]


def test_a_second_command_on_the_same_folder_is_refused_at_once(tmp_path):
    process = begin_run(tmp_path / "out")
    try:
        other = start("run", "duopoly", "--out", str(tmp_path / "out"))
        _, err = other.communicate(timeout=PATIENCE_SECONDS)
        assert other.returncode == 5
        assert "another process is writing" in err
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)


def test_a_file_size_limit_returns_six_and_leaves_nothing(tmp_path):
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    process = start("run", "duopoly", "--out", str(tmp_path / "out"), *QUARTER, before=limit)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 6, err
    assert "nothing was kept" in err
    assert "Traceback" not in err
    assert names(tmp_path) == []


def test_no_home_folder_is_no_obstacle():
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    ended = subprocess.run(
        [sys.executable, "-c", "from offtake.cli import main; main()", "run", "duopoly", *QUARTER],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


# --- several processes ----------------------------------------------------------------------------


def test_processes_side_by_side_give_the_tables_of_one_process():
    asked = plan("duopoly", seeds=3, months=3)
    alone, together = simulate_many(asked), simulate_many(asked, workers=2)
    assert alone.result is not None
    assert together.result is not None
    assert together.result.manifest == alone.result.manifest
    for name in TABLES:
        assert_frame_equal(together.result.frames[name], alone.result.frames[name])


def test_a_worker_that_dies_once_costs_nothing(tmp_path, monkeypatch):
    ensemble = simulate_many(mortal(tmp_path, monkeypatch, lives=1), workers=2)
    assert ensemble.failures == ()
    assert ensemble.finished == (1, 2, 3)


def test_a_run_whose_worker_dies_twice_is_listed_and_the_others_are_kept(tmp_path, monkeypatch):
    ensemble = simulate_many(mortal(tmp_path, monkeypatch, lives=9), workers=2)
    assert [(failure.seed, failure.kind) for failure in ensemble.failures] == [(2, "killed")]
    assert ensemble.finished == (1, 3)


MORTAL = '''
import os
from pathlib import Path
from offtake.model.market import Market

class Mortal(Market):
    """A market whose second seed kills its process as often as there are files to remove."""

def make(scenario, *, rng, check):
    lives = sorted(Path(__file__).parent.glob("life-*"))
    if rng == 2 and lives:
        lives[0].unlink()
        os.kill(os.getpid(), 9)
    return Market(scenario, rng=rng, check=check)
'''


def mortal(tmp_path, monkeypatch, *, lives: int):
    """Return a plan whose seed 2 kills its worker; workers find the module by the same path."""
    (tmp_path / f"mortal_{lives}.py").write_text(MORTAL)
    for number in range(lives):
        (tmp_path / f"life-{number}").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    market = __import__(f"mortal_{lives}").make
    return replace(plan("duopoly", seeds=3, months=2), market=market)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_whole_group_ends_workers_without_tracebacks(tmp_path, number, code):
    process = start("run", "duopoly", *LONG, "--workers", "2", "--out", str(tmp_path / "out"))
    wait_for(lambda: len(members(process.pid)) >= 3)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "runs finished" in err
    wait_for(lambda: not members(process.pid))


def test_workers_do_not_outlive_a_killed_command(tmp_path):
    process = start("run", "duopoly", *LONG, "--workers", "2", "--out", str(tmp_path / "out"))
    wait_for(lambda: len(members(process.pid)) >= 3)
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    wait_for(lambda: not members(process.pid))


def members(session: int) -> list[int]:
    """Return the live processes of a session, from the kernel's table."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def test_market_is_the_default_of_a_plan():
    assert plan("duopoly", seeds=1).market is Market
