"""Pages of lists."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import Request
from starlette.responses import Response

from deplite.resources import Agent
from deplite.resources.resource import utc
from deplite_apiserver.edge.pages import page
from deplite_apiserver.errors import ValidationFailedError

BEGAN = datetime(2026, 5, 31, tzinfo=UTC)


def agents(count: int, *, at_once: int = 1) -> list[Agent]:
    moments = [utc(BEGAN + timedelta(seconds=number // at_once)) for number in range(count)]
    return [
        Agent.model_validate(
            {"metadata": {"name": f"a-{number:03}", "namespace": "org-x", "creationTimestamp": moment}}
        )
        for number, moment in enumerate(moments)
    ]


def asked() -> tuple[Request, Response]:
    return Request({"type": "http", "path": "/agents", "headers": [], "query_string": b""}), Response()


@pytest.mark.parametrize("at_once", [1, 3, 100])
@pytest.mark.parametrize("limit", [1, 3, 10, 99, 100, 200])
def test_following_the_links_gives_everything_once_and_newest_first(limit: int, at_once: int) -> None:
    everything = agents(100, at_once=at_once)
    seen: list[Agent] = []
    cursor: str | None = None
    while True:
        request, response = asked()
        shown = page(everything, request, response, limit=limit, cursor=cursor)
        seen += shown
        link = response.headers.get("link")
        if link is None:
            break
        assert len(shown) == limit
        assert link.startswith(f"</agents?limit={limit}&cursor=")
        assert link.endswith('>; rel="next"')
        cursor = link.partition("cursor=")[2].partition(">")[0]
    assert [agent.name for agent in seen] == [agent.name for agent in reversed(everything)]


def test_what_is_made_meanwhile_moves_no_page() -> None:
    request, response = asked()
    first = page(agents(10), request, response, limit=4, cursor=None)
    cursor = response.headers["link"].partition("cursor=")[2].partition(">")[0]
    second = page(agents(14), request, response, limit=4, cursor=cursor)
    assert [agent.name for agent in first + second] == [f"a-00{number}" for number in range(9, 1, -1)]


@pytest.mark.parametrize(
    "cursor", ["x", "", "!!!!", "AAAA", "é", base64.urlsafe_b64encode(b"x name").decode(), "a" * 511, "\x00"]
)
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationFailedError, match=r"^cursor: "):
        page(agents(3), *asked(), limit=2, cursor=cursor)
