"""Study files: what they may say, and what is said about what they may not."""

import tomllib
from pathlib import Path

import pytest

import offtake as ot
from offtake.experiments.studies.reading import Asked, parse_study
from offtake.model.problems import Problem, ScenarioError

GOOD = """\
title = "Does churn matter?"
scenario = "duopoly"
months = 6

[set]
demand.usage_growth_per_month = 0.06

[levers]
contracts.y-a-next.price_usd_per_h100e_hour = [1.0, 1.5]

[uncertain]
demand.churn_per_month = { from = 0.02, to = 0.1 }
labs."Lab A".cash_usd = { from = 1e9, to = 1e10, scale = "log" }
clouds."Cloud X".kind = ["hyperscaler", "neocloud"]

[design]
method = "sobol"
points = 4
replicates = 2

[record]
columns = ["hhi_compute"]

[outcomes]
hold = { observable = "dependence", of = "Lab A", on = "Cloud X", at = "2025-04" }
peak = { observable = "energised_mw", of = "*", over = "max" }

[[claims]]
say = "Cloud X keeps its hold"
test = "hold > 0.5"
when = "demand.churn_per_month < 0.05"
in = 0.8
"""


def asked(text: str) -> Asked:
    return parse_study(text, Path())


def problems(text: str) -> list[Problem]:
    with pytest.raises(ScenarioError) as caught:
        asked(text)
    return list(caught.value.problems)


def only_problem(old: str, new: str) -> Problem:
    assert old in GOOD
    (found,) = problems(GOOD.replace(old, new))
    return found


def test_a_study_is_read_with_what_varies_and_what_is_asked():
    found = asked(GOOD)
    assert found.months == 6
    assert found.scenarios["duopoly"].demand.usage_growth_per_month == 0.06
    assert list(found.levers) == ["contracts.y-a-next.price_usd_per_h100e_hour"]
    assert list(found.uncertain)[1] == 'labs."Lab A".cash_usd'
    assert found.claims[0].share == 0.8


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "said"),
    [
        ("title =", "titel =", "E010", 1, "did you mean `title`"),
        ('"duopoly"', '"duopolly"', "E020", 2, "did you mean 'duopoly'"),
        ("months = 6", "months = 600", "E013", 3, "from 1 to 24"),
        ("usage_growth_per_month = 0.06", "usage_growht_per_month = 0.06", "E010", 6, "usage_growth"),
        ("demand.usage", "demnd.usage", "E010", 6, "in `[set]`; its keys are those of scenarios"),
        ("demand.churn_per_month = {", "churn_per_month = {", "E010", 12, "belongs in `[demand]`"),
        ("demand.churn_per_month = {", "demnd.churn = {", "E010", 12, "in `[uncertain]`; its keys"),
        ("demand.churn_per_month = { from = 0.02, to = 0.1 }", "months = [2, 3]", "E010", 12, "in [set]"),
        ("[1.0, 1.5]", "[1.0, -1.5]", "E013", 9, "at least 0"),
        ("[1.0, 1.5]", "1.5", "E013", 9, "an array of values"),
        ("y-a-next", "y-a-nxt", "E020", 9, "y-a-next"),
        ("y-a-next", "y-a-nxt", "E020", 9, "but the scenario's `[contracts]` has no such name"),
        ("to = 0.1 }", "to = 1.1 }", "E013", 12, "between 0 and 1"),
        ("from = 0.02", "from = 0.2", "E013", 12, "more than `from`"),
        ("from = 1e9", "from = 0", "E013", 13, "more than 0 on a log scale"),
        ('"neocloud"', '"neoclould"', "E012", 14, "did you mean 'neocloud'"),
        ('"sobol"', '"sobel"', "E012", 17, "did you mean 'sobol'"),
        ("points = 4\n", "", "E011", 16, "points = 64"),
        ('["hhi_compute"]', '["hhi_compte"]', "E020", 22, "hhi_compute"),
        ('of = "Lab A"', 'of = "Lab C"', "E020", 25, "Lab A"),
        ('"2025-04"', '"2025-12"', "E013", 25, "2025-06"),
        ('of = "*", ', "", "E011", 26, "of ="),
        ("hold > 0.5", "hold >> 0.5", "E013", 30, "rises with"),
        ("hold > 0.5", "hodl > 0.5", "E020", 30, "did you mean 'hold'"),
        ("in = 0.8", "in = 1.8", "E013", 32, "less than 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_the_nearest_right(old, new, code, line, said):
    if old == "title =":
        assert {p.code for p in problems(GOOD.replace(old, new))} == {"E010", "E011"}
        return
    found = only_problem(old, new)
    assert (found.code, found.place.line) == (code, line)
    assert said in f"{found.message} {found.help}"


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file():
    text = GOOD.replace("points = 4", "points = 0").replace("hold > 0.5", "hodl > 0.5")
    assert [p.place.line for p in problems(text.replace("months = 6", "months = 0"))] == [3, 18, 30]


def test_a_scenario_that_is_wrong_is_reported_at_its_own_line(tmp_path):
    (tmp_path / "bad.toml").write_text(
        'format = 1\nname = "bad"\nextends = "duopoly"\nmonhts = 3\n'
    )
    with pytest.raises(ScenarioError) as caught:
        parse_study(GOOD.replace('"duopoly"', '"bad.toml"'), tmp_path)
    assert any(Path(p.place.file).name == "bad.toml" for p in caught.value.problems)


def test_a_study_of_two_scenarios_has_a_lever_called_scenario(tmp_path):
    (tmp_path / "calm.toml").write_text(
        'format = 1\nname = "calm"\nquestion = "?"\nextends = "duopoly"\n'
        '[demand]\nsource = "what-if"\nchurn_per_month = 0.01\n'
    )
    text = 'title = "Two"\nscenario = ["duopoly", "calm.toml"]\nmonths = 2\n'
    assert parse_study(text, tmp_path).levers["scenario"] == ("duopoly", "calm")


def test_until_counts_months_from_the_start():
    assert asked(GOOD.replace("months = 6", 'until = "2025-08"')).months == 8


def test_a_study_written_out_reads_as_the_same_study(tmp_path):
    file = tmp_path / "good.toml"
    file.write_text(GOOD)
    study = ot.Study.from_toml(file)
    again = tmp_path / "again.toml"
    again.write_text(study.to_toml())
    assert ot.Study.from_toml(again) == study
    assert tomllib.loads(study.to_toml())["design"]["points"] == 4


def test_the_same_study_from_python_has_the_same_plan(tmp_path):
    file = tmp_path / "good.toml"
    file.write_text(GOOD)
    study = ot.Study.from_toml(file)
    rebuilt = ot.Study(
        **{name: getattr(study, name) for name in study.__dataclass_fields__ if name != "file"}
    )
    assert rebuilt.plan().table.equals(study.plan().table)
