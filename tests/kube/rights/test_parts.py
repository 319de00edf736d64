"""Each part may do exactly what is written here, asked of the API server over everything that it serves."""

from collections.abc import Awaitable, Callable

import pytest

from deplite.kube.client import KubeClient
from deplite.kube.errors import ForbiddenError
from deplite.resources import Agent, DeployJob, Trigger
from tests.kube.rights.conftest import Places
from tests.kube.rights.reviews import Deed, allowed, deeds, granted, until
from tests.organizations import SYSTEM_NAMESPACE

LOOK = "get list watch"
EVERYWHERE = {
    "operator": [
        ("deplite.io", LOOK, "agentpools agents apitokens enrollmenttokens organizations slackinstallations triggers"),
        (
            "deplite.io",
            "patch",
            "agentpools/status agents/status apitokens/status enrollmenttokens/status organizations/status "
            "slackinstallations/status triggers/status",
        ),
        ("", "create", "events"),
    ],
    "apiserver": [
        ("deplite.io", LOOK, "agentpools organizations"),
        ("authentication.k8s.io", "create", "tokenreviews"),
        ("deplite.io", f"{LOOK} create patch delete", "agents deployjobs slackinstallations triggers"),
        ("deplite.io", f"{LOOK} create delete", "apitokens enrollmenttokens storedfiles"),
        (
            "deplite.io",
            "patch",
            "agents/status apitokens/status deployjobs/status enrollmenttokens/status slackinstallations/status "
            "storedfiles/status triggers/status",
        ),
        ("", "create", "events"),
    ],
}
"""Of our kinds, in every namespace."""
POOLS = [
    ("apps", "get create update", "daemonsets"),
    ("", "get create", "serviceaccounts"),
    ("", "get", "configmaps"),
    ("", "list", "pods events"),
    ("deplite.io", "delete", "agents"),
]
"""Of the operator, where its RoleBinding for pools is."""
AT_HOME = {"operator": "", "apiserver": "create"}
"""On Secrets in the parts' own namespace, without a name."""
EVERYBODY = {
    Deed("create", "authentication.k8s.io", "selfsubjectreviews", ""),
    Deed("create", "authorization.k8s.io", "selfsubjectaccessreviews", ""),
    Deed("create", "authorization.k8s.io", "selfsubjectrulesreviews", ""),
}
"""What Kubernetes lets every authenticated user do."""


@pytest.mark.parametrize("part", ["operator", "apiserver"])
async def test_a_part_may_do_exactly_this(parts: dict[str, KubeClient], places: Places, part: str) -> None:
    expected = granted(EVERYWHERE[part], ("", *places.all))
    expected |= {Deed(verb, "", "secrets", places.bound) for verb in ("get", "create", "update")}
    expected |= granted(POOLS, [places.bound]) if part == "operator" else set()
    expected |= {Deed(verb, "", "secrets", places.system) for verb in AT_HOME[part].split()}
    expected |= {Deed(verb, "coordination.k8s.io", "leases", places.system) for verb in ("get", "create", "update")}
    expected |= {deed._replace(namespace=namespace) for deed in EVERYBODY for namespace in ("", *places.all)}
    asked = await deeds(parts[part], places.all)
    assert len(asked) > 2000
    assert expected <= set(asked)
    assert await allowed(parts[part], asked) == expected


async def test_the_server_keys_are_the_one_secret_at_home(parts: dict[str, KubeClient]) -> None:
    verbs = ("get", "update", "patch", "delete", "list", "watch")
    names = ("deplite-server-keys", "other", "")
    asked = [Deed(verb, "", "secrets", SYSTEM_NAMESPACE, name) for verb in verbs for name in names]
    keys = {Deed("get", "", "secrets", SYSTEM_NAMESPACE, "deplite-server-keys")}
    assert await allowed(parts["apiserver"], asked) == keys
    assert await allowed(parts["operator"], asked) == set()


Attempt = Callable[[KubeClient, Places], Awaitable[object]]

