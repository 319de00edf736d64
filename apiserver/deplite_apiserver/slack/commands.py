"""`POST /slack/commands`: slash commands, and the buttons of cards.

Once the signature holds and the form is Slack's the answer is 200, whatever becomes of it: Slack shows nothing else.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from deplite_apiserver.audit.entry import Audited, Entry
from deplite_apiserver.context import Context, Ctx
from deplite_apiserver.edge.body import absent
from deplite_apiserver.errors import ValidationFailedError
from deplite_apiserver.slack.actions import Asking, Pressed
from deplite_apiserver.slack.answering import in_time, in_words
from deplite_apiserver.slack.card import CANCEL, RERUN
from deplite_apiserver.slack.parse import Cancel, parse
from deplite_apiserver.slack.signature import SignedBody, SlackRequest
from deplite_apiserver.slack.speaker import Speaker

router = APIRouter(tags=["Slack"])

MAX_FIELDS = 100
TEAM, USER = re.compile(r"T[A-Z0-9]{1,20}"), re.compile(r"[UW][A-Z0-9]{1,20}")
_KEY = re.compile(r"[!-~]{1,200}")


class CommandForm(BaseModel):
    """A form as Slack sends it; fields that are not named here are ignored."""

    model_config = ConfigDict(extra="allow")

    team_id: str = absent()
    user_id: str = absent()
    user_name: str = absent()
    channel_id: str = absent()
    command: str = absent("The command's name, `/deplite` as a rule.")
    text: str = absent("What was typed after it.")
    response_url: str = absent()
    trigger_id: str = absent()
    payload: str = absent("JSON of a press of a button; then nothing else is there.")
    ssl_check: str = absent("`1`: Slack only looks whether anybody answers.")


@router.post(
    "/slack/commands",
    response_model=None,
    responses={200: {"description": "An answer that only the person who asked sees; empty for a button."}},
)
async def take_command(
    context: Ctx,
    audited: Audited,
    signed: Annotated[SlackRequest, Depends(SignedBody(CommandForm, "application/x-www-form-urlencoded"))],
) -> Response:
    """Do what somebody types or presses in Slack, as the member whom they are linked to.

    Whatever becomes of it is told in words, with 200 and within 2.5 seconds; what takes longer is told later.
    """
    form = _form(signed.raw)
    if form.get("ssl_check") == "1":
        return Response()
    if "payload" in form:
        await _press(context, _payload(form["payload"]), audited)
        return Response()
    speaker = Speaker(
        team_id=_matching(form, "team_id", TEAM),
        user_id=_matching(form, "user_id", USER),
        user_name=form.get("user_name", ""),
        channel=form.get("channel_id", ""),
        key=_matching(form, "trigger_id", _KEY),
        command=form.get("command", ""),
    )
    url = form.get("response_url", "")
    work = in_words(context, speaker, parse(form.get("text", "")), audited)
    text = await in_time(context, speaker, work, lambda late: _tell(context, url, late))
    return JSONResponse(_ephemeral(text))


async def _press(context: Context, payload: Mapping[str, Any], entry: Entry) -> None:
    """Do what a button says; Slack shows nobody the body of the answer, so the words go to `response_url`."""
    actions = payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(actions, list):
        return
    asked = next((found for one in actions if (found := _pressed(payload, one)) is not None), None)
    if asked is None:
        return
    user, team, channel = (_object(payload, name) for name in ("user", "team", "channel"))
    speaker = Speaker(
        team_id=_matching(team, "id", TEAM),
        user_id=_matching(user, "id", USER),
        user_name=str(user.get("username") or user.get("name") or ""),
        channel=str(channel.get("id") or _object(payload, "container").get("channel_id") or ""),
        key=_matching(payload, "trigger_id", _KEY),
    )
    url = str(payload.get("response_url") or "")

    def tell(text: str) -> None:
        _tell(context, url, text)

    tell(await in_time(context, speaker, in_words(context, speaker, asked, entry), tell))


def _pressed(payload: Mapping[str, Any], action: Any) -> Asking | None:
    if not isinstance(action, dict) or not isinstance(job := action.get("value"), str) or not job:
        return None
    if action.get("action_id") == CANCEL:
        return Cancel(job=job)
    if action.get("action_id") == RERUN:
        card = _object(payload, "container").get("message_ts") or _object(payload, "message").get("ts")
        return Pressed(job=job, card=re.sub(r"[^0-9.]", "", str(card or ""))[:32])
    return None


def _tell(context: Context, response_url: str, text: str) -> None:
    if not response_url:
        return
    body = {**_ephemeral(text), "replace_original": False}
    context.slack.door.chores.add("an answer", lambda: context.slack.app.respond(response_url, body))


def _ephemeral(text: str) -> dict[str, Any]:
    return {"response_type": "ephemeral", "text": text}


def _form(raw: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise ValidationFailedError("The body is not a form as Slack sends it.") from None
    form = dict(fields)
    if len(form) != len(fields):
        raise ValidationFailedError("A field of the form is there twice.")
    return form


def _payload(text: str) -> Mapping[str, Any]:
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise ValidationFailedError("payload: it is no JSON object.")
    return payload


def _object(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def _matching(fields: Mapping[str, Any], name: str, shape: re.Pattern[str]) -> str:
    found = fields.get(name)
    if not isinstance(found, str) or not shape.fullmatch(found):
        raise ValidationFailedError(f"{name}: it is missing, or not as Slack sends it.")
    return found
