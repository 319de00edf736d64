"""A SlackInstallation tells what its Secret lacks, what Slack says, and who has the workspace."""

import secrets

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import SlackInstallation
from deplite.resources.resource import Meta
from deplite.resources.slackinstallation import SlackInstallationSpec
from tests.kube.operating.conftest import Patient
from tests.organizations import create_organization, delete_namespace

pytestmark = pytest.mark.usefixtures("operator")


async def declare(kube: KubeClient, namespace: str, team: str, name: str = "acme") -> SlackInstallation:
    spec = SlackInstallationSpec(team_id=team, secret_name="slack")
    return await kube.create(SlackInstallation(metadata=Meta(namespace=namespace, name=name), spec=spec))


def team() -> str:
    return f"T{secrets.token_hex(6).upper()}"


async def test_the_secret_and_what_slack_says(kube: KubeClient, organization: str, patient: Patient) -> None:
    await declare(kube, organization, team())
    found = await patient.condition(SlackInstallation, organization, "acme", "SecretMissing", "SecretsReady", 60)
    assert found.status.condition("Ready").reason == "NotConnected"
    assert found.status.observed_generation == found.metadata.generation
    secret = await kube.create_secret(organization, "slack", {"token": b"xoxb-1"})
    await patient.condition(SlackInstallation, organization, "acme", "Available", "SecretsReady", 60)
    await kube.replace_secret(secret, {"token": b" "})
    await patient.condition(SlackInstallation, organization, "acme", "SecretMissing", "SecretsReady", 60)

    await kube.patch_status(SlackInstallation, organization, "acme", {"connected": True})
    await patient.condition(SlackInstallation, organization, "acme", "Connected", seconds=60)
    await kube.patch_status(SlackInstallation, organization, "acme", {"connected": False, "reason": "token_revoked"})
    found = await patient.condition(SlackInstallation, organization, "acme", "NotConnected", seconds=60)
    assert "token_revoked" in found.status.condition("Ready").message
    assert "xoxb" not in found.model_dump_json()


async def test_a_workspace_belongs_to_the_older_one(kube: KubeClient, organization: str, patient: Patient) -> None:
    workspace, other = team(), f"org-{secrets.token_hex(5)}"
    await create_organization(kube, other)
    first = await declare(kube, organization, workspace)
    second = await declare(kube, other, workspace)
    ages = [(one.metadata.creation_timestamp, one.metadata.uid, one.namespace) for one in (first, second)]
    older, younger = (namespace for _, _, namespace in sorted(ages))  # made in one second, the uid decides
    await kube.patch_status(SlackInstallation, younger, "acme", {"connected": True})
    await patient.condition(SlackInstallation, younger, "acme", "Connected", seconds=60)
    await kube.patch_status(SlackInstallation, older, "acme", {"connected": True})
    found = await patient.condition(SlackInstallation, younger, "acme", "TeamTaken", seconds=60)
    assert older not in found.status.condition("Ready").message
    await kube.delete(SlackInstallation, older, "acme")
    await patient.condition(SlackInstallation, younger, "acme", "Connected", seconds=60)
    await delete_namespace(kube, other)


async def test_without_the_role_binding_the_yaml_is_in_the_message(kube: KubeClient, patient: Patient) -> None:
    name = f"org-{secrets.token_hex(5)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await kube.connection.request("POST", "/api/v1/namespaces", body=body)
    await declare(kube, name, team())
    found = await patient.condition(SlackInstallation, name, "acme", "RoleBindingMissing", "SecretsReady", 60)
    assert "kind: RoleBinding" in found.status.condition("SecretsReady").message
    await delete_namespace(kube, name)
