"""Restored without status (as Velero does it): ids, addresses and minted tokens are those of before."""

import asyncio
import contextlib
from typing import Any

import pytest

from deplite.kube.client import KubeClient, path_of
from deplite.kube.errors import AlreadyExistsError, NotFoundError
from deplite.resources import Agent, ApiToken, Resource, Trigger
from deplite.resources.resource import Meta
from tests.kube.operating.conftest import Patient

pytestmark = pytest.mark.usefixtures("operator")

Body = dict[str, Any]
MANIFESTS: tuple[tuple[type[Resource], str, Body], ...] = (
    (ApiToken, "ci", {"grants": [{"type": "trigger", "triggers": ["deploy"]}], "secretName": "ci-token"}),
    (Trigger, "deploy", {"agent": "web", "workflow": "deploy"}),
    (Agent, "web", {"displayName": "Web"}),
)
"""In the order in which nothing finds what it names."""


async def stored(kube: KubeClient, path: str) -> Body:
    """Return an object as a backup has it: without status, uid and version."""
    found = await kube.connection.request("GET", path)
    metadata = {key: found["metadata"][key] for key in ("name", "labels", "annotations") if key in found["metadata"]}
    return {key: value for key, value in found.items() if key != "status"} | {"metadata": metadata}


async def judged(kube: KubeClient, organization: str, patient: Patient) -> tuple[Body, Body, bytes]:
    token = await patient.condition(ApiToken, organization, "ci", "Minted")
    trigger = await patient.condition(Trigger, organization, "deploy", "AgentNotEnrolled")
    kept = {"id": token.status.id, "hashes": token.status.hashes}
    secret = await kube.get_secret(organization, "ci-token")
    return kept, {"id": trigger.status.id, "url": trigger.status.url}, secret.data["token"]


async def replaced(kube: KubeClient, organization: str, saved: Body) -> None:
    """Put a Secret in the place of the one that is there, and of one that the operator was just about to mint."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(NotFoundError):
                await kube.delete_secret(organization, saved["metadata"]["name"])
            with contextlib.suppress(AlreadyExistsError):
                await kube.connection.request("POST", f"/api/v1/namespaces/{organization}/secrets", body=saved)
                return


async def test_what_was_declared_is_what_it_was(kube: KubeClient, organization: str, patient: Patient) -> None:
    for kind, name, spec in MANIFESTS:
        body = {"apiVersion": "deplite.io/v1alpha1", "kind": kind.KIND, "metadata": {"name": name}, "spec": spec}
        await kube.connection.request("POST", path_of(kind, organization), body=body)
    before = await judged(kube, organization, patient)
    secret = f"/api/v1/namespaces/{organization}/secrets"
    saved_secret = await stored(kube, f"{secret}/ci-token")
    saved = [(kind, await stored(kube, path_of(kind, organization, name))) for kind, name, _ in MANIFESTS]

    for kind, name, _ in MANIFESTS:
        await kube.delete(kind, organization, name)
    await replaced(kube, organization, saved_secret)
    for kind, body in saved:
        await kube.connection.request("POST", path_of(kind, organization), body=body)
    assert await judged(kube, organization, patient) == before


async def test_a_machine_is_known_again_once_its_status_is_restored(
    kube: KubeClient, organization: str, patient: Patient
) -> None:
    path = path_of(Agent, organization)
    await kube.create(Agent(metadata=Meta(namespace=organization, name="web")))
    key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    await kube.patch_status(Agent, organization, "web", {"publicKey": key})
    found = await kube.connection.request("GET", f"{path}/web")
    saved = await stored(kube, f"{path}/web")
    await kube.delete(Agent, organization, "web")

    await kube.connection.request("POST", path, body=saved)
    await patient.condition(Agent, organization, "web", "NotEnrolled")
    await kube.patch_status(Agent, organization, "web", found["status"])
    assert (await patient.condition(Agent, organization, "web", "Disconnected")).status.public_key == key
