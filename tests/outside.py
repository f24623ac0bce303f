"""Packages of others: installed into a folder without an index, a build or a network."""

import shutil
import tomllib
from pathlib import Path

FRUGAL = Path(__file__).parent / "thirdparty"
"""The package that the manual shows: a strategy, a clause and an observable."""


def install(project: Path, site: Path) -> Path:
    """Copy the modules of a project into a folder, with what an installer would say about them."""
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    record = site / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    record.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
    (record / "METADATA").write_text(metadata, encoding="utf-8")
    lines = []
    for group, points in about["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (record / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for module in project.glob("*.py"):
        shutil.copy(module, site)
    return site
