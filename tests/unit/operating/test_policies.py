"""Each policy as a table: facts in, reason out."""

import pytest

from deplite.resources import Agent, ApiToken, EnrollmentToken, Organization, Trigger
from deplite.resources.credentials import mint
from deplite.resources.identifiers import object_id
from deplite.resources.resource import utc
from deplite_operator.policies.agent import facts_of, judge_agent
from deplite_operator.policies.apitoken import judge_api_token
from deplite_operator.policies.apitoken import order_of as token_order
from deplite_operator.policies.deposit import Deposit
from deplite_operator.policies.enrollmenttoken import judge_enrollment_token
from deplite_operator.policies.enrollmenttoken import order_of as code_order
from deplite_operator.policies.organization import judge_organization
from deplite_operator.policies.secrets import secret_conflicts, secret_holds
from deplite_operator.policies.trigger import judge_trigger
from deplite_operator.verdict import Verdict
from tests.unit.operating.builders import HASH, NOW, agent, code, hashed, organization, token, trigger

URL = "https://deplite.example"
USE = {"agent": "web", "publicKeySha256": HASH, "at": "2026-06-01T11:40:00Z"}


def reason(verdict: Verdict) -> tuple[str, str]:
    (ready,) = (finding for finding in verdict.findings if finding.type == "Ready")
    assert ready.message.endswith((".", "why."))
    return ready.status, ready.reason


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (agent(), ("True", "Connected")),
        (agent(state="Disconnected"), ("False", "Disconnected")),
        (agent(publicKey=None), ("False", "NotEnrolled")),
        (agent(spec={"suspended": True}), ("False", "Suspended")),
        (agent(spec={"suspended": True, "revoked": True}), ("False", "AgentRevoked")),
    ],
)
def test_agent(given: Agent, expected: tuple[str, str]) -> None:
    verdict = judge_agent(given)
    assert reason(verdict) == expected
    assert verdict.fields == {"id": object_id("ag", "org-a", "web")}


@pytest.mark.parametrize(
    ("given", "named", "expected"),
    [
        (trigger(), agent(), ("True", "Available")),
        (trigger(), agent(state="Disconnected"), ("True", "Available")),
        (trigger(), None, ("False", "AgentNotFound")),
        (trigger(type="schedule", schedule={"cron": "0 4 * * *"}), agent(), ("True", "Available")),
        (trigger(type="schedule", schedule={"cron": "0 4 31 2 *"}), None, ("False", "InvalidSchedule")),
        (
            trigger(type="schedule", schedule={"cron": "0 4 * * *", "timeZone": "Mars/Olympus"}),
            agent(),
            ("False", "InvalidSchedule"),
        ),
        (trigger(), agent(publicKey=None), ("False", "AgentNotEnrolled")),
        (trigger(), agent(spec={"revoked": True}, publicKey=None), ("False", "AgentRevoked")),
        (trigger(), agent(spec={"suspended": True}), ("False", "Suspended")),
        (trigger(), agent(workflows=[]), ("False", "WorkflowNotReported")),
        (trigger(scope="agent", workflow=None), agent(workflows=[]), ("True", "Available")),
        (trigger(suspended=True), None, ("False", "Suspended")),
    ],
)
def test_trigger(given: Trigger, named: Agent | None, expected: tuple[str, str]) -> None:
    verdict = judge_trigger(given, None if named is None else facts_of(named), URL)
    assert reason(verdict) == expected
    id_ = object_id("tr", "org-a", "fire")
    assert verdict.fields == {"id": id_, "url": f"{URL}/triggers/{id_}/run"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (organization("member", "owner"), ("True", "Available")),
        (organization("member"), ("False", "NoOwner")),
        (organization("owner", namespace="default"), ("False", "NotAnOrganization")),
    ],
)
def test_organization(given: Organization, expected: tuple[str, str]) -> None:
    assert reason(judge_organization(given, may_use_secrets=True, system_namespace="deplite-system")) == expected


def test_organization_without_rights_tells_what_to_apply() -> None:
    verdict = judge_organization(organization("owner"), may_use_secrets=False, system_namespace="deplite-system")
    finding = verdict.findings[1]
    assert (finding.type, finding.status, finding.reason) == ("SecretsReady", "False", "RoleBindingMissing")
    assert "kind: RoleBinding" in finding.message
    assert "namespace: org-a" in finding.message
    assert len(finding.message) < 4096


@pytest.mark.parametrize(
    ("given", "missing", "expected"),
    [
        (token(status=hashed()), (), ("True", "Minted")),
        (token(status=hashed(), secretName=None), (), ("True", "Available")),
        (token(status=hashed()), ("Trigger fire",), ("False", "GrantNotFound")),
        (token(), ("Trigger fire",), ("False", "NotMinted")),
        (token(secretName=None), (), ("False", "NotMinted")),
        (token(secretName=None, mintedBy="api"), (), ("False", "NotMinted")),
        (token(status=hashed(), expiresAt=utc(NOW)), (), ("False", "Expired")),
    ],
)
def test_api_token(given: ApiToken, missing: tuple[str, ...], expected: tuple[str, str]) -> None:
    verdict = judge_api_token(given, missing, None, NOW)
    assert reason(verdict) == expected
    assert verdict.fields == {"id": object_id("tok", "org-a", "ci")}


