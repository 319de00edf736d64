"""What people see with kubectl: columns with values, selectors, short names, one category for all kinds."""

import secrets
from typing import Any

import pytest

from deplite.kube.client import KubeClient, path_of
from deplite.kube.errors import InvalidError
from deplite.resources import KINDS, DeployJob, Resource
from tests.kube.resources.conftest import OF_KIND, Door

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
READY = {
    "type": "Ready",
    "status": "False",
    "reason": "Why",
    "message": "m",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
LONG_AGO = "2000-01-01T00:00:00Z"

SHOWN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "Organization": (
        {"displayName": "Acme"},
        {"conditions": [READY]},
        {"Display Name": "Acme", "Ready": "False", "Reason": "Why", "Message": "m"},
    ),
    "Agent": (
        {},
        {
            "state": "Connected",
            "hostname": "web-1",
            "agentVersion": "1.2.3",
            "lastSeenAt": LONG_AGO,
            "id": "ag-x",
            "os": "linux",
            "conditions": [READY],
        },
        {
            "State": "Connected",
            "Ready": "False",
            "Reason": "Why",
            "Message": "m",
            "Host": "web-1",
            "Version": "1.2.3",
            "Id": "ag-x",
            "OS": "linux",
        },
    ),
    "AgentPool": (
        {},
        {"desired": 3, "ready": 2, "updated": 1, "image": "i:1", "conditions": [READY]},
        {
            "Desired": 3,
            "Connected": 2,
            "Updated": 1,
            "Image": "i:1",
            "Ready": "False",
            "Reason": "Why",
            "Message": "m",
        },
    ),
    "EnrollmentToken": (
        {"agent": "web", "uses": 2, "secretName": "s"},
        {"prefix": "enr_abc", "expiresAt": LONG_AGO, "conditions": [READY]},
        {
            "Agent": "web",
            "Uses": 2,
            "Secret": "s",
            "Prefix": "enr_abc",
            "Expires": LONG_AGO,
            "Ready": "False",
            "Reason": "Why",
            "Message": "m",
        },
    ),
    "Trigger": (
        {"agent": "web", "workflow": "deploy"},
        {
            "id": "tr-x",
            "url": "http://x",
            "lastJob": "j-x",
            "lastJobPhase": "Failed",
            "lastJobAt": LONG_AGO,
            "schedule": {"cron": "0 4 * * *", "timeZone": "UTC", "nextFireAt": LONG_AGO},
            "conditions": [READY],
        },
        {
            "Agent": "web",
            "Workflow": "deploy",
            "Type": "webhook",
            "Next Run": LONG_AGO,
            "Ready": "False",
            "Reason": "Why",
            "Message": "m",
            "Last Job": "Failed",
            "Id": "tr-x",
            "URL": "http://x",
        },
    ),
    "ApiToken": (
        {
            "grants": [{"type": "agent", "agents": ["web"]}],
            "expiresAt": "2099-01-01T00:00:00Z",
            "secretName": "s",
        },
        {
            "id": "tok-x",
            "hashes": [{"sha256": "a" * 64, "prefix": "tk_abc"}],
            "lastUsedAt": LONG_AGO,
            "conditions": [READY],
        },
        {
            "Prefix": "tk_abc",
            "Ready": "False",
            "Reason": "Why",
            "Message": "m",
            "Expires": "2099-01-01T00:00:00Z",
            "Secret": "s",
            "Id": "tok-x",
        },
    ),
    "DeployJob": (
        {"trigger": "t", "agent": "web", "workflow": "deploy", "ref": "main"},
        {"phase": "Failed", "reason": "exit_code", "exitCode": 3, "startedAt": LONG_AGO, "finishedAt": LONG_AGO},
        {
            "Phase": "Failed",
            "Reason": "exit_code",
            "Trigger": "t",
            "Workflow": "deploy",
            "Ref": "main",
            "Exit": 3,
            "Agent": "web",
        },
    ),
    "SlackInstallation": (
        {"teamId": "T1", "teamName": "Acme", "secretName": "s"},
        {"connected": True, "conditions": [READY]},
        {"Team": "Acme", "Team Id": "T1", "Connected": True, "Ready": "False", "Reason": "Why", "Message": "m"},
    ),
    "StoredFile": (
        {"filename": "a.txt", "cleanupRule": "persistent"},
        {"phase": "Stored", "size": 7, "expiresAt": LONG_AGO},
        {"Filename": "a.txt", "Size": 7, "Phase": "Stored", "Rule": "persistent", "Expires": LONG_AGO},
    ),
}
"""For each kind a spec, a status, and what its columns show; columns of type date show an age."""


def test_every_kind_is_shown() -> None:
    assert SHOWN.keys() == OF_KIND.keys()


