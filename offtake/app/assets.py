"""The front-end files of the page: which there are, and whether they are the ones we list.

They come from the packages of the page's widgets, once, by `scripts/assets.py`; no request for one leaves
the machine. `assets.txt` names each with its SHA-256, package and place in it.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).with_name("assets.txt")
FOLDER = Path(__file__).with_name("assets")


class Asset(NamedTuple):
    """One file: its content, where the page asks for it, and where it comes from."""

    sha256: str
    path: str
    package: str
    member: str


def listed(text: str | None = None) -> Iterator[Asset]:
    """Yield every asset of the list."""
    for line in (LIST.read_text("utf-8") if text is None else text).splitlines():
        if line and not line.startswith("#"):
            yield Asset(*line.split())


def wrong(folder: Path = FOLDER) -> list[str]:
    """Return the paths whose file is missing, or is not the one that is listed."""
    return [asset.path for asset in listed() if _digest(folder / asset.path) != asset.sha256]


def _digest(file: Path) -> str | None:
    try:
        return sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
