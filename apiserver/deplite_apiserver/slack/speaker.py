"""Who speaks to us in Slack, and which member that is. Looked up at each use: links end, and so do memberships."""

import re
from dataclasses import dataclass

from deplite.resources.deployjob import Requester
from deplite.resources.notify import CHANNEL_PATTERN, Notify, SlackNotice
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.auth.callers import UserCaller
from deplite_apiserver.context import Context
from deplite_apiserver.jobs.callers import is_member
from deplite_apiserver.slack.links import link_of
from deplite_apiserver.slack.texts import NO_MEMBER, UNKNOWN_TEAM, Says

_COMMAND = re.compile(r"/[\w-]{1,32}")
DEFAULT_COMMAND = "/deplite"


class ToldError(Exception):
    """What was asked is not done; the text is for the person who asked."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """Somebody in a workspace, as Slack names them."""

    team_id: str
    user_id: str
    user_name: str
    channel: str
    """Where they speak; empty where Slack does not say."""
    key: str
    """What a repeat of the same request has again: a trigger_id or an event_id."""
    command: str = DEFAULT_COMMAND

    @property
    def id(self) -> str:
        """The id in our records."""
        return f"{self.team_id}/{self.user_id}"

    @property
    def says(self) -> Says:
        """The texts for them."""
        return Says(command=self.command if _COMMAND.fullmatch(self.command) else DEFAULT_COMMAND)


@dataclass(frozen=True, kw_only=True)
class Member:
    """A speaker who is a member of the organization that has connected their workspace."""

    speaker: Speaker
    installation: SlackInstallation
    caller: UserCaller

    @property
    def organization(self) -> str:
        """The organization."""
        return self.installation.namespace

    @property
    def requester(self) -> Requester:
        """Who a job says asked for it."""
        return Requester(kind="slack", id=self.speaker.id, name=self.speaker.user_name[:128])

    @property
    def notify(self) -> Notify:
        """Where a card for them goes: the channel, or their own messages where that has no usable id."""
        channel = self.speaker.channel
        if not re.fullmatch(CHANNEL_PATTERN, channel) or channel.startswith("#"):
            channel = self.speaker.user_id
        return Notify(slack=SlackNotice(channel=channel, team_id=self.speaker.team_id))


async def workspace_of(context: Context, speaker: Speaker) -> SlackInstallation:
    """Return the installation that serves a workspace.

    Raises:
        ToldError: no organization has connected it.
        UnavailableError: it is not known yet.
        KubeError: the same.
    """
    installations = context.slack.installations
    found = await context.caches.find(context.caches.slack, lambda: installations.connected(speaker.team_id))
    if found is None:
        raise ToldError(UNKNOWN_TEAM)
    return found


def member_of(context: Context, speaker: Speaker, installation: SlackInstallation) -> Member:
    """Return the member whom a speaker is linked to.

    Raises:
        ToldError: they are linked to nobody, or to somebody who is no member any more.
        UnavailableError: members are not known yet.
    """
    link = link_of(installation, speaker.user_id)
    if link is None:
        raise ToldError(speaker.says.not_linked())
    caller = UserCaller(issuer=link.issuer, subject=link.subject, name=speaker.user_name)
    require_member(context, caller, installation.namespace)
    return Member(speaker=speaker, installation=installation, caller=caller)


def require_member(context: Context, caller: UserCaller, organization: str) -> None:
    """Check that somebody is a member; errors as `member_of`."""
    if not is_member(context, caller, organization):
        raise ToldError(NO_MEMBER)
