"""Specs at random, every one of them valid, for a walk that goes anywhere and comes back."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from deplite.resources import (
    Agent,
    AgentPool,
    ApiToken,
    EnrollmentToken,
    Organization,
    Resource,
    SlackInstallation,
    Trigger,
)
from tests.kube.operating.nodes import USUAL

Spec = dict[str, Any]

_FAR = "2100-01-01T00:00:00Z"
_ENDS = (None, _FAR, "2020-01-01T00:00:00Z")


def _said(**values: Any) -> Spec:
    """Leave out what is None."""
    return {name: value for name, value in values.items() if value is not None}


def organization(chance: random.Random) -> Spec:
    people = [{"issuer": "https://issuer.example", "subject": f"s{n}"} for n in range(3)]
    members = [one | {"role": chance.choice(("owner", "member"))} for one in people if chance.random() < 0.5]
    return _said(displayName=chance.choice((None, "Acme", "Acme Ltd")), members=members)


def agent(chance: random.Random) -> Spec:
    limits = [{"workflow": "deploy-prod", "perMinute": chance.randint(1, 9)}]
    return _said(
        displayName=chance.choice((None, "Web")),
        publicKey=chance.choice((None, "pinned")),
        suspended=chance.choice((None, False, True)),
        workflowRateLimits=chance.choice((None, limits)),
    )


def agent_pool(chance: random.Random) -> Spec:
    amounts = {"requests": {"cpu": chance.choice(("100m", "0.5", 2))}, "limits": {"cpu": 1}}
    return _said(
        image=chance.choice((None, "another:1")),
        nodeSelector=chance.choice((None, USUAL, {"deplite.test/nodes": "none"})),
        workflows={"configMap": chance.choice(("workflows", "missing"))},
        secretName=chance.choice((None, "slack", "missing")),
        resources=chance.choice((None, amounts)),
        maxUnavailable=chance.choice((None, 2, "50%")),
        podLabels=chance.choice((None, {"team": "shop"})),
        tolerations=chance.choice((None, [{"operator": "Exists"}])),
    )


def trigger(chance: random.Random) -> Spec:
    type_ = chance.choice(("webhook", "manual", "schedule"))
    schedule = {"cron": chance.choice(("0 4 * * *", "0 4 31 2 *"))} if type_ == "schedule" else None
    scope = "workflow" if schedule else chance.choice(("workflow", "agent"))
    return _said(
        agent=chance.choice(("web", "missing")),
        scope=scope,
        workflow=chance.choice(("deploy-prod", "another")) if scope == "workflow" else None,
        type=type_,
        schedule=schedule,
        params=chance.choice((None, {"replicas": chance.randint(1, 9)})),
        suspended=chance.choice((None, False, True)),
    )


def api_token(chance: random.Random) -> Spec:
    grants = [
        {"type": "agent", "agents": [chance.choice(("web", "missing"))]},
        {"type": "trigger", "triggers": [chance.choice(("deploy", "missing"))]},
        {"type": "storage", "permissions": ["read"]},
    ]
    return _said(
        grants=chance.sample(grants, chance.randint(1, 3)),
        secretName=chance.choice((None, "ci-token", "web-code", "slack")),
        expiresAt=chance.choice(_ENDS),
        allowedCIDRs=chance.choice((None, ["10.0.0.0/8"])),
    )


def enrollment_token(chance: random.Random) -> Spec:
    return _said(
        label=chance.choice(("web", "other")),
        agent=chance.choice((None, "web", "missing")),
        secretName=chance.choice((None, "web-code", "ci-token", "slack")),
        expiresAt=_FAR,  # it and the uses only fall
    )


def slack_installation(chance: random.Random) -> Spec:
    return _said(
        secretName=chance.choice(("slack", "missing", "ci-token")),
        teamName=chance.choice((None, "Acme")),
        scopes=chance.choice((None, ["chat:write"])),
    )


WALKS: Mapping[type[Resource], Callable[[random.Random], Spec]] = {
    Organization: organization,
    Agent: agent,
    AgentPool: agent_pool,
    Trigger: trigger,
    ApiToken: api_token,
    EnrollmentToken: enrollment_token,
    SlackInstallation: slack_installation,
}
"""A workspace of a SlackInstallation cannot be changed: whoever walks adds it."""
