"""What makes two runs the same run: model, scenario, parameters, seed, horizon and what is kept."""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import offtake
from offtake.model.chance import order

ID_BYTES = 16
PACKAGES = ("numpy", "polars", "mesa", "scipy")
LAYERS = ("model", "agents")
SEEDS = 2**53
"""Seeds stay below, so that every reader of JSON keeps them whole."""


def canonical(data: Any) -> str:
    """Return data as the one JSON text that stands for it."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hashed(*texts: str, size: int = ID_BYTES) -> bytes:
    """Return a stable hash of texts."""
    whole = hashlib.blake2b(digest_size=size)
    for text in texts:
        content = text.encode()
        whole.update(len(content).to_bytes(8, "little") + content)
    return whole.digest()


@cache
def fingerprint(model: str) -> str:
    """Return the hash of the code that decides what a run does: ours, and others' strategies."""
    root = Path(offtake.__file__).parent
    sources = [file for layer in LAYERS for file in sorted((root / layer).rglob("*.py"))]
    texts = [f"{file.relative_to(root).as_posix()}\n{file.read_text('utf-8')}" for file in sources]
    return hashed(version("offtake"), model, *texts, *_from_elsewhere()).hex()


def _from_elsewhere() -> list[str]:
    groups = ("offtake.roles", "offtake.strategies")
    points = [point for group in groups for point in entry_points(group=group)]
    return sorted(
        f"{p.group} {p.name} {p.value} {p.dist.version if p.dist else ''}" for p in points
    )


def seed_of(root: int, replicate: int, parameters: str, *, independent: bool) -> int:
    """Return the seed of a run: that of its replicate, whatever its parameters (common numbers)."""
    own = (parameters,) if independent else ()
    return order(root, "replicate", replicate, *own) % SEEDS


def run_id(family: str, parameters: str, replicate: int) -> bytes:
    """Return the name of a run: equal for equal content, wherever and whenever it is made."""
    return hashed(family, parameters, str(replicate))


def versions() -> dict[str, str]:
    """Return the versions of what runs were made with."""
    return {
        "offtake": version("offtake"),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def machine() -> dict[str, Any]:
    """Return what of the machine can change bits; nothing that names it or its owner."""
    import numpy as np

    config: Mapping[str, Any] = np.show_config(mode="dicts") or {}
    features = config.get("SIMD Extensions", {})
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "simd": [*features.get("baseline", ()), *features.get("found", ())],
    }
