"""Designs: the points they try, and indices that are known by formula."""

import math

import numpy as np
import polars as pl
import pytest

from offtake.experiments.studies.designs import futures
from offtake.experiments.studies.parts import Design, Record
from offtake.experiments.studies.report import document
from tests.studies.made import STUBS, X, between, study
from tests.studies.stubs import SobolG, ishigami

SUMMARY = Record(level="summary")


def points(**fields):
    return futures(study(**fields).asked())


def test_a_grid_tries_every_combination():
    found = points(
        uncertain={**between(0.0, 1.0, X[:1]), X[1]: (5.0, 6.0)}, design=Design(levels=3)
    )
    assert [tuple(each.values()) for each in found] == [
        (0.0, 5.0), (0.0, 6.0), (0.5, 5.0), (0.5, 6.0), (1.0, 5.0), (1.0, 6.0)
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["sobol", "halton"])
def test_a_longer_sequence_begins_with_the_shorter(method):
    few, many = (
        points(uncertain=between(0.0, 1.0), design=Design(method=method, points=n, seed=3))
        for n in (8, 16)
    )
    assert many[:8] == few


@pytest.mark.parametrize("method", ["lhs", "sobol", "halton"])
def test_a_sample_spreads_over_the_whole_of_every_range(method):
    found = points(uncertain=between(2.0, 4.0), design=Design(method=method, points=16))
    for name in X:
        cells = {int((point[name] - 2.0) * 4) for point in found}  # pyright: ignore
        assert cells == set(range(8))


def test_a_log_scale_spreads_ratios_evenly():
    cash = 'labs."Lab A".cash_usd'
    log = {"from": 1e8, "to": 1e10, "scale": "log"}
    dial = next(iter(between(1, 2, (cash,)).values())).model_validate(log)
    found = [p[cash] for p in points(uncertain={cash: dial}, design=Design(levels=3))]
    assert found == pytest.approx([1e8, 1e9, 1e10])


def test_a_table_of_points_is_taken_as_it_stands(tmp_path):
    file = tmp_path / "points.csv"
    pl.DataFrame({X[0]: [0.25, 0.75]}).write_csv(file)
    given = Design(method="file", file=str(file))
    assert points(uncertain=between(0.0, 1.0, X[:1]), design=given) == [{X[0]: 0.25}, {X[0]: 0.75}]


def test_replicates_share_their_seeds_over_all_points_and_levers():
    plan = study(design=Design(replicates=3)).plan().table
    assert plan.group_by("replicate").agg(pl.col("seed").n_unique())["seed"].to_list() == [1, 1, 1]
    assert plan["seed"].n_unique() == 3


def test_independent_points_have_seeds_of_their_own():
    plan = study(design=Design(replicates=3, independent=True)).plan().table
    assert plan["seed"].n_unique() == plan.height


def test_every_prefix_of_the_plan_is_whole_replicates_and_a_prefix_of_the_points():
    plan = study().plan().table
    assert plan["replicate"].is_sorted()
    assert plan["point"].head(11).to_list() == list(range(11))


def test_saltelli_finds_the_published_indices_of_ishigami(tmp_path):
    pytest.importorskip("SALib")
    asked = study(
        uncertain=between(-math.pi, math.pi),
        design=Design(method="saltelli", points=1024, replicates=1, seed=1),
        record=SUMMARY,
        months=1,
    )
    done = asked.run(tmp_path / "out", engine="here", model=f"{STUBS}:Ishigami")
    (found,) = document(done)["sensitivity"]
    first = [found["indices"][name]["S1"] for name in X]
    total = [found["indices"][name]["ST"] for name in X]
    # Ishigami and Homma (1990), a = 7, b = 0.1
    assert first == pytest.approx([0.3139, 0.4424, 0.0], abs=0.03)
    assert total == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.03)


def test_saltelli_finds_the_published_indices_of_sobols_g(tmp_path):
    pytest.importorskip("SALib")
    names = tuple(f"demand.{name}" for name in SobolG.INPUTS)
    asked = study(
        months=1,
        uncertain=between(0.0, 1.0, names),
        design=Design(method="saltelli", points=256, replicates=1, seed=1),
        record=SUMMARY,
    )
    done = asked.run(tmp_path / "out", engine="here", model=f"{STUBS}:SobolG")
    (found,) = document(done)["sensitivity"]
    first, total = ([found["indices"][name][key] for name in names] for key in ("S1", "ST"))
    # Saltelli et al. (2010), Computer Physics Communications 181(2), a = 0, 1, 4.5, 9, 99 ...
    assert first == pytest.approx([0.716, 0.179, 0.0237, 0.0072, *[0.0001] * 4], abs=0.05)
    assert total == pytest.approx([0.788, 0.242, 0.0343, 0.0105, *[0.0001] * 4], abs=0.05)


def test_morris_finds_the_slopes_of_a_line(tmp_path):
    pytest.importorskip("SALib")
    asked = study(
        uncertain=between(0.0, 1.0),
        design=Design(method="morris", points=8, replicates=1, seed=1),
        record=SUMMARY,
    )
    done = asked.run(tmp_path / "out", engine="here", model=f"{STUBS}:Linear")
    (found,) = document(done)["sensitivity"]
    assert [found["indices"][name]["mu"] for name in X] == pytest.approx([2.0, -1.0, 0.0])


def test_a_failed_run_costs_its_base_row_and_is_counted(tmp_path):
    pytest.importorskip("SALib")
    asked = study(
        uncertain=between(0.0, 0.95),
        design=Design(method="saltelli", points=16, replicates=1, seed=1),
        record=SUMMARY,
        months=1,
    )
    done = asked.run(tmp_path / "out", engine="here", model=f"{STUBS}:Fragile")
    (found,) = document(done)["sensitivity"]
    rows = done.runs().collect()
    hurt = rows.filter(status="failed")["point"] // 5
    assert found["dropped"] == hurt.n_unique() > 0


def total_indices(found: list[float]) -> np.ndarray:
    """Return total indices by Jansen's estimator from base rows A, AB_1, AB_2, AB_3, B."""
    rows = np.reshape(found, (-1, 5))
    spread = np.var(rows[:, [0, 4]])
    return ((rows[:, [0]] - rows[:, 1:4]) ** 2).mean(axis=0) / (2 * spread)


@pytest.mark.parametrize(
    ("independent", "least", "most"),
    [(False, -0.04, 0.04), (True, 0.07, 0.25)],
    ids=["common", "independent"],
)
def test_chance_leaves_total_indices_alone_if_it_is_common(tmp_path, independent, least, most):
    pytest.importorskip("SALib")
    moved = []
    for seed in range(3):
        design = Design(
            method="saltelli", points=128, replicates=1, seed=seed, independent=independent
        )
        asked = study(months=1, uncertain=between(-math.pi, math.pi), design=design, record=SUMMARY)
        done = asked.run(tmp_path / f"{seed}", engine="here", model=f"{STUBS}:Noisy")
        rows = done.runs().sort("run").collect()
        exact = [ishigami(list(row)) for row in rows.select(X).iter_rows()]
        moved.append(total_indices(rows["value"].to_list()) - total_indices(exact))
    bias = np.mean(moved, axis=0)
    assert least < bias.min() <= bias.max() < most, bias
