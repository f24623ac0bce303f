"""Where numbers come from: the `sources.toml` that stands beside a scenario."""

import datetime as dt
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path as File

from pydantic import ValidationError

from offtake.model.documents import Document, label_of, read_document
from offtake.model.problems import Issue, Problem, ScenarioError, dotted, joined, shown
from offtake.model.scenario import Part

SOURCES_FILE = "sources.toml"
ALWAYS_ALLOWED = ("judgement", "what-if")
"""Sources that need no entry: a guess that says so, and a question."""
ENTRY_KEYS = ("title", "url", "published", "accessed", "licence", "note")


class Source(Part):
    """A publication that numbers are taken from."""

    title: str
    url: str | None = None
    published: dt.date | None = None
    accessed: dt.date | None = None
    licence: str | None = None
    note: str | None = None


def read_sources(files: Iterable[File]) -> tuple[dict[str, Source], list[Problem], list[Document]]:
    """Read the sources beside each scenario file; those of the last file count least."""
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    documents: list[Document] = []
    folders = dict.fromkeys(file.parent for file in files)
    for folder in reversed(folders):
        file = folder / SOURCES_FILE
        if not file.exists():
            continue
        try:
            document = read_document(file, label_of(file))
        except ScenarioError as error:
            problems += error.problems
            continue
        documents.append(document)
        for key, table in document.data.items():
            try:
                sources[key] = Source.model_validate(table)
            except ValidationError as error:
                problems += [document.problem(i) for i in _issues(key, error)]
    return sources, problems, documents


def _issues(key: str, error: ValidationError) -> list[Issue]:
    return [_issue(key, dict(e)) for e in error.errors(include_url=False)]


def _issue(key: str, error: dict) -> Issue:
    path = (key, *error["loc"])
    allowed = f"a source has {joined(ENTRY_KEYS, 'and')}"
    if error["type"] == "extra_forbidden":
        near = get_close_matches(str(path[-1]), ENTRY_KEYS, n=1)
        help_ = f"did you mean `{near[0]}`?" if near else allowed
        message = f"unknown key `{path[-1]}` in the source `{key}`"
        return Issue(code="E010", path=path, message=message, help=help_, at="key")
    if error["type"] == "missing":
        message = f"the source `{key}` lacks the required key `{path[-1]}`"
        return Issue(code="E011", path=(key,), message=message, help=allowed, at="table")
    noun = {"date_type": "a date such as 2025-01-31", "string_type": "a text in quotes"}
    expected = noun.get(error["type"], "a table")
    message = f"`{dotted(path)}` is {shown(error['input'])}; expected {expected}"
    return Issue(code="E013", path=path, message=message, help=allowed)
