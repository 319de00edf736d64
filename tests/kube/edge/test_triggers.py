"""Triggers over REST: made, read, changed under a version, suspended, deleted."""

import asyncio
from typing import Any

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Agent, Trigger
from deplite.resources.identifiers import object_id
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized, declare_agent
from tests.kube.serving import until


async def create(
    http: httpx.AsyncClient, org: str, owner: dict[str, str], agent_id: str, **body: Any
) -> httpx.Response:
    content = {"agentId": agent_id, "name": "Deploy Prod", "workflowName": "deploy-prod"} | body
    return await http.post(f"/orgs/{org}/triggers", json=content, headers=owner)


async def test_the_walkthroughs_trigger(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str], member: dict[str, str]
) -> None:
    agent_id = await declare_agent(kube, org, "db-1")
    answer = await create(
        http,
        org,
        owner,
        agent_id,
        scopeType="workflow",
        type="webhook",
        responseMode="async",
        allowedRefs=["main", "release/*"],
    )
    assert answer.status_code == 201
    made = answer.json()
    assert made["id"].startswith("tr-")
    assert made["url"].endswith(f"/triggers/{made['id']}/run")
    assert (made["name"], made["agentId"], made["workflowName"]) == ("Deploy Prod", agent_id, "deploy-prod")
    assert (made["allowedRefs"], made["suspended"]) == (["main", "release/*"], False)
    (stored,) = await kube.list(Trigger, org)
    assert stored.name.startswith("deploy-prod-")
    assert stored.managed_by_api
    assert (stored.spec.agent, stored.spec.allowed_refs) == ("db-1", ("main", "release/*"))
    for caller in (owner, member):
        shown = await http.get(f"/triggers/{made['id']}", headers=caller)
        assert shown.json() == made
        assert shown.headers["etag"] == f'"{stored.metadata.resource_version}"'
        assert (await http.get(f"/orgs/{org}/triggers", headers=caller)).json() == [made]
    assert (await http.delete(f"/triggers/{made['id']}", headers=owner)).status_code == 204
    refused(await http.get(f"/triggers/{made['id']}", headers=owner), 404, "not_found")
    refused(await http.delete(f"/triggers/{made['id']}", headers=owner), 404, "not_found")
    assert (await http.get(f"/orgs/{org}/triggers", headers=owner)).json() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"agentId": "ag-aaaaaaaaaaaaaaaa"}, "unknown_agent"),
        ({"agentId": "../x"}, "unknown_agent"),
        ({"agentId": ""}, "unknown_agent"),
        ({"agentId": None}, "validation_error"),
        ({"agentId": "a" * 65}, "validation_error"),
        ({"name": ""}, "validation_error"),
        ({"name": "x" * 129}, "validation_error"),
        ({"workflowName": None}, "validation_error"),
        ({"workflowName": "../x"}, "validation_error"),
        ({"workflowName": "a b"}, "validation_error"),
        ({"workflowName": "x\n"}, "validation_error"),
        ({"workflowName": "x" * 129}, "validation_error"),
        ({"scopeType": "agent"}, "validation_error"),
        ({"scopeType": "trigger"}, "validation_error"),
        ({"type": "cron"}, "validation_error"),
        ({"type": "schedule"}, "validation_error"),
        ({"schedule": {"cron": "* * * * *"}}, "validation_error"),
        ({"type": "schedule", "schedule": {"cron": ""}}, "validation_error"),
        ({"type": "schedule", "schedule": {"cron": "x", "tz": "UTC"}}, "validation_error"),
        ({"type": "schedule", "schedule": {"cron": "0 4 * *"}}, "validation_error"),
        ({"type": "schedule", "schedule": {"cron": "0 4 31 2 *"}}, "validation_error"),
        ({"type": "schedule", "schedule": {"cron": "0 4 * * *", "timeZone": "Mars/Olympus"}}, "validation_error"),
        ({"type": "schedule", "schedule": {"cron": "0 4 * * *", "missedRuns": "all"}}, "validation_error"),
        ({"responseMode": "both"}, "validation_error"),
        ({"allowedRefs": "main"}, "validation_error"),
        ({"allowedRefs": [""]}, "validation_error"),
        ({"allowedRefs": ["x" * 256]}, "validation_error"),
        ({"allowedRefs": ["a", "a"]}, "validation_error"),
        ({"allowedRefs": [str(number) for number in range(101)]}, "validation_error"),
        ({"allowedRefs": [1]}, "validation_error"),
        ({"params": []}, "validation_error"),
        ({"params": {"a": {"b": 1}}}, "validation_error"),
        ({"params": {"a": None}}, "validation_error"),
        ({"params": {"A=B": 1}}, "validation_error"),
        ({"params": {"a": "x" * 4097}}, "validation_error"),
        ({"params": {str(number): 1 for number in range(101)}}, "validation_error"),
        ({"concurrency": {"policy": "maybe"}}, "validation_error"),
        ({"concurrency": {"group": ""}}, "validation_error"),
        ({"concurrency": {"group": "trigger/other"}}, "validation_error"),
        ({"concurrency": {"group": "a\nERROR b"}}, "validation_error"),
        ({"timeouts": {"jobSeconds": 0}}, "validation_error"),
        ({"timeouts": {"queueSeconds": 604_801}}, "validation_error"),
        ({"timeouts": {"jobSeconds": "60"}}, "validation_error"),
        ({"suspended": "yes"}, "validation_error"),
        ({"notify": {}}, "validation_error"),
        ({"notify": {"slack": {}}}, "validation_error"),
        ({"notify": {"slack": {"channel": "deploys"}}}, "validation_error"),
        ({"notify": {"slack": {"channel": "#two words"}}}, "validation_error"),
        ({"notify": {"slack": {"channel": "C024BE91L\n"}}}, "validation_error"),
        ({"notify": {"slack": {"channel": "#x", "teamId": "t1"}}}, "validation_error"),
        ({"notify": {"slack": {"channel": "#x", "when": "never"}}}, "validation_error"),
        ({"notify": {"slack": {"channel": "#x"}, "email": {}}}, "validation_error"),
        ({"organizationId": "org-other"}, "validation_error"),
        ({"status": {"lastJob": "j-x"}}, "validation_error"),
        ({"labels": {}}, "validation_error"),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_a_wrong_trigger_is_422(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: dict[str, Any], code: str
) -> None:
    refused(await create(http, home.namespace, owner, home.agent.agent_id, **body), 422, code)