JOB = DeployJob.model_validate({"metadata": {"name": "j-x"}, "spec": {"agent": "a", "workflow": "w"}})
FORBIDDEN: dict[str, tuple[tuple[str, ...], Attempt]] = {
    "list Secrets of an organization": (
        ("operator", "apiserver"),
        lambda kube, at: kube.connection.request("GET", f"/api/v1/namespaces/{at.bound}/secrets"),
    ),
    "list Secrets of all": (
        ("operator", "apiserver"),
        lambda kube, at: kube.connection.request("GET", "/api/v1/secrets"),
    ),
    "read a Secret where no RoleBinding is": (
        ("operator", "apiserver"),
        lambda kube, at: kube.get_secret(at.unbound, "x"),
    ),
    "make a Secret where no RoleBinding is": (
        ("operator", "apiserver"),
        lambda kube, at: kube.create_secret(at.unbound, "x", {}),
    ),
    "delete a Secret": (("operator", "apiserver"), lambda kube, at: kube.delete_secret(at.bound, "x")),
    "read the server keys": (("operator",), lambda kube, at: kube.get_secret(at.system, "deplite-server-keys")),
    "make a job": (
        ("operator",),
        lambda kube, at: kube.create(
            JOB.model_copy(update={"metadata": JOB.metadata.model_copy(update={"namespace": at.bound})})
        ),
    ),
    "list jobs": (("operator",), lambda kube, at: kube.list(DeployJob, at.bound)),
    "change a spec": (("operator",), lambda kube, at: kube.patch(Trigger, at.bound, "x", {"spec": {}})),
    "delete an agent where no RoleBinding is": (("operator",), lambda kube, at: kube.delete(Agent, at.unbound, "x")),
    "make pods where no RoleBinding is": (
        ("operator",),
        lambda kube, at: kube.connection.request(
            "POST", f"/apis/apps/v1/namespaces/{at.unbound}/daemonsets", body={"metadata": {"name": "x"}}
        ),
    ),
    "delete a DaemonSet": (
        ("operator",),
        lambda kube, at: kube.connection.request("DELETE", f"/apis/apps/v1/namespaces/{at.bound}/daemonsets/x"),
    ),
    "look into the parts' own pods": (
        ("operator", "apiserver"),
        lambda kube, at: kube.connection.request("GET", f"/api/v1/namespaces/{at.system}/pods"),
    ),
    "grant itself more": (
        ("operator", "apiserver"),
        lambda kube, at: kube.connection.request(
            "POST",
            f"/apis/rbac.authorization.k8s.io/v1/namespaces/{at.bound}/rolebindings",
            body={
                "metadata": {"name": "more"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
                "subjects": [],
            },
        ),
    ),
}


@pytest.mark.parametrize(
    ("part", "what"), [(part, what) for what, (forbidden, _) in FORBIDDEN.items() for part in forbidden]
)
async def test_a_part_is_refused_when_it_tries_to(
    parts: dict[str, KubeClient], places: Places, part: str, what: str
) -> None:
    with pytest.raises(ForbiddenError) as caught:
        await FORBIDDEN[what][1](parts[part], places)
    assert caught.value.status == 403


@pytest.mark.parametrize("part", ["operator", "apiserver"])
async def test_a_part_uses_secrets_where_the_role_binding_is(
    kube: KubeClient, parts: dict[str, KubeClient], places: Places, part: str
) -> None:
    made = await parts[part].create_secret(places.bound, f"minted-{part}", {"token": b"1"})
    await parts[part].replace_secret(made, {"token": b"2"})
    assert (await parts[part].get_secret(places.bound, f"minted-{part}")).data == {"token": b"2"}
    await kube.delete_secret(places.bound, f"minted-{part}")


async def test_taking_the_role_binding_away_takes_the_secrets_away(
    kube: KubeClient, parts: dict[str, KubeClient], organization: str
) -> None:
    deed = [Deed("get", "", "secrets", organization)]
    assert await allowed(parts["operator"], deed) == set(deed)
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{organization}/rolebindings/deplite-operator-secrets"
    await kube.connection.request("DELETE", path)
    await until(parts["operator"], deed, allow=False)
    assert await allowed(parts["apiserver"], deed) == set(deed)
