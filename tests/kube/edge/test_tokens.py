"""API tokens over REST: issued in both spellings, listed without their secret, rotated, revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.resources import ApiToken
from deplite.resources.identifiers import object_id
from deplite.resources.resource import CREATED_BY_LABEL, utc
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.jobs.conftest import make_token
from tests.kube.serving import MovableClock, served, until

LATER = utc(datetime.now(UTC) + timedelta(days=30))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def filled(value: Any, home: Organized) -> Any:
    """Put the ids of an organization where a table says TRIGGER or AGENT."""
    if isinstance(value, dict):
        return {key: filled(item, home) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, home) for item in value]
    return (
        {"TRIGGER": home.trigger_id, "AGENT": home.agent.agent_id}.get(value, value)
        if isinstance(value, str)
        else value
    )


async def issue(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: dict[str, Any]
) -> httpx.Response:
    return await http.post(f"/orgs/{home.namespace}/api-tokens", json=filled(body, home), headers=owner)


SHORT = {"name": "CI Pipeline", "scopeType": "trigger", "triggerIds": ["TRIGGER"]}


@pytest.mark.parametrize(
    ("body", "scopes"),
    [
        (SHORT, [{"type": "trigger", "triggerIds": ["TRIGGER"]}]),
        (
            {"name": "x", "scopes": [{"type": "trigger", "triggerIds": ["TRIGGER"]}]},
            [{"type": "trigger", "triggerIds": ["TRIGGER"]}],
        ),
        ({"name": "x", "scopeType": "agent", "agentIds": ["AGENT"]}, [{"type": "agent", "agentIds": ["AGENT"]}]),
        (
            {"name": "x", "scopes": [{"type": "agent", "agentIds": ["AGENT", "AGENT"]}]},
            [{"type": "agent", "agentIds": ["AGENT"]}],
        ),
        (
            {"name": "x", "scopes": [{"type": "storage", "bindingIds": None, "permissions": ["read", "read"]}]},
            [{"type": "storage", "bindingIds": None, "permissions": ["read"]}],
        ),
        (
            {
                "name": "x",
                "scopes": [
                    {"type": "storage", "bindingIds": ["a"], "permissions": ["write", "delete"]},
                    {"type": "trigger", "triggerIds": ["TRIGGER"]},
                ],
            },
            [
                {"type": "storage", "bindingIds": ["a"], "permissions": ["write", "delete"]},
                {"type": "trigger", "triggerIds": ["TRIGGER"]},
            ],
        ),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_a_token_in_either_spelling_works_and_tells_its_grants(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: dict[str, Any], scopes: list[Any]
) -> None:
    answer = await issue(http, home, owner, body | {"rateLimitPerMinute": 10, "expiresAt": LATER})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["scopes"] == filled(scopes, home)
    assert made["plainToken"].startswith(made["prefix"])
    assert (made["rateLimitPerMinute"], made["rateLimitPerHour"], made["expiresAt"]) == (10, None, LATER)
    shown = (await http.get("/token", headers=bearer(made["plainToken"]))).json()
    assert shown == {
        "organizationId": home.namespace,
        "name": body["name"],
        "scopes": filled(scopes, home),
        "rateLimit": {"perMinute": 10, "perHour": None, "perDay": None},
        "expiresAt": LATER,
    }


async def test_the_plain_token_is_in_one_answer_and_nowhere_else(
    http: httpx.AsyncClient,
    kube: KubeClient,
    home: Organized,
    owner: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("DEBUG"):
        made = (await issue(http, home, owner, SHORT)).json()
        secret = made["plainToken"][len(made["prefix"]) :]
        listed = await http.get(f"/orgs/{home.namespace}/api-tokens", headers=owner)
        assert (await http.get("/token", headers=bearer(made["plainToken"]))).status_code == 200
    ours = [record for record in caplog.records if record.name.startswith("deplite")]
    assert ours
    assert not [record for record in ours if secret in str(vars(record))]
    assert made["id"] in listed.text
    assert secret not in listed.text
    stored = [one.model_dump_json() for one in await kube.list(ApiToken, home.namespace)]
    assert not [one for one in stored if secret in one]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "validation_error"),
        ({"name": None}, "validation_error"),
        ({"name": "x" * 129}, "validation_error"),
        ({"rateLimitPerMinute": 0}, "validation_error"),
        ({"rateLimitPerMinute": -1}, "validation_error"),
        ({"rateLimitPerHour": 10**9}, "validation_error"),
        ({"rateLimitPerDay": 1.5}, "validation_error"),
        ({"rateLimitPerDay": "10"}, "validation_error"),
        ({"rateLimitPerMinute": True}, "validation_error"),
        ({"rateLimitPerMinute": 101, "rateLimitPerHour": 100}, "validation_error"),
        ({"rateLimitPerMinute": 101, "rateLimitPerDay": 100}, "validation_error"),
        ({"rateLimitPerHour": 101, "rateLimitPerDay": 100}, "validation_error"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "validation_error"),
        ({"expiresAt": utc(datetime.now(UTC) - timedelta(seconds=1))}, "validation_error"),
        ({"expiresAt": "2099-01-01T00:00:00"}, "validation_error"),
        ({"expiresAt": "2099-01-01"}, "validation_error"),
        ({"expiresAt": "10000-01-01T00:00:00Z"}, "validation_error"),
        ({"expiresAt": "9999-12-31T23:59:59-23:59"}, "validation_error"),
        ({"expiresAt": "0001-01-01T00:00:00+14:00"}, "validation_error"),
        ({"expiresAt": 4_102_444_800}, "validation_error"),
        ({"expiresAt": "tomorrow"}, "validation_error"),
        ({"triggerIds": []}, "validation_error"),
        ({"triggerIds": None}, "validation_error"),
        ({"triggerIds": "TRIGGER"}, "validation_error"),
        ({"triggerIds": ["TRIGGER"] * 101}, "validation_error"),
        ({"triggerIds": ["tr-aaaaaaaaaaaaaaaa"]}, "unknown_trigger"),
        ({"triggerIds": ["TRIGGER", "../x"]}, "unknown_trigger"),
        ({"triggerIds": ["AGENT"]}, "unknown_trigger"),
        ({"scopeType": "agent"}, "validation_error"),
        ({"scopeType": "agent", "triggerIds": None, "agentIds": ["TRIGGER"]}, "unknown_agent"),
        ({"scopeType": "storage"}, "validation_error"),
        ({"scopeType": None}, "validation_error"),
        ({"agentIds": ["AGENT"]}, "validation_error"),
        ({"scopes": [{"type": "trigger", "triggerIds": ["TRIGGER"]}]}, "validation_error"),
        ({"scopeType": None, "scopes": []}, "validation_error"),
        ({"scopeType": None, "triggerIds": None, "scopes": []}, "validation_error"),
        ({"scopeType": None, "triggerIds": None, "scopes": [{"type": "x"}]}, "validation_error"),
        (
            {"scopeType": None, "triggerIds": None, "scopes": [{"type": "storage", "permissions": []}]},
            "validation_error",
        ),
        (
            {"scopeType": None, "triggerIds": None, "scopes": [{"type": "storage", "permissions": ["admin"]}]},
            "validation_error",
        ),
        ({"allowedCIDRs": ["x"]}, "validation_error"),
        ({"allowedCIDRs": ["10.0.0.0/33"]}, "validation_error"),
        ({"allowedCIDRs": ["10.0.0.0/255.0.0.0"]}, "validation_error"),
        ({"allowedCIDRs": ["fe80::1%eth0/64"]}, "validation_error"),
        ({"allowedCIDRs": ["10.0.0.0/8", "10.0.0.0/8"]}, "validation_error"),
        ({"plainToken": "tk_mine"}, "validation_error"),
        ({"organizationId": "org-other"}, "validation_error"),
        ({"mintedBy": "operator"}, "validation_error"),
        ({"status": {}}, "validation_error"),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_a_wrong_token_is_422(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], change: dict[str, Any], code: str
) -> None:
    refused(await issue(http, home, owner, SHORT | change), 422, code)


async def test_a_foreign_trigger_is_as_unknown_as_an_absent_one(
    http: httpx.AsyncClient, kube: KubeClient, home: Organized, abroad: Organized, owner: dict[str, str]
) -> None:
    before = len(await kube.list(ApiToken, home.namespace))
    foreign = await issue(http, home, owner, SHORT | {"triggerIds": [abroad.trigger_id]})
    absent = await issue(http, home, owner, SHORT | {"triggerIds": ["tr-aaaaaaaaaaaaaaaa"]})
    assert refused(foreign, 422, "unknown_trigger") == refused(absent, 422, "unknown_trigger")
    assert len(await kube.list(ApiToken, home.namespace)) == before


async def test_equal_bounds_and_a_far_expiry_are_legal(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str]
) -> None:
    limits = {f"rateLimitPer{window}": 1_000_000 for window in ("Minute", "Hour", "Day")}
    answer = await issue(http, home, owner, SHORT | limits | {"expiresAt": "9999-12-31T00:00:00+02:00"})
    assert (answer.status_code, answer.json()["expiresAt"]) == (201, "9999-12-30T22:00:00Z")


async def test_a_rotated_token_dies_at_once(http: httpx.AsyncClient, home: Organized, owner: dict[str, str]) -> None:
    made = (await issue(http, home, owner, SHORT)).json()
    path = f"/orgs/{home.namespace}/api-tokens/{made['id']}/rotate"
    rotated = await http.post(path, headers=owner)
    assert rotated.status_code == 200, rotated.text
    new = rotated.json()
    assert new["plainToken"] != made["plainToken"]
    assert (new["id"], new["scopes"]) == (made["id"], made["scopes"])
    refused(await http.get("/token", headers=bearer(made["plainToken"])), 401, "invalid_token")
    assert (await http.get("/token", headers=bearer(new["plainToken"]))).status_code == 200


async def test_an_overlap_keeps_the_old_token_for_so_long_and_not_the_one_before(
    settings: Settings, http: httpx.AsyncClient, kube: KubeClient, home: Organized, owner: dict[str, str]
) -> None:
    first = (await issue(http, home, owner, SHORT)).json()
    path = f"/orgs/{home.namespace}/api-tokens/{first['id']}/rotate"
    second = (await http.post(path, json={"overlapSeconds": 3600}, headers=owner)).json()
    third = (await http.post(path, json={"overlapSeconds": 60}, headers=owner)).json()
    assert (first["previous"], third["previous"]["prefix"]) == (None, second["prefix"])
    good_until = datetime.fromisoformat(third["previous"]["goodUntil"])
    assert timedelta(0) < good_until - datetime.now(UTC) <= timedelta(seconds=60)
    refused(await http.get("/token", headers=bearer(first["plainToken"])), 401, "invalid_token")
    clock = MovableClock()
    async with served(settings, clock) as replica, replica.client() as other:
        for token in (second, third):
            assert (await other.get("/token", headers=bearer(token["plainToken"]))).status_code == 200
        clock.ahead = 61
        refused(await other.get("/token", headers=bearer(second["plainToken"])), 401, "invalid_token")
        listed = (await other.get(f"/orgs/{home.namespace}/api-tokens", headers=owner)).json()
        assert [one["previous"] for one in listed if one["id"] == first["id"]] == [None]
        assert (await other.get("/token", headers=bearer(third["plainToken"]))).status_code == 200


@pytest.mark.parametrize(
    "body", [{"overlapSeconds": -1}, {"overlapSeconds": 86_401}, {"overlapSeconds": "1"}, {"x": 1}]
)
async def test_a_wrong_rotation_is_422(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: dict[str, Any]
) -> None:
    path = f"/orgs/{home.namespace}/api-tokens/{home.token_id}/rotate"
    refused(await http.post(path, json=body, headers=owner), 422, "validation_error")


async def test_a_revoked_token_dies_at_once_on_every_replica(
    settings: Settings, http: httpx.AsyncClient, home: Organized, owner: dict[str, str]
) -> None:
    made = (await issue(http, home, owner, SHORT)).json()
    path = f"/orgs/{home.namespace}/api-tokens/{made['id']}"
    async with served(settings) as replica, replica.client() as other:
        for client in (http, other):
            assert (await client.get("/token", headers=bearer(made["plainToken"]))).status_code == 200
        assert (await http.delete(path, headers=owner)).status_code == 204
        refused(await http.get("/token", headers=bearer(made["plainToken"])), 401, "invalid_token")

        async def elsewhere() -> int:
            return (await other.get("/token", headers=bearer(made["plainToken"]))).status_code

        await until(elsewhere, 401)
    refused(await http.delete(path, headers=owner), 404, "not_found")


async def test_a_token_from_git_is_rotated_and_revoked_there(
    http: httpx.AsyncClient, kube: KubeClient, home: Organized, owner: dict[str, str]
) -> None:
    await make_token(kube, home.namespace, "git", grants=[{"type": "trigger", "triggers": ["x"]}])
    path = f"/orgs/{home.namespace}/api-tokens/{object_id('tok', home.namespace, 'git')}"
    refused(await http.post(f"{path}/rotate", headers=owner), 409, "managed_in_git")
    refused(await http.delete(path, headers=owner), 409, "managed_in_git")
    await kube.patch(ApiToken, home.namespace, "git", {"metadata": {"labels": {CREATED_BY_LABEL: "api"}}})
    refused(await http.post(f"{path}/rotate", headers=owner), 409, "managed_in_git")
    await kube.patch(ApiToken, home.namespace, "git", {"metadata": {"labels": {CREATED_BY_LABEL: None}}})
    assert (await http.delete(f"{path}?force=true", headers=owner)).status_code == 204


async def test_a_member_sees_tokens_and_changes_none(
    http: httpx.AsyncClient, home: Organized, member: dict[str, str]
) -> None:
    answer = await http.get(f"/orgs/{home.namespace}/api-tokens", headers=member)
    assert home.token_id in [one["id"] for one in answer.json()]
    assert not [one for one in answer.json() if "plainToken" in one]
    refused(await issue(http, home, member, SHORT), 403, "forbidden")


async def test_a_token_sees_its_agents_and_workflows_only(
    http: httpx.AsyncClient, kube: KubeClient, home: Organized
) -> None:
    token = await make_token(kube, home.namespace, "storage", grants=[{"type": "storage", "permissions": ["read"]}])
    for path in ("/agents", "/workflows"):
        assert (await http.get(path, headers=bearer(token))).json() == []
    (agent,) = (await http.get("/agents", headers=bearer(home.token))).json()
    assert agent["id"] == home.agent.agent_id
    assert {"name", "hostname", "os", "agentVersion", "status", "lastSeenAt", "enrolledAt"} <= set(agent)
    (workflow,) = (await http.get("/workflows", headers=bearer(home.token))).json()
    assert (workflow["name"], workflow["agentId"]) == ("deploy-prod", home.agent.agent_id)
    assert workflow["id"].startswith("wf-")
    assert workflow["paramsSchema"][0]["name"] == "replicas"
