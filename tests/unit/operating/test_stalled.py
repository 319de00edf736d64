"""Which reasons end by waiting, and which stay until a person changes something: GitOps tools give up on the latter."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deplite.kube.errors import ForbiddenError, InvalidError
from deplite.resources.resource import utc
from deplite_operator.conditions import Finding
from deplite_operator.policies.agent import facts_of, judge_agent
from deplite_operator.policies.agentpool import DaemonSetFacts, PoolFacts, judge_agent_pool
from deplite_operator.policies.apitoken import judge_api_token
from deplite_operator.policies.deposit import Deposit
from deplite_operator.policies.enrollmenttoken import judge_enrollment_token
from deplite_operator.policies.lingering import pods_terminating
from deplite_operator.policies.organization import judge_organization
from deplite_operator.policies.pods import PodFacts, Trouble
from deplite_operator.policies.poolobstacles import (
    config_map_missing,
    name_not_free_yet,
    name_taken,
    object_forbidden,
    object_invalid,
    pools_forbidden,
    pools_unavailable,
    workflow_secret_missing,
)
from deplite_operator.policies.secrets import secret_conflicts, secret_holds, secrets_forbidden
from deplite_operator.policies.slackinstallation import judge_slack_installation
from deplite_operator.policies.trigger import judge_trigger
from deplite_operator.verdict import Verdict
from deplite_operator.world import KINDS
from tests.unit.operating.builders import (
    NOW,
    agent,
    code,
    hashed,
    organization,
    pool,
    pool_agent,
    token,
    trigger,
    workspace,
)
from tests.unit.resources.schemas import definitions, schema_of

CONFLICT = Deposit(finding=secret_conflicts("s", "is odd"))
FORBIDDEN = Deposit(finding=secrets_forbidden("org-a", "deplite-system"))
HELD = secret_holds("s")
DRAINING = PodFacts(name="p", uid="pod-n1", account="linux-agents", node="n1", ready=True, ends_at=NOW)


def of_trigger(verdict_of: object, **spec: object) -> Verdict:
    return judge_trigger(trigger(**spec), verdict_of, "https://deplite.example")  # type: ignore[arg-type]


def of_token(deposit: Deposit | None = None, **spec: object) -> Verdict:
    return judge_api_token(token(**spec), (), deposit, NOW)


def of_code(deposit: Deposit | None = None, **spec: object) -> Verdict:
    return judge_enrollment_token(code(**spec), agent_exists=True, deposit=deposit, now=NOW)


def of_organization(*roles: str, namespace: str = "org-a") -> Verdict:
    given = organization(*roles, namespace=namespace)
    return judge_organization(given, may_use_secrets=True, system_namespace="deplite-system")


def of_pool(obstacle: Finding | None = None, trouble: Trouble | None = None, **found: Any) -> Verdict:
    pod = PodFacts(name="p", uid="pod-n1", controller="ds", node="n1", ready=trouble is None, trouble=trouble)
    there = DaemonSetFacts(uid="ds", seen=True, desired=1, updated=1, ready=int(trouble is None))
    facts = PoolFacts(daemon_set=there, pods=(pod,), obstacle=obstacle)
    return judge_agent_pool(pool(), replace(facts, **found), "Error creating: …")


STALLED = {
    "NoOwner": of_organization("member"),
    "NotAnOrganization": of_organization("owner", namespace="default"),
    "AgentRevoked": judge_agent(agent(spec={"revoked": True})),
    "AgentRevoked of a trigger": of_trigger(facts_of(agent(spec={"revoked": True}))),
    "InvalidSchedule": of_trigger(None, type="schedule", schedule={"cron": "0 4 31 2 *"}),
    "Expired token": of_token(expiresAt=utc(NOW)),
    "NotMinted, no Secret named": of_token(secretName=None),
    "NotMinted, another's Secret": of_token(CONFLICT),
    "Expired code": of_code(expiresAt=utc(NOW)),
    "NotMinted code, another's Secret": of_code(CONFLICT),
    "PoolsUnavailable": of_pool(pools_unavailable()),
    "NameTaken, another's": of_pool(name_taken("DaemonSet", "linux-agents")),
    "ObjectRefused, the spec": of_pool(object_invalid(InvalidError("bad"))),
    "AgentRevoked of a pool": of_pool(agents={"linux.n1": pool_agent(spec={"revoked": True}, state="Revoked")}),
    "TeamTaken": judge_slack_installation(workspace(connected=True), HELD, taken=True),
}
WAITING = {
    "NotEnrolled": judge_agent(agent(publicKey=None)),
    "Disconnected": judge_agent(agent(state="Disconnected")),
    "Suspended": judge_agent(agent(spec={"suspended": True})),
    "AgentNotFound": of_trigger(None),
    "AgentNotEnrolled": of_trigger(facts_of(agent(publicKey=None))),
    "WorkflowNotReported": of_trigger(facts_of(agent(workflows=[]))),
    "Suspended trigger": of_trigger(None, suspended=True),
    "NotMinted, no RoleBinding yet": of_token(FORBIDDEN),
    "NotMinted, of the API": of_token(secretName=None, mintedBy="api"),
    "GrantNotFound": judge_api_token(token(status=hashed()), ("Trigger fire",), None, NOW),
    "NotMinted code, no RoleBinding yet": of_code(FORBIDDEN),
    "RoleBindingMissing": of_pool(pools_forbidden("org-a", "deplite-system")),
    "NameTaken, an earlier pool's": of_pool(name_not_free_yet("DaemonSet", "linux-agents")),
    "ObjectRefused, a quota": of_pool(object_forbidden(ForbiddenError("exceeded quota: q"))),
    "ConfigMapMissing": of_pool(config_map_missing("flows")),
    "SecretMissing": of_pool(workflow_secret_missing("keys")),
    "RollingOut": of_pool(daemon_set=None),
    "PodsTerminating": of_pool(pods_terminating([DRAINING], "linux-agents", NOW)),
    "NoNodes": of_pool(daemon_set=DaemonSetFacts(uid="ds", seen=True, desired=0, updated=0, ready=0)),
    "PodsRefused": of_pool(pods=()),
    "PodsUnschedulable": of_pool(trouble=Trouble.UNSCHEDULABLE),
    "ImagePullFailing": of_pool(trouble=Trouble.PULLING),
    "PodsFailing": of_pool(trouble=Trouble.ENDING),
    "AgentsNotConnected": of_pool(),
    "NotConnected": judge_slack_installation(workspace(), HELD, taken=False),
}


PAGE = (Path(__file__).resolve().parents[3] / "docs" / "gitops.md").read_text()


def ready(verdict: Verdict) -> tuple[str, bool]:
    (finding,) = (one for one in verdict.findings if one.type == "Ready")
    return finding.status, finding.stalled


@pytest.mark.parametrize("verdict", STALLED.values(), ids=STALLED.keys())
def test_a_person_must_act(verdict: Verdict) -> None:
    assert ready(verdict) == ("False", True)


@pytest.mark.parametrize("verdict", WAITING.values(), ids=WAITING.keys())
def test_waiting_helps(verdict: Verdict) -> None:
    assert ready(verdict) == ("False", False)


@pytest.mark.parametrize(("verdicts", "row"), [(STALLED, "needs a person"), (WAITING, "waits")])
def test_the_page_names_each_reason(verdicts: dict[str, Verdict], row: str) -> None:
    (line,) = re.findall(rf"^\| {row}: .*$", PAGE, re.MULTILINE)
    reasons = {one.reason for verdict in verdicts.values() for one in verdict.findings if one.type == "Ready"}
    assert set(re.findall(r"`(\w+)`", line)) == reasons - {"Disconnected", "Suspended"}
    assert {"Disconnected", "Suspended"} <= set(re.findall(r"^\| (?:is|was) .*: `(\w+)` \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_an_object_that_nobody_looked_at_says_so(kind: type) -> None:
    status = schema_of(definitions()[kind.KIND])["properties"]["status"]  # type: ignore[attr-defined]
    assert status["default"] == {"observedGeneration": -1}
