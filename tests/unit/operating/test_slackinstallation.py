"""What is said of a SlackInstallation, and who is looked at when one changes."""

from typing import Any

import pytest

from deplite.kube.cache import Change
from deplite.resources import SlackInstallation
from deplite_operator.dependents import concerned
from deplite_operator.policies.secrets import secret_lacks_token, secret_with_token, secrets_forbidden
from deplite_operator.policies.slackinstallation import judge_slack_installation, yields_to
from deplite_operator.world import World
from tests.unit.operating.builders import NAMESPACE, workspace

FINE = secret_with_token("slack")


@pytest.mark.parametrize(
    ("given", "taken", "expected", "said"),
    [
        (workspace(connected=True), False, ("True", "Connected"), "accepts"),
        (workspace(connected=True), True, ("False", "TeamTaken"), "older"),
        (workspace(), True, ("False", "TeamTaken"), "older"),
        (workspace(), False, ("False", "NotConnected"), "DEPLITE_SLACK_CLIENT_ID"),
        (workspace(reason="secret_missing"), False, ("False", "NotConnected"), "no Secret slack"),
        (workspace(reason="token_missing"), False, ("False", "NotConnected"), "under the key `token`"),
        (workspace(reason="secrets_forbidden"), False, ("False", "NotConnected"), "SecretsReady"),
        (workspace(reason="other_team"), False, ("False", "NotConnected"), "another workspace than spec.teamId"),
        (workspace(reason="token_revoked"), False, ("False", "NotConnected"), "(token_revoked); install the app again"),
        (workspace(reason="{secret!r}\n"), False, ("False", "NotConnected"), "(secretr); install the app again"),
    ],
)
def test_ready(given: SlackInstallation, taken: bool, expected: tuple[str, str], said: str) -> None:
    verdict = judge_slack_installation(given, FINE, taken=taken)
    ready, secrets = verdict.findings
    assert (ready.type, ready.status, ready.reason) == ("Ready", *expected)
    assert said in ready.message
    assert "{" not in ready.message
    assert ready.message.endswith(".")
    assert secrets is FINE
    assert verdict.fields == {}


def test_the_secret_is_a_condition_of_its_own() -> None:
    assert (FINE.type, FINE.status, FINE.reason) == ("SecretsReady", "True", "Available")
    for exists in (True, False):
        missing = secret_lacks_token("slack", exists=exists)
        assert (missing.status, missing.reason) == ("False", "SecretMissing")
        assert "under the key `token`" in missing.message
    assert secrets_forbidden(NAMESPACE, "deplite-system").reason == "RoleBindingMissing"


def test_the_oldest_that_is_connected_has_the_workspace() -> None:
    younger, older = workspace("b", uid="b"), workspace("a", uid="a", connected=True)
    assert yields_to(younger, older)
    assert not yields_to(younger, workspace("a", uid="a"))
    assert not yields_to(older, workspace("b", uid="b", connected=True))
    assert not yields_to(older, older)
    leaving = older.model_copy(
        update={"metadata": older.metadata.model_copy(update={"deletion_timestamp": older.metadata.creation_timestamp})}
    )
    assert not yields_to(younger, leaving)


@pytest.mark.parametrize(
    ("old", "new", "others"),
    [
        (None, workspace("a", connected=True), True),
        (workspace("a", connected=True), None, True),
        (workspace("a"), workspace("a", connected=True), True),
        (None, workspace("a"), False),
        (workspace("a", connected=True), workspace("a", connected=True, reason="x"), False),
    ],
)
def test_others_of_the_workspace_are_looked_at(old: Any, new: Any, others: bool) -> None:
    world = World(None)  # type: ignore[arg-type]  # nothing is listed here
    world.note(workspace("b"))
    change = Change(key=(old or new).key, old=old, new=new)
    found = [key for _, key in concerned(world, SlackInstallation, change)]
    assert found == [(NAMESPACE, "a")] * (new is not None) + [(NAMESPACE, "b")] * others
