"""What REST shows of Slack."""

from datetime import datetime

from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.edge.body import Shape, absent
from deplite_apiserver.slack.installations import Installations

TAKEN = "team_taken"
"""The reason of one that Slack accepts and that yields to another organization's."""


class InstallUrlShape(Shape):
    """Where to install the app."""

    url: str
    """To be opened in a browser by somebody who may install apps into the workspace."""
    expires_at: datetime


class InstalledShape(Shape):
    """A workspace that was just connected."""

    organization_id: str
    team_id: str
    team_name: str | None


class InstallationShape(Shape):
    """A Slack workspace of an organization."""

    team_id: str
    team_name: str | None
    scopes: tuple[str, ...]
    connected: bool
    """Whether Slack accepts the bot token."""
    connected_at: datetime | None
    reason: str = absent("Why it is not connected: a code of Slack or `team_taken`, `other_team`, `secret_missing`, …")
    installed_by: str | None
    """The member who connected it, as `issuer#subject`; null: it was declared with kubectl or in Git."""
    linked_users: int
    """How many Slack users are linked to a member."""


def shape_of(installation: SlackInstallation, installations: Installations) -> InstallationShape:
    """Return what REST shows of one."""
    spec, status = installation.spec, installation.status
    serving = installations.connected(spec.team_id)
    taken = status.connected and (serving is None or serving.namespace != installation.namespace)
    reason = TAKEN if taken else status.reason
    known = {"reason": reason} if reason is not None else {}
    return InstallationShape(
        team_id=spec.team_id,
        team_name=spec.team_name,
        scopes=spec.scopes,
        connected=status.connected and not taken,
        connected_at=status.connected_at,
        installed_by=spec.installed_by,
        linked_users=len(status.links),
        **known,
    )
