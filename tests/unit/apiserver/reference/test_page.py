"""The readable page: everything in it, and nothing that another server would have to send."""

import re

from deplite_apiserver.app import reference
from deplite_apiserver.auth.roles import ACCESS
from deplite_apiserver.reference.listing import operations
from deplite_apiserver.reference.markdown import markdown
from deplite_apiserver.reference.page import page

DOCUMENT = reference()
PAGE = page(DOCUMENT)


def test_every_route_is_on_the_page_with_its_answers() -> None:
    for method, path in ACCESS:
        assert f'<span class="method">{method}</span> \n<code>{path}</code>' in PAGE
    assert PAGE.count("<details") == PAGE.count("</details>") == len(ACCESS)


def test_the_page_needs_no_script_and_nobody_else() -> None:
    assert not re.search(r"<script|<img|<link|<iframe|src=|@import|url\(", PAGE)
    assert re.findall(r'href="([^"]*)"', PAGE) == ["openapi.json"]


def test_what_the_document_says_cannot_become_markup() -> None:
    hostile = DOCUMENT | {"info": {"title": "<b>", "version": "<i>", "description": "a & `<u>`"}}
    shown = page(hostile)
    assert "<title>&lt;b&gt; API</title>" in shown
    assert "<p>a &amp; <code>&lt;u&gt;</code></p>" in shown


def test_operations_of_a_tag_stand_together() -> None:
    tags = [one.tag for one in operations(DOCUMENT)]
    assert len([tag for before, tag in zip(["", *tags], tags, strict=False) if tag != before]) == len(set(tags))


def test_a_pattern_with_a_bar_does_not_end_a_cell() -> None:
    rows = [line for line in markdown(DOCUMENT).splitlines() if line.startswith("| `")]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
