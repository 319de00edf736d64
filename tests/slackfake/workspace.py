"""What is in Slack: workspaces with their channels, messages and people, and the tokens that an app holds for them."""

import itertools
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Blocks = list[dict[str, Any]]


@dataclass(kw_only=True)
class Message:
    """One message of a channel as it is now."""

    channel: str
    ts: str
    text: str
    blocks: Blocks
    thread_ts: str | None = None
    edits: int = 0
    before: list[tuple[str, Blocks]] = field(default_factory=list)
    """Text and blocks that each edit replaced, oldest first."""

    @property
    def said(self) -> str:
        """All text that a person may read in it, one piece a line."""
        return "\n".join([self.text, *texts(self.blocks)])

    def button(self, action_id: str) -> dict[str, Any] | None:
        """The button of this action with the `block_id` it stands in, or None where the message has none."""
        for block in self.blocks:
            for element in block.get("elements", []) if block["type"] == "actions" else []:
                if element.get("action_id") == action_id:
                    return {**element, "block_id": block.get("block_id", "b1")}
        return None


@dataclass(frozen=True, kw_only=True)
class Whisper:
    """What one person alone sees."""

    user: str
    channel: str
    text: str
    blocks: Blocks
    how: str
    """`command` (the answer of a slash command), `response_url` or `chat.postEphemeral`."""
    thread_ts: str | None = None

    @property
    def said(self) -> str:
        """All its text, one piece a line."""
        return "\n".join([self.text, *texts(self.blocks)])


@dataclass(kw_only=True)
class Channel:
    """A channel, or a conversation with one person (`D…`)."""

    id: str
    name: str
    private: bool = False
    archived: bool = False
    joined: bool = False
    """Whether the app's bot is a member."""
    posted: list[Message] = field(default_factory=list)


@dataclass(kw_only=True)
class Team:
    """A workspace."""

    id: str
    name: str
    enterprise: str = ""
    """The id of its Enterprise organization, empty for none."""
    channels: dict[str, Channel] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    """User id -> user name."""
    whispers: list[Whisper] = field(default_factory=list)
    homes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """User id -> the view of its home tab."""
    bot_user: str = ""

    def channel(self, channel: str) -> Channel:
        return self.channels[channel]

    def add_channel(self, channel: str, *, private: bool = False, joined: bool = True) -> Channel:
        """Make a channel, with the bot in it."""
        self.channels[channel] = Channel(id=channel, name=channel.lower(), private=private, joined=joined)
        return self.channels[channel]

    def messages(self, channel: str) -> list[Message]:
        """The messages of a channel, oldest first; none where nobody posted."""
        return list(self.channels[channel].posted) if channel in self.channels else []

    def direct(self, user: str) -> list[Message]:
        """What the app wrote to a person."""
        return self.messages(direct_channel(user))

    def all_messages(self) -> list[Message]:
        return [message for channel in list(self.channels.values()) for message in list(channel.posted)]

    def whispered(self, user: str) -> list[Whisper]:
        return [whisper for whisper in list(self.whispers) if whisper.user == user]


@dataclass(kw_only=True)
class App:
    """The app as its configuration page shows it."""

    id: str = "A0DEPLITE"
    client_id: str = "100000000001.100000000002"
    client_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    signing_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    redirect_urls: list[str] = field(default_factory=list)
    """Where an install may lead back to, compared as a prefix; empty: anywhere."""


@dataclass(kw_only=True)
class Token:
    """A bot token."""

    value: str
    team: Team
    scopes: frozenset[str]
    trouble: str = ""
    """The error that each use of it gets; empty while it is good."""


@dataclass(kw_only=True)
class Code:
    """What `authorize` hands to the browser, to be exchanged once."""

    team: Team
    user: str
    scopes: str
    redirect_uri: str
    org_wide: bool = False


class Slack:
    """All workspaces and one app. Whoever uses it holds the server's lock."""

    def __init__(self) -> None:
        self.app = App()
        self.teams: dict[str, Team] = {}
        self.tokens: dict[str, Token] = {}
        self.codes: dict[str, Code] = {}
        self._ts = itertools.count(1)

    def add_team(self, team_id: str = "T0DEPLITE", name: str = "Acme", *, enterprise: str = "") -> Team:
        """Make a workspace with three channels (public, private, archived) and two people, Ann and Bob."""
        team = Team(id=team_id, name=name, enterprise=enterprise, users={"U0ANN": "ann", "U0BOB": "bob"})
        team.bot_user = f"UBOT{team_id[1:]}"
        for channel in (
            Channel(id="C0GENERAL", name="general"),
            Channel(id="C0PRIVATE", name="private", private=True),
            Channel(id="C0ARCHIVED", name="archived", archived=True),
        ):
            team.channels[channel.id] = channel
        self.teams[team_id] = team
        return team

    def next_ts(self) -> str:
        return f"{int(time.time())}.{next(self._ts):06d}"

    def grant(self, code: Code) -> Token:
        """Return the team's token: the one it has, with the scopes added, or a new one."""
        asked = frozenset(scope for scope in code.scopes.replace(" ", ",").split(",") if scope)
        for token in self.tokens.values():
            if token.team is code.team and not token.trouble:
                token.scopes |= asked
                return token
        value = f"xoxb-{secrets.randbelow(10**12):012d}-{secrets.token_hex(12)}"
        self.tokens[value] = Token(value=value, team=code.team, scopes=asked)
        return self.tokens[value]

    def spoil(self, team: Team, trouble: str) -> None:
        """Let every token of a team be refused with this error from now on."""
        for token in self.tokens.values():
            if token.team is team and not token.trouble:
                token.trouble = trouble


def direct_channel(user: str) -> str:
    """The id of the conversation between the app and a person."""
    return f"D{user[1:]}"


def texts(blocks: Any) -> Iterator[str]:
    """Every text in blocks, wherever it stands; no ids, values or addresses."""
    if isinstance(blocks, list):
        for item in blocks:
            yield from texts(item)
    elif isinstance(blocks, dict):
        for name, value in blocks.items():
            if name == "text" and isinstance(value, str):
                yield value
            elif name != "value":
                yield from texts(value)


def parsed(value: Any) -> Any:
    """A structured argument: JSON in a string where it came in a form."""
    return json.loads(value) if isinstance(value, str) else value
