"""Every route, asked by everybody, for what is theirs, what is somebody else's, and what is not there.

The table is the documentation's, written again: it must not be derived from the one that it checks.
"""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deplite.resources.credentials import mint
from deplite_apiserver.auth.roles import ACCESS
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.edge.people import People

MEMBER, OWNER, TOKEN, AGENT, CODE, PUBLIC, SLACK = "member", "owner", "token", "agent", "code", "public", "slack"
POD = "pod"
SIGNERS = {AGENT: "bad_signature_headers", SLACK: "bad_slack_signature"}

TABLE: list[tuple[str, str, set[str]]] = [
    ("GET", "/livez", {PUBLIC}),
    ("GET", "/readyz", {PUBLIC}),
    ("GET", "/openapi.json", {PUBLIC}),
    ("GET", "/docs", {PUBLIC}),
    ("GET", "/orgs/{org_id}/triggers", {MEMBER, OWNER}),
    ("POST", "/orgs/{org_id}/triggers", {OWNER}),
    ("GET", "/triggers/{trigger_id}", {MEMBER, OWNER}),
    ("PATCH", "/triggers/{trigger_id}", {OWNER}),
    ("DELETE", "/triggers/{trigger_id}", {OWNER}),
    ("POST", "/triggers/{trigger_id}/run-manual", {MEMBER, OWNER}),
    ("POST", "/triggers/{trigger_id}/run", {TOKEN}),
    ("GET", "/orgs/{org_id}/jobs", {MEMBER, OWNER}),
    ("GET", "/jobs/{job_id}", {MEMBER, OWNER, TOKEN}),
    ("GET", "/jobs/{job_id}/logs", {MEMBER, OWNER, TOKEN}),
    ("POST", "/jobs/{job_id}/cancel", {MEMBER, OWNER, TOKEN}),
    ("POST", "/jobs/{job_id}/rerun", {MEMBER, OWNER, TOKEN}),
    ("GET", "/orgs/{org_id}/api-tokens", {MEMBER, OWNER}),
    ("POST", "/orgs/{org_id}/api-tokens", {OWNER}),
    ("POST", "/orgs/{org_id}/api-tokens/{token_id}/rotate", {OWNER}),
    ("DELETE", "/orgs/{org_id}/api-tokens/{token_id}", {OWNER}),
    ("GET", "/orgs/{org_id}/agents", {MEMBER, OWNER}),
    ("POST", "/orgs/{org_id}/agents/enroll-tokens", {OWNER}),
    ("GET", "/orgs/{org_id}/agents/enroll-tokens", {OWNER}),
    ("DELETE", "/orgs/{org_id}/agents/enroll-tokens/{code_id}", {OWNER}),
    ("GET", "/agents/{agent_id}", {MEMBER, OWNER}),
    ("PATCH", "/agents/{agent_id}", {OWNER}),
    ("DELETE", "/agents/{agent_id}", {OWNER}),
    ("GET", "/agents/{agent_id}/workflows", {MEMBER, OWNER}),
    ("PATCH", "/agents/{agent_id}/workflows/{name}/rate-limit", {OWNER}),
    ("POST", "/agents/{agent_id}/workflows/refresh", {OWNER}),
    ("POST", "/orgs/{org_id}/files/presign-upload", {MEMBER, OWNER}),
    ("POST", "/orgs/{org_id}/files/{file_id}/complete", {MEMBER, OWNER}),
    ("GET", "/orgs/{org_id}/files/{file_id}/download-url", {MEMBER, OWNER}),
    ("GET", "/orgs/{org_id}/files/{file_id}", {MEMBER, OWNER}),
    ("GET", "/orgs/{org_id}/files", {MEMBER, OWNER}),
    ("DELETE", "/orgs/{org_id}/files/{file_id}", {MEMBER, OWNER}),
    ("POST", "/storage/files/presign-upload", {TOKEN}),
    ("POST", "/storage/files/{file_id}/complete", {TOKEN}),
    ("GET", "/storage/files/{file_id}/download-url", {TOKEN}),
    ("GET", "/storage/files/{file_id}", {TOKEN}),
    ("GET", "/storage/files", {TOKEN}),
    ("DELETE", "/storage/files/{file_id}", {TOKEN}),
    ("GET", "/token", {TOKEN}),
    ("GET", "/agents", {TOKEN}),
    ("GET", "/workflows", {TOKEN}),
    ("GET", "/orgs/{org_id}/slack/install-url", {MEMBER, OWNER}),
    ("GET", "/slack/oauth/callback", {PUBLIC}),
    ("GET", "/orgs/{org_id}/slack/installations", {MEMBER, OWNER}),
    ("DELETE", "/orgs/{org_id}/slack/installations/{team_id}", {OWNER}),
    ("POST", "/orgs/{org_id}/slack/installations/{team_id}/link-codes", {MEMBER, OWNER}),
    ("POST", "/slack/commands", {SLACK}),
    ("POST", "/slack/events", {SLACK}),
    ("POST", "/agent/enroll", {CODE, POD}),
    ("GET", "/agent/stream", {AGENT}),
    ("POST", "/agent/heartbeat", {AGENT}),
    ("PATCH", "/agent/identity", {AGENT}),
    ("POST", "/agent/workflows/report", {AGENT}),
    ("POST", "/agent/jobs/{job_id}/logs", {AGENT}),
    ("POST", "/agent/jobs/{job_id}/result", {AGENT}),
    ("POST", "/agent/jobs/{job_id}/files/presign-upload", {AGENT}),
    ("POST", "/agent/files/{file_id}/complete", {AGENT}),
    ("GET", "/agent/files/{file_id}/download-url", {AGENT}),
    ("GET", "/agent/files/{file_id}", {AGENT}),
    ("DELETE", "/agent/files/{file_id}", {AGENT}),
]

