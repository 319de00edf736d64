"""A credential of one organization that another one puts into an object of its own stays the first one's."""

import asyncio
from typing import Any, TypeVar

import httpx

from deplite.kube.client import KubeClient
from deplite.resources import Agent, ApiToken, EnrollmentToken
from deplite.resources.credentials import mint
from deplite.resources.resource import Resource
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.edge.test_enrollment import enroll
from tests.kube.jobs.conftest import Replica
from tests.kube.serving import told, until

Kind = TypeVar("Kind", bound=Resource)
GRANTS = [{"type": "trigger", "triggers": ["deploy"]}]


async def younger(kube: KubeClient, older: Kind, namespace: str, **spec: Any) -> Kind:
    """Make an object in a later second than another one, and give it the status of that."""
    body = {"metadata": {"name": "taken", "namespace": namespace}, "spec": spec}
    kind = type(older)
    while (made := await kube.create(kind.model_validate(body))).age[0] <= older.age[0]:
        await kube.delete(kind, *made.key)
        await asyncio.sleep(0.1)
    made = await kube.patch_status(kind, *made.key, older.wire()["status"])
    await told(kind)
    return made


async def test_a_token_goes_on_working_while_another_organizations_object_with_it_comes_and_goes(
    http: httpx.AsyncClient, kube: KubeClient, replica: Replica, home: Organized, organization: str
) -> None:
    async def shown() -> dict[str, Any]:
        answer = await http.get("/token", headers={"Authorization": f"Bearer {home.token}"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def known() -> bool:
        return replica.context.caches.tokens.get(organization, "taken") is not None

    before = await shown()
    assert before["organizationId"] == home.namespace
    taken = await younger(kube, await kube.get(ApiToken, home.namespace, "ci"), organization, grants=GRANTS)
    assert await known()
    assert await shown() == before
    await kube.patch_status(ApiToken, *taken.key, {"hashes": []})
    await told(ApiToken)
    assert await shown() == before
    await kube.delete(ApiToken, *taken.key)
    await until(known, False)
    assert await shown() == before


async def test_a_machine_enrols_where_its_code_was_made_first_and_nowhere_once_that_is_spent(
    http: httpx.AsyncClient, kube: KubeClient, org: str, abroad: Organized
) -> None:
    code = mint("enr")
    made = await kube.create(EnrollmentToken.model_validate({"metadata": {"name": "first", "namespace": org}}))
    status = {"hash": code.sha256, "prefix": code.prefix, "expiresAt": "2099-01-01T00:00:00Z"}
    first = await kube.patch_status(EnrollmentToken, *made.key, status)
    taken = await younger(kube, first, abroad.namespace, uses=9)
    there = len(await kube.list(Agent, abroad.namespace))
    answer = await enroll(http, code.plain)
    assert answer.status_code == 201, answer.text
    assert answer.json()["organizationId"] == org
    refused(await enroll(http, code.plain), 401, "invalid_enroll_token")
    assert len(await kube.list(Agent, org)) == 1
    assert len(await kube.list(Agent, abroad.namespace)) == there
    assert (await kube.get(EnrollmentToken, *taken.key)).status.used_by == ()
