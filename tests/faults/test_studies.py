"""Studies that are killed, poisoned, starved or damaged: nothing is lost, doubled or believed."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import offtake as ot
from offtake.experiments.results import CannotWrite, ResultsDamaged
from offtake.experiments.studies.parts import Design
from tests.studies.made import STUBS, digest, part, statuses, study

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120
CHANCY = f"{STUBS}:Chancy"
LONG = 24
SWEEP = """\
import sys
from pathlib import Path
from tests.studies.made import study
LONG = 24
if __name__ == "__main__":
    study(months=LONG).run(Path(sys.argv[1]), workers=2, model=sys.argv[2])
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "out"
    study().run(folder, engine="here", model=CHANCY)
    return folder


@pytest.fixture
def copied(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "out")


CALL = "import sys; from offtake.cli import main; main(sys.argv[1:])"
SHARDS = """\
import sys
from pathlib import Path
from tests.studies.made import study
if __name__ == "__main__":
    shard = int(sys.argv[3]), 2
    study(months=24).run(Path(sys.argv[1]), engine="here", shard=shard, model=sys.argv[2])
"""
FULL = """\
import shutil, sys
from pathlib import Path
from offtake.experiments.results import CannotWrite
from offtake.experiments.studies.parts import Design
from tests.studies.made import digest, statuses, study
import offtake as ot
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    asked = study(months=24, design=Design(replicates=12, seed=3))
    stone = folder.with_name("stone")
    stone.write_bytes(bytes(300_000))
    try:
        asked.run(folder, engine="here", model=sys.argv[2])
    except CannotWrite as error:
        print(error.strerror)
    kept = ot.Study.open(folder).runs().collect().height
    assert 0 < kept < 132, kept
    assert not list(folder.rglob("*.tmp"))
    stone.unlink()
    asked.run(folder, engine="here", model=sys.argv[2])
    print(digest(folder))
"""


