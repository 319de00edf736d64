"""`POST /slack/events`: what happens in a workspace: mentions, the home tab, and the end of an installation.

Slack sends an event again until it gets a 2xx in time, and any replica may get the repeat. A mention that was dealt
with is known by the id of its event, which is also the idempotency key of a run that it starts: a repeat meets the same
job also where nobody remembers anything. All other events may come twice without harm.
"""

import logging
import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from deplite_apiserver.audit.acts import OF_SLACK
from deplite_apiserver.audit.entry import Audited, Entry
from deplite_apiserver.context import Context, Ctx
from deplite_apiserver.edge.body import json_value, validated
from deplite_apiserver.errors import ValidationFailedError
from deplite_apiserver.slack.answering import in_time, in_words
from deplite_apiserver.slack.commands import TEAM, USER
from deplite_apiserver.slack.home import publish
from deplite_apiserver.slack.parse import parse
from deplite_apiserver.slack.signature import SignedBody, SlackRequest
from deplite_apiserver.slack.speaker import Speaker

log = logging.getLogger(__name__)

router = APIRouter(tags=["Slack"])

MAX_CHALLENGE = 4096
_MENTION = re.compile(r"<@([UW][A-Z0-9]{1,20})(?:\|[^<>]*)?>")
_EVENT_ID = re.compile(r"[!-~]{1,200}")


class EventEnvelope(BaseModel):
    """An event as Slack sends it; members that are not named here are ignored."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`url_verification`, `event_callback`, …; what is not known is ignored.")
    challenge: str | None = Field(default=None, max_length=MAX_CHALLENGE)
    team_id: str | None = None
    event_id: str | None = None
    event: dict[str, Any] | None = None


class EventAnswer(BaseModel):
    """Empty, but for `url_verification`."""

    challenge: str | None = Field(default=None, description="As it was sent.")


@router.post("/slack/events", response_model_exclude_none=True)
async def take_event(
    context: Ctx,
    audited: Audited,
    signed: Annotated[SlackRequest, Depends(SignedBody(EventEnvelope, "application/json"))],
) -> EventAnswer:
    """Take note of what happens in a workspace; repeats and what is of no interest are answered alike."""
    audited.changed = False
    said = validated(EventEnvelope, json_value(signed.raw))
    if said.type == "url_verification":
        if said.challenge is None:
            raise ValidationFailedError("challenge: it is missing.")
        return EventAnswer(challenge=said.challenge)
    if said.type == "event_callback":
        await _happened(context, said, audited)
    elif said.type == "app_rate_limited":
        log.warning("Slack leaves events out: it sends too many", extra={"action": "slack_events_limited"})
    return EventAnswer()


async def _happened(context: Context, said: EventEnvelope, entry: Entry) -> None:
    if said.event is None:
        raise ValidationFailedError("event: it is missing.")
    if not TEAM.fullmatch(said.team_id or ""):
        return  # of a whole Enterprise organization, as which this app is never installed
    if not _EVENT_ID.fullmatch(said.event_id or ""):
        raise ValidationFailedError("event_id: it is missing, or not as Slack sends it.")
    await _take(context, said.team_id or "", said.event_id or "", said.event, entry)


async def _take(context: Context, team_id: str, event_id: str, event: Mapping[str, Any], entry: Entry) -> None:
    match event.get("type"):
        case "app_uninstalled":
            await _uninstalled(context, team_id, "app_uninstalled", entry)
        case "tokens_revoked" if isinstance(tokens := event.get("tokens"), dict) and tokens.get("bot"):
            await _uninstalled(context, team_id, "token_revoked", entry)
        case "app_mention":
            await _mentioned(context, team_id, event_id, event, entry)
        case "app_home_opened" if event.get("tab") == "home":
            speaker = _speaker(team_id, event_id, event)
            if speaker is not None:
                once = f"home {speaker.id}"
                context.slack.door.chores.add("a home tab", lambda: publish(context, speaker), once=once)


async def _uninstalled(context: Context, team_id: str, code: str, entry: Entry) -> None:
    """Forget a workspace; where that cannot be done now, Slack is to tell it again."""
    found = context.slack.installations.connected(team_id)
    if found is not None:
        entry.who = {"kind": "slack", "id": team_id}
        entry.within(found.namespace)
        entry.begin(OF_SLACK["uninstalled"])
    await context.slack.connections.uninstalled(team_id, code)
    if found is not None:
        entry.made(team_id, changed=context.slack.installations.connected(team_id) is None)


async def _mentioned(context: Context, team_id: str, event_id: str, event: Mapping[str, Any], entry: Entry) -> None:
    """Do what is said to the app, and answer where only the person who said it sees it."""
    speaker, door = _speaker(team_id, event_id, event), context.slack.door
    if speaker is None or "edited" in event:
        return
    installation = context.slack.installations.connected(team_id)
    bot = installation.status.bot_user_id if installation is not None else None
    said = after_mention(str(event.get("text") or ""), bot)
    thread = event.get("thread_ts")
    where = {"channel": speaker.channel, "user": speaker.user_id}
    where |= {"thread_ts": thread} if isinstance(thread, str) else {}

    def tell(text: str) -> None:
        if text:
            door.chores.add("an answer", lambda: _say(context, speaker, {**where, "text": text}))

    tell(await in_time(context, speaker, _answered_once(context, speaker, said, entry), tell))


async def _answered_once(context: Context, speaker: Speaker, said: str, entry: Entry) -> str:
    """Do what is said and return the words for it; none where this very event has its answer already."""
    seen = context.slack.door.seen
    if await seen.dealt_with(speaker.key):
        return ""
    text = await in_words(context, speaker, parse(said), entry)
    await seen.done(speaker.key)
    return text


async def _say(context: Context, speaker: Speaker, message: Mapping[str, Any]) -> None:
    installation = context.slack.installations.connected(speaker.team_id)
    if installation is not None:  # else there is no token to say it with
        await context.slack.say(installation, "chat.postEphemeral", **message)


def after_mention(text: str, bot: str | None) -> str:
    """Return what is said after the app's name.

    Args:
        text: the message.
        bot: the app's user there; None: whoever is named first.
    """
    named = [found for found in _MENTION.finditer(text) if bot is None or found[1] == bot]
    return text[named[0].end() :] if named else text


def _speaker(team_id: str, event_id: str, event: Mapping[str, Any]) -> Speaker | None:
    """Return who speaks; None: a bot, or nobody."""
    user, channel = event.get("user"), event.get("channel")
    if event.get("bot_id") or not isinstance(user, str) or not USER.fullmatch(user):
        return None
    return Speaker(
        team_id=team_id,
        user_id=user,
        user_name=user,  # an event does not say the name
        channel=channel if isinstance(channel, str) else "",
        key=event_id,
    )