def test_many_missing_grants_fit_into_one_sentence() -> None:
    missing = tuple(f"Trigger t{number}" for number in range(2000))
    (ready,) = judge_api_token(token(status=hashed()), missing, None, NOW).findings
    assert ready.message.count("Trigger") == 3
    assert "1997 more" in ready.message


def test_what_the_secret_holds_becomes_the_only_hash() -> None:
    credential = mint("tk")
    held = Deposit(finding=secret_holds("s"), credential=credential)
    verdict = judge_api_token(token(status=hashed(), rotation=4), (), held, NOW)
    assert verdict.fields["hashes"] == [{"sha256": credential.sha256, "prefix": credential.prefix}]
    assert verdict.fields["rotation"] == 4
    assert reason(verdict) == ("True", "Minted")


def test_blocked_secret_leaves_the_hash_alone() -> None:
    verdict = judge_api_token(token(status=hashed()), (), Deposit(finding=secret_conflicts("s", "is odd")), NOW)
    assert "hashes" not in verdict.fields
    assert [finding.reason for finding in verdict.findings] == ["NotMinted", "SecretConflict"]


@pytest.mark.parametrize(
    ("given", "agent_exists", "expected"),
    [
        (code(status={"hash": HASH}), True, ("True", "Minted")),
        (code(status={"hash": HASH}, secretName=None), True, ("True", "Available")),
        (code(status={"hash": HASH}, agent="web"), False, ("False", "AgentNotFound")),
        (code(), True, ("False", "NotMinted")),
        (code(status={"hash": HASH, "usedBy": [USE]}), True, ("True", "Spent")),
        (code(status={"hash": HASH, "usedBy": [USE]}, uses=2), True, ("True", "Minted")),
        (code(status={"hash": HASH}, expiresAt="2026-06-01T11:59:59Z"), True, ("False", "Expired")),
        (code(status={"hash": HASH, "expiresAt": utc(NOW)}, mintedBy="api"), True, ("False", "Expired")),
    ],
)
def test_enrollment_token(given: EnrollmentToken, agent_exists: bool, expected: tuple[str, str]) -> None:
    verdict = judge_enrollment_token(given, agent_exists=agent_exists, deposit=None, now=NOW)
    assert reason(verdict) == expected
    assert verdict.fields == ({} if given.spec.minted_by == "api" else {"expiresAt": utc(given.dies_at)})


def test_the_end_of_a_code_is_shown_as_its_spec_says_whatever_it_was_before() -> None:
    ended = code(status={"hash": HASH, "expiresAt": "2100-01-01T00:00:00Z"}, expiresAt="2026-06-01T11:00:00Z")
    verdict = judge_enrollment_token(ended, agent_exists=True, deposit=None, now=NOW)
    assert verdict.fields == {"expiresAt": "2026-06-01T11:00:00Z"}


def test_blocked_secret_leaves_the_hash_of_a_code_alone() -> None:
    blocked = Deposit(finding=secret_conflicts("s", "is odd"))
    verdict = judge_enrollment_token(code(status={"hash": HASH}), agent_exists=True, deposit=blocked, now=NOW)
    assert "hash" not in verdict.fields
    assert [finding.reason for finding in verdict.findings] == ["NotMinted", "SecretConflict"]


def test_minted_code_ends_an_hour_after_its_creation() -> None:
    credential = mint("enr")
    held = Deposit(finding=secret_holds("s"), credential=credential)
    verdict = judge_enrollment_token(code(), agent_exists=True, deposit=held, now=NOW)
    assert verdict.fields == {
        "hash": credential.sha256,
        "prefix": credential.prefix,
        "expiresAt": "2026-06-01T12:30:00Z",
    }


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (token(), True),
        (token(secretName=None), False),
        (token(secretName=None, mintedBy="api"), False),
        (token(expiresAt=utc(NOW)), False),
    ],
)
def test_token_is_minted_only_where_asked_and_alive(given: ApiToken, wanted: bool) -> None:
    assert (token_order(given, URL, NOW) is not None) == wanted


@pytest.mark.parametrize(("rotation", "seen", "rotate"), [(0, 0, False), (1, 0, True), (1, 1, False), (2, 3, False)])
def test_rotation_is_asked_for_by_a_higher_number(rotation: int, seen: int, rotate: bool) -> None:
    order = token_order(token(status=hashed(seen), rotation=rotation), URL, NOW)
    assert order is not None
    assert (order.rotate, order.known_sha256, order.kind) == (rotate, HASH, "tk")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (code(), True),
        (code(secretName=None), False),
        (code(status={"usedBy": [USE]}), False),
        (code(expiresAt="2026-06-01T11:00:00Z"), False),
    ],
)
def test_code_is_minted_only_where_asked_and_alive(given: EnrollmentToken, wanted: bool) -> None:
    assert (code_order(given, URL, NOW) is not None) == wanted
