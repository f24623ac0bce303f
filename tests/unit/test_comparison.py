"""Two scenarios seed by seed, what their inputs differ in, and which input makes the difference."""

import json
import math
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import offtake as ot
from offtake.cli import call
from offtake.experiments import attribution, comparison
from offtake.experiments.charts.difference import difference
from offtake.experiments.comparison import Unlike, compare, mean_and_margin
from offtake.experiments.comparison_text import sentence, text
from offtake.experiments.inputs import CannotSeparate, Input, differences, hybrid, inputs
from offtake.experiments.results import Result

WIDEST = 80
BOUND = """\
format = 1
name = "bound"
question = "What if Lab B stays bound to Cloud Y for another year?"
extends = "duopoly"

[agreements.lab-b-cloud-y]
source = "what-if"
exclusive_until = 2026-12-31

[labs."Lab A"]
cash_usd = {value = 1e9, source = "what-if"}
"""
MONTHS = 14


@pytest.fixture(scope="module")
def bound_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scenarios") / "bound.toml"
    path.write_text(BOUND, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def base() -> Result:
    return ot.run("duopoly", seeds=5, months=MONTHS)


@pytest.fixture(scope="module")
def bound(bound_file) -> Result:
    return ot.run(bound_file, seeds=4, months=MONTHS)


# --- differences ----------------------------------------------------------------------------------


def test_a_result_does_not_differ_from_itself(base):
    found = compare(base, base)
    assert found.changes == ()
    assert {(d.mean, d.low, d.high, d.higher, d.lower) for d in found.differences} == {
        (0.0, 0.0, 0.0, 0, 0)
    }
    assert not any(each.is_clear for each in found.differences)
    assert "No headline observable differs in any pair." in text([found])


def test_pairs_are_of_one_seed_and_the_rest_is_counted(base, bound):
    found = compare(base, bound)
    assert found.seeds == (1, 2, 3, 4)
    assert found.unpaired == 1
    assert "1 run without a partner left out" in text([found])


def test_differences_are_what_the_tables_hold(base, bound):
    found = compare(base, bound, month=13).of("dependence", "Lab B", "Cloud Y")
    which = {"observable": "dependence", "name": "Lab B", "other": "Cloud Y", "month": 13}
    sides = [
        dict(r.trajectories.filter(**which).select("seed", "value").iter_rows())
        for r in (base, bound)
    ]
    changes = [sides[1][seed] - sides[0][seed] for seed in (1, 2, 3, 4)]
    assert math.isclose(found.mean, math.fsum(changes) / 4)
    assert found.higher == sum(change > 0 for change in changes)
    assert found.probability_higher == found.higher / 4
    assert found.low <= found.median <= found.high


def test_the_other_way_round_is_the_opposite(base, bound):
    there, back = compare(base, bound), compare(bound, base)
    for each in there.differences:
        mirror = back.of(*each.key)
        assert math.isclose(each.mean, -mirror.mean, abs_tol=1e-12)
        assert (each.higher, each.lower) == (mirror.lower, mirror.higher)
        assert each.is_clear == mirror.is_clear


def test_megawatts_are_added_up_over_everybody(base, bound):
    found = compare(base, bound)
    parts = [d for d in found.differences if d.observable == "energised_mw" and d.name != "all"]
    whole = found.of("energised_mw", "all")
    assert math.isclose(whole.mean, math.fsum(each.mean for each in parts), abs_tol=1e-9)


def test_horizons_and_versions_must_be_alike_unless_that_is_allowed(base):
    shorter = ot.run("duopoly", seeds=2, months=6)
    with pytest.raises(Unlike, match=r"have months: 14 and 6; --allow-unlike"):
        compare(base, shorter)
    allowed = compare(base, shorter, allow_unlike=True)
    assert allowed.month == 5
    assert "unlike: " in text([allowed])
    older = Result(**{**vars_of(shorter), "manifest": {**shorter.manifest, "offtake": "0.0.1"}})
    with pytest.raises(Unlike, match=r"made by offtake 0\.0\.1"):
        compare(older, shorter)


def vars_of(result: Result) -> dict[str, object]:
    return {name: getattr(result, name) for name in ("scenario", "manifest", *result.frames)}


def test_nothing_to_pair_is_refused(base):
    other = ot.run("duopoly", seeds=[9], months=MONTHS)
    with pytest.raises(Unlike, match="no seed in common"):
        compare(base, other)


def test_the_margin_of_a_mean_is_that_of_student():
    mean, margin = mean_and_margin([1.0, 2.0, 4.0, 5.0])
    assert mean == 3.0
    assert math.isclose(margin, 3.182446 * math.sqrt(10 / 3 / 4), rel_tol=1e-6)
    assert math.isnan(mean_and_margin([1.0])[1])


def test_few_of_many_chance_differences_are_called_clear():
    """Hundreds of observables without any difference: 5 per cent intervals alone would name many."""
    import numpy as np

    draws = np.random.default_rng(1).normal(size=(300, 12))
    found = [_made_up(f"o{at}", values.tolist()) for at, values in enumerate(draws)]
    outside = sum(each.mean_low > 0 or each.mean_high < 0 for each in found)
    assert outside >= 5
    assert sum(each.is_clear for each in comparison._judged(found)) == 0
    sure = _made_up("sure", (draws[0] * 0.01 + 1).tolist())
    assert [d.observable for d in comparison._judged([*found, sure]) if d.is_clear] == ["sure"]


def _made_up(name: str, values: list[float]) -> comparison.Difference:
    mean, margin = mean_and_margin(values)
    return comparison.Difference(
        observable=name,
        name="",
        other="",
        unit="share",
        pairs=len(values),
        base=0.0,
        compared=mean,
        mean=mean,
        mean_low=mean - margin,
        mean_high=mean + margin,
        low=min(values),
        median=mean,
        high=max(values),
        higher=sum(value > 0 for value in values),
        lower=sum(value < 0 for value in values),
    )


def test_the_text_fits_a_terminal_and_names_inputs_first(base, bound):
    lines = text([compare(base, bound)], everything=True).splitlines()
    assert max(map(len, lines)) <= WIDEST
    assert lines[0] == "bound against duopoly in February 2026"
    at = lines.index("Inputs: 2 differences")
    assert "exclusive_until: 2025-12-31 to 2026-12-31" in " ".join(lines[at : at + 4])
    assert lines[-1].endswith("not a forecast.")


def test_a_sentence_tells_size_and_sign(base, bound):
    told = sentence(compare(base, bound).of("dependence", "Lab B", "Cloud Y"), "duopoly", "bound")
    assert told.startswith("Under bound, dependence Lab B on Cloud Y changes by +")
    assert " of 4 pairs." in told


def test_the_chart_draws_every_unit_that_moved(base, bound):
    found = compare(base, bound)
    spec = difference(found).to_dict()
    headings = {part["title"]["text"] for part in spec["vconcat"]}
    assert {"Shares", "Capacity", "Money"} <= headings
    rows = [row for rows in spec["datasets"].values() for row in rows if "sign" in row]
    labels = {each.label: each for each in found.differences}
    for row in rows:
        assert row["low"] <= row["high"]
        assert row["label"] in labels
    assert difference(compare(base, base)).to_dict()["vconcat"]


# --- inputs ---------------------------------------------------------------------------------------


def test_no_scenario_differs_from_itself():
    baseline = ot.load_scenario("stargate-2025")
    assert differences(baseline, baseline) == []
    assert inputs(baseline, baseline) == []


def test_removed_and_changed_values_are_named():
    base, other = map(ot.load_scenario, ("stargate-2025", "exclusivity-kept"))
    told = [change.text() for change in differences(base, other)]
    assert "agreements.azure-openai.exclusive_until: 2025-01-21 to 2030-12-31" in told
    assert "contracts.google-openai removed" in told


def test_inputs_that_need_each_other_are_one():
    base, other = map(ot.load_scenario, ("stargate-2025", "arm-push"))
    assert [each.name for each in inputs(base, other)] == [
        "chips.arm-1 + chips.arm-2 + classes.arm + labs.OpenAI"
    ]


def test_all_changes_make_the_other_scenario_and_none_the_base():
    base, other = map(ot.load_scenario, ("stargate-2025", "exclusivity-kept"))
    some = inputs(base, other)
    assert differences(hybrid(base, other, some), other) == []
    assert differences(hybrid(base, other, []), base) == []
    half = differences(base, hybrid(base, other, some[:1]))
    assert {change.path[:2] for change in half} == {("agreements", "azure-openai")}


def test_a_hybrid_that_cannot_be_is_refused_with_the_reason():
    base, other = map(ot.load_scenario, ("stargate-2025", "arm-push"))
    chips = next(c for c in differences(base, other) if c.path == ("chips", "arm-1"))
    with pytest.raises(CannotSeparate, match="arm"):
        hybrid(base, other, [Input(paths=(("chips", "arm-1"),), changes=(chips,))])


# --- attribution ----------------------------------------------------------------------------------


def _inputs(count: int) -> list[Input]:
    return [Input(paths=(("labs", f"L{at}"),), changes=()) for at in range(count)]


def _split(game, count: int, method: attribution.Method = "auto") -> attribution.Attribution:
    """Attribute a made-up game: a value by set of changed inputs."""
    how = attribution.plan(_inputs(count), method)
    scenario = ot.load_scenario("duopoly")
    played = iter(how.subsets)
    original = attribution._scenario
    attribution._scenario = lambda *_: scenario  # the game needs no scenario
    try:
        return attribution.attribute(
            scenario,
            scenario,
            how,
            target=("dependence", "Lab A", "Cloud X"),
            unit="share",
            evaluate=lambda _: {1: game(next(played))},
        )
    finally:
        attribution._scenario = original


def test_shapley_of_the_glove_game_is_known():
    """One left glove, two right ones: 2/3, 1/6, 1/6 (Shapley 1953)."""

    def gloves(owned: frozenset[int]) -> float:
        return float(0 in owned and bool(owned & {1, 2}))

    found = {part.name: part.mean for part in _split(gloves, 3).parts}
    assert math.isclose(found["labs.L0"], 2 / 3)
    assert math.isclose(found["labs.L1"], 1 / 6)
    assert math.isclose(found["labs.L2"], 1 / 6)


def test_sequential_gives_what_is_left_to_the_later():
    def both(owned: frozenset[int]) -> float:
        return float(owned == {0, 1})

    found = {part.name: part.mean for part in _split(both, 2, "sequential").parts}
    assert found == {"labs.L0": 0.0, "labs.L1": 1.0}


@given(
    count=st.integers(1, 7),
    weights=st.lists(st.floats(-5, 5), min_size=7, max_size=7),
    together=st.floats(-5, 5),
)
@settings(max_examples=30, deadline=None)
def test_contributions_add_up_by_every_method(count, weights, together):
    def game(owned: frozenset[int]) -> float:
        return math.fsum(weights[at] for at in owned) + together * len(owned) ** 2

    for method in ("shapley", "sequential"):
        found = _split(game, count, method)
        total = math.fsum(part.mean for part in found.parts)
        assert math.isclose(total, found.after - found.before, abs_tol=1e-9)


def test_what_it_costs_is_known_before():
    assert [attribution.plan(_inputs(n)).hybrids for n in (0, 1, 2, 4)] == [0, 0, 2, 14]
    assert attribution.plan(_inputs(9)).hybrids <= 8 * 8
    assert attribution.plan(_inputs(9), "sequential").hybrids == 8
    assert attribution.plan(_inputs(9)).method == "shapley-sampled"


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(base, bound, tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("results")
    return str(base.write(folder / "base")), str(bound.write(folder / "bound"))


def test_the_command_in_a_process_of_its_own(folders, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from offtake.cli import main; main()",
            "compare",
            *folders,
            "--out",
            str(tmp_path / "out"),
            "--json",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told = json.loads(done.stdout)
    assert told["schema"] == "offtake.compare/1"
    (one,) = told["comparisons"]
    assert (one["base"], one["other"], one["seeds"]) == ("duopoly", "bound", [1, 2, 3, 4])
    assert len(one["inputs"]) == 2
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"differences.{kind}" for kind in ("csv", "html", "png", "svg")]
    table = pl.read_csv(tmp_path / "out" / "differences.csv")
    assert table.height == len(one["differences"])


def test_scenarios_are_run_under_the_seeds_of_the_folder(folders, bound_file, capsys):
    assert call(["compare", folders[0], str(bound_file), "-q", "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "5 pairs of runs with the same seed\n" in out
    assert "bound against duopoly in February 2026" in out


def test_a_difference_is_attributed_to_its_inputs(folders, capsys):
    args = ["compare", *folders, "--attribute", "dependence/Lab B/Cloud Y", "--json", "-q"]
    assert call([*args, "--workers", "1"]) == 0
    (split,) = json.loads(capsys.readouterr().out)["attributions"]
    assert split["method"] == "shapley"
    assert split["hybrid_scenarios"] == 2
    parts = {part["input"]: part["mean"] for part in split["parts"]}
    assert set(parts) == {"agreements.lab-b-cloud-y", 'labs."Lab A"'}
    total = split["other_mean"] - split["base_mean"]
    assert math.isclose(math.fsum(parts.values()), total, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["duopoly"], "needs two or more"),
        (["{base}", "{bound}", "--month", "2031-01"], "they run from 2025-01 to 2026-02"),
        (["{base}", "{bound}", "--attribute", "dependnce"], "is no observable"),
        (["{base}", "{bound}", "--attribute", "dependence/Lab C"], "names nobody; for example"),
    ],
)
def test_wrong_use_says_what_is_right(folders, capsys, args, said):
    given = [arg.format(base=folders[0], bound=folders[1]) for arg in args]
    assert call(["compare", *given]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
