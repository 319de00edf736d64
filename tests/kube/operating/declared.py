"""One object of every kind, as Git declares it and the apiserver reports on it; and what the operator makes of them."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from deplite.kube.client import KubeClient, path_of
from deplite.kube.errors import NotFoundError
from deplite.kube.secret import secret_from
from deplite.resources import (
    Agent,
    AgentPool,
    ApiToken,
    EnrollmentToken,
    Organization,
    Resource,
    SlackInstallation,
    Trigger,
)
from deplite.resources.credentials import describe
from deplite.resources.identifiers import object_id
from deplite.resources.resource import API_VERSION
from deplite.rights import organization_manifests
from deplite_operator.policies.events import COMPONENT
from tests.kube.operating.nodes import NODE, USUAL
from tests.organizations import SYSTEM_NAMESPACE

KINDS: tuple[type[Resource], ...] = (
    Organization,
    Agent,
    AgentPool,
    Trigger,
    ApiToken,
    EnrollmentToken,
    SlackInstallation,
)
NAMES: Mapping[type[Resource], str] = {
    Organization: "organization",
    Agent: "web",
    AgentPool: "linux",
    Trigger: "deploy",
    ApiToken: "ci",
    EnrollmentToken: "web",
    SlackInstallation: "acme",
}
READY = {
    "Organization organization": {"Ready": "Available", "SecretsReady": "Available"},
    "Agent web": {"Ready": "Connected"},
    f"Agent linux.{NODE}": {"Ready": "Connected"},
    "AgentPool linux": {"Ready": "Available"},
    "Trigger deploy": {"Ready": "Available"},
    "ApiToken ci": {"Ready": "Minted", "SecretsReady": "Minted"},
    "EnrollmentToken web": {"Ready": "Minted", "SecretsReady": "Minted"},
    "SlackInstallation acme": {"Ready": "Connected", "SecretsReady": "Available"},
}
"""The reason of each condition once everything is there; all of them are true."""
MADE = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
}
"""What the operator makes for pools, and where it is."""
OF_POOL = {"AgentPool linux", "ServiceAccount linux-agents", "DaemonSet linux-agents", f"Agent linux.{NODE}"}
"""The pool, and what is made for it: pods take a while, and of their agents the operator hears afterwards."""
_FAR = "2100-01-01T00:00:00Z"


def specs(team: str) -> dict[type[Resource], dict[str, Any]]:
    """Return the spec of each object."""
    return {
        Organization: {"members": [{"issuer": "https://issuer.example", "subject": "me", "role": "owner"}]},
        Agent: {},
        AgentPool: {"nodeSelector": USUAL, "workflows": {"configMap": "workflows"}},
        Trigger: {"agent": "web", "workflow": "deploy-prod"},
        ApiToken: {
            "grants": [{"type": "agent", "agents": ["web"]}, {"type": "trigger", "triggers": ["deploy"]}],
            "secretName": "ci-token",
        },
        EnrollmentToken: {"label": "web", "agent": "web", "expiresAt": _FAR, "secretName": "web-code"},
        SlackInstallation: {"teamId": team, "secretName": "slack"},
    }


REPORTS: Mapping[type[Resource], Mapping[str, Any]] = {
    Agent: {"publicKey": "key", "state": "Connected", "workflows": [{"name": "deploy-prod"}]},
    SlackInstallation: {"connected": True},
}
"""What the apiserver writes into the status of some."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The set in one namespace."""

    kube: KubeClient
    namespace: str
    team: str = field(default_factory=lambda: f"T{secrets.token_hex(6).upper()}")

    @property
    def steps(self) -> Mapping[str, Callable[[], Awaitable[object]]]:
        """How each object is applied, for any order; the namespace itself is there."""
        kinds = {kind.KIND: lambda kind=kind: self.apply(kind) for kind in KINDS}  # type: ignore[misc]
        return kinds | {"Secret": self.give_bot_token, "ConfigMap": self.give_workflows, "RoleBindings": self.bind}

    async def apply_all(self) -> None:
        """Apply all but the RoleBindings."""
        await self.give_bot_token()
        await self.give_workflows()
        for kind in KINDS:
            await self.apply(kind)

    async def apply(self, kind: type[Resource]) -> None:
        """Create one object, and report on it as the apiserver would."""
        name = NAMES[kind]
        head = {"apiVersion": API_VERSION, "kind": kind.KIND, "metadata": {"name": name}}
        body = head | {"spec": specs(self.team)[kind]}
        await self.kube.connection.request("POST", path_of(kind, self.namespace), body=body)
        if kind in REPORTS:
            await self.kube.patch_status(kind, self.namespace, name, REPORTS[kind])

    async def give_bot_token(self) -> None:
        await self.kube.create_secret(self.namespace, "slack", {"token": b"xoxb-1"})

    async def give_workflows(self) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        await self.kube.connection.request("POST", path, body={"metadata": {"name": "workflows"}})

    async def bind(self) -> None:
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/rolebindings"
        for binding in organization_manifests(self.namespace, SYSTEM_NAMESPACE):
            await self.kube.connection.request("POST", path, body=binding)

    async def set_spec(self, kind: type[Resource], spec: Mapping[str, Any]) -> None:
        """Replace a spec as a whole: what it does not say gets its default."""
        path = path_of(kind, self.namespace, NAMES[kind])
        patch = [{"op": "replace", "path": "/spec", "value": spec}]
        await self.kube.connection.request("PATCH", path, body=patch, content_type="application/json-patch+json")

    async def secrets(self) -> dict[str, dict[str, Any]]:
        """Return every Secret of the namespace by name, as it is."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        found = (await self.kube.connection.request("GET", path))["items"]
        return {one["metadata"]["name"]: one for one in found}

    async def pods(self) -> list[dict[str, Any]]:
        """Return every pod of the namespace, as it is."""
        return list((await self.kube.connection.request("GET", f"/api/v1/namespaces/{self.namespace}/pods"))["items"])

    async def made(self) -> dict[str, dict[str, Any]]:
        """Return what the operator has made for pools, but for what Kubernetes' controllers write of it."""
        found = {}
        for kind, path in MADE.items():
            listed = await self.kube.connection.request("GET", path.format(self.namespace))
            for one in listed["items"]:
                one.pop("status", None)
                for key in ("resourceVersion", "managedFields"):
                    one["metadata"].pop(key, None)
                found[f"{kind} {one['metadata']['name']}"] = one
        found.pop("ServiceAccount default", None)
        return found

    async def objects(self) -> dict[str, dict[str, Any]]:
        """Return every object of the kinds, what was made for pools, Secret and Event of the namespace."""
        found = {f"Secret {name}": one for name, one in (await self.secrets()).items()} | await self.made()
        for kind in KINDS:
            listed = await self.kube.connection.request("GET", path_of(kind, self.namespace))
            found |= {f"{kind.KIND} {one['metadata']['name']}": one for one in listed["items"]}
        events = await self.kube.connection.request("GET", f"/api/v1/namespaces/{self.namespace}/events")
        return found | {f"Event {one['metadata']['name']}": one for one in events["items"]}

    async def outcome(self) -> dict[str, Any]:
        """Return all that the operator is to have settled, in words that are the same in every namespace.

        Events are no part of it: they tell of the way.
        """
        objects = {name: one for name, one in (await self.objects()).items() if not name.startswith("Event ")}
        words = {self.namespace: "<namespace>", self.team: "<team>"}
        words |= {body["metadata"]["uid"]: f"<uid of {name}>" for name, body in objects.items()}
        for pod in await self.pods():
            words |= {pod["metadata"]["uid"]: "<uid of a pod>", pod["metadata"]["name"]: "<pod>"}
        for secret in (secret_from(one) for name, one in objects.items() if name.startswith("Secret ")):
            if "url" in secret.data:  # minted
                minted = describe(secret.data["token"].decode())
                words |= {minted.sha256: f"<hash of {secret.name}>", minted.prefix: f"<prefix of {secret.name}>"}
        for prefix, kind in (("tr", Trigger), ("ag", Agent), ("tok", ApiToken), ("enr", EnrollmentToken)):
            words[object_id(prefix, self.namespace, NAMES[kind])] = f"<{prefix}>"
        words[object_id("ag", self.namespace, f"linux.{NODE}")] = "<ag of a pool>"
        text = json.dumps({name: _settled(one) for name, one in objects.items()}, sort_keys=True)
        for word, said in sorted(words.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(word, said)
        found: dict[str, Any] = json.loads(text)
        return found

    async def emptied(self) -> None:
        """Delete the Secrets until there is nothing: the operator may have been about to mint when the objects went."""
        async with asyncio.timeout(120):
            while await self.outcome():
                for name in await self.secrets():
                    with contextlib.suppress(NotFoundError):
                        await self.kube.delete_secret(self.namespace, name)
                await asyncio.sleep(0.1)

    async def settles(self, wanted: Mapping[str, Any], but: Collection[str] = (), seconds: float = 120) -> None:
        """Wait until the outcome is this one, but for some objects."""
        wanted = {name: one for name, one in wanted.items() if name not in but}
        last: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    last = {name: one for name, one in (await self.outcome()).items() if name not in but}
                    if last == wanted:
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            differing = {key for key in last.keys() | wanted.keys() if last.get(key) != wanted.get(key)}
            shown = {key: (last.get(key), wanted.get(key)) for key in sorted(differing)}
            raise AssertionError(f"not settled: {shown}") from None

    async def reasons(self) -> dict[str, dict[str, str]]:
        """Return what each object's true conditions give as their reason."""
        return {
            name: {
                one["type"]: one["reason"] for one in body["status"].get("conditions", ()) if one["status"] == "True"
            }
            for name, body in (await self.objects()).items()
            if name.partition(" ")[0] in {kind.KIND for kind in KINDS} and "status" in body
        }

    async def observed(self) -> bool:
        """Tell whether the operator has looked at each object as its spec is now."""
        return all(
            body["status"].get("observedGeneration") == body["metadata"]["generation"]
            for name, body in (await self.objects()).items()
            if name.partition(" ")[0] in {kind.KIND for kind in KINDS} and "status" in body
        )

    async def ready(self, seconds: float = 120) -> dict[str, Any]:
        """Wait until everything is ready as its spec is now, and return the outcome."""
        last: dict[str, dict[str, str]] = {}
        try:
            async with asyncio.timeout(seconds):
                while not await self.observed() or (last := await self.reasons()) != READY:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{last} instead of {READY}") from None
        return await self.outcome()

    async def events(self, reason: str = "") -> dict[str, str]:
        """Return what the operator's Events say by their names, all or those of one reason.

        Others tell as well: the DaemonSet controller of each pod that it makes.
        """
        events = [body for name, body in (await self.objects()).items() if name.startswith("Event ")]
        return {
            body["metadata"]["name"]: f"{body['involvedObject']['uid']} {body['reason']}: {body['message']}"
            for body in events
            if body.get("reportingComponent") == COMPONENT and reason in ("", body["reason"])
        }

    async def told(self, credentials: int = 2, seconds: float = 60) -> None:
        """Wait until Events told of so many credentials: after the status, so what is ready may still be told of."""
        async with asyncio.timeout(seconds):
            while len(await self.events("Minted")) < credentials:
                await asyncio.sleep(0.05)


def _settled(body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = body["metadata"]
    if metadata["name"].endswith("-agents"):  # made for a pool
        owners = [{"kind": one["kind"], "name": one["name"]} for one in metadata.get("ownerReferences", ())]
        return {"labels": metadata.get("labels"), "owners": owners, "spec": body.get("spec")}
    if "spec" not in body:  # a Secret
        return {"labels": metadata.get("labels"), "keys": sorted(body.get("data") or ())}
    generation = metadata["generation"]
    status = dict(body.get("status") or {})
    status["observedGeneration"] = status.get("observedGeneration") == generation
    conditions = [dict(one) for one in status.get("conditions", ())]
    for one in conditions:
        one["observedGeneration"] = one.get("observedGeneration") == generation
        del one["lastTransitionTime"]
    return {"spec": body["spec"], "status": status | {"conditions": conditions}}
