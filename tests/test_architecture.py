"""The layers, what an import costs, and what no source file may hold."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "offtake"
SOURCES = sorted(PACKAGE.rglob("*.py"))
SCENARIOS = sorted((PACKAGE / "experiments/scenarios").glob("*.toml"))
ORGANISATIONS = ("labs", "clouds", "landlords", "investors", "lenders")
KNOWN = {"Amazon", "AWS", "Azure", "Google", "Meta", "Microsoft", "NVIDIA", "OpenAI", "SoftBank"}
OPTIONAL = {"solara", "altair", "ray", "matplotlib"}
HEAVY = {"numpy", "polars", "mesa", "pydantic", "scipy", "pandas", "rich"}


def companies() -> set[str]:
    """Return the names that scenarios give to companies, synthetic ones apart."""
    names = set(KNOWN)
    for path in SCENARIOS:
        scenario = tomllib.loads(path.read_text(encoding="utf-8"))
        if path.stem not in ("sources", "duopoly"):
            names.update(name for table in ORGANISATIONS for name in scenario.get(table, ()))
    return {name for name in names if name[0].isupper()}


def imported_by(*arguments: str) -> set[str]:
    """Return the top-level modules a fresh interpreter has imported in the end."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(re.findall(r"\| +(\w+)(?:\.[\w.]+)?$", done.stderr, re.MULTILINE))


def test_imports_point_downwards():
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_scenarios_name_the_companies():
    assert companies() > KNOWN


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_company_is_named_in_code(source):
    pattern = "|".join(re.escape(name) for name in sorted(companies()))
    found = re.findall(rf"(?<!\w)(?:{pattern})(?!\w)", source.read_text(encoding="utf-8"))
    assert found == []


def test_importing_the_package_leaves_optional_packages_alone():
    assert not imported_by("-c", "import offtake") & OPTIONAL


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_asking_for_help_imports_nothing_heavy(option):
    code = f"from offtake.cli import main; main(['{option}'])"
    assert not imported_by("-c", code) & (HEAVY | OPTIONAL)


def test_the_import_of_a_heavy_package_would_be_seen():
    assert "numpy" in imported_by("-c", "import numpy.linalg")


def test_constraints_name_versions_and_nothing_else():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!+]+", line)] == []


def test_every_dependency_is_constrained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower() for line in wanted}
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    assert {name for name in names if f"{name}==" not in pinned} == set()
