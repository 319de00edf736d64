"""What Argo CD (by our health check) and Flux (by kstatus) say of real objects in each of their states."""

import asyncio
import copy
import json
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from deplite.kube.client import KubeClient
from tests.gitops.judge import find_or_build
from tests.gitops.shop import ROOT, Shop

Object = dict[str, Any]
API = "deplite.io/v1alpha1"
MERGE = "application/merge-patch+json"
ENROLLED = {"publicKey": "a key", "state": "Disconnected"}
NEVER = {"agent": "web", "workflow": "deploy", "type": "schedule", "schedule": {"cron": "0 4 31 2 *"}}
GRANT = {"grants": [{"type": "agent", "agents": ["waits"]}]}


class Namespace:
    """Makes objects in an organization, and reads them once the operator has said what a test waits for."""

    def __init__(self, kube: KubeClient, name: str) -> None:
        self._request, self._path = kube.connection.request, f"/apis/{API}/namespaces/{name}"

    async def make(self, kind: str, name: str, spec: Object) -> Object:
        body = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}
        return await self._request("POST", f"{self._path}/{kind.lower()}s", body=body)

    async def change(self, kind: str, name: str, body: Object) -> Object:
        path = f"{self._path}/{kind.lower()}s/{name}" + ("/status" if "status" in body else "")
        return await self._request("PATCH", path, body=body, content_type=MERGE)

    async def told(self, kind: str, name: str, reason: str) -> Object:
        async with asyncio.timeout(60):
            while True:
                found = await self._request("GET", f"{self._path}/{kind.lower()}s/{name}")
                reasons = [one["reason"] for one in found["status"].get("conditions", ()) if one["type"] == "Ready"]
                if reasons == [reason] and found["status"]["observedGeneration"] == found["metadata"]["generation"]:
                    return found
                await asyncio.sleep(0.05)

    async def made(self, kind: str, name: str, spec: Object, reason: str) -> Object:
        await self.make(kind, name, spec)
        return await self.told(kind, name, reason)


