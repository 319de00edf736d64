"""Labels and annotations that a token wants on its Secret; where they cannot be written, the token works as before."""

import asyncio
import base64

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import ApiToken
from deplite.resources.credentials import mint
from tests.kube.operating.conftest import Patient, token

pytestmark = pytest.mark.usefixtures("operator", "web")


async def test_the_secret_has_what_its_template_says(kube: KubeClient, organization: str, patient: Patient) -> None:
    said = {"labels": {"team": "shop"}, "annotations": {"replicate-to": "ci"}}
    await kube.create(token(organization, secret_template=said))
    await patient.condition(ApiToken, organization, "ci", "Minted")
    first = await kube.get_secret(organization, "ci-token")
    assert (first.labels["team"], first.annotations["replicate-to"]) == ("shop", "ci")

    await kube.replace_secret(first, first.data, labels=dict(first.labels) | {"team": "other", "own": "x"})
    await labelled(kube, organization, {"team": "shop", "own": "x"})

    await kube.patch(ApiToken, organization, "ci", {"spec": {"secretTemplate": {"labels": {"team": None, "a": "b"}}}})
    await labelled(kube, organization, {"team": None, "own": "x", "a": "b"})
    last = await kube.get_secret(organization, "ci-token")
    assert last.data == first.data  # no token was minted anew
    assert last.annotations["replicate-to"] == "ci"


async def test_a_token_works_whatever_keeps_its_secret_from_being_marked(
    kube: KubeClient, organization: str, patient: Patient
) -> None:
    await kube.create(token(organization))
    minted = await patient.condition(ApiToken, organization, "ci", "Minted")
    first = await kube.get_secret(organization, "ci-token")
    half = {"own": "x" * 200 * 1024}  # Kubernetes takes 256 KiB of annotations
    await kube.replace_secret(first, first.data, labels=first.labels, annotations=half)
    said = {"annotations": {f"note-{number}": "y" * 4096 for number in range(20)}}
    await kube.patch(ApiToken, organization, "ci", {"spec": {"secretTemplate": said}})
    found = await patient.condition(ApiToken, organization, "ci", "SecretNotMarked", "SecretsReady")
    assert "(note-0, note-1, note-10 and 17 more)" in found.status.condition("SecretsReady").message
    assert found.status.condition("Ready").status == "True"
    assert found.status.hashes == minted.status.hashes
    await kube.patch(ApiToken, organization, "ci", {"spec": {"secretTemplate": None}})
    last = await patient.condition(ApiToken, organization, "ci", "Minted", "SecretsReady")
    assert last.status.hashes == minted.status.hashes


async def test_an_immutable_secret_is_used_as_it_is(kube: KubeClient, organization: str, patient: Patient) -> None:
    mine = mint("tk")
    path = f"/api/v1/namespaces/{organization}/secrets"
    data = {"token": base64.b64encode(mine.plain.encode()).decode()}
    body = {"metadata": {"name": "ci-token"}, "data": data, "immutable": True}
    made = await kube.connection.request("POST", path, body=body)
    await kube.create(token(organization))
    found = await patient.condition(ApiToken, organization, "ci", "SecretNotMarked", "SecretsReady")
    assert "immutable" in found.status.condition("SecretsReady").message
    assert found.status.condition("Ready").status == "True"
    assert found.status.hashes[0].sha256 == mine.sha256
    assert (await kube.get_secret(organization, "ci-token")).version == made["metadata"]["resourceVersion"]


async def labelled(kube: KubeClient, namespace: str, wanted: dict[str, str | None]) -> None:
    async with asyncio.timeout(60):
        while True:
            labels = (await kube.get_secret(namespace, "ci-token")).labels
            if {key: labels.get(key) for key in wanted} == wanted:
                return
            await asyncio.sleep(0.1)
