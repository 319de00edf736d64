"""What a token's grants reach."""

from typing import Any

import pytest

from deplite.resources import ApiToken, Trigger
from deplite_apiserver.tokens.grants import granted_workflows, reaches_job, reaches_trigger


def token(*grants: dict[str, Any]) -> ApiToken:
    return ApiToken.model_validate({"metadata": {"name": "t", "namespace": "org-x"}, "spec": {"grants": list(grants)}})


def trigger(name: str, agent: str, workflow: str | None, namespace: str = "org-x") -> Trigger:
    spec = {"agent": agent, "workflow": workflow, "scope": "workflow" if workflow else "agent"}
    return Trigger.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": spec})


BY_TRIGGER = {"type": "trigger", "triggers": ["deploy", "gone"]}
BY_AGENT = {"type": "agent", "agents": ["web"]}
STORAGE = {"type": "storage", "permissions": ["read"]}


@pytest.mark.parametrize(
    ("grants", "found", "reached"),
    [
        ([BY_TRIGGER], trigger("deploy", "db", "w"), True),
        ([BY_TRIGGER], trigger("other", "db", "w"), False),
        ([BY_TRIGGER], trigger("deploy", "db", "w", "org-y"), False),
        ([BY_AGENT], trigger("other", "web", None), True),
        ([BY_AGENT], trigger("other", "web", "w", "org-y"), False),
        ([BY_AGENT], trigger("web", "db", "w"), False),
        ([STORAGE], trigger("deploy", "web", "w"), False),
        ([STORAGE, BY_AGENT], trigger("x", "web", "w"), True),
    ],
)
def test_a_trigger_is_reached_by_name_or_by_agent(grants: list[Any], found: Trigger, reached: bool) -> None:
    assert reaches_trigger(token(*grants), found) is reached
    assert reaches_job(token(*grants), found.namespace, found.name, found.spec.agent) is reached


def test_a_job_whose_trigger_is_gone_is_reached_by_its_name() -> None:
    assert reaches_job(token(BY_TRIGGER), "org-x", "gone", "db")
    assert not reaches_job(token(BY_TRIGGER), "org-x", None, "db")


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
