"""SlackInstallation: a Slack workspace that an organization connected."""

from typing import ClassVar

from pydantic import Field

from deplite.resources.limits import ObjectName
from deplite.resources.notify import TeamId
from deplite.resources.resource import Record, Resource, Spec, Status, Time

TOKEN_KEY = "token"  # noqa: S105 - the name of a key
"""Where in its Secret the bot token is."""
SHA256_PATTERN = r"^[0-9a-f]{64}$"


class SlackInstallationSpec(Spec):
    """Which workspace, and where its bot token is."""

    team_id: TeamId
    team_name: str | None = Field(default=None, max_length=255)
    scopes: tuple[str, ...] = Field(default=(), max_length=64)
    secret_name: ObjectName
    """Its key `TOKEN_KEY` holds the bot token."""
    installed_by: str | None = Field(default=None, max_length=768)
    """The member who connected it, as `issuer#subject`; None: it was declared with kubectl or in Git."""


class LinkCode(Record):
    """A code that ties the Slack user who types it to the member who asked for it."""

    sha256: str = Field(max_length=64, pattern=SHA256_PATTERN)
    issuer: str = Field(min_length=1, max_length=512)
    subject: str = Field(min_length=1, max_length=255)
    not_after: Time


class SlackLink(Record):
    """A Slack user who is a member of the organization."""

    user_id: str = Field(max_length=21, pattern=r"^[UW][A-Z0-9]{1,20}$")
    issuer: str = Field(min_length=1, max_length=512)
    subject: str = Field(min_length=1, max_length=255)
    linked_at: Time


class SlackInstallationStatus(Status):
    """Writer of all: apiserver; conditions and observedGeneration: operator."""

    connected: bool = False
    """Whether Slack accepted the bot token when it was last asked, as one of this workspace."""
    connected_at: Time | None = None
    reason: str | None = Field(default=None, max_length=128)
    """Why it is not connected: a code of Slack (e.g. `token_revoked`) or ours."""
    bot_user_id: str | None = Field(default=None, max_length=21)
    state_hash: str | None = Field(default=None, max_length=64, pattern=SHA256_PATTERN)
    """sha256 of the OAuth state that it was connected with: a state is good once."""
    link_codes: tuple[LinkCode, ...] = Field(default=(), max_length=50)
    links: tuple[SlackLink, ...] = Field(default=(), max_length=500)


class SlackInstallation(Resource):
    """A connected Slack workspace; made by REST, its name is the team's id in small letters."""

    KIND: ClassVar[str] = "SlackInstallation"
    PLURAL: ClassVar[str] = "slackinstallations"

    spec: SlackInstallationSpec
    status: SlackInstallationStatus = Field(default_factory=SlackInstallationStatus)

    @property
    def ending(self) -> bool:
        """Whether it is being deleted."""
        return self.metadata.deletion_timestamp is not None

    @property
    def serves(self) -> bool:
        """Whether Slack accepted its token, and it is not being deleted."""
        return self.status.connected and not self.ending
