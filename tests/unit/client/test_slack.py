"""A link code for Slack, over the REST API as the documents say it."""

from typing import Any

import httpx
import pytest

from deplite.client.api import Api
from deplite.client.caller import Caller
from deplite.client.errors import AwayError, RefusedError, SlackChoiceError
from deplite.client.slack import Workspaces

PATH = "/api/orgs/org-demo/slack/installations"
ACME = {"teamId": "T1", "teamName": "Acme", "connected": True}
OTHER = {"teamId": "T2", "teamName": "Other", "connected": True}


def workspaces(listed: Any, *, status: int = 200, asked: list[str] | None = None) -> Workspaces:
    def handle(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(f"{request.method} {request.url.path}")
        if request.method == "GET":
            return httpx.Response(status, json=listed)
        return httpx.Response(201, json={"code": "lnk_x", "command": "/deplite link lnk_x", "expiresAt": "…"})

    caller = Caller(url="http://h/api", credential="a.b.c", organization="org-demo")
    http = httpx.Client(transport=httpx.MockTransport(handle))
    return Workspaces(Api(caller, http=http, sleep=lambda _: None))


def test_the_only_workspace_needs_no_name() -> None:
    asked: list[str] = []
    found = workspaces([ACME, {**OTHER, "connected": False}], asked=asked).link(None)
    assert found == (ACME, "/deplite link lnk_x")
    assert asked == [f"GET {PATH}", f"POST {PATH}/T1/link-codes"]


@pytest.mark.parametrize("team", ["T2", "Other"])
def test_of_several_one_is_named(team: str) -> None:
    assert workspaces([ACME, OTHER]).link(team)[0] == OTHER


@pytest.mark.parametrize(
    ("listed", "team", "said"),
    [
        ([], None, "No Slack workspace is connected"),
        ([{**ACME, "connected": False}], None, "No Slack workspace is connected"),
        ([ACME, OTHER], None, r"--team: T1 \(Acme\), T2 \(Other\)"),
        ([ACME, OTHER], "T3", "No workspace is called so"),
        ([ACME, {**OTHER, "teamName": "Acme"}], "Acme", "More than one workspace is called so"),
        ([{"teamId": "../x", "connected": True}], None, "another version"),
    ],
)
def test_what_is_not_clear_is_told(listed: Any, team: str | None, said: str) -> None:
    asked: list[str] = []
    with pytest.raises(SlackChoiceError, match=said):
        workspaces(listed, asked=asked).link(team)
    assert asked == [f"GET {PATH}"]


def test_who_is_no_member_is_told_what_to_look_at() -> None:
    with pytest.raises(SlackChoiceError, match="DEPLITE_ORG_ID"):
        workspaces({"statusCode": 404, "code": "not_found", "message": "x"}, status=404).link(None)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RefusedError, match="DEPLITE_JWT"):
        workspaces({"statusCode": 401, "code": "invalid_token", "message": "x"}, status=401).link(None)
    with pytest.raises(AwayError):
        workspaces({"statusCode": 503, "code": "unavailable", "message": "x"}, status=503).link(None)
