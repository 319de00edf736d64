"""Where people are told of runs: a Trigger says it, and each of its jobs keeps what was said when it was accepted."""

from typing import Annotated, Literal

from pydantic import Field

from deplite.resources.resource import Record

CHANNEL_PATTERN = r"^(#[^\s#<>&|]{1,80}|[CDGUW][A-Z0-9]{1,20})$"
TEAM_PATTERN = r"^T[A-Z0-9]{1,20}$"

TeamId = Annotated[str, Field(max_length=21, pattern=TEAM_PATTERN)]
"""The id of a Slack workspace."""


class SlackNotice(Record):
    """A card in Slack that follows a run to its end."""

    channel: str = Field(min_length=2, max_length=81, pattern=CHANNEL_PATTERN)
    """The id of a channel (of a user: their messages with the app), or `#name` of a public one."""
    team_id: TeamId | None = None
    """The workspace; None: the only one of the organization."""
    when: Literal["always", "failure"] = "always"
    """From the beginning, or one card when a run has failed (not: was cancelled, or superseded by a newer one)."""


class Notify(Record):
    """All ways in which people are told."""

    slack: SlackNotice
