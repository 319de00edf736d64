"""Asks the API server itself what somebody may do, over every verb and every resource that it serves."""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

from deplite.kube.client import KubeClient

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
POWERS = (
    ("create", "", "pods"),
    ("create", "", "pods/exec"),
    ("get", "", "pods/exec"),
    ("create", "", "pods/attach"),
    ("create", "", "pods/portforward"),
    ("get", "", "pods/log"),
    ("create", "", "serviceaccounts/token"),
    ("get", "", "nodes/proxy"),
    ("impersonate", "", "users"),
    ("impersonate", "", "groups"),
    ("impersonate", "", "serviceaccounts"),
    ("escalate", "rbac.authorization.k8s.io", "roles"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    ("bind", "rbac.authorization.k8s.io", "roles"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
    ("approve", "certificates.k8s.io", "signers"),
    ("sign", "certificates.k8s.io", "signers"),
    ("use", "policy", "podsecuritypolicies"),
    ("*", "deplite.io", "*"),
    ("*", "", "secrets"),
    ("*", "*", "*"),
)
"""Verbs and resources that discovery does not name, or that would be the whole cluster."""
_AT_ONCE = 16


class Deed(NamedTuple):
    """One verb on one resource (perhaps one object of it) in one namespace (`""`: cluster-wide)."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""


async def resources(kube: KubeClient) -> list[tuple[str, str]]:
    """Return group and name of every resource and subresource that the API server serves."""
    groups = await kube.connection.request("GET", "/apis")
    versions = [group["preferredVersion"]["groupVersion"] for group in groups["groups"]]
    found = {("", entry["name"]) for entry in (await kube.connection.request("GET", "/api/v1"))["resources"]}
    for version in versions:
        answer = await kube.connection.request("GET", f"/apis/{version}")
        found |= {(version.split("/")[0], entry["name"]) for entry in answer["resources"]}
    return sorted(found)


async def deeds(kube: KubeClient, namespaces: Iterable[str]) -> list[Deed]:
    """Return everything that can be done in these namespaces and cluster-wide."""
    served = [(verb, group, name) for group, name in await resources(kube) for verb in VERBS]
    return [Deed(*deed, namespace) for namespace in ("", *namespaces) for deed in (*served, *POWERS)]


async def allowed(kube: KubeClient, asked: Iterable[Deed], user: str | None = None) -> set[Deed]:
    """Return which of these the client itself (or, for an administrator's client, `user`) may do."""
    gate = asyncio.Semaphore(_AT_ONCE)
    kind = "SelfSubjectAccessReview" if user is None else "SubjectAccessReview"

    async def may(deed: Deed) -> bool:
        group, _, subresource = deed.resource.partition("/")
        attributes = {"verb": deed.verb, "group": deed.group, "resource": group, "subresource": subresource}
        spec: dict[str, Any] = {"resourceAttributes": attributes | {"namespace": deed.namespace, "name": deed.name}}
        if user is not None:
            spec |= {"user": user, "groups": ["system:authenticated"]}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
        async with gate:
            path = f"/apis/authorization.k8s.io/v1/{kind.lower()}s"
            return bool((await kube.connection.request("POST", path, body=body))["status"]["allowed"])

    wanted = list(asked)
    answers = await asyncio.gather(*(may(deed) for deed in wanted))
    return {deed for deed, answer in zip(wanted, answers, strict=True) if answer}


async def until(kube: KubeClient, asked: Iterable[Deed], *, allow: bool = True, user: str | None = None) -> None:
    """Wait until all of these are allowed, or none: the authorizer reads roles and bindings from a watch."""
    wanted = set(asked)
    async with asyncio.timeout(60):
        while await allowed(kube, wanted, user) != (wanted if allow else set()):
            await asyncio.sleep(0.05)


def granted(table: Iterable[tuple[str, str, str]], namespaces: Iterable[str]) -> set[Deed]:
    """Return the deeds of a table of (group, verbs, resources), in each of these namespaces."""
    places = tuple(namespaces)
    return {
        Deed(verb, group, resource, namespace)
        for group, verbs, names in table
        for verb in verbs.split()
        for resource in names.split()
        for namespace in places
    }