def begin(
    script: Path, folder: Path, *more: str, stderr: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(script), str(folder), CHANCY, *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=stderr,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], object]) -> None:
    """Poll until something has come about; the time it takes proves nothing."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.01)  # between looks, not instead of a condition


def parts(folder: Path) -> int:
    return len(list(folder.glob("runs/*.parquet")))


def test_a_process_group_killed_at_random_until_done_leaves_the_bits_of_an_undisturbed_study(
    tmp_path,
):
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP)
    folder, chance = tmp_path / "out", random.Random(1)
    for _ in range(3):
        before = parts(folder)
        process = begin(script, folder)
        wait_for(lambda p=process, n=before: parts(folder) > n or p.poll() is not None)
        time.sleep(chance.uniform(0, 0.2))  # a moment of chance, not a condition
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert 0 < ot.Study.open(folder).runs().collect().height <= 44
    assert begin(script, folder).wait(PATIENCE_SECONDS) == 0
    undisturbed = study(months=LONG).run(tmp_path / "undisturbed", engine="here", model=CHANCY)
    assert digest(folder) == digest(undisturbed.folder)
    assert not list(folder.rglob("*.tmp"))


def test_a_command_that_is_asked_to_stop_keeps_whole_runs_and_goes_on(tmp_path):
    file, folder = tmp_path / "asked.toml", tmp_path / "out"
    points = {"demand.churn_per_month": tuple(n / 100 for n in range(1, 9))}
    asked = study(months=3, uncertain=points, design=Design(replicates=2, seed=3), outcomes={})
    file.write_text(asked.to_toml())
    words = ["study", "run", str(file), "--out", str(folder), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for(lambda: parts(folder) or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=PATIENCE_SECONDS)[1].decode()
    assert process.returncode == 130
    assert "nothing is lost" in said
    kept = ot.Study.open(folder).runs().collect().height
    assert 0 < kept < 16
    told = []
    asked.run(folder, engine="here", told=told.append)
    assert (told[0].done_before, told[0].done) == (kept, 16)


def test_two_processes_on_one_folder_and_only_one_of_them_works(tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP)
    folder = tmp_path / "out"
    both = [begin(script, folder, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE_SECONDS)[1].decode() for process in both]
    first, second = sorted(zip([p.returncode for p in both], said, strict=True))
    assert first[0] == 0
    assert second[0] == 1
    assert "FolderInUse: another process works on" in second[1]
    undisturbed = study(months=LONG).run(tmp_path / "undisturbed", engine="here", model=CHANCY)
    assert digest(folder) == digest(undisturbed.folder)


def test_two_processes_that_share_a_folder_by_shards_at_once(tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text(SHARDS)
    folder = tmp_path / "out"
    both = [begin(script, folder, number) for number in ("1", "2")]
    assert [process.wait(PATIENCE_SECONDS) for process in both] == [0, 0]
    undisturbed = study(months=LONG).run(tmp_path / "undisturbed", engine="here", model=CHANCY)
    assert digest(folder) == digest(undisturbed.folder)


@pytest.mark.parametrize(
    ("model", "limits", "status"),
    [
        ("Poison", {}, "died"),
        ("Hanging", {"seconds_a_run": 0.5}, "timeout"),
        ("Hungry", {"mb_a_run": 1200}, "memory"),
    ],
)
def test_a_run_that_ends_its_process_is_a_row_and_costs_no_other(tmp_path, model, limits, status):
    points = {"demand.usage_growth_per_month": (0.1, 1.0, 0.5)}
    asked = study(uncertain=points, months=1, design=Design(replicates=1))
    done = asked.run(tmp_path / "out", workers=1, model=f"{STUBS}:{model}", **limits)
    assert statuses(done) == {"ok": 2, status: 1}
    assert done.failures()["origin"].unique().to_list() == ["process"]
    assert not list((tmp_path / "out" / "busy").iterdir())


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def swapped(path: Path) -> None:
    other = part(path.parent.parent, path.parent.name, 1)
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


@pytest.mark.parametrize("kind", ["runs", "ticks"])
@pytest.mark.parametrize("damage", [flipped, cut, emptied, swapped])
def test_a_damaged_part_is_noticed_and_only_its_runs_are_made_again(copied, whole, kind, damage):
    damage(part(copied, kind))
    with pytest.raises(ResultsDamaged, match=f"{kind}/000000"):
        ot.Study.open(copied).ticks()
    made = []
    study().run(copied, engine="here", model=CHANCY, told=made.append)
    assert made[0].made == (10 if damage is swapped else 5)
    assert digest(copied) == digest(whole)


def test_a_part_that_is_gone_is_made_again(copied, whole):
    part(copied, "ticks").unlink()
    with pytest.raises(ResultsDamaged, match="gone"):
        ot.Study.open(copied).runs()
    study().run(copied, engine="here", model=CHANCY)
    assert digest(copied) == digest(whole)


@pytest.mark.parametrize("stranger", [{"months": 1}, {"outcomes": {}}], ids=["plan", "columns"])
def test_a_part_of_another_study_is_not_believed(copied, tmp_path, stranger):
    other = study(**stranger).run(tmp_path / "other", engine="here", model=CHANCY)
    foreign = part(other.folder)
    shutil.copy(foreign, copied / "runs" / foreign.name)
    with pytest.raises(ResultsDamaged, match=r"not in the plan|belongs to another study"):
        ot.Study.open(copied).runs()


def test_months_of_another_study_are_not_read(copied, whole, tmp_path):
    other = study(design=Design(replicates=1, seed=9)).run(
        tmp_path / "other", engine="here", model=CHANCY
    )
    foreign = part(other.folder, "ticks")
    shutil.copy(foreign, copied / "ticks" / foreign.name)
    assert digest(copied) == digest(whole)


def test_half_written_files_of_a_killed_process_are_swept_away(copied):
    remains = copied / "runs" / f"{part(copied).name}.123-abcd.tmp"
    remains.write_bytes(b"half")
    study().run(copied, engine="here", model=CHANCY)
    assert not remains.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "cannot be read"), ('{"schema": "offtake.study/9"}', "of format 'offtake.study/9'")],
)
def test_a_manifest_that_is_not_ours_is_refused(copied, text, said):
    (copied / "manifest.json").write_text(text)
    with pytest.raises(ResultsDamaged, match=said):
        ot.Study.open(copied)


def test_no_room_keeps_what_is_finished_and_says_so(tmp_path):
    folder = tmp_path / "out"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    small = study(uncertain={"demand.usage_growth_per_month": (0.1, 0.2)})

    def narrow(_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))

    try:
        with pytest.raises(CannotWrite, match=r"cannot write .* \(needs .* the same command goes"):
            small.run(folder, engine="here", model=CHANCY, watch=narrow)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(folder.rglob("*.tmp"))
    assert ot.Study.open(folder).runs().collect().height == 5
    assert small.run(folder, engine="here", model=CHANCY).runs().collect().height == 8


def in_a_small_file_system(place: Path, size: str, *command: str) -> list[str]:
    """Run a command where a folder is a file system of its own; needs namespaces of the kernel."""
    mounted = f"mount -t tmpfs -o size={size} none '{place}' && exec \"$@\""
    return ["unshare", "--mount", "--map-root-user", "sh", "-c", mounted, "sh", *command]


def test_a_disk_that_is_full_keeps_what_is_finished(tmp_path):
    place, script = tmp_path / "small", tmp_path / "full.py"
    place.mkdir()
    script.write_text(FULL)
    try:
        tried = subprocess.run(in_a_small_file_system(place, "64k", "true"), capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if tried.returncode:
        pytest.skip(f"no file system may be mounted here: {tried.stderr.decode().strip()}")
    done = subprocess.run(
        in_a_small_file_system(
            place, "400k", sys.executable, str(script), str(place / "out"), CHANCY
        ),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said, told = done.stdout.splitlines()
    assert "No space left on device (needs" in said
    asked = study(months=24, design=Design(replicates=12, seed=3))
    assert told == digest(asked.run(tmp_path / "whole", engine="here", model=CHANCY).folder)


@pytest.mark.parametrize("fails_at", range(1, 12, 2))
def test_whichever_write_fails_no_run_counts_that_is_not_there(tmp_path, monkeypatch, fails_at):
    folder, count, real = tmp_path / "out", 0, os.fsync

    def fsync(opened: int) -> None:
        nonlocal count
        count += 1
        if count == fails_at + 10:
            raise OSError(5, "Input/output error")
        real(opened)

    small = study(uncertain={"demand.usage_growth_per_month": (0.1, 0.2)})
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(CannotWrite, match="Input/output error"):
        small.run(folder, engine="here", model=CHANCY)
    done = small.run(folder, engine="here", model=CHANCY)
    assert statuses(done) == {"ok": 8}
    assert done.ticks().collect().height == 16


def test_workers_do_not_outlive_a_killed_sweep(tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP)
    process = begin(script, tmp_path / "out")
    wait_for(lambda: parts(tmp_path / "out"))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not members(process.pid))


def members(group: int) -> list[str]:
    """Return the processes of a group that still run."""
    listed = subprocess.run(["ps", "-eo", "pgid,stat"], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listed.stdout.splitlines()[1:])
    return [stat for pgid, stat in rows if int(pgid) == group and not stat.startswith("Z")]
