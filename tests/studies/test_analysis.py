"""What is made of finished runs: given-data indices, boxes, bands, compaction."""

import math
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import offtake as ot
from offtake.experiments.results import ResultsDamaged
from offtake.experiments.studies import bands as banding
from offtake.experiments.studies.bands import bands
from offtake.experiments.studies.boxes import box
from offtake.experiments.studies.compaction import compact
from offtake.experiments.studies.given import bins, first_order
from offtake.experiments.studies.parts import Claim, Design, Record
from offtake.experiments.studies.report import document, text
from tests.studies.made import STUBS, X, between, digest, part, study
from tests.studies.stubs import ishigami

CHANCY = f"{STUBS}:Chancy"
TWO_LEVERS = {"demand.churn_per_month": (0.02, 0.08)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    study(levers=TWO_LEVERS).run(folder, engine="here", model=CHANCY)
    return folder


@pytest.fixture
def copied(undisturbed, tmp_path) -> Path:
    return shutil.copytree(undisturbed, tmp_path / "out")


# Indices from whatever runs are given


def test_given_data_indices_find_the_published_ones_of_ishigami():
    x = np.random.default_rng(1).uniform(-math.pi, math.pi, (4000, 3))
    found = first_order(list(x.T), np.array([ishigami(list(row)) for row in x]))
    # Ishigami and Homma (1990), a = 7, b = 0.1
    assert [each["S1"] for each in found] == pytest.approx([0.3139, 0.4424, 0.0], abs=0.04)
    assert all(0.005 < each["S1_conf"] < 0.05 for each in found)


def test_words_are_bins_and_chance_alone_explains_nothing():
    chance = np.random.default_rng(2)
    words = [("open", "licensed", "closed")[i % 3] for i in range(300)]
    moved = np.array([{"open": 1.0, "licensed": 2.0, "closed": 3.0}[word] for word in words])
    (index,) = first_order([words], moved)
    assert index["S1"] == pytest.approx(1.0)
    noise = [first_order([words], chance.normal(size=300))[0]["S1"] for _ in range(50)]
    assert abs(np.mean(noise)) < 0.005


@pytest.mark.parametrize("column", [[1.0, 2.0, 3.0] * 8, [True, False] * 12, list("abc") * 8])
def test_few_values_have_a_bin_each(column):
    assert len(set(bins(column).tolist())) == len(set(column))


def test_a_sobol_design_has_indices_and_a_failed_point_leaves_whole(tmp_path):
    design = Design(method="sobol", points=64, replicates=2, seed=1)
    summary = Record(level="summary")
    asked = study(uncertain=between(0.0, 0.95), design=design, record=summary, months=1)
    done = asked.run(tmp_path / "out", engine="here", model=f"{STUBS}:Fragile")
    (found,) = document(done)["sensitivity"]
    failed = done.runs().filter(status="failed").select("point").unique().collect().height
    assert (found["method"], found["dropped"]) == ("given data", failed)
    assert failed > 0
    assert found["indices"][X[0]]["S1"] > 0.9
    assert abs(found["indices"][X[1]]["S1"]) < 0.2
    assert f"{failed} points left out whole for failed runs" in text(document(done))


# Boxes


def test_the_box_in_which_something_happens_is_found():
    chance = np.random.default_rng(3)
    a, b, c = chance.random((3, 1000))
    kinds = [("open", "closed", "licensed")[i % 3] for i in range(1000)]
    inside = [
        bool(x > 0.7 and y < 0.4 and kind != "open")
        for x, y, kind in zip(a, b, kinds, strict=True)
    ]  # fmt: skip
    found = box({"a": list(a), "b": list(b), "c": list(c), "kind": kinds}, inside)
    assert found is not None
    assert set(found.limits) == {"a", "b", "kind"}
    assert found.limits["a"].low == pytest.approx(0.7, abs=0.04)
    assert found.limits["b"].high == pytest.approx(0.4, abs=0.04)
    assert found.limits["kind"].among == ("closed", "licensed")
    assert found.coverage > 0.85
    assert found.density > 0.85


def test_no_box_is_drawn_around_chance():
    chance = np.random.default_rng(4)
    columns = {name: chance.random(400).tolist() for name in "abc"}
    drawn = 0
    for _ in range(20):
        found = box(columns, (chance.random(400) < 0.5).tolist())
        drawn += found is not None and found.density > 0.75 and found.coverage > 0.5
    assert drawn == 0


def test_too_few_futures_have_no_box():
    assert box({"a": list(range(50))}, [n < 5 for n in range(50)]) is None


def test_the_report_says_where_a_claim_fails(tmp_path):
    fails = Claim.model_validate({"say": "It stays low", "test": "value < 1", "in": 0.5})
    design = Design(method="sobol", points=128, replicates=1, seed=1)
    asked = study(uncertain=between(0.0, 1.0), design=design, claims=(fails,), months=1)
    done = asked.run(tmp_path / "out", engine="here", model=f"{STUBS}:Linear")
    (found,) = document(done)["boxes"]  # 2 x1 - x2 >= 1
    assert found["kind"] == "fails"
    assert found["limits"][X[0]]["low"] > 0.5
    assert X[2] not in found["limits"]
    assert f" <= {X[0]}" in text(document(done))


# Bands


def by_polars(done: ot.Study) -> pl.DataFrame:
    """Return the bands in another way."""
    value = pl.col("value").cast(pl.Float64)
    numbers = [
        value.quantile(share, interpolation="linear").alias(name)
        for name, share in (("low", 0.05), ("median", 0.5), ("high", 0.95))
    ]
    keys = ("observable", "name", "other", "unit", "month")
    rows = done.ticks().group_by(keys).agg(pl.len().alias("runs"), *numbers).sort(keys)
    return rows.collect()


@pytest.mark.parametrize("at_once", [banding.MOST_VALUES, 50])
def test_bands_by_month_are_quantiles_however_they_are_sliced(undisturbed, monkeypatch, at_once):
    monkeypatch.setattr(banding, "MOST_VALUES", at_once)
    done = ot.Study.open(undisturbed)
    found, expected = bands(done), by_polars(done)
    assert found.select("month", "runs").rows() == expected.select("month", "runs").rows()
    for name in ("low", "median", "high"):
        assert found[name].to_list() == pytest.approx(expected[name].to_list(), rel=1e-12)


def test_bands_of_the_report_stand_apart_by_lever_and_show_every_month(undisturbed):
    rows = document(ot.Study.open(undisturbed))["bands"]
    assert [(row["levers"]["demand.churn_per_month"], row["month"]) for row in rows] == [
        (0.02, 0), (0.02, 1), (0.08, 0), (0.08, 1)
    ]  # fmt: skip
    assert "Bands: median [5-95% of runs] by month" in text(document(ot.Study.open(undisturbed)))


def test_bands_of_a_market_leave_out_what_has_no_value(tmp_path):
    asked = study(
        uncertain={"demand.churn_per_month": (0.02, 0.08)},
        design=Design(replicates=1, seed=3),
        record=Record(level="ticks", columns=("dependence", "hhi_compute")),
    )
    done = asked.run(tmp_path / "out", engine="here")
    expected = by_polars(done)
    assert bands(done)["median"].to_list() == expected["median"].to_list()
    assert bands(done, "hhi_compute").height == 2


# Compaction


def test_many_parts_become_few_and_say_the_same(copied, undisturbed):
    done = ot.Study.open(copied)
    before = bands(done)
    found = done.compact()
    parts = [*undisturbed.glob("runs/*"), *undisturbed.glob("ticks/*")]
    assert (found.before, found.after) == (len(parts), 2)
    assert len(list(copied.glob("runs/*"))) == len(list(copied.glob("ticks/*"))) == 1
    assert digest(copied) == digest(undisturbed)
    assert bands(done).equals(before)
    assert done.compact().after == 2


def test_a_compacted_study_goes_on_and_is_compacted_again(copied, tmp_path):
    ot.Study.open(copied).compact()
    longer = study(levers=TWO_LEVERS, design=Design(replicates=6, seed=3))
    made = []
    longer.run(copied, engine="here", model=CHANCY, told=made.append)
    assert made[0].made == 44
    done = longer.run(copied, engine="here", model=CHANCY)
    done.compact()
    whole = longer.run(tmp_path / "whole", engine="here", model=CHANCY)
    assert digest(copied) == digest(whole.folder)
    assert len(list(copied.glob("runs/*"))) == 1


@pytest.mark.parametrize("killed_at", range(1, 9))
def test_compaction_that_is_killed_loses_and_doubles_nothing(
    copied, undisturbed, monkeypatch, killed_at
):
    class Killed(BaseException):
        pass

    count, real_unlink = 0, Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        nonlocal count
        if path.suffix == ".parquet":
            count += 1
            if count == killed_at:
                raise Killed
        real_unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    done = ot.Study.open(copied)
    with pytest.raises(Killed):
        compact(done.store)
    monkeypatch.undo()
    assert digest(copied) == digest(undisturbed)
    assert done.compact().after == 2
    assert digest(copied) == digest(undisturbed)


def test_nothing_is_compacted_that_is_damaged(copied):
    part(copied, "ticks").write_bytes(b"")
    before = sorted(path.name for path in copied.rglob("*.parquet"))
    with pytest.raises(ResultsDamaged, match="mend it, then compact"):
        ot.Study.open(copied).compact()
    assert sorted(path.name for path in copied.rglob("*.parquet")) == before
