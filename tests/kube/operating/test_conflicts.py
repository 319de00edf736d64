"""What the operator decided on a copy that is old by now is not written, and decided again on a fresh one."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease
from deplite.local.accounts import Account
from deplite.resources import KINDS, Resource
from deplite_operator.context import Context
from deplite_operator.handlers import HANDLERS
from deplite_operator.metrics import Metrics
from deplite_operator.policies.allowance import Allowance
from deplite_operator.reconcile import reconcile
from deplite_operator.settings import Settings
from deplite_operator.stopping import Stopping
from deplite_operator.world import World
from tests.kube.operating.conftest import PODS, PUBLIC_URL, Operator
from tests.organizations import SYSTEM_NAMESPACE

SPECS: dict[str, dict[str, Any]] = {
    "Agent": {},
    "AgentPool": {"workflows": {"configMap": "missing"}},
    "ApiToken": {"displayName": "CI", "grants": [{"type": "trigger", "triggers": ["t"]}]},
    "EnrollmentToken": {},
    "Organization": {"displayName": "Demo", "members": []},
    "SlackInstallation": {"teamId": "T0123456789", "secretName": "slack"},
    "Trigger": {"displayName": "T", "agent": "a", "workflow": "w"},
}


@pytest_asyncio.fixture(scope="module", autouse=True)
async def _alone(running: Operator, kube: KubeClient) -> AsyncIterator[None]:
    """Stop the operator of the other tests meanwhile: it looks at the same objects."""
    await running.stop()
    yield
    await running.start_again(kube)


@pytest_asyncio.fixture
async def context(accounts: dict[str, Account]) -> AsyncIterator[Context]:
    """An operator's surroundings, with its rights and a Lease of its own; it has no watches."""
    kube = await KubeClient.connect(accounts["operator"].kubeconfig, "deplite-operator")
    name = f"conflicts-{secrets.token_hex(4)}"
    lease = Lease(kube, SYSTEM_NAMESPACE, name, "a-test", duration=60, renew=40, retry=1)
    await lease.acquire()
    yield Context(
        kube=kube,
        world=World(kube),
        settings=Settings.from_environment({"DEPLITE_PUBLIC_URL": PUBLIC_URL} | PODS),
        lease=lease,
        stopping=Stopping(),
        metrics=Metrics(),
        allowance=Allowance(),
        now=lambda: datetime.now(UTC),
    )
    await kube.close()


def test_every_kind_that_it_reconciles_is_tried() -> None:
    assert {kind.KIND for kind in HANDLERS} == set(SPECS)


@pytest.mark.parametrize("name", SPECS)
async def test_a_decision_on_an_old_copy_is_made_again(
    context: Context, kube: KubeClient, organization: str, name: str
) -> None:
    kind: type[Resource] = next(one for one in KINDS if name == one.KIND)
    key = (organization, "organization" if name == "Organization" else "x")
    made = kind.model_validate({"metadata": {"namespace": key[0], "name": key[1]}, "spec": SPECS[name]})
    context.world.note(await kube.create(made))
    changed = await kube.patch(kind, *key, {"metadata": {"labels": {"changed": "meanwhile"}}})
    await asyncio.wait_for(reconcile(context, (kind, key)), 60)
    found: Any = await kube.get(kind, *key)
    assert found.metadata.labels["changed"] == "meanwhile"
    assert found.metadata.resource_version != changed.metadata.resource_version
    assert found.status.condition("Ready").status == "False"
