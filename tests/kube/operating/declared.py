"""One object of every kind, as Git declares it and the apiserver reports on it; and what the operator makes of them."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deplite.kube.client import KubeClient, path_of
from deplite.kube.secret import secret_from
from deplite.resources import Agent, ApiToken, EnrollmentToken, Organization, Resource, SlackInstallation, Trigger
from deplite.resources.credentials import describe
from deplite.resources.identifiers import object_id
from deplite.resources.resource import API_VERSION
from deplite.rights import organization_manifests
from tests.organizations import SYSTEM_NAMESPACE

KINDS: tuple[type[Resource], ...] = (Organization, Agent, Trigger, ApiToken, EnrollmentToken, SlackInstallation)
NAMES: Mapping[type[Resource], str] = {
    Organization: "organization",
    Agent: "web",
    Trigger: "deploy",
    ApiToken: "ci",
    EnrollmentToken: "web",
    SlackInstallation: "acme",
}
READY = {
    "Organization organization": {"Ready": "Available", "SecretsReady": "Available"},
    "Agent web": {"Ready": "Connected"},
    "Trigger deploy": {"Ready": "Available"},
    "ApiToken ci": {"Ready": "Minted", "SecretsReady": "Minted"},
    "EnrollmentToken web": {"Ready": "Minted", "SecretsReady": "Minted"},
    "SlackInstallation acme": {"Ready": "Connected", "SecretsReady": "Available"},
}
"""The reason of each condition once everything is there; all of them are true."""
_FAR = "2100-01-01T00:00:00Z"


def specs(team: str) -> dict[type[Resource], dict[str, Any]]:
    """Return the spec of each object."""
    return {
        Organization: {"members": [{"issuer": "https://issuer.example", "subject": "me", "role": "owner"}]},
        Agent: {},
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
        return kinds | {"Secret": self.give_bot_token, "RoleBindings": self.bind}

    async def apply_all(self) -> None:
        """Apply all but the RoleBindings."""
        await self.give_bot_token()
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

    async def objects(self) -> dict[str, dict[str, Any]]:
        """Return every object of the kinds, Secret and Event of the namespace, as it is."""
        found = {f"Secret {name}": one for name, one in (await self.secrets()).items()}
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
        for secret in (secret_from(one) for name, one in objects.items() if name.startswith("Secret ")):
            if "url" in secret.data:  # minted
                minted = describe(secret.data["token"].decode())
                words |= {minted.sha256: f"<hash of {secret.name}>", minted.prefix: f"<prefix of {secret.name}>"}
        for prefix, kind in (("tr", Trigger), ("ag", Agent), ("tok", ApiToken), ("enr", EnrollmentToken)):
            words[object_id(prefix, self.namespace, NAMES[kind])] = f"<{prefix}>"
        text = json.dumps({name: _settled(one) for name, one in objects.items()}, sort_keys=True)
        for word, said in sorted(words.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(word, said)
        found: dict[str, Any] = json.loads(text)
        return found

    async def settles(self, wanted: Mapping[str, Any], seconds: float = 120) -> None:
        """Wait until the outcome is this one."""
        last: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while (last := await self.outcome()) != wanted:
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
            if "status" in body
        }

    async def ready(self, seconds: float = 120) -> dict[str, Any]:
        """Wait until everything is ready, and return the outcome."""
        last: dict[str, dict[str, str]] = {}
        try:
            async with asyncio.timeout(seconds):
                while (last := await self.reasons()) != READY:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{last} instead of {READY}") from None
        return await self.outcome()

    async def events(self, reason: str = "") -> set[str]:
        """Return the names of the Events that were told, all or those of one reason."""
        events = (body for name, body in (await self.objects()).items() if name.startswith("Event "))
        return {body["metadata"]["name"] for body in events if reason in ("", body["reason"])}

    async def told(self, credentials: int = 2, seconds: float = 60) -> None:
        """Wait until Events told of so many credentials: after the status, so what is ready may still be told of."""
        async with asyncio.timeout(seconds):
            while len(await self.events("Minted")) < credentials:
                await asyncio.sleep(0.05)


def _settled(body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = body["metadata"]
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