class Judge:
    """Asks the tools."""

    def __init__(self, program: Path, script: Path) -> None:
        self._program, self._script = program, script

    async def flux(self, *objects: Object) -> list[str]:
        return [verdict["status"] for verdict in await self._ask(("kstatus",), objects)]

    async def argocd(self, *objects: Object) -> list[str]:
        return [verdict["status"] for verdict in await self.argocd_says(*objects)]

    async def argocd_says(self, *objects: Object) -> list[Object]:
        return await self._ask(("argocd", str(self._script)), objects)

    async def _ask(self, arguments: tuple[str, ...], objects: Sequence[Object]) -> list[Object]:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(self._program, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
        said, complaint = await child.communicate("\n".join(map(json.dumps, objects)).encode())
        assert child.returncode == 0, complaint.decode()
        return [json.loads(line) for line in said.splitlines()]


@pytest_asyncio.fixture(scope="module")
async def health_check(shop: Shop) -> str:
    """The Lua, as Argo CD finds it in the cluster once its ConfigMap was patched with ours."""
    await shop.run(
        "kubectl create namespace argocd && kubectl -n argocd create configmap argocd-cm --from-literal=url=x"
    )
    (command,) = [
        line for line in (ROOT / "examples/argocd/argocd-cm.yaml").read_text().splitlines() if "patch" in line
    ]
    await shop.run(command.removeprefix("# "))
    config = json.loads(await shop.run("kubectl -n argocd get configmap argocd-cm -o json"))["data"]
    assert config["url"] == "x"
    ((pattern, ours),) = yaml.safe_load(config["resource.customizations"]).items()
    assert fnmatch("deplite.io/Trigger", pattern)
    assert set(ours) == {"health.lua"}
    await shop.run("kubectl delete namespace argocd --wait=false")
    script: str = ours["health.lua"]
    return script


@pytest_asyncio.fixture(scope="module")
async def judge(health_check: str, session_folder: Path) -> Judge:
    script = session_folder / "health.lua"
    script.write_text(health_check)
    return Judge(await find_or_build(), script)


@pytest.fixture
def here(applied: Shop, kube: KubeClient, organization: str) -> Namespace:
    """A fresh organization beside the one of the example."""
    return Namespace(kube, organization)


async def test_all_of_the_example_is_well(applied: Shop, judge: Judge) -> None:
    kinds = "organizations,agents,enrollmenttokens,triggers,apitokens"
    found = (await applied.read(kinds))["items"]
    assert len(found) == 6
    assert await judge.argocd(*found) == ["Healthy"] * 6
    assert await judge.flux(*found) == ["Current"] * 6


async def test_what_nobody_has_looked_at_is_under_way(here: Namespace, judge: Judge) -> None:
    created = [
        await here.make("Organization", "organization", {"members": []}),
        await here.make("Agent", "web", {}),
        await here.make("Trigger", "deploy", {"agent": "web", "workflow": "deploy"}),
        await here.make("ApiToken", "ci", GRANT | {"secretName": "ci"}),
        await here.make("EnrollmentToken", "web", {"secretName": "code"}),
        await here.make("SlackInstallation", "acme", {"teamId": "T0ACME", "secretName": "slack"}),
    ]
    assert await judge.flux(*created) == ["InProgress"] * 6
    assert await judge.argocd(*created) == ["Progressing"] * 6
    await here.told("Trigger", "deploy", "AgentNotEnrolled")
    changed = await here.change("Trigger", "deploy", {"spec": {"displayName": "Deploy"}})
    assert changed["status"]["observedGeneration"] < changed["metadata"]["generation"]
    assert (await judge.flux(changed), await judge.argocd(changed)) == (["InProgress"], ["Progressing"])
    without = [{name: value for name, value in one.items() if name != "status"} for one in created]
    assert await judge.argocd(*without) == ["Progressing"] * 6


async def test_what_waits_is_under_way(here: Namespace, judge: Judge) -> None:
    waiting = [
        await here.made("Agent", "waits", {}, "NotEnrolled"),
        await here.made("Trigger", "early", {"agent": "later", "workflow": "deploy"}, "AgentNotFound"),
        await here.made("Trigger", "deploy", {"agent": "waits", "workflow": "deploy"}, "AgentNotEnrolled"),
        await here.made("EnrollmentToken", "early", {"agent": "later", "secretName": "early"}, "AgentNotFound"),
        await here.made(
            "ApiToken",
            "early",
            {"grants": [{"type": "agent", "agents": ["later"]}], "secretName": "e"},
            "GrantNotFound",
        ),
    ]
    assert await judge.flux(*waiting) == ["InProgress"] * 5
    assert await judge.argocd(*waiting) == ["Progressing"] * 5


async def test_what_a_person_must_mend_has_failed(
    here: Namespace, judge: Judge, kube: KubeClient, organization: str
) -> None:
    await kube.create_secret(organization, "taken", {"password": b"x"})
    past = {"expiresAt": "2020-01-01T00:00:00Z"}
    failed = [
        await here.made("Organization", "organization", {"members": []}, "NoOwner"),
        await here.made("Agent", "gone", {"revoked": True}, "AgentRevoked"),
        await here.made("Trigger", "never", NEVER, "InvalidSchedule"),
        await here.made("ApiToken", "old", GRANT | {"secretName": "old"} | past, "Expired"),
        await here.made("ApiToken", "blocked", GRANT | {"secretName": "taken"}, "NotMinted"),
        await here.made("ApiToken", "nowhere", GRANT, "NotMinted"),
        await here.made("EnrollmentToken", "old", {"secretName": "old-code"} | past, "Expired"),
    ]
    assert await judge.flux(*failed) == ["Failed"] * 7
    assert await judge.argocd(*failed) == ["Degraded"] * 7
    mended = await here.change("Trigger", "never", {"spec": {"schedule": {"cron": "0 4 * * *"}}})
    assert await judge.flux(mended) == ["InProgress"]
    waits = await here.told("Trigger", "never", "AgentNotFound")
    assert (await judge.flux(waits), await judge.argocd(waits)) == (["InProgress"], ["Progressing"])


async def test_what_was_suspended_and_what_is_away(here: Namespace, judge: Judge) -> None:
    paused = await here.made("Trigger", "paused", {"agent": "web", "workflow": "w", "suspended": True}, "Suspended")
    await here.make("Agent", "away", {})
    await here.change("Agent", "away", {"status": ENROLLED})
    away = await here.told("Agent", "away", "Disconnected")
    assert await judge.flux(paused, away) == ["InProgress"] * 2
    assert await judge.argocd(paused, away) == ["Suspended", "Degraded"]


async def test_two_machines_with_one_identity_are_no_health(applied: Shop, judge: Judge) -> None:
    agent = copy.deepcopy(await applied.read("agent", "web-1"))
    twins = {"type": "DuplicateIdentity", "status": "True", "reason": "TwoProcesses", "message": "Two of them."}
    agent["status"]["conditions"].append(twins)
    assert await judge.argocd_says(agent) == [{"status": "Degraded", "message": "Two of them."}]


def test_the_examples_of_both_tools_apply_the_example() -> None:
    application = yaml.safe_load((ROOT / "examples/argocd/application.yaml").read_text())
    source, kustomization = yaml.safe_load_all((ROOT / "examples/flux/org-shop.yaml").read_text())
    assert (ROOT / application["spec"]["source"]["path"]).samefile(ROOT / "examples/gitops")
    assert (ROOT / kustomization["spec"]["path"]).samefile(ROOT / "examples/gitops")
    assert kustomization["spec"]["sourceRef"] == {"kind": source["kind"], "name": source["metadata"]["name"]}
    assert kustomization["spec"]["wait"] is kustomization["spec"]["prune"] is True
