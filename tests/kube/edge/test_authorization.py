"""The Authorization header: missing, doubled, of another scheme, or good for another door."""

import httpx
import pytest

from deplite.resources.credentials import mint
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.edge.people import People

ROUTES = [
    ("GET", "/orgs/org-x/triggers"),
    ("POST", "/triggers/tr-aaaaaaaaaaaaaaaa/run"),
    ("GET", "/token"),
    ("GET", "/jobs/j-aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ("POST", "/agent/enroll"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["Bearer"],
        ["Basic b2xnYTpwYXNz"],
        ["Token abc"],
        ["Bearer a b"],
        ["Bearer a", "Bearer a"],
        ["Bearer a", "Basic b"],
    ],
    ids=repr,
)
async def test_no_usable_credential_is_401(http: httpx.AsyncClient, method: str, path: str, values: list[str]) -> None:
    answer = await http.request(method, path, headers=[("Authorization", value) for value in values])
    refused(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_is_spelled_in_any_case(http: httpx.AsyncClient, home: Organized, people: People) -> None:
    answer = await http.get(f"/triggers/{home.trigger_id}", headers={"Authorization": f"bEaReR {people.token('olga')}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orgs/{org}/triggers"),
        ("POST", "/orgs/{org}/triggers"),
        ("GET", "/triggers/{trigger}"),
        ("PATCH", "/triggers/{trigger}"),
        ("DELETE", "/triggers/{trigger}"),
        ("POST", "/triggers/{trigger}/run-manual"),
        ("GET", "/orgs/{org}/api-tokens"),
        ("POST", "/orgs/{org}/api-tokens"),
        ("POST", "/orgs/{org}/api-tokens/{token}/rotate"),
        ("DELETE", "/orgs/{org}/api-tokens/{token}"),
        ("GET", "/orgs/{org}/agents"),
        ("POST", "/orgs/{org}/agents/enroll-tokens"),
        ("GET", "/orgs/{org}/agents/enroll-tokens"),
        ("DELETE", "/orgs/{org}/agents/enroll-tokens/{code}"),
        ("GET", "/agents/{agent}"),
        ("PATCH", "/agents/{agent}"),
        ("DELETE", "/agents/{agent}"),
        ("GET", "/agents/{agent}/workflows"),
        ("PATCH", "/agents/{agent}/workflows/deploy-prod/rate-limit"),
        ("POST", "/agents/{agent}/workflows/refresh"),
        ("POST", "/orgs/{org}/files/presign-upload"),
        ("POST", "/orgs/{org}/files/{file}/complete"),
        ("GET", "/orgs/{org}/files/{file}/download-url"),
        ("GET", "/orgs/{org}/files/{file}"),
        ("GET", "/orgs/{org}/files"),
        ("DELETE", "/orgs/{org}/files/{file}"),
        ("GET", "/orgs/{org}/slack/install-url"),
        ("GET", "/orgs/{org}/slack/installations"),
        ("DELETE", "/orgs/{org}/slack/installations/{team}"),
        ("POST", "/agent/enroll"),
    ],
)
async def test_an_api_token_at_another_door_is_401(
    http: httpx.AsyncClient, home: Organized, method: str, path: str
) -> None:
    filled = path.format(
        org=home.namespace,
        trigger=home.trigger_id,
        token=home.token_id,
        code=home.code_id,
        agent=home.agent.agent_id,
        file=home.file_id,
        team=home.team_id,
    )
    answer = await http.request(method, filled, headers={"Authorization": f"Bearer {home.token}"})
    refused(answer, 401, "wrong_credential")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/triggers/{trigger}/run"),
        ("GET", "/token"),
        ("GET", "/agents"),
        ("GET", "/workflows"),
        ("POST", "/storage/files/presign-upload"),
        ("POST", "/storage/files/{file}/complete"),
        ("GET", "/storage/files/{file}/download-url"),
        ("GET", "/storage/files/{file}"),
        ("GET", "/storage/files"),
        ("DELETE", "/storage/files/{file}"),
        ("POST", "/agent/enroll"),
    ],
)
async def test_a_jwt_at_a_tokens_door_is_401(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], method: str, path: str
) -> None:
    filled = path.format(trigger=home.trigger_id, file=home.file_id)
    refused(await http.request(method, filled, headers=owner), 401, "wrong_credential")


@pytest.mark.parametrize(("method", "path"), [("GET", "/token"), ("GET", "/orgs/org-x/agents"), ("GET", "/jobs/j-x")])
async def test_an_enrolment_code_enrols_and_nothing_else(http: httpx.AsyncClient, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {mint('enr').plain}"}
    refused(await http.request(method, path, headers=headers), 401, "wrong_credential")


@pytest.mark.parametrize("path", ["/agent/heartbeat", "/agent/workflows/report", "/agent/files/f-x/complete"])
async def test_an_owner_cannot_speak_for_an_agent(http: httpx.AsyncClient, owner: dict[str, str], path: str) -> None:
    refused(await http.post(path, headers=owner), 401, "bad_signature_headers")
