"""Lists of files: newest first, filtered, page by page."""

import re
from typing import Any

import httpx
import pytest

from tests.kube.edge.answers import refused
from tests.kube.files.doors import Door, of_agent, of_person, of_token
from tests.kube.jobs.conftest import Bench


async def listed(door: Door, query: str = "") -> httpx.Response:
    return await door.ask("GET", f"{door.files}{query}", None)


async def ids(door: Door, query: str = "") -> list[str]:
    answer = await listed(door, query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()]


async def test_filters_take_what_they_say(bench: Bench) -> None:
    person, token = of_person(bench), await of_token(bench, "files")
    job_id = await bench.made()
    job = await of_agent(bench, job_id).stored(b"x")
    red = await person.stored(b"x", bindingId="red")
    pending = (await person.announce(bindingId="red"))["fileId"]
    for door in (person, token):
        assert sorted(await ids(door)) == sorted([job, red, pending])
        assert sorted(await ids(door, "?status=stored")) == sorted([job, red])
        assert await ids(door, "?status=pending") == [pending]
        assert sorted(await ids(door, "?bindingId=red")) == sorted([red, pending])
        assert await ids(door, "?bindingId=red&status=stored") == [red]
        assert await ids(door, "?bindingId=blue") == []
    assert await ids(person, f"?jobId={job_id}") == [job]
    assert await ids(person, "?jobId=j-" + "a" * 26) == []
    refused(await listed(token, f"?jobId={job_id}"), 422, "validation_error")
    assert (await listed(person, f"?jobId={job_id}")).json() == [(await person.shown(job)).json()]


async def test_pages_lead_through_all_of_them_with_their_filters(bench: Bench) -> None:
    person, token = of_person(bench), await of_token(bench, "files")
    made = {(await person.announce(bindingId="a&b="))["fileId"] for _ in range(7)}
    await person.announce()
    for door in (person, token):
        found: list[Any] = []
        url: str | None = f"{door.files}?bindingId=a%26b%3D&status=pending&limit=3"
        while url is not None:
            answer = await door.ask("GET", url, None)
            assert answer.status_code == 200, answer.text
            found += answer.json()
            match = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("link", ""))
            url = match[1] if match else None
        assert [one["id"] for one in found] == [one["id"] for one in (await listed(door)).json() if one["bindingId"]]
        assert {one["id"] for one in found} == made
        moments = [one["createdAt"] for one in found]
        assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(
    "query",
    [
        "status=done",
        "status=",
        "bindingId=",
        "bindingId=" + "x" * 65,
        "bindingId=%00",
        "limit=0",
        "limit=201",
        "limit=1e9",
        "cursor=x",
        "cursor=%00",
        "Status=stored",
        "binding_id=x",
    ],
)
async def test_a_wrong_query_is_422_and_named(doors: dict[str, Door], query: str) -> None:
    for kind in ("person", "token"):
        body = refused(await listed(doors[kind], f"?{query}"), 422, "validation_error")
        assert query.partition("=")[0] in body["message"]


@pytest.mark.parametrize("job_id", ["", "../x", "J-X", "%00", "x" * 254])
async def test_a_job_id_that_is_none_is_422(doors: dict[str, Door], job_id: str) -> None:
    body = refused(await listed(doors["person"], f"?jobId={job_id}"), 422, "validation_error")
    assert "jobId" in body["message"]
