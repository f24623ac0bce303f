"""What starting offtake may load: a quick tool is one that imports little."""

import json
import subprocess
import sys

import pytest

import offtake

HEAVY = ("numpy", "polars", "mesa", "pydantic", "solara", "altair", "ray", "matplotlib")
SHOW_HEAVY = (
    f"import json; print(json.dumps([m for m in {(*HEAVY, 'rich')!r} if m in sys.modules]))"
)


def loaded_by(code: str) -> list[str]:
    program = f"import sys\n{code}\nprint()\n{SHOW_HEAVY}"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return json.loads(ended.stdout.splitlines()[-1])


def test_the_probe_sees_a_heavy_import():
    assert "numpy" in loaded_by("import numpy")


def test_import_offtake_loads_nothing_heavy():
    assert loaded_by("import offtake") == []


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["demo", "--help"],
        ["scenario", "--help"],
        ["scenario", "new", "--help"],
        ["completion", "bash"],
        ["rnu"],
        ["run", "--sed", "3"],
    ],
    ids=" ".join,
)
def test_help_version_completion_and_usage_errors_load_nothing_heavy(args):
    assert loaded_by(f"from offtake.cli import call; call({args!r})") == []


def test_every_public_name_is_there():
    assert [name for name in offtake.__all__ if not hasattr(offtake, name)] == []


def test_an_unknown_public_name_is_refused_by_name():
    with pytest.raises(AttributeError, match="'offtake' has no attribute 'simulate'"):
        _ = offtake.simulate
