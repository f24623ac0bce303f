"""A study on two Ray nodes, a worker and then a node killed at work: the same bits as undisturbed."""

import os
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from _cluster import Cluster, wait_until
from _runs import options, say

import offtake as ot
from offtake.experiments.studies.parts import Design, Outcome, Record
from offtake.model.reading import read

MARKET = "duopoly"
MONTHS = 3
KEY = "demand.churn_per_month"
TASK = "work_elsewhere"


def main() -> None:
    """Print how long each sweep took and whether its bits are those of an undisturbed one."""
    if len(sys.argv) > 1 and sys.argv[1] == "--sweep":
        study(int(sys.argv[3])).run(
            sys.argv[2], engine="ray", address=sys.argv[4], model="_models:Busy"
        )
        return
    runs: int = options("Kill a worker and a node of a Ray cluster.", runs=400).runs
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        whole = study(runs).run(Path(place) / "whole", workers=2, model="_models:Busy")
        expected = digest(whole)
        tell("processes, undisturbed", runs, time.perf_counter() - began, same=True)
        for loss in ("nothing", "a worker", "a node"):
            with Cluster(Path(__file__).parent) as cluster:
                folder = Path(place) / loss
                began = time.perf_counter()
                done = swept(cluster, folder, runs, loss)
                same = done and digest(ot.Study.open(folder)) == expected
                tell(f"Ray, {loss} lost", runs, time.perf_counter() - began, same=same)


def swept(cluster: Cluster, folder: Path, runs: int, loss: str) -> bool:
    """Sweep on a cluster that loses something on the way; tell whether the sweep ended well."""
    command = [sys.executable, __file__, "--sweep", str(folder), str(runs), cluster.address]
    process = subprocess.Popen(command, env=cluster.environment)
    other = cluster.nodes[1]
    if loss != "nothing":
        wait_until(lambda: len(list(folder.glob("runs/*.parquet"))) > 4)
        wait_until(lambda: cluster.workers(other, TASK) or process.poll() is not None)
        assert process.poll() is None, "the sweep ended before anything was lost"
    if loss == "a worker":
        os.kill(cluster.workers(other, TASK)[0], 9)
    elif loss == "a node":
        cluster.kill(other)
    return process.wait() == 0


def study(runs: int) -> ot.Study:
    """Return a study of runs that take their time."""
    return ot.Study(
        title="Losses",
        scenario=(MARKET,),
        months=MONTHS,
        uncertain={KEY: tuple(round(0.01 + i / 1000, 4) for i in range(20))},
        design=Design(replicates=runs // 20, seed=1),
        record=Record(level="ticks", columns=("hhi_compute",)),
        outcomes={"hhi": Outcome(observable="hhi_compute")},
    )


def digest(done: ot.Study) -> str:
    """Return the hash of everything that a study's runs say, in the order of the runs."""
    rows = done.runs().sort("run").collect()
    ticks = done.ticks().sort("run", "observable", "name", "other", "month").collect()
    return sha256((rows.write_ndjson() + ticks.write_ndjson()).encode()).hexdigest()


def tell(sweep: str, runs: int, seconds: float, *, same: bool) -> None:
    """Print one sweep."""
    say("cluster", [read(MARKET)], runs=runs, sweep=sweep, seconds=seconds, same_bits=same)


if __name__ == "__main__":
    main()
