"""The roles as they are written: no wildcard, no power over rights, one source for every part."""

from typing import Any

import pytest

from deplite import assets
from deplite.resources import KINDS
from deplite.rights import (
    PARTS,
    POOLS_ROLE,
    SECRETS_ROLE,
    account_name,
    cluster_manifests,
    organization_manifests,
    roles_of,
)

FILES = sorted(path.stem for path in assets.rights().glob("*.yaml"))
RULES = [(role["metadata"]["name"], rule) for role in roles_of(*FILES) for rule in role["rules"]]


def test_every_file_is_applied() -> None:
    written = {(role["kind"], role["metadata"]["name"]) for role in roles_of(*FILES)}
    applied = {(found["kind"], found["metadata"]["name"]) for found in cluster_manifests("deplite-system")}
    assert written <= applied
    assert set(FILES) == {*PARTS, "people", "pools", "secrets"}


@pytest.mark.parametrize(("role", "rule"), RULES, ids=[f"{role}-{number}" for number, (role, _) in enumerate(RULES)])
def test_a_rule_is_exact(role: str, rule: dict[str, Any]) -> None:
    words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    assert [word for word in words if "*" in word] == []
    assert set(rule["verbs"]) <= {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
    if "pods" in rule["resources"]:
        assert (role, rule["verbs"]) == (POOLS_ROLE, ["list"])
    assert not {"nodes", "namespaces", "roles", "rolebindings", "clusterroles"} & set(rule["resources"])
    if "secrets" in rule["resources"]:
        assert not {"list", "watch"} & set(rule["verbs"])
    if role == POOLS_ROLE and rule["apiGroups"] != ["deplite.io"]:
        assert not {"delete", "deletecollection", "watch"} & set(rule["verbs"])
    if rule["apiGroups"] == ["deplite.io"]:
        plurals = {kind.PLURAL for kind in KINDS}
        assert {name.removesuffix("/status") for name in rule["resources"]} <= plurals


def test_what_is_bound_in_each_organization_is_bound_nowhere_else() -> None:
    everywhere = {found["roleRef"]["name"] for found in cluster_manifests("s") if found["kind"] == "ClusterRoleBinding"}
    assert not {SECRETS_ROLE, POOLS_ROLE} & everywhere


def test_no_cluster_role_of_a_part_speaks_of_secrets() -> None:
    bound = {found["roleRef"]["name"] for found in cluster_manifests("s") if found["kind"] == "ClusterRoleBinding"}
    spoken = {role["metadata"]["name"] for role in roles_of(*FILES) if role["kind"] == "ClusterRole" and _secrets(role)}
    assert spoken == {SECRETS_ROLE}
    assert SECRETS_ROLE not in bound


def _secrets(role: dict[str, Any]) -> bool:
    return any("secrets" in rule["resources"] for rule in role["rules"])


def test_an_organization_gets_a_binding_a_part_for_secrets_and_one_for_pools() -> None:
    found = organization_manifests("org-a", "parts")
    assert [(binding["roleRef"]["name"], binding["subjects"]) for binding in found] == [
        (role, [{"kind": "ServiceAccount", "name": account_name(part), "namespace": "parts"}])
        for role, part in (*((SECRETS_ROLE, part) for part in PARTS), (POOLS_ROLE, "operator"))
    ]
    assert {binding["metadata"]["namespace"] for binding in found} == {"org-a"}


def test_roles_lie_where_the_parts_are() -> None:
    placed = {found["metadata"].get("namespace") for found in cluster_manifests("parts") if found["kind"] == "Role"}
    assert placed == {"parts"}
