"""Nothing that the chart grants is wider than it must be."""

from collections.abc import Iterator

import pytest

from tests.chart.chart import FILES, Object

KINDS = ("ClusterRole", "Role")
PEOPLE = {"deplite-view", "deplite-edit", "deplite-admin"}
FORBIDDEN_VERBS = {"*", "escalate", "bind", "impersonate", "deletecollection"}


def rules(objects: list[Object]) -> Iterator[tuple[Object, dict[str, list[str]]]]:
    for role in objects:
        if role["kind"] in KINDS:
            yield from ((role, rule) for rule in role["rules"])


@pytest.mark.parametrize("name", FILES)
def test_no_wildcard_and_no_dangerous_verb(rendered: dict[str, list[Object]], name: str) -> None:
    for role, rule in rules(rendered[name]):
        assert "*" not in [*rule["apiGroups"], *rule["resources"]]
        assert not any("exec" in resource or "nodes" in resource for resource in rule["resources"])
        if role["metadata"]["name"] not in PEOPLE:
            assert FORBIDDEN_VERBS.isdisjoint(rule["verbs"])


@pytest.mark.parametrize("name", FILES)
def test_secrets_are_never_granted_cluster_wide(rendered: dict[str, list[Object]], name: str) -> None:
    cluster_wide = {binding["roleRef"]["name"] for binding in rendered[name] if binding["kind"] == "ClusterRoleBinding"}
    for role, rule in rules(rendered[name]):
        if "secrets" in rule["resources"]:
            assert {"list", "watch", "delete"}.isdisjoint(rule["verbs"])
            assert role["kind"] == "Role" or role["metadata"]["name"] not in cluster_wide


@pytest.mark.parametrize("name", FILES)
def test_only_the_two_parts_hold_a_token(rendered: dict[str, list[Object]], name: str) -> None:
    for one in rendered[name]:
        if one["kind"] in ("Deployment", "StatefulSet"):
            expected = one["metadata"]["name"] in ("deplite-apiserver", "deplite-operator")
            spec = one["spec"]["template"]["spec"]
            assert spec["automountServiceAccountToken"] is False  # it is mounted by name
            assert ("account" in {volume["name"] for volume in spec["volumes"]}) is expected
        if one["kind"] == "ServiceAccount":
            assert one["automountServiceAccountToken"] is False
