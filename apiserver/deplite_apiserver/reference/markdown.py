"""The document as docs/api.md."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from deplite_apiserver.reference.listing import Operation, Row, operations

_NOTE = (
    "This page is written by `make api-docs` from the code; the same is served at `/docs`, and for programs at "
    "`/openapi.json`."
)


def markdown(document: Mapping[str, Any]) -> str:
    """Return the page of a document."""
    parts = ["# The REST API", _NOTE, *document["info"]["description"].split("\n\n")]
    for tag, found in groupby(operations(document), key=lambda one: one.tag):
        parts.append(f"## {tag}")
        parts.extend(part for one in found for part in _operation(one))
    return "\n\n".join(parts) + "\n"


def _operation(one: Operation) -> Iterator[str]:
    yield f"### {one.method} `{one.path}`"
    yield f"{one.summary}."
    yield one.description
    if one.parameters:
        yield _table("Parameter", one.parameters)
    if one.body is not None:
        yield (
            _table("Field of the form" if one.form else "Member of the body", one.body) if one.body else "Body: empty."
        )
        yield f"```json\n{one.body_example}\n```"
    lines = ["| Answer | |", "|---|---|"]
    lines += [f"| {answer.status} | {_cell(answer.description)} |" for answer in one.answers]
    yield "\n".join(lines)
    for answer in one.answers:
        for example in answer.examples if not answer.error else ():
            yield f"{answer.status}:\n\n```json\n{example}\n```"


def _table(title: str, rows: Sequence[Row]) -> str:
    lines = [f"| {title} | | |", "|---|---|---|"]
    lines += [f"| `{row.name}` | {_cell(row.type)} | {_cell(row.note)} |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
