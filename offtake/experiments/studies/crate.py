"""A study's folder as a research object: RO-Crate 1.1 metadata beside the files it describes."""

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

from offtake.experiments.studies import durable
from offtake.experiments.studies.store import BUSY, LOCKS, Store

NAME = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "https://w3id.org/ro/crate/1.1"
FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".toml": "application/toml",
}


def write_crate(store: Store, title: str, today: dt.date) -> Path:
    """Describe every file of a study's folder, and write the description into it."""
    files = [_file(store.folder, path) for path in _files(store.folder)]
    graph = [_descriptor(), _root(store, title, today, files), _software(store), *files]
    text = json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n"
    durable.put(store.folder / NAME, text.encode())
    return store.folder / NAME


def _files(folder: Path) -> list[Path]:
    hidden = {BUSY, LOCKS}
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != NAME)
    return [path for path in found if path.relative_to(folder).parts[0] not in hidden]


def _descriptor() -> dict[str, Any]:
    return {
        "@id": NAME,
        "@type": "CreativeWork",
        "conformsTo": {"@id": PROFILE},
        "about": {"@id": "./"},
    }


def _root(store: Store, title: str, today: dt.date, files: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": title,
        "description": f"Runs of {', '.join(store.manifest['scenarios'])}, "
        f"{store.manifest['months']} months each; conditional on the scenario, not a forecast",
        "datePublished": today.isoformat(),
        "license": "to be stated by whoever publishes this folder",
        "identifier": store.manifest["family"],
        "hasPart": [{"@id": each["@id"]} for each in files],
        "mentions": {"@id": "#offtake"},
    }


def _software(store: Store) -> dict[str, Any]:
    return {
        "@id": "#offtake",
        "@type": "SoftwareApplication",
        "name": "offtake",
        "version": store.manifest["versions"]["offtake"],
        "softwareRequirements": [f"{k} {v}" for k, v in store.manifest["versions"].items()],
    }


def _file(folder: Path, path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "@id": path.relative_to(folder).as_posix(),
        "@type": "File",
        "contentSize": str(len(content)),
        "encodingFormat": FORMATS.get(path.suffix, "text/plain"),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
