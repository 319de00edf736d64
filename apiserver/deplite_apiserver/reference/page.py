"""The document as one HTML page: no script, nothing fetched from anywhere."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from deplite_apiserver.reference.listing import Operation, Row, operations

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { overflow-x: auto; padding: .7rem; border: 1px solid #8886; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #8884; }
summary { cursor: pointer; padding: .4rem 0; } details { border-bottom: 1px solid #8884; }
details[open] { padding-bottom: 1rem; } h4 { margin: 1rem 0 .3rem; } .method { font-weight: 700; }
"""


def page(document: Mapping[str, Any]) -> str:
    """Return the page of a document."""
    info = document["info"]
    groups = [(tag, list(found)) for tag, found in groupby(operations(document), key=lambda one: one.tag)]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(info['title'])} API</title><style>{_STYLE}</style></head><body>",
            f"<h1>{html.escape(info['title'])} API {html.escape(info['version'])}</h1>",
            *(f"<p>{_prose(part)}</p>" for part in info["description"].split("\n\n")),
            '<p>For programs: <a href="openapi.json">openapi.json</a>.</p>',
            *(part for tag, found in groups for part in _group(tag, found)),
            "</body></html>\n",
        ]
    )


def _group(tag: str, found: Sequence[Operation]) -> Iterable[str]:
    yield f"<h2>{html.escape(tag)}</h2>"
    for one in found:
        yield f'<details id="{html.escape(one.id)}"><summary><span class="method">{one.method}</span> '
        yield f"<code>{html.escape(one.path)}</code> {_prose(one.summary)}</summary>"
        yield from (f"<p>{_prose(part)}</p>" for part in one.description.split("\n\n"))
        if one.parameters:
            yield _table("Parameters", one.parameters)
        if one.body is not None:
            yield _table("Form" if one.form else "Body", one.body) if one.body else "<h4>Body</h4><p>Empty.</p>"
            yield f"<pre>{html.escape(one.body_example or '')}</pre>"
        yield "<h4>Answers</h4><table>"
        for answer in one.answers:
            yield f"<tr><td>{answer.status}</td><td>{_prose(answer.description)}"
            yield from (f"<pre>{html.escape(one)}</pre>" for one in answer.examples if not answer.error)
            yield "</td></tr>"
        yield "</table></details>"


def _table(title: str, rows: Sequence[Row]) -> str:
    cells = "".join(
        f"<tr><td><code>{html.escape(row.name)}</code></td><td>{_prose(row.type)}</td><td>{_prose(row.note)}</td></tr>"
        for row in rows
    )
    return f"<h4>{title}</h4><table>{cells}</table>"


def _prose(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
