"""What is true of a SlackInstallation: whether the workspace is served through it, and if not, what to do."""

from collections.abc import Mapping

from deplite.resources import SlackInstallation
from deplite.resources.reasons import CONNECTED, NOT_CONNECTED, TEAM_TAKEN
from deplite_operator.conditions import Finding, not_ready, ready, stalled
from deplite_operator.verdict import Verdict

_SECRET = "put the bot token of the workspace into Secret {secret} under the key `token`"  # noqa: S105 - advice
_ADVICE: Mapping[str, str] = {
    "secret_missing": f"There is no Secret {{secret}}; create it: {_SECRET}.",
    "token_missing": f"Secret {{secret}} holds no token; {_SECRET}.",
    "secrets_forbidden": "The server may not read Secret {secret}; the condition SecretsReady says what to apply.",
    "other_team": f"The token in Secret {{secret}} is of another workspace than spec.teamId; {_SECRET}.",
}
"""By the reason that the apiserver has written."""


def judge_slack_installation(installation: SlackInstallation, secret: Finding, *, taken: bool) -> Verdict:
    """Say Ready and SecretsReady.

    Args:
        installation: the installation.
        secret: SecretsReady, from a look at its Secret.
        taken: whether an older one has connected the same workspace.
    """
    return Verdict(findings=(_ready(installation, taken=taken), secret))


def yields_to(installation: SlackInstallation, other: SlackInstallation) -> bool:
    """Whether another one of the same workspace is connected and older, so that it is served through that one."""
    return other.serves and other.key != installation.key and other.age < installation.age


def _ready(installation: SlackInstallation, *, taken: bool) -> Finding:
    if taken:
        return stalled(
            TEAM_TAKEN,
            "An older SlackInstallation has connected this workspace, and a workspace belongs to one organization; "
            "disconnect it there first, or delete this one.",
        )
    if installation.status.connected:
        return ready(CONNECTED, "Slack accepts the bot token; the workspace is connected.")
    return not_ready(NOT_CONNECTED, _advice(installation.status.reason).format(secret=installation.spec.secret_name))


def _advice(reason: str | None) -> str:
    if reason is None:
        return (
            "Slack has not been asked yet; if this stays, set the server up for Slack "
            "(DEPLITE_SLACK_CLIENT_ID and the files of its secrets)."
        )
    refused = "".join(one for one in reason if one.isalnum() or one == "_")
    return _ADVICE.get(reason, f"Slack does not accept the bot token ({refused}); install the app again, or {_SECRET}.")
