"""The reference pages follow the code."""

import importlib.util
from pathlib import Path
from types import ModuleType

import click
import pytest

ROOT = Path(__file__).parents[2]


def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_generate", ROOT / "docs/_generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = hook()


def test_a_cell_cannot_break_its_table():
    assert generate.table(["a"], [["x|y\nz"]]) == "| a |\n| --- |\n| x&#124;y z |"


@pytest.mark.parametrize("kind", ["generated", "measured"])
def test_a_mark_nobody_knows_stops_the_build(kind):
    with pytest.raises(KeyError, match="nonsense"):
        generate.on_page_markdown(f"before\n<!-- {kind}: nonsense -->\nafter")


def marks(kind: str) -> set[str]:
    pages = (page.read_text(encoding="utf-8") for page in ROOT.glob("docs/**/*.md"))
    found = (mark for page in pages for mark in generate.MARK.findall(page))
    return {name for of, name in found if of == kind}


def test_every_mark_of_the_manual_is_known_and_every_generator_used():
    assert marks("generated") == set(generate.GENERATORS)


def test_every_table_of_measurements_is_shown_and_was_measured():
    assert marks("measured") == set(generate.tables()["BY_NAME"])
    for name in marks("measured"):
        head, rule, *rows = generate.measured(name).splitlines()
        assert rule.count("---") == head.count("|") - 1
        assert len(rows) > 2, f"{name} has a row, an empty line and a caption at least"


def effects() -> list[tuple[str, str]]:
    pages = (page.read_text(encoding="utf-8") for page in ROOT.glob("docs/**/*.md"))
    return [mark for page in pages for mark in generate.EFFECT.findall(page)]


def test_every_answer_was_measured_and_says_which_way_it_goes():
    assert len(effects()) > 20
    for scenario, measure in effects():
        said = generate.on_page_markdown(f"It <!-- effect: {scenario} {measure} -->.")
        assert said.split()[1] in ("rises", "falls", "does")
        assert said.endswith((").", "does not change at all.", "in every run."))


def test_every_what_if_scenario_has_an_answer_with_numbers():
    measured = {line["scenario"] for line in generate.tables()["lines_of"]("what if")}
    assert measured == {scenario for scenario, _ in effects()}


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        ((0.02, 0.01, 0.03), "rises by 2 points (1 to 3)"),
        ((-0.02, -0.03, -0.01), "falls by 2 points (1 to 3)"),
        ((0.01, -0.01, 0.03), "does not change measurably (-1 to 3 points)"),
        ((0.0, 0.0, 0.0), "does not change at all"),
        ((-0.02, -0.02, -0.02), "falls by 2 points in every run"),
    ],
)
def test_an_answer_says_only_what_its_interval_says(effect, said):
    tables = generate.tables()
    mean, low, high = effect
    line = {"scenario": "x", "focal_dependence": {"mean": mean, "low": low, "high": high}}
    told = tables["in_words"](line, "focal_dependence")
    assert told == said


def test_a_caption_says_how_many_runs_and_which_revision():
    lines = [{"runs": 20, "revision": "abc"}, {"runs": 2000, "revision": "abc"}]
    assert generate.tables()["caption"](lines) == "*20 or 2,000 runs each, revision `abc`.*"


def test_a_command_is_documented_with_its_arguments_and_options():
    @click.group()
    def main() -> None:
        """Do things."""

    @main.command()
    @click.argument("scenario")
    @click.option("--months", help="How long.")
    def simulate(scenario: str, months: int) -> None:
        """Run a scenario."""

    text = "\n".join(generate.commands(main, click.Context(main, info_name="offtake")))
    assert "## offtake simulate" in text
    assert "offtake simulate [OPTIONS] SCENARIO" in text
    assert "| <code>--months TEXT</code> | How long. |" in text


def test_a_key_is_documented_with_type_unit_range_and_default():
    lines = generate.scenario_keys().splitlines()
    rows = {line.split(" | ")[0]: line.split(" | ")[1:5] for line in lines if line.startswith("| ")}
    assert rows["| `take_or_pay`"] == ["number", "share", "between 0 and 1", "0.0"]
    assert rows["| `region`"] == ["text", "", "", "required"]
    assert rows["| `dscr`"][1:3] == ["ratio", "at least 1 and at most 10"]


def test_every_table_of_a_scenario_file_is_documented():
    text = generate.scenario_keys()
    assert "## `[demand]`\n\nFinal demand and the product market" in text
    assert "## `[labs.NAME]`\n\nA buyer of compute" in text


@pytest.mark.parametrize("name", sorted(generate.GENERATORS))
def test_the_generator_finds_something_in_the_code(name):
    assert len(generate.GENERATORS[name]().splitlines()) > 2


def test_the_readme_says_what_was_measured():
    (found,) = (
        line
        for line in generate.tables()["lines_of"]("headline")
        if line["what"] == "OpenAI's compute from Azure"
    )
    middle, end = found["Dec 2027"], found["Dec 2030"]
    sentence = (
        "In its {runs} runs OpenAI gets {middle[median]:.0%} of its compute from Azure in December 2027 "
        "({middle[low]:.0%} to {middle[high]:.0%} in nine runs of ten) and {end[median]:.0%} in December "
        "2030 ({end[low]:.0%} to {end[high]:.0%})."
    ).format(runs=found["runs"], middle=middle, end=end)
    assert sentence in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
