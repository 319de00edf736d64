"""The built-in roles view, edit and admin, as they are once ours are aggregated into them."""

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from tests.kube.rights.conftest import Places
from tests.kube.rights.reviews import VERBS, Deed, allowed, granted, resources, until

ALL = "agentpools agents apitokens deployjobs enrollmenttokens organizations slackinstallations storedfiles triggers"
DECLARED = "agentpools agents apitokens enrollmenttokens slackinstallations triggers"
VIEW = [("deplite.io", "get list watch", ALL)]
EDIT = [
    *VIEW,
    ("deplite.io", "create update patch delete deletecollection", DECLARED),
    ("deplite.io", "patch delete", "deployjobs"),
]
ADMIN = [*EDIT, ("deplite.io", "create update patch delete", "organizations")]
ROLES = {"view": VIEW, "edit": EDIT, "admin": ADMIN}
FROM_VIEW, FROM_EDIT, FROM_ADMIN = (
    ("list", "deplite.io", "agents"),
    ("create", "deplite.io", "agents"),
    ("create", "deplite.io", "organizations"),
)
AGGREGATED = {"view": [FROM_VIEW], "edit": [FROM_VIEW, FROM_EDIT], "admin": [FROM_VIEW, FROM_EDIT, FROM_ADMIN]}
"""One deed of each of our roles that a built-in role is to take in: each does it in its own time."""


@pytest_asyncio.fixture(scope="session")
async def people(kube: KubeClient, places: Places) -> AsyncIterator[dict[str, str]]:
    """A user for each built-in role, bound in one organization, once the roles are aggregated."""
    users = {role: f"{role}-{secrets.token_hex(4)}" for role in ROLES}
    for role, user in users.items():
        body = {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{places.bound}/rolebindings"
        await kube.connection.request("POST", path, body=body)
    for role, user in users.items():
        await until(kube, [Deed(*deed, places.bound) for deed in AGGREGATED[role]], user=user)
    yield users


@pytest.mark.parametrize("role", ROLES)
async def test_a_built_in_role_does_exactly_this_with_our_kinds(
    kube: KubeClient, places: Places, people: dict[str, str], role: str
) -> None:
    ours = [name for group, name in await resources(kube) if group == "deplite.io"]
    asked = [Deed(verb, "deplite.io", name, at) for name in ours for verb in VERBS for at in ("", *places.all)]
    assert len(ours) == 18
    assert await allowed(kube, asked, people[role]) == granted(ROLES[role], [places.bound])


@pytest.mark.parametrize("role", ROLES)
async def test_nobody_writes_a_status_or_makes_a_job(
    kube: KubeClient, places: Places, people: dict[str, str], role: str
) -> None:
    names = [f"{name}/status" for name in ALL.split()]
    asked = [Deed(verb, "deplite.io", name, places.bound) for name in names for verb in ("create", "update", "patch")]
    asked += [Deed(verb, "deplite.io", "deployjobs", places.bound) for verb in ("create", "update", "deletecollection")]
    assert await allowed(kube, asked, people[role]) == set()
