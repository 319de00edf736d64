"""SlackInstallation: a Slack workspace that an organization connected."""

from typing import ClassVar

from pydantic import Field

from deplite.resources.limits import ObjectName
from deplite.resources.resource import Resource, Spec, Status, Time


class SlackInstallationSpec(Spec):
    """Which workspace, and where its bot token is."""

    team_id: str = Field(pattern=r"^T[A-Z0-9]{1,20}$", max_length=21)
    team_name: str | None = Field(default=None, max_length=255)
    scopes: tuple[str, ...] = Field(default=(), max_length=64)
    secret_name: ObjectName


class SlackInstallationStatus(Status):
    """Writer of all: apiserver; conditions: operator."""

    connected: bool = False
    connected_at: Time | None = None


class SlackInstallation(Resource):
    """A connected Slack workspace."""

    KIND: ClassVar[str] = "SlackInstallation"
    PLURAL: ClassVar[str] = "slackinstallations"

    spec: SlackInstallationSpec
    status: SlackInstallationStatus = Field(default_factory=SlackInstallationStatus)
