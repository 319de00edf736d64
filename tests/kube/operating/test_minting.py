"""Credentials in Secrets: minted once, adopted, minted anew when asked, and never without the right to."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.kube.secret import Secret
from deplite.resources import Agent, ApiToken, EnrollmentToken
from deplite.resources.credentials import describe, mint, well_formed
from deplite.resources.enrollmenttoken import EnrollmentTokenSpec
from deplite.resources.resource import Meta
from deplite.rights import account_name
from tests.kube.operating.conftest import PUBLIC_URL, Operator, Patient, token
from tests.kube.rights.reviews import Deed, until
from tests.organizations import SYSTEM_NAMESPACE

pytestmark = pytest.mark.usefixtures("operator")


def code(namespace: str, **spec: object) -> EnrollmentToken:
    values = {"label": "web", "secret_name": "web-code"} | spec
    return EnrollmentToken(
        metadata=Meta(namespace=namespace, name="web"), spec=EnrollmentTokenSpec.model_validate(values)
    )


async def wait_for_secret(kube: KubeClient, namespace: str, name: str, other_than: str = "") -> Secret:
    async with asyncio.timeout(60):
        while True:
            try:
                secret = await kube.get_secret(namespace, name)
                if secret.data["token"].decode() != other_than:
                    return secret
            except NotFoundError:
                pass
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("web")
async def test_token_is_minted_into_its_secret(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(token(organization))
    found = await patient.condition(ApiToken, organization, "ci", "Minted")
    secret = await kube.get_secret(organization, "ci-token")
    plain = secret.data["token"].decode()
    assert well_formed(plain, "tk")
    assert secret.data["url"].decode() == PUBLIC_URL
    assert [(entry.sha256, entry.prefix) for entry in found.status.hashes] == [
        (describe(plain).sha256, describe(plain).prefix)
    ]
    assert found.status.condition("SecretsReady").status == "True"


@pytest.mark.usefixtures("web")
async def test_people_are_told_what_came_into_a_secret_and_what_only_they_can_mend(
    kube: KubeClient, organization: str, patient: Patient
) -> None:
    await kube.create(token(organization))
    found = await patient.condition(ApiToken, organization, "ci", "Minted")
    plain = (await kube.get_secret(organization, "ci-token")).data["token"].decode()
    held = f"Secret ci-token holds the token {found.status.hashes[0].prefix}…."
    await told(kube, organization, {("Normal", "Minted", held)})
    await kube.create(token(organization, "second"))
    found = await patient.condition(ApiToken, organization, "second", "NotMinted", "Stalled")
    message = found.status.condition("Stalled").message
    events = await told(kube, organization, {("Normal", "Minted", held), ("Warning", "NotMinted", message)})
    assert plain not in str(events)


async def told(kube: KubeClient, namespace: str, wanted: set[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Wait until exactly these Events are there: type, reason and message."""
    path = f"/api/v1/namespaces/{namespace}/events"
    async with asyncio.timeout(60):
        while True:
            events: list[dict[str, Any]] = (await kube.connection.request("GET", path))["items"]
            if sorted((one["type"], one["reason"], one["message"]) for one in events) == sorted(wanted):
                return events
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("web")
async def test_deleted_secret_is_minted_anew(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(token(organization))
    await patient.condition(ApiToken, organization, "ci", "Minted")
    old = (await kube.get_secret(organization, "ci-token")).data["token"].decode()
    await kube.delete_secret(organization, "ci-token")
    new = (await wait_for_secret(kube, organization, "ci-token", old)).data["token"].decode()
    await eventually_hash(kube, organization, new)


@pytest.mark.usefixtures("web")
async def test_rotation_mints_anew_once(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(token(organization))
    await patient.condition(ApiToken, organization, "ci", "Minted")
    old = (await kube.get_secret(organization, "ci-token")).data["token"].decode()
    await kube.patch(ApiToken, organization, "ci", {"spec": {"rotation": 1}})
    new = (await wait_for_secret(kube, organization, "ci-token", old)).data["token"].decode()
    await eventually_hash(kube, organization, new)
    assert (await kube.get(ApiToken, organization, "ci")).status.rotation == 1
    await asyncio.sleep(3)  # more than one resync
    secret = await kube.get_secret(organization, "ci-token")
    assert secret.data["token"].decode() == new
    labels, annotations = secret.labels, secret.annotations  # the old one is put back, as from a backup
    data = dict(secret.data) | {"token": old.encode()}
    await kube.replace_secret(secret, data, labels=labels, annotations=annotations)
    await eventually_hash(kube, organization, await fresh(kube, organization, {old, new}))
    put = await kube.get_secret(organization, "ci-token")
    await kube.replace_secret(put, data, labels={}, annotations={})
    await patient.condition(ApiToken, organization, "ci", "SecretConflict", "SecretsReady")
    assert describe(old).sha256 not in str((await kube.get(ApiToken, organization, "ci")).status.hashes)


async def fresh(kube: KubeClient, namespace: str, old: set[str]) -> str:
    """Return the token in the Secret once it is none of these."""
    async with asyncio.timeout(60):
        while (plain := (await kube.get_secret(namespace, "ci-token")).data["token"].decode()) in old:
            await asyncio.sleep(0.05)
    return plain


@pytest.mark.usefixtures("web")
async def test_secret_that_exists_is_adopted(kube: KubeClient, organization: str, patient: Patient) -> None:
    mine = mint("tk")
    await kube.create_secret(organization, "ci-token", {"token": mine.plain.encode(), "extra": b"kept"})
    await kube.create(token(organization))
    found = await patient.condition(ApiToken, organization, "ci", "Minted")
    assert found.status.hashes[0].sha256 == mine.sha256
    secret = await kube.get_secret(organization, "ci-token")
    assert secret.data == {"token": mine.plain.encode(), "extra": b"kept", "url": PUBLIC_URL.encode()}


@pytest.mark.usefixtures("web")
async def test_secret_of_somebody_else_is_left_alone(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create_secret(organization, "ci-token", {"password": b"hunter2"})
    await kube.create(token(organization))
    await patient.condition(ApiToken, organization, "ci", "SecretConflict", "SecretsReady")
    await patient.condition(ApiToken, organization, "ci", "NotMinted")
    assert (await kube.get_secret(organization, "ci-token")).data == {"password": b"hunter2"}


@pytest.mark.usefixtures("web")
async def test_two_tokens_never_share_a_secret(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(token(organization))
    await patient.condition(ApiToken, organization, "ci", "Minted")
    await kube.create(token(organization, "second"))
    await patient.condition(ApiToken, organization, "second", "SecretConflict", "SecretsReady")


async def test_grant_of_what_is_missing(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(token(organization))
    await patient.condition(ApiToken, organization, "ci", "GrantNotFound")
    await kube.create(Agent(metadata=Meta(namespace=organization, name="web")))
    await patient.condition(ApiToken, organization, "ci", "Minted")


@pytest.mark.usefixtures("web")
async def test_token_of_the_api_is_only_judged(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(token(organization, secret=None, minted_by="api"))
    await patient.condition(ApiToken, organization, "ci", "NotMinted")
    mine = mint("tk")
    hashes = {"hashes": [{"sha256": mine.sha256, "prefix": mine.prefix}]}
    await kube.patch_status(ApiToken, organization, "ci", hashes)
    await patient.condition(ApiToken, organization, "ci", "Available")
    expiry = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await kube.patch(ApiToken, organization, "ci", {"spec": {"expiresAt": expiry}})
    found = await patient.condition(ApiToken, organization, "ci", "Expired")
    assert found.status.hashes[0].sha256 == mine.sha256


async def test_missing_role_binding_is_told_with_its_yaml(
    kube: KubeClient, organization: str, patient: Patient
) -> None:
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{organization}/rolebindings"
    name = "deplite-operator-secrets"
    binding = await kube.connection.request("GET", f"{bindings}/{name}")
    await kube.connection.request("DELETE", f"{bindings}/{name}")
    right = [Deed("get", "", "secrets", organization), Deed("create", "", "secrets", organization)]
    user = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account_name('operator')}"
    await until(kube, right, allow=False, user=user)
    await kube.create(code(organization))
    found = await patient.condition(EnrollmentToken, organization, "web", "RoleBindingMissing", "SecretsReady")
    assert f"name: {name}" in found.status.condition("SecretsReady").message
    assert f"namespace: {organization}" in found.status.condition("SecretsReady").message
    fresh = {"name": name, "namespace": organization}
    await kube.connection.request("POST", bindings, body=binding | {"metadata": fresh})
    await patient.condition(EnrollmentToken, organization, "web", "Minted")


async def test_code_is_minted_spent_and_never_again(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(code(organization))
    found = await patient.condition(EnrollmentToken, organization, "web", "Minted")
    plain = (await kube.get_secret(organization, "web-code")).data["token"].decode()
    assert well_formed(plain, "enr")
    assert found.status.hash == describe(plain).sha256
    assert found.status.expires_at == found.metadata.creation_timestamp + timedelta(hours=1)
    use = {"agent": "web", "publicKeySha256": "0" * 64, "at": "2026-01-01T00:00:00Z"}
    await kube.patch_status(EnrollmentToken, organization, "web", {"usedBy": [use]})
    await patient.condition(EnrollmentToken, organization, "web", "Spent")
    await kube.delete_secret(organization, "web-code")
    await asyncio.sleep(3)  # more than one resync
    with pytest.raises(NotFoundError):
        await kube.get_secret(organization, "web-code")


async def test_code_of_an_object_that_is_gone_never_comes_back(
    kube: KubeClient, organization: str, patient: Patient
) -> None:
    await kube.create(code(organization))
    await patient.condition(EnrollmentToken, organization, "web", "Minted")
    old = (await kube.get_secret(organization, "web-code")).data["token"].decode()
    await kube.delete(EnrollmentToken, organization, "web")
    await kube.create(code(organization))
    found = await patient.condition(EnrollmentToken, organization, "web", "Minted")
    new = (await kube.get_secret(organization, "web-code")).data["token"].decode()
    assert new != old
    assert found.status.hash == describe(new).sha256


@pytest.mark.usefixtures("web")
async def test_token_that_is_deleted_and_applied_again_is_the_same(
    kube: KubeClient, organization: str, patient: Patient
) -> None:
    await kube.create(token(organization))
    first = await patient.condition(ApiToken, organization, "ci", "Minted")
    await kube.delete(ApiToken, organization, "ci")
    await kube.create(token(organization))
    second = await patient.condition(ApiToken, organization, "ci", "Minted")
    assert (second.status.id, second.status.hashes) == (first.status.id, first.status.hashes)
    assert second.metadata.uid != first.metadata.uid


async def test_crash_after_the_secret_mints_no_second_token(
    kube: KubeClient, organization: str, patient: Patient, operator: Operator
) -> None:
    await kube.create(token(organization))
    await patient.condition(ApiToken, organization, "ci", "GrantNotFound")
    plain = (await kube.get_secret(organization, "ci-token")).data["token"]
    await kube.patch_status(ApiToken, organization, "ci", {"hashes": None, "rotation": None})
    await eventually_hash(kube, organization, plain.decode())
    assert (await kube.get_secret(organization, "ci-token")).data["token"] == plain


async def eventually_hash(kube: KubeClient, namespace: str, plain: str) -> None:
    async with asyncio.timeout(60):
        while True:
            hashes = (await kube.get(ApiToken, namespace, "ci")).status.hashes
            if [entry.sha256 for entry in hashes] == [describe(plain).sha256]:
                assert base64.b64encode(plain.encode()).decode() not in str(hashes)
                return
            await asyncio.sleep(0.05)
