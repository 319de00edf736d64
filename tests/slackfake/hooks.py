"""Addresses that come with commands and presses (`response_url`): five uses within half an hour. The lock is held."""

import time
from dataclasses import dataclass
from typing import Any

from tests.slackfake.blocks import problems
from tests.slackfake.methods import edit
from tests.slackfake.workspace import Channel, Message, Slack, Team, Whisper

MAX_USES = 5
_LIFE = 30 * 60


@dataclass(kw_only=True)
class Hook:
    """One address, for one person in one channel."""

    team: Team
    channel: str
    user: str
    made: float
    message: Message | None = None
    """The message whose button was pressed."""
    uses: int = 0


def respond(slack: Slack, hook: Hook | None, body: Any) -> tuple[int, str]:
    """Do what was posted to an address and return Slack's answer, plain text."""
    if hook is None or time.monotonic() > hook.made + _LIFE:
        return 404, "expired_url"
    if hook.uses >= MAX_USES:
        return 404, "used_url"
    if not isinstance(body, dict):
        return 400, "invalid_payload"
    text, blocks = body.get("text") or "", body.get("blocks") or []
    if problems(blocks):
        return 400, "invalid_blocks"
    hook.uses += 1
    if body.get("delete_original") and hook.message is not None:
        hook.team.channel(hook.channel).posted.remove(hook.message)
        return 200, "ok"
    if not text and not blocks:
        return 400, "no_text"
    _show(slack, hook, body, text, blocks)
    return 200, "ok"


def _show(slack: Slack, hook: Hook, body: dict[str, Any], text: str, blocks: list[dict[str, Any]]) -> None:
    # A press replaces the message that it came from unless told otherwise; a command has none to replace.
    if hook.message is not None and body.get("replace_original", body.get("response_type") is None):
        edit(hook.message, text, blocks)
    elif body.get("response_type") == "in_channel":
        channel = hook.team.channels.setdefault(hook.channel, Channel(id=hook.channel, name=hook.channel))
        channel.posted.append(Message(channel=hook.channel, ts=slack.next_ts(), text=text, blocks=blocks))
    else:
        hook.team.whispers.append(
            Whisper(user=hook.user, channel=hook.channel, text=text, blocks=blocks, how="response_url")
        )
