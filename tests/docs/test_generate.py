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


def test_a_mark_nobody_knows_stops_the_build():
    with pytest.raises(KeyError, match="nonsense"):
        generate.on_page_markdown("before\n<!-- generated: nonsense -->\nafter")


def test_every_mark_of_the_manual_is_known_and_every_generator_used():
    marks = {
        mark
        for page in ROOT.glob("docs/**/*.md")
        for mark in generate.MARK.findall(page.read_text(encoding="utf-8"))
    }
    assert marks == set(generate.GENERATORS)


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