async def test_a_foreign_agent_is_as_unknown_as_an_absent_one(
    http: httpx.AsyncClient, home: Organized, abroad: Organized, owner: dict[str, str]
) -> None:
    foreign = await create(http, home.namespace, owner, abroad.agent.agent_id)
    absent = await create(http, home.namespace, owner, "ag-aaaaaaaaaaaaaaaa")
    assert refused(foreign, 422, "unknown_agent") == refused(absent, 422, "unknown_agent")


async def test_what_the_schema_of_the_cluster_refuses_is_422_too(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str]
) -> None:
    # Too many bytes for one object: no rule of ours, but the API server's own.
    name = "\N{GRINNING FACE}" * 128
    answer = await create(http, home.namespace, owner, home.agent.agent_id, name=name)
    assert answer.status_code == 201
    assert answer.json()["name"] == name


class Changing:
    """A trigger of a fresh organization, to be changed."""

    def __init__(self, http: httpx.AsyncClient, owner: dict[str, str], made: httpx.Response) -> None:
        assert made.status_code == 201, made.text
        self.http, self.owner, self.made = http, owner, made.json()
        self.path, self.etag = f"/triggers/{self.made['id']}", made.headers["etag"]

    async def patch(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.http.patch(self.path, json=body, headers=self.owner | headers)


@pytest.fixture
async def changing(http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]) -> Changing:
    agent_id = await declare_agent(kube, org, "db-1")
    made = await create(http, org, owner, agent_id, params={"a": 1, "b": "x"}, allowedRefs=["main"])
    return Changing(http, owner, made)


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ({}, {}),
        ({"name": "New"}, {"name": "New"}),
        ({"name": None}, {}),
        ({"suspended": True}, {"suspended": True}),
        ({"suspended": None, "type": None, "scopeType": None, "responseMode": None}, {}),
        ({"responseMode": "sync", "type": "manual"}, {"responseMode": "sync", "type": "manual"}),
        ({"allowedRefs": []}, {"allowedRefs": []}),
        ({"allowedRefs": None}, {"allowedRefs": []}),
        ({"allowedRefs": ["v*"]}, {"allowedRefs": ["v*"]}),
        ({"params": {"c": True}}, {"params": {"c": True}}),
        ({"params": {"b": "y"}}, {"params": {"b": "y"}}),
        ({"params": {}}, {"params": {}}),
        ({"params": {"big": 10**30}}, {"params": {"big": str(10**30)}}),
        ({"scopeType": "agent", "workflowName": None}, {"scopeType": "agent", "workflowName": None}),
        ({"timeouts": {"jobSeconds": 60}}, {"timeouts": {"queueSeconds": 900, "jobSeconds": 60}}),
        ({"concurrency": {"policy": "replace", "group": "g"}}, {"concurrency": {"policy": "replace", "group": "g"}}),
        (
            {"notify": {"slack": {"channel": "#deploys", "when": "failure"}}},
            {"notify": {"slack": {"channel": "#deploys", "teamId": None, "when": "failure"}}},
        ),
        ({"notify": None}, {}),
    ],
    ids=repr,
)
async def test_a_change_is_shown_and_stored(
    kube: KubeClient, org: str, changing: Changing, body: dict[str, Any], changed: dict[str, Any]
) -> None:
    answer = await changing.patch(body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == changing.made | changed
    shown = await changing.http.get(changing.path, headers=changing.owner)
    assert (shown.json(), shown.headers["etag"]) == (answer.json(), answer.headers["etag"])
    (stored,) = await kube.list(Trigger, org)
    assert shown.headers["etag"] == f'"{stored.metadata.resource_version}"'


@pytest.mark.parametrize(
    "body",
    [
        {"scopeType": "agent"},
        {"workflowName": None},
        {"type": "schedule"},
        {"schedule": {"cron": "* * * * *"}},
        {"agentId": "ag-aaaaaaaaaaaaaaaa"},
        {"id": "tr-aaaaaaaaaaaaaaaa"},
        {"name": ""},
    ],
    ids=repr,
)
async def test_a_change_that_the_rules_forbid_is_422(changing: Changing, body: dict[str, Any]) -> None:
    refused(await changing.patch(body), 422, "validation_error")
    shown = await changing.http.get(changing.path, headers=changing.owner)
    assert shown.json() == changing.made


async def test_where_runs_are_told_is_set_changed_and_taken_away(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    agent_id = await declare_agent(kube, org, "db-1")
    made = await create(http, org, owner, agent_id, notify={"slack": {"channel": "#deploys", "teamId": "T024BE7LD"}})
    assert made.status_code == 201, made.text
    assert made.json()["notify"] == {"slack": {"channel": "#deploys", "teamId": "T024BE7LD", "when": "always"}}
    changing = Changing(http, owner, made)
    changed = await changing.patch({"notify": {"slack": {"channel": "C024BE91L", "teamId": None}}})
    assert changed.json()["notify"] == {"slack": {"channel": "C024BE91L", "teamId": None, "when": "always"}}
    gone = await changing.patch({"notify": None})
    assert (gone.status_code, gone.json()["notify"]) == (200, None)


async def test_a_schedule_is_made_changed_and_taken_away(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    agent_id = await declare_agent(kube, org, "db-1")
    schedule = {"cron": "0 4 * * *", "timeZone": "Asia/Seoul", "missedRuns": "latest"}
    made = await create(http, org, owner, agent_id, type="schedule", schedule=schedule)
    assert made.status_code == 201, made.text
    path = f"/triggers/{made.json()['id']}"
    assert (made.json()["type"], made.json()["schedule"]) == ("schedule", schedule)

    async def fires() -> str | None:
        """Return the hour at which the cluster says that it fires next."""
        status = (await http.get(path, headers=owner)).json()["scheduleStatus"]
        return status and status["nextFireAt"][11:]

    await until(fires, "19:00:00Z")
    changed = await http.patch(path, json={"schedule": {"cron": "0 5 * * *"}}, headers=owner)
    assert changed.json()["schedule"] == schedule | {"cron": "0 5 * * *"}
    await until(fires, "20:00:00Z")
    for wrong in ({"cron": "61 * * * *"}, {"cron": "0 5 * * *", "timeZone": "Mars/Olympus"}):
        refused(await http.patch(path, json={"schedule": wrong}, headers=owner), 422, "validation_error")
    changed = await http.patch(path, json={"type": "webhook", "schedule": None}, headers=owner)
    found = changed.json()
    assert (found["type"], found["schedule"], found["scheduleStatus"]) == ("webhook", None, None)


async def test_a_stale_etag_is_412_and_a_good_one_is_not(changing: Changing) -> None:
    first = await changing.patch({"name": "One"}, **{"If-Match": changing.etag})
    assert first.status_code == 200
    for stale in (changing.etag, f"W/{changing.etag}", '"0"', '"abc"', "abc", '""', '"1", "2"'):
        refused(await changing.patch({"name": "Two"}, **{"If-Match": stale}), 412, "precondition_failed")
    fresh = first.headers["etag"]
    assert (await changing.patch({"name": "Three"}, **{"If-Match": f'"0", {fresh}'})).status_code == 200
    assert (await changing.patch({"name": "Four"}, **{"If-Match": "*"})).json()["name"] == "Four"


async def test_a_change_by_kubectl_makes_the_etag_stale_at_once(kube: KubeClient, org: str, changing: Changing) -> None:
    (stored,) = await kube.list(Trigger, org)
    await kube.patch(Trigger, *stored.key, {"spec": {"suspended": True}})
    refused(await changing.patch({"name": "x"}, **{"If-Match": changing.etag}), 412, "precondition_failed")


async def test_of_ten_changes_under_one_etag_one_wins(changing: Changing) -> None:
    headers = {"If-Match": changing.etag}
    answers = await asyncio.gather(*(changing.patch({"name": f"N{number}"}, **headers) for number in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    won = next(answer.json()["name"] for answer in answers if answer.is_success)
    assert (await changing.http.get(changing.path, headers=changing.owner)).json()["name"] == won


async def test_without_an_etag_changes_of_different_members_all_stay(changing: Changing) -> None:
    bodies: list[dict[str, Any]] = [
        {"name": "N"},
        {"suspended": True},
        {"allowedRefs": ["x"]},
        {"responseMode": "sync"},
    ]
    answers = await asyncio.gather(*(changing.patch(body) for body in bodies))
    assert [answer.status_code for answer in answers] == [200] * 4
    shown = (await changing.http.get(changing.path, headers=changing.owner)).json()
    assert shown["name"] == "N"
    assert (shown["suspended"], shown["allowedRefs"], shown["responseMode"]) == (True, ["x"], "sync")


async def test_what_is_in_git_changes_only_by_force(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    await kube.create(Agent.model_validate({"metadata": {"name": "a", "namespace": org}}))
    declared = {"metadata": {"name": "git", "namespace": org}, "spec": {"agent": "a", "workflow": "w"}}
    await kube.create(Trigger.model_validate(declared))
    path = f"/triggers/{object_id('tr', org, 'git')}"
    refused(await http.patch(path, json={"suspended": True}, headers=owner), 409, "managed_in_git")
    refused(await http.delete(path, headers=owner), 409, "managed_in_git")
    answer = await http.patch(f"{path}?force=true", json={"suspended": True}, headers=owner)
    assert answer.json()["suspended"] is True
    refused(await http.delete(f"{path}?force=maybe", headers=owner), 422, "validation_error")
    assert (await http.delete(f"{path}?force=true", headers=owner)).status_code == 204


async def test_pages_are_whole_newest_first_and_keep_the_prefix(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    agent_id = await declare_agent(kube, org, "db-1")
    made = [(await create(http, org, owner, agent_id, name=f"T{number}")).json()["id"] for number in range(7)]
    whole = (await http.get(f"/orgs/{org}/triggers", headers=owner)).json()
    assert {one["id"] for one in whole} == set(made)
    assert [one["createdAt"] for one in whole] == sorted((one["createdAt"] for one in whole), reverse=True)
    seen, url = [], f"/v1/orgs/{org}/triggers?limit=3"
    for size in (3, 3, 1):
        answer = await http.get(url, headers=owner)
        page = answer.json()
        assert len(page) == size
        seen += page
        if size == 3:
            url = answer.links["next"]["url"]
            assert url.startswith(f"/v1/orgs/{org}/triggers?limit=3&cursor=")
    assert "link" not in answer.headers
    assert seen == whole
