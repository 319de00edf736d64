"""Every rule across fields (CEL): at least one object that it refuses and one that it lets pass."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from deplite.kube.errors import InvalidError
from tests.kube.resources.conftest import Door, refusal
from tests.unit.resources.schemas import definitions, schema_of, walk

HASH = "a" * 64
JOB = {"agent": "web", "workflow": "deploy"}
TRIGGER = {"agent": "web", "workflow": "deploy"}
GRANTS = {"grants": [{"type": "agent", "agents": ["web"]}]}
TEAM = {"teamId": "T1", "secretName": "s"}
SECRET = {"secretName": "s"}
CRON = {"cron": "0 3 * * *"}

NAME_RULE = "an Organization must be named organization"
REVOKED_RULE = "a revoked agent stays revoked; enrol a new one"
SECRET_RULE = "secretName needs mintedBy: operator"
TEMPLATE_RULE = "secretTemplate needs a secretName"
OWN_LABELS = "labels that begin with deplite.io/ are the operator's own"
OWN_ANNOTATIONS = "annotations that begin with deplite.io/ are the operator's own"
KEY_RULE = "is a name of at most 63 letters, digits, '-', '_' and '.', perhaps after a DNS name and '/'"
LABEL_KEY, ANNOTATION_KEY = f"the key of a label {KEY_RULE}", f"the key of an annotation {KEY_RULE}"
TOOLS_LABEL = "labels of Argo CD, ApplySet and Flux are refused, as the tool would prune the Secret"
TOOLS_ANNOTATION = "annotations of Argo CD, ApplySet and Flux are refused, as the tool would prune the Secret"
INSTANCE = "label app.kubernetes.io/instance is refused, as Argo CD would take the Secret for its own and prune it"
MINTED_RULE = "mintedBy is immutable"
USES_RULE = "uses only falls, so that no spent code lives again; create another one"
END_RULE = (
    "expiresAt is named at the creation and then only falls, so that no expired code lives again; create another one"
)
ROTATION_RULE = "rotation only rises"
AGENT_GRANT = "a grant of type agent names agents"
TRIGGER_GRANT = "a grant of type trigger names triggers"
STORAGE_GRANT = "a grant of type storage names permissions"
IMMUTABLE_JOB = "the spec of a DeployJob is immutable but for cancel"
CANCEL_RULE = "cancel is set once"
TTL_RULE = "a job made with an idempotency key stays at least 48 hours (172800)"
IMMUTABLE_FILE = "the spec of a StoredFile is immutable"
SCOPE_WORKFLOW = "scope workflow needs a workflow"
SCOPE_AGENT = "scope agent takes no workflow: the caller names it"
TYPE_SCHEDULE = "type schedule needs a schedule"
ONLY_SCHEDULE = "schedule needs type schedule"
POOL_NAME = "the name of an AgentPool is at most 40 lowercase letters, digits and '-', without a dot"
RESOURCE_KEY = f"the key of a resource {KEY_RULE}"
SYSTEM_CLASS = "priority classes that begin with system- are the cluster's own"
TEAM_RULE = "a workspace keeps its id; make another SlackInstallation"
SCHEDULE_WORKFLOW = "type schedule needs a workflow"


@dataclass(frozen=True)
class Case:
    """A spec, and perhaps a merge patch of it; `rule` is what the API server says, None where it takes it."""

    kind: str
    spec: dict[str, Any]
    rule: str | None = None
    patch: dict[str, Any] | None = None
    name: str | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return f"{self.kind}: {self.rule or 'taken'}"


TEMPLATES = [
    ({"labels": {"deplite.io/minted-for": "b"}}, OWN_LABELS),
    ({"annotations": {"deplite.io/a": "b"}}, OWN_ANNOTATIONS),
    *(({"labels": {key: "b"}}, LABEL_KEY) for key in ("", "two words", "a" * 64, "a/b/c", "/b", "a..b/c", "-a", "a\n")),
    *(({"annotations": {key: "b"}}, ANNOTATION_KEY) for key in ("[", "b/", "A/b", f"{'a.' * 125}a/bcd")),
    *(({"labels": {f"{tool}a": "b"}}, TOOLS_LABEL) for tool in ("applyset.kubernetes.io/", "argocd.argoproj.io/")),
    ({"labels": {"kustomize.toolkit.fluxcd.io/name": "b"}}, TOOLS_LABEL),
    ({"annotations": {"argocd.argoproj.io/tracking-id": "b"}}, TOOLS_ANNOTATION),
    ({"annotations": {"helm.toolkit.fluxcd.io/name": "b"}}, TOOLS_ANNOTATION),
    ({"labels": {"app.kubernetes.io/instance": "b"}}, INSTANCE),
    ({"labels": {"a": "b", f"a.b-c/{'d' * 63}": ""}, "annotations": {"c": "two words", "a.b/C_d.e": ""}}, None),
]
"""Of `spec.secretTemplate`, which a token and a code have alike."""
POD_LABELS = [("deplite.io/pool", OWN_LABELS), ("two words", LABEL_KEY)]
POD_ANNOTATIONS = [("deplite.io/a", OWN_ANNOTATIONS), ("a/b/c", ANNOTATION_KEY)]
POOL = {
    "podLabels": {"team": "shop"},
    "podAnnotations": {"example.com/why": "two words"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "maxUnavailable": "25%",
    "priorityClassName": "systems",
    "resources": {"requests": {"cpu": 1, "memory": "0.5Gi"}, "limits": {"example.com/gpu": "2"}},
}
CASES = [
    *(Case("ApiToken", GRANTS | SECRET | {"secretTemplate": said}, rule) for said, rule in TEMPLATES),
    *(Case("EnrollmentToken", SECRET | {"secretTemplate": said}, rule) for said, rule in TEMPLATES),
    Case("Organization", {}, NAME_RULE, name="organisation"),
    Case("Organization", {}),
    Case("Agent", {"revoked": True}, REVOKED_RULE, {"revoked": False}),
    Case("Agent", {"revoked": True}, REVOKED_RULE, {"revoked": None}),
    Case("Agent", {"revoked": True}, None, {"suspended": True}),
    Case("Agent", {"suspended": True}, None, {"suspended": False, "revoked": True}),
    Case("ApiToken", GRANTS | {"mintedBy": "api", "secretName": "s"}, SECRET_RULE),
    Case("ApiToken", GRANTS | {"secretName": "s"}),
    Case("ApiToken", GRANTS | {"mintedBy": "api"}),
    Case("ApiToken", GRANTS | {"mintedBy": "api"}, SECRET_RULE, {"secretName": "s"}),
    Case("ApiToken", GRANTS, MINTED_RULE, {"mintedBy": "api"}),
    Case("ApiToken", GRANTS | {"mintedBy": "api"}, MINTED_RULE, {"mintedBy": None}),
    Case("ApiToken", GRANTS | {"mintedBy": "api"}, None, {"mintedBy": "api", "displayName": "CI"}),
    Case("ApiToken", GRANTS | {"rotation": 2}, ROTATION_RULE, {"rotation": 1}),
    Case("ApiToken", GRANTS | {"rotation": 2}, ROTATION_RULE, {"rotation": None}),
    Case("ApiToken", GRANTS | {"rotation": 2}, None, {"rotation": 3}),
    Case("ApiToken", {"grants": [{"type": "agent"}]}, AGENT_GRANT),
    Case("ApiToken", {"grants": [{"type": "agent", "agents": []}]}, AGENT_GRANT),
    Case("ApiToken", {"grants": [{"type": "agent", "triggers": ["deploy"]}]}, AGENT_GRANT),
    Case("ApiToken", {"grants": [{"type": "agent", "agents": ["web"]}, {"type": "trigger"}]}, TRIGGER_GRANT),
    Case("ApiToken", {"grants": [{"type": "trigger", "triggers": ["deploy"]}]}),
    Case("ApiToken", {"grants": [{"type": "storage", "bindings": ["a"]}]}, STORAGE_GRANT),
    Case("ApiToken", {"grants": [{"type": "storage", "permissions": ["read"]}]}),
    Case("ApiToken", GRANTS | {"secretTemplate": {"labels": {"a": "b"}}}, TEMPLATE_RULE),
    Case("EnrollmentToken", {"secretTemplate": {"labels": {"a": "b"}}}, TEMPLATE_RULE),
    Case("DeployJob", JOB, None, {"cancel": {"by": "olga"}}),
    Case("DeployJob", JOB | {"cancel": {"by": "olga"}}, CANCEL_RULE, {"cancel": {"by": "mika"}}),
    Case("DeployJob", JOB | {"cancel": {"by": "olga"}}, CANCEL_RULE, {"cancel": {"reason": "superseded"}}),
    Case("DeployJob", JOB | {"cancel": {"by": "olga"}}, CANCEL_RULE, {"cancel": None}),
    Case("DeployJob", JOB | {"cancel": {"by": "olga"}}, None, {"cancel": {"by": "olga"}}),
    Case("DeployJob", JOB, IMMUTABLE_JOB, {"cancel": {"by": "olga"}, "ref": "main"}),
    Case("DeployJob", JOB | {"fingerprint": HASH, "ttlSecondsAfterFinished": 172_799}, TTL_RULE),
    Case("DeployJob", JOB | {"fingerprint": HASH, "ttlSecondsAfterFinished": 172_800}),
    Case("DeployJob", JOB | {"ttlSecondsAfterFinished": 60}),
    *(Case("AgentPool", {}, POOL_NAME, name=name) for name in ("a" * 41, "web.eu", "web-.")),
    *(Case("AgentPool", {}, name=name) for name in ("a" * 40, "w", "web-1")),
    *(Case("AgentPool", {"podLabels": {key: "b"}}, rule) for key, rule in POD_LABELS),
    *(Case("AgentPool", {"podAnnotations": {key: "b"}}, rule) for key, rule in POD_ANNOTATIONS),
    Case("AgentPool", {"nodeSelector": {"two words": "b"}}, LABEL_KEY),
    Case("AgentPool", {"resources": {"limits": {"c p u": 1}}}, RESOURCE_KEY),
    Case("AgentPool", {"resources": {"requests": {"m/e/m": "1Gi"}}}, RESOURCE_KEY),
    Case("AgentPool", {"priorityClassName": "system-node-critical"}, SYSTEM_CLASS),
    Case("AgentPool", {"priorityClassName": "deploys"}, SYSTEM_CLASS, {"priorityClassName": "system-mine"}),
    Case("AgentPool", POOL),
    Case("EnrollmentToken", {"mintedBy": "api", "secretName": "s"}, SECRET_RULE),
    Case("EnrollmentToken", {"secretName": "s"}),
    Case("EnrollmentToken", {"mintedBy": "api"}, MINTED_RULE, {"mintedBy": "operator"}),
    Case("EnrollmentToken", {"mintedBy": "api", "uses": 3}, None, {"uses": 2}),
    Case("EnrollmentToken", {"mintedBy": "api"}, USES_RULE, {"uses": 2}),
    Case("EnrollmentToken", {"uses": 2}, None, {"uses": None}),
    Case("EnrollmentToken", {"expiresAt": "2030-01-01T00:00:00Z"}, None, {"expiresAt": "2029-12-31T23:59:59Z"}),
    Case("EnrollmentToken", {"expiresAt": "2030-01-01T00:00:00Z"}, None, {"expiresAt": "2030-01-01T01:00:00+01:00"}),
    Case("EnrollmentToken", {"expiresAt": "2030-01-01T00:00:00Z"}, END_RULE, {"expiresAt": "2030-01-01T00:00:01Z"}),
    Case("EnrollmentToken", {"expiresAt": "2030-01-01T00:00:00Z"}, END_RULE, {"expiresAt": None}),
    Case("EnrollmentToken", {}, END_RULE, {"expiresAt": "2030-01-01T00:00:00Z"}),
    Case("SlackInstallation", TEAM, TEAM_RULE, {"teamId": "T2"}),
    Case("SlackInstallation", TEAM, None, {"teamName": "Acme", "secretName": "other"}),
    Case("StoredFile", {"size": 1}, IMMUTABLE_FILE, {"size": 2}),
    Case("StoredFile", {}, IMMUTABLE_FILE, {"filename": "a"}),
    Case("StoredFile", {"filename": "a"}, None, {"filename": "a"}),
    Case("Trigger", {"agent": "web"}, SCOPE_WORKFLOW),
    Case("Trigger", TRIGGER),
    Case("Trigger", TRIGGER, SCOPE_WORKFLOW, {"workflow": None}),
    Case("Trigger", TRIGGER | {"scope": "agent"}, SCOPE_AGENT),
    Case("Trigger", {"agent": "web", "scope": "agent"}),
    Case("Trigger", TRIGGER, None, {"scope": "agent", "workflow": None}),
    Case("Trigger", TRIGGER | {"type": "schedule"}, TYPE_SCHEDULE),
    Case("Trigger", TRIGGER | {"schedule": CRON}, ONLY_SCHEDULE),
    Case("Trigger", TRIGGER | {"type": "manual", "schedule": CRON}, ONLY_SCHEDULE),
    Case("Trigger", TRIGGER | {"type": "schedule", "schedule": CRON}),
    Case("Trigger", {"agent": "web", "scope": "agent", "type": "schedule", "schedule": CRON}, SCHEDULE_WORKFLOW),
]


def test_every_rule_of_every_kind_has_a_case() -> None:
    rules = {
        (kind, rule["message"])
        for kind, definition in definitions().items()
        for _, node in walk(schema_of(definition))
        for rule in node.get("x-kubernetes-validations", ())
    }
    assert rules == {(case.kind, case.rule) for case in CASES if case.rule}
    assert {case.kind for case in CASES if case.rule is None} >= {kind for kind, _ in rules}


@pytest.mark.parametrize("case", [case for case in CASES if case.rule is None], ids=str)
async def test_what_keeps_the_rules_is_taken(door: Door, case: Case) -> None:
    stored = await door.create(case.kind, case.spec, name=case.name)
    name = stored["metadata"]["name"]
    if case.patch is not None:
        stored = await door.patch(case.kind, name, {"spec": case.patch})
    assert (await door.load(case.kind, name)).wire()["spec"].keys() >= stored["spec"].keys()
    await door.remove(case.kind, name)


@pytest.mark.parametrize("case", [case for case in CASES if case.rule], ids=str)
async def test_what_breaks_a_rule_is_refused(door: Door, case: Case) -> None:
    if case.patch is None:
        with pytest.raises(InvalidError) as caught:
            await door.create(case.kind, case.spec, name=case.name)
    else:
        name = (await door.create(case.kind, case.spec, name=case.name))["metadata"]["name"]
        with pytest.raises(InvalidError) as caught:
            await door.patch(case.kind, name, {"spec": case.patch})
    assert str(case.rule) in refusal(caught)


@pytest.mark.parametrize("value", ["two words", "-a", "a" * 64, "a.", "a\n"])
async def test_no_template_gives_a_label_what_kubernetes_refuses(door: Door, value: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await door.create("EnrollmentToken", SECRET | {"secretTemplate": {"labels": {"team": value}}})
    assert "spec.secretTemplate.labels.team" in refusal(caught)
