"""What a token's grants reach."""

from typing import Any

import pytest

from deplite.resources import ApiToken, Trigger
from deplite.resources.apitoken import Grant, Permission
from deplite_apiserver.tokens.grants import covers, granted_workflows, permits, permits_somewhere, reaches


def token(*grants: dict[str, Any]) -> ApiToken:
    return ApiToken.model_validate({"metadata": {"name": "t", "namespace": "org-x"}, "spec": {"grants": list(grants)}})


def trigger(name: str, agent: str, workflow: str | None, namespace: str = "org-x") -> Trigger:
    spec = {"agent": agent, "workflow": workflow, "scope": "workflow" if workflow else "agent"}
    return Trigger.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": spec})


BY_TRIGGER = {"type": "trigger", "triggers": ["deploy", "gone"]}
BY_AGENT = {"type": "agent", "agents": ["web"]}
STORAGE = {"type": "storage", "permissions": ["read"]}


@pytest.mark.parametrize(
    ("grants", "reached"),
    [
        ([], False),
        ([{"type": "trigger", "triggers": ["deploy"]}], True),
        ([{"type": "trigger", "triggers": ["other"]}], False),
        ([{"type": "agent", "agents": ["web"]}], True),
        ([{"type": "agent", "agents": ["db"]}], False),
        ([{"type": "agent", "agents": [], "triggers": ["deploy"]}], False),
        ([{"type": "storage", "permissions": ["read"]}], False),
        ([{"type": "storage", "permissions": ["read"]}, {"type": "agent", "agents": ["web"]}], True),
    ],
)
def test_what_grants_reach(grants: list[dict[str, Any]], reached: bool) -> None:
    made = [Grant.model_validate(one) for one in grants]
    assert reaches(made, trigger="deploy", agent="web") is reached
    assert reaches(made, trigger=None, agent="web") is (reached and "agents" in grants[-1])


@pytest.mark.parametrize(
    ("grants", "workflows"),
    [
        ([STORAGE], {}),
        ([BY_TRIGGER], {"web": frozenset({"w1"})}),
        ([BY_AGENT], {"web": None}),
        ([BY_TRIGGER, BY_AGENT], {"web": None}),
        ([{"type": "trigger", "triggers": ["deploy", "second"]}], {"web": frozenset({"w1", "w2"})}),
        ([{"type": "trigger", "triggers": ["deploy", "whole"]}], {"web": None}),
        ([{"type": "trigger", "triggers": ["whole", "deploy"]}], {"web": None}),
        ([{"type": "trigger", "triggers": ["deploy", "db"]}], {"web": frozenset({"w1"}), "db": frozenset({"w"})}),
    ],
)
def test_the_workflows_in_the_grants(grants: list[Any], workflows: dict[str, Any]) -> None:
    triggers = [
        trigger("deploy", "web", "w1"),
        trigger("second", "web", "w2"),
        trigger("whole", "web", None),
        trigger("db", "db", "w"),
    ]
    assert granted_workflows(token(*grants), triggers) == workflows


RED = Grant(type="storage", bindings=("red",), permissions=("read",))
ANY = Grant(type="storage", permissions=("write",))
NOTHING = Grant(type="storage", bindings=(), permissions=("delete",))


@pytest.mark.parametrize(
    ("grants", "permission", "binding", "covered", "permitted"),
    [
        ([], "read", "red", False, False),
        ([Grant(type="trigger", triggers=("red",))], "read", "red", False, False),
        ([RED], "read", "red", True, True),
        ([RED], "write", "red", True, False),
        ([RED], "read", "blue", False, False),
        ([RED], "read", None, False, False),
        ([ANY], "write", None, True, True),
        ([ANY], "write", "blue", True, True),
        ([RED, ANY], "read", "blue", True, False),
        ([RED, ANY], "write", "red", True, True),
        ([NOTHING], "delete", "red", False, False),
        ([NOTHING], "delete", None, False, False),
    ],
)
def test_storage_grants(
    grants: list[Grant], permission: Permission, binding: str | None, covered: bool, permitted: bool
) -> None:
    assert covers(grants, binding) is covered
    assert permits(grants, permission, binding) is permitted
    assert permits_somewhere(grants, permission) >= permitted