PERSONAL = [row for row in TABLE if row[2] & {MEMBER, OWNER}]
"""All of these name an organization, or something in one."""
FOR_OWNERS = [row for row in PERSONAL if MEMBER not in row[2]]
NESTED = [row for row in PERSONAL if re.search(r"org_id.*_id", row[1])]
WITH_TOKEN = [row for row in TABLE if TOKEN in row[2] and "{" in row[1]]


def each(rows: list[tuple[str, str, set[str]]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("method", "path", "callers"), rows, ids=[f"{row[0]} {row[1]}" for row in rows])


def test_the_documentations_table_and_the_servers_name_the_same_routes() -> None:
    assert {(method, path) for method, path, _ in TABLE} == set(ACCESS)
    assert [len(rows) for rows in (TABLE, PERSONAL, FOR_OWNERS, NESTED, WITH_TOKEN)] == [64, 35, 14, 9, 9]
    assert all("{" in path for _, path, _ in PERSONAL)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Fills a route's template with ids of one organization, or of none."""

    org_id: str
    trigger_id: str = "tr-aaaaaaaaaaaaaaaa"
    token_id: str = "tok-aaaaaaaaaaaaaaaa"
    agent_id: str = "ag-aaaaaaaaaaaaaaaa"
    code_id: str = "enr-aaaaaaaaaaaaaaaa"
    job_id: str = "j-" + "a" * 26
    file_id: str = "f-aaaaaaaaaaaaaaaa"
    team_id: str = "T0ABSENT"

    @classmethod
    def of(cls, there: Organized, **override: str) -> "Asking":
        known = {
            "org_id": there.namespace,
            "trigger_id": there.trigger_id,
            "token_id": there.token_id,
            "agent_id": there.agent.agent_id,
            "code_id": there.code_id,
            "file_id": there.file_id,
            "team_id": there.team_id,
        }
        return cls(**known | override)

    def path(self, template: str) -> str:
        return template.format(name="deploy-prod", **vars(self))


def code_of_signers(callers: set[str]) -> str:
    """Return the code of a missing signature; empty where none is asked for."""
    return next((SIGNERS[kind] for kind in callers if kind in SIGNERS), "")


async def ask(http: httpx.AsyncClient, method: str, path: str, credential: str | None) -> httpx.Response:
    headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
    return await http.request(method, path, headers=headers)


@each(TABLE)
async def test_nobody_gets_in_without_a_credential(
    http: httpx.AsyncClient, home: Organized, method: str, path: str, callers: set[str]
) -> None:
    answer = await ask(http, method, Asking.of(home).path(path), None)
    if path == "/slack/oauth/callback":
        refused(answer, 409, "slack_not_configured")
    elif PUBLIC in callers:
        assert answer.status_code == 200
    elif callers & SIGNERS.keys():
        refused(answer, 401, code_of_signers(callers))
    else:
        refused(answer, 401, "unauthorized")


@each(TABLE)
async def test_a_credential_of_another_kind_is_401(
    http: httpx.AsyncClient, home: Organized, people: People, method: str, path: str, callers: set[str]
) -> None:
    filled = Asking.of(home).path(path)
    kinds = {
        OWNER: people.token("olga"),
        TOKEN: home.token,
        CODE: mint("enr").plain,
    }
    for kind, credential in kinds.items():
        if callers & {kind, PUBLIC}:
            continue
        code = code_of_signers(callers) or "wrong_credential"
        refused(await ask(http, method, filled, credential), 401, code)


@each(PERSONAL)
async def test_who_is_no_member_gets_the_404_of_what_is_not_there(
    http: httpx.AsyncClient,
    home: Organized,
    abroad: Organized,
    people: People,
    method: str,
    path: str,
    callers: set[str],
) -> None:
    absent = Asking(org_id="org-absent").path(path)
    for caller, there in (("stranger", home), ("otto", home), ("olga", abroad), ("mika", abroad)):
        theirs = await ask(http, method, Asking.of(there).path(path), people.token(caller))
        nothing = await ask(http, method, absent, people.token(caller))
        assert refused(theirs, 404, "not_found") == refused(nothing, 404, "not_found")


@each(NESTED)
async def test_ids_of_another_organization_under_ones_own_are_404(
    http: httpx.AsyncClient,
    home: Organized,
    abroad: Organized,
    people: People,
    method: str,
    path: str,
    callers: set[str],
) -> None:
    mixed = Asking.of(abroad, org_id=home.namespace).path(path)
    refused(await ask(http, method, mixed, people.token("olga")), 404, "not_found")


@each(FOR_OWNERS)
async def test_a_member_on_an_owners_route_is_403_whatever_the_body(
    http: httpx.AsyncClient, home: Organized, people: People, method: str, path: str, callers: set[str]
) -> None:
    for content in (b"", b"{", b'{"x":1}'):
        answer = await http.request(
            method,
            Asking.of(home).path(path),
            content=content,
            headers={"Authorization": f"Bearer {people.token('mika')}"},
        )
        refused(answer, 403, "forbidden")


@each(WITH_TOKEN)
async def test_a_token_of_another_organization_gets_404(
    http: httpx.AsyncClient, home: Organized, abroad: Organized, method: str, path: str, callers: set[str]
) -> None:
    theirs = await ask(http, method, Asking.of(home).path(path), abroad.token)
    nothing = await ask(http, method, Asking(org_id="org-absent").path(path), abroad.token)
    assert refused(theirs, 404, "not_found") == refused(nothing, 404, "not_found")


AGENTS_FILES = [row for row in TABLE if row[1].startswith("/agent/files/")]


@each(AGENTS_FILES)
async def test_an_agent_gets_404_for_files_that_are_of_no_job_of_its(
    home: Organized, abroad: Organized, method: str, path: str, callers: set[str]
) -> None:
    for there in (home, abroad):
        theirs = await home.agent.call(method, Asking.of(there).path(path))
        nothing = await home.agent.call(method, Asking(org_id="org-absent").path(path))
        assert refused(theirs, 404, "not_found") == refused(nothing, 404, "not_found")


async def test_what_a_token_sees_is_its_own_organizations(
    http: httpx.AsyncClient, home: Organized, abroad: Organized
) -> None:
    for there in (home, abroad):
        headers = {"Authorization": f"Bearer {there.token}"}
        assert (await http.get("/token", headers=headers)).json()["organizationId"] == there.namespace
        agents: Any = (await http.get("/agents", headers=headers)).json()
        assert [one["id"] for one in agents] == [there.agent.agent_id]
        files: Any = (await http.get("/storage/files", headers=headers)).json()
        assert [one["id"] for one in files] == [there.file_id]
        workflows: Any = (await http.get("/workflows", headers=headers)).json()
        assert {one["agentId"] for one in workflows} == {there.agent.agent_id}


async def test_the_owner_who_may_do_all_of_this_was_hindered_by_nothing(
    http: httpx.AsyncClient, home: Organized, people: People
) -> None:
    # The refusals above changed nothing: what they named is all there.
    owner = {"Authorization": f"Bearer {people.token('olga')}"}
    for path in (
        f"/triggers/{home.trigger_id}",
        f"/agents/{home.agent.agent_id}",
        f"/agents/{home.agent.agent_id}/workflows",
    ):
        assert (await http.get(path, headers=owner)).status_code == 200
    files = (await http.get(f"/orgs/{home.namespace}/files", headers=owner)).json()
    assert [(one["id"], one["status"]) for one in files] == [(home.file_id, "pending")]
    codes = (await http.get(f"/orgs/{home.namespace}/agents/enroll-tokens", headers=owner)).json()
    assert home.code_id in [one["id"] for one in codes]
    tokens = (await http.get(f"/orgs/{home.namespace}/api-tokens", headers=owner)).json()
    assert [one["id"] for one in tokens] == [home.token_id]
    workspaces = (await http.get(f"/orgs/{home.namespace}/slack/installations", headers=owner)).json()
    assert [one["teamId"] for one in workspaces] == [home.team_id]
