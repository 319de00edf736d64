"""A Trigger tells what its Agent lets it do, whichever of the two changes."""

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Agent, Organization, Trigger
from deplite.resources.agent import AgentSpec
from deplite.resources.identifiers import object_id
from deplite.resources.organization import Member, OrganizationSpec
from deplite.resources.resource import Meta
from deplite.resources.trigger import TriggerSpec
from tests.kube.operating.conftest import PUBLIC_URL, Patient

pytestmark = pytest.mark.usefixtures("operator")


def trigger(namespace: str) -> Trigger:
    spec = TriggerSpec(agent="web", workflow="deploy-prod")
    return Trigger(metadata=Meta(namespace=namespace, name="deploy"), spec=spec)


async def test_follows_its_agent(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(trigger(organization))
    found = await patient.condition(Trigger, organization, "deploy", "AgentNotFound")
    id_ = object_id("tr", organization, "deploy")
    assert (found.status.id, found.status.url) == (id_, f"{PUBLIC_URL}/triggers/{id_}/run")
    assert found.status.observed_generation == found.metadata.generation

    await kube.create(Agent(metadata=Meta(namespace=organization, name="web"), spec=AgentSpec()))
    await patient.condition(Trigger, organization, "deploy", "AgentNotEnrolled")
    await kube.patch_status(Agent, organization, "web", {"publicKey": "key", "state": "Connected"})
    await patient.condition(Trigger, organization, "deploy", "WorkflowNotReported")
    await kube.patch_status(Agent, organization, "web", {"workflows": [{"name": "deploy-prod"}]})
    ready = await patient.condition(Trigger, organization, "deploy", "Available")
    assert ready.status.condition("Ready").status == "True"

    await kube.patch(Agent, organization, "web", {"spec": {"suspended": True}})
    await patient.condition(Trigger, organization, "deploy", "Suspended")
    await kube.patch(Agent, organization, "web", {"spec": {"suspended": False, "revoked": True}})
    await patient.condition(Trigger, organization, "deploy", "AgentRevoked")
    await kube.delete(Agent, organization, "web")
    await patient.condition(Trigger, organization, "deploy", "AgentNotFound")


async def test_suspended_trigger_says_so(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(trigger(organization))
    await kube.patch(Trigger, organization, "deploy", {"spec": {"suspended": True}})
    await patient.condition(Trigger, organization, "deploy", "Suspended")


async def test_a_wrong_schedule_is_said(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(trigger(organization))
    schedule = {"type": "schedule", "schedule": {"cron": "0 4 31 2 *"}}
    await kube.patch(Trigger, organization, "deploy", {"spec": schedule})
    found = await patient.condition(Trigger, organization, "deploy", "InvalidSchedule")
    ready = found.status.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.message.partition(":")[0]) == ("False", "spec.schedule.cron")
    await kube.patch(Trigger, organization, "deploy", {"spec": {"schedule": {"cron": "0 4 * * *"}}})
    await patient.condition(Trigger, organization, "deploy", "AgentNotFound")


async def test_agent_gets_id_and_conditions(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(Agent(metadata=Meta(namespace=organization, name="web")))
    found = await patient.condition(Agent, organization, "web", "NotEnrolled")
    assert found.status.id == object_id("ag", organization, "web")
    await kube.patch_status(Agent, organization, "web", {"publicKey": "key", "state": "Connected"})
    await patient.condition(Agent, organization, "web", "Connected")


async def test_organization_needs_an_owner(kube: KubeClient, organization: str, patient: Patient) -> None:
    await kube.create(Organization(metadata=Meta(namespace=organization, name="organization")))
    await patient.condition(Organization, organization, "organization", "NoOwner")
    await patient.condition(Organization, organization, "organization", "Available", "SecretsReady")
    member = Member(issuer="https://i", subject="me", role="owner")
    spec = OrganizationSpec(members=(member,)).wire()
    await kube.patch(Organization, organization, "organization", {"spec": spec})
    await patient.condition(Organization, organization, "organization", "Available")


async def test_nothing_of_ours_has_a_finalizer_or_an_annotation(
    kube: KubeClient, organization: str, patient: Patient
) -> None:
    await kube.create(trigger(organization))
    await patient.condition(Trigger, organization, "deploy", "AgentNotFound")
    for kind in (Agent, Organization, Trigger):
        async for page in kube.pages(kind):
            for item in page.items:
                assert "finalizers" not in item["metadata"]
                assert "annotations" not in item["metadata"]