async def row(door: Door, kind: str, name: str) -> dict[str, Any]:
    path = path_of(OF_KIND[kind], door.namespace, name)
    table = await door.kube.connection.request("GET", path, accept=TABLE)
    names = [column["name"] for column in table["columnDefinitions"]]
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize("kind", sorted(SHOWN))
async def test_every_column_shows_a_value(door: Door, kind: str) -> None:
    spec, status, expected = SHOWN[kind]
    name = (await door.create(kind, spec))["metadata"]["name"]
    await door.patch(kind, name, {"status": status}, status=True)
    cells = await row(door, kind, name)
    ages = {
        column for column in ("Age", "Last Seen", "Last Used", "Last Run", "Started", "Finished") if column in cells
    }
    assert {key: cells[key] for key in expected} == expected
    assert cells.keys() == expected.keys() | ages | {"Name"}
    assert cells["Name"] == name
    for column in ages - {"Age"}:
        assert cells[column].endswith("y"), column  # an age in years
    assert cells["Age"].endswith("s")
    await door.remove(kind, name)


async def jobs(kube: KubeClient, namespace: str, selector: str) -> set[str]:
    return {job.name for job in await kube.list(DeployJob, namespace, field_selector=selector)}


async def test_jobs_are_found_by_phase_trigger_and_agent(door: Door) -> None:
    trigger = f"t-{secrets.token_hex(4)}"
    names = []
    for agent in ("web", "db"):
        spec = {"agent": agent, "workflow": "w", "trigger": trigger}
        names.append((await door.create("DeployJob", spec))["metadata"]["name"])
    await door.patch("DeployJob", names[0], {"status": {"phase": "Running"}}, status=True)
    mine = f"spec.trigger={trigger}"
    assert await jobs(door.kube, door.namespace, mine) == set(names)
    assert await jobs(door.kube, door.namespace, f"{mine},status.phase=Running") == {names[0]}
    assert await jobs(door.kube, door.namespace, f"{mine},status.phase=Queued") == {names[1]}
    assert await jobs(door.kube, door.namespace, f"{mine},spec.agent=db") == {names[1]}
    assert await jobs(door.kube, door.namespace, f"{mine},status.phase!=Queued") == {names[0]}


async def test_a_field_that_is_not_selectable_is_said_so(door: Door) -> None:
    with pytest.raises(InvalidError, match=r"spec\.workflow"):
        await jobs(door.kube, door.namespace, "spec.workflow=w")


@pytest.mark.parametrize(
    ("kind", "spec", "selector"),
    [
        ("Trigger", {"workflow": "w"}, "spec.agent={agent}"),
        ("EnrollmentToken", {}, "spec.agent={agent}"),
    ],
)
async def test_what_names_an_agent_is_found_by_it(door: Door, kind: str, spec: dict[str, Any], selector: str) -> None:
    agent = f"a-{secrets.token_hex(4)}"
    name = (await door.create(kind, spec | {"agent": agent}))["metadata"]["name"]
    await door.create(kind, spec | {"agent": f"{agent}-other"})
    found = await door.kube.list(OF_KIND[kind], door.namespace, field_selector=selector.format(agent=agent))
    assert [item.name for item in found] == [name]


async def test_files_are_found_by_phase(door: Door) -> None:
    name = (await door.create("StoredFile", {}))["metadata"]["name"]
    await door.patch("StoredFile", name, {"status": {"phase": "Stored"}}, status=True)
    found = await door.kube.list(OF_KIND["StoredFile"], door.namespace, field_selector="status.phase=Stored")
    assert name in {item.name for item in found}


async def discovered(kube: KubeClient) -> list[dict[str, Any]]:
    """Return all resources that the API server serves, subresources left out."""
    groups = await kube.connection.request("GET", "/apis")
    versions = [f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups["groups"]]
    answers = [await kube.connection.request("GET", path) for path in ("/api/v1", *versions)]
    return [found for answer in answers for found in answer["resources"] if "/" not in found["name"]]


async def test_no_short_name_means_something_else_already(kube: KubeClient) -> None:
    resources = await discovered(kube)
    known = [name for found in resources for name in {*found.get("shortNames", ()), found["singularName"]}]
    ours = {name for found in resources if "deplite" in found.get("categories", ()) for name in found["shortNames"]}
    assert len(ours) == len(KINDS)
    assert {name for name in ours if known.count(name) > 1} == set()


async def test_one_word_lists_all_kinds(kube: KubeClient) -> None:
    resources = await discovered(kube)
    assert {found["kind"] for found in resources if "deplite" in found.get("categories", ())} == OF_KIND.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
async def test_the_server_explains_every_field(kube: KubeClient, kind: type[Resource]) -> None:
    document = await kube.connection.request("GET", "/openapi/v3/apis/deplite.io/v1alpha1")
    schema = document["components"]["schemas"][f"io.deplite.v1alpha1.{kind.KIND}"]
    for part in ("spec", "status"):
        fields = schema["properties"][part]["properties"]
        assert fields
        assert [name for name, field in fields.items() if not field.get("description")] == []
