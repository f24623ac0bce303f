"""Which texts make up a scenario: a file, those it extends, and what is set on the command line."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path as File
from typing import Any

from offtake.model.documents import Document, label_of, parse, read_document
from offtake.model.problems import (
    UNPRINTABLE,
    Issue,
    Path,
    Place,
    Problem,
    ScenarioError,
    listed,
    meant,
    shown,
    toml_text,
)
from offtake.model.sources import SOURCES_FILE

LONGEST_CHAIN = 8
EXTENDS = "extends"
KEY_PART = r"(?:[A-Za-z0-9_-]+|\"(?:\\.|[^\"\\])*\"|'[^']*')"
ASSIGNMENT = re.compile(rf"\s*({KEY_PART}(?:\s*\.\s*{KEY_PART})*)\s*=\s*(.*)\Z", re.DOTALL)


@cache
def library_folder() -> File:
    """Return the folder of the embedded scenarios."""
    return File(str(package_files("offtake"))) / "experiments" / "scenarios"


def names(library: File | None = None) -> tuple[str, ...]:
    """Return the names of the embedded scenarios."""
    found = (library or library_folder()).glob("*.toml")
    return tuple(sorted(file.stem for file in found if file.name != SOURCES_FILE))


def documents_of(
    source: str | File, overrides: Sequence[str], library: File
) -> tuple[list[Document], list[Document]]:
    """Return the file with those it extends, and the overrides; or say which cannot be read."""
    chain: list[Document] = []
    sets: list[Document] = []
    problems: list[Problem] = []
    try:
        chain = _chain(_file_of(source, library), library)
    except ScenarioError as error:
        problems += error.problems
    for number, text in enumerate(overrides, start=1):
        try:
            sets.append(_override(text, f"--set {number}"))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return chain, sets


def _file_of(source: str | File, library: File) -> File:
    if isinstance(source, File):
        return source
    embedded = names(library)
    if source in embedded:
        return library / f"{source}.toml"
    file = File(source)
    if source.endswith(".toml") or "/" in source or os.sep in source or file.is_file():
        return file
    near = meant(source, embedded, "'")
    message = f"there is no scenario {shown(source)}, and no such file"
    help_ = f"{near}  " if near else ""
    raise ScenarioError(
        [at_file("E001", source, message, f"{help_}(embedded: {listed(embedded)})")]
    )


def at_file(code: str, label: str, message: str, help_: str | None = None) -> Problem:
    """Return a problem of a whole file."""
    label = UNPRINTABLE.sub("?", label) or '""'
    return Problem(code=code, place=Place(file=label), message=message, help=help_)


def _chain(file: File, library: File) -> list[Document]:
    """Read a file and those it extends, the child first."""
    documents = [read_document(file, UNPRINTABLE.sub("?", str(file)))]
    seen = {file.resolve(): documents[0]}
    while EXTENDS in documents[-1].data:
        child = documents[-1]
        base = _base_of(child, library)
        if base.resolve() in seen:
            first = seen[base.resolve()]
            raise not_extended(child, f"{child.label} extends {first.label} in a circle", first)
        if len(documents) == LONGEST_CHAIN:
            raise not_extended(child, f"more than {LONGEST_CHAIN} files extend each other")
        documents.append(read_document(base, label_of(base)))
        seen[base.resolve()] = documents[-1]
    return documents


def _base_of(child: Document, library: File) -> File:
    """Return the file a document extends: embedded, or below the document's own folder."""
    name = child.data[EXTENDS]
    if not isinstance(name, str) or not name or UNPRINTABLE.search(name) or "\n" in name:
        help_ = "write the name of an embedded scenario, or the path of a file in quotes"
        raise not_extended(child, f"`extends` is {shown(name)}; expected a name", help_=help_)
    if name in names(library):
        return library / f"{name}.toml"
    assert child.file is not None, "only files extend"
    folder = child.file.parent
    if not name.endswith(".toml"):
        near = meant(name, names(library), "'")
        help_ = f"{near + '  ' if near else ''}(embedded: {listed(names(library))})"
        message = f"`extends` names {shown(name)}, but no embedded scenario has that name"
        raise not_extended(child, message, help_=f"{help_}; a file is named with its .toml")
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        message = f"`extends` leads out of the folder of the scenario: {shown(name)}"
        raise not_extended(child, message, help_="copy the base beside the scenario")
    if not file.is_file():
        message = f"`extends` names {shown(name)}, but there is no such file"
        near = meant(name, (f.name for f in folder.glob("*.toml")), "'")
        raise not_extended(child, message, help_=near)
    return file


def not_extended(
    child: Document, message: str, also: Document | None = None, help_: str | None = None
) -> ScenarioError:
    """Return the error of a file whose base cannot be used."""
    issue = Issue(code="E040", path=(EXTENDS,), message=message, help=help_)
    problem = child.problem(issue)
    if also and also is not child:
        problem = replace(problem, also=also.place((EXTENDS,), "value"))
    return ScenarioError([problem])


def _override(text: str, label: str) -> Document:
    """Read `path=value`; a value that is no TOML is taken as a text."""
    match = ASSIGNMENT.match(text)
    if not match or "\n" in text:
        message = f"{shown(text)} is no assignment"
        help_ = "write PATH=VALUE, for example labs.NAME.cash_usd=1e9"
        problem = at_file("E002", label, message, help_)
        place = replace(problem.place, text=text.split("\n")[0], length=len(text))
        raise ScenarioError([replace(problem, place=place)])
    try:
        document = parse(text, label)
    except ScenarioError as error:
        if error.problems[0].code != "E002" or match[2].startswith(("[", "{", '"', "'")):
            raise
        document = parse(text[: match.start(2)] + toml_text(match[2].strip()), label)
    if EXTENDS in document.data:
        raise not_extended(document, "`extends` cannot be overridden")
    return document


def parsed_path(text: str) -> Path:
    """Return the parts of a dotted path, quoted parts allowed."""
    if not ASSIGNMENT.match(f"{text}=0") or "\n" in text:
        return ()
    try:
        return tuple(paths_in(parse(f"{text}=0", "path").data))[-1]
    except ScenarioError:
        return ()


def paths_in(data: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every key and element."""
    items = ()
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    for key, value in items:
        yield (*path, key)
        yield from paths_in(value, (*path, key))
