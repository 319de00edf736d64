"""The roles as they are written: no wildcard, no power over rights, one source for every part."""

from typing import Any

import pytest

from deplite import assets
from deplite.resources import KINDS
from deplite.rights import PARTS, SECRETS_ROLE, account_name, cluster_manifests, organization_manifests, roles_of

FILES = sorted(path.stem for path in assets.rights().glob("*.yaml"))
RULES = [(role["metadata"]["name"], rule) for role in roles_of(*FILES) for rule in role["rules"]]


def test_every_file_is_applied() -> None:
    written = {(role["kind"], role["metadata"]["name"]) for role in roles_of(*FILES)}
    applied = {(found["kind"], found["metadata"]["name"]) for found in cluster_manifests("deplite-system")}
    assert written <= applied
    assert set(FILES) == {*PARTS, "people", "secrets"}


@pytest.mark.parametrize(("role", "rule"), RULES, ids=[f"{role}-{number}" for number, (role, _) in enumerate(RULES)])
def test_a_rule_is_exact(role: str, rule: dict[str, Any]) -> None:
    words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    assert [word for word in words if "*" in word] == []
    assert set(rule["verbs"]) <= {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
    assert not {"pods", "nodes", "namespaces", "roles", "rolebindings", "clusterroles"} & set(rule["resources"])
    if "secrets" in rule["resources"]:
        assert not {"list", "watch"} & set(rule["verbs"])
    if rule["apiGroups"] == ["deplite.io"]:
        plurals = {kind.PLURAL for kind in KINDS}
        assert {name.removesuffix("/status") for name in rule["resources"]} <= plurals


def test_no_cluster_role_of_a_part_speaks_of_secrets() -> None:
    bound = {found["roleRef"]["name"] for found in cluster_manifests("s") if found["kind"] == "ClusterRoleBinding"}
    spoken = {role["metadata"]["name"] for role in roles_of(*FILES) if role["kind"] == "ClusterRole" and _secrets(role)}
    assert spoken == {SECRETS_ROLE}
    assert SECRETS_ROLE not in bound


def _secrets(role: dict[str, Any]) -> bool:
    return any("secrets" in rule["resources"] for rule in role["rules"])


def test_an_organization_gets_one_binding_a_part() -> None:
    found = organization_manifests("org-a", "parts")
    assert [binding["subjects"] for binding in found] == [
        [{"kind": "ServiceAccount", "name": account_name(part), "namespace": "parts"}] for part in PARTS
    ]
    assert {binding["metadata"]["namespace"] for binding in found} == {"org-a"}
    assert {binding["roleRef"]["name"] for binding in found} == {SECRETS_ROLE}


def test_roles_lie_where_the_parts_are() -> None:
    placed = {found["metadata"].get("namespace") for found in cluster_manifests("parts") if found["kind"] == "Role"}
    assert placed == {"parts"}
