"""The methods of the web API: arguments in, the JSON of the answer out. Whoever calls holds the server's lock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.slackfake import blocks as blockkit
from tests.slackfake.workspace import Channel, Message, Slack, Token, Whisper, direct_channel, parsed

Arguments = dict[str, Any]
Answer = dict[str, Any]
_MAX_TEXT = 40_000
_MAX_UPDATE = 4_000


@dataclass(frozen=True)
class RefusedError(Exception):
    """The answer `ok: false`."""

    code: str
    more: Answer

    @classmethod
    def of(cls, code: str, **more: Any) -> "RefusedError":
        return cls(code, more)

    def answer(self) -> Answer:
        return {"ok": False, "error": self.code, **self.more}


def run(slack: Slack, method: str, token: str | None, arguments: Arguments) -> Answer:
    """Do what a call asks for and return its answer, `ok: false` where Slack would refuse it."""
    try:
        known = METHODS.get(method)
        if known is None:
            raise RefusedError.of("unknown_method", req_method=method)
        scope, doer = known
        return {"ok": True, **doer(slack, _token(slack, token, scope), arguments)}
    except RefusedError as refused:
        return refused.answer()


def _token(slack: Slack, value: str | None, scope: str) -> Token:
    if not value:
        raise RefusedError.of("not_authed")
    token = slack.tokens.get(value)
    if token is None:
        raise RefusedError.of("invalid_auth")
    if token.trouble:
        raise RefusedError.of(token.trouble)
    if scope and scope not in token.scopes:
        raise RefusedError.of("missing_scope", needed=scope, provided=",".join(sorted(token.scopes)))
    return token


def _auth_test(slack: Slack, token: Token, _arguments: Arguments) -> Answer:
    return {
        "url": f"https://{token.team.name.lower()}.slack.com/",
        "team": token.team.name,
        "user": "deplite",
        "team_id": token.team.id,
        "user_id": token.team.bot_user,
        "bot_id": "B0DEPLITE",
        "is_enterprise_install": False,
    }


def _auth_revoke(_slack: Slack, token: Token, arguments: Arguments) -> Answer:
    if str(arguments.get("test", "")).lower() in ("1", "true"):
        return {"revoked": False}
    token.trouble = "token_revoked"
    return {"revoked": True}


def _uninstall(slack: Slack, token: Token, arguments: Arguments) -> Answer:
    if arguments.get("client_id") != slack.app.client_id:
        raise RefusedError.of("invalid_client_id")
    if arguments.get("client_secret") != slack.app.client_secret:
        raise RefusedError.of("bad_client_secret")
    slack.spoil(token.team, "account_inactive")
    return {}


def _post(slack: Slack, token: Token, arguments: Arguments) -> Answer:
    channel = _writable(token, _needed(arguments, "channel"))
    text, blocks = _content(arguments)
    message = Message(
        channel=channel.id,
        ts=slack.next_ts(),
        text=text[:_MAX_TEXT],
        blocks=blocks,
        thread_ts=arguments.get("thread_ts"),
    )
    channel.posted.append(message)
    return {"channel": channel.id, "ts": message.ts, "message": shown(slack, token.team.bot_user, message)}


def _update(slack: Slack, token: Token, arguments: Arguments) -> Answer:
    channel = token.team.channels.get(_needed(arguments, "channel"))
    if channel is None:
        raise RefusedError.of("channel_not_found")
    message = next((item for item in channel.posted if item.ts == arguments.get("ts")), None)
    if message is None:
        raise RefusedError.of("message_not_found")
    if channel.archived:
        raise RefusedError.of("is_inactive")
    text, blocks = _content(arguments)
    if len(text) > _MAX_UPDATE:
        raise RefusedError.of("msg_too_long")
    edit(message, text, blocks)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": text,
        "message": shown(slack, token.team.bot_user, message),
    }


def _ephemeral(slack: Slack, token: Token, arguments: Arguments) -> Answer:
    channel = _writable(token, _needed(arguments, "channel"))
    user = _needed(arguments, "user")
    if user not in token.team.users:
        raise RefusedError.of("user_not_in_channel")
    text, blocks = _content(arguments)
    token.team.whispers.append(
        Whisper(
            user=user,
            channel=channel.id,
            text=text,
            blocks=blocks,
            how="chat.postEphemeral",
            thread_ts=arguments.get("thread_ts"),
        )
    )
    return {"message_ts": slack.next_ts()}


def _publish(_slack: Slack, token: Token, arguments: Arguments) -> Answer:
    user, view = _needed(arguments, "user_id"), parsed(arguments.get("view"))
    if user not in token.team.users or not isinstance(view, dict) or view.get("type") != "home":
        raise RefusedError.of("invalid_arguments")
    wrong = blockkit.problems(view.get("blocks"), blockkit.MAX_IN_HOME)
    if wrong:
        messages = [f"[ERROR] {text.replace('pointer:', 'pointer:/view')}" for text in wrong]
        raise RefusedError.of("invalid_arguments", response_metadata={"messages": messages})
    token.team.homes[user] = view
    return {"view": {**view, "id": f"V{user[1:]}", "team_id": token.team.id}}


def _writable(token: Token, name: str) -> Channel:
    team = token.team
    if name in team.users:
        made = Channel(id=direct_channel(name), name=f"direct-{name}", private=True, joined=True)
        return team.channels.setdefault(made.id, made)
    named = (channel for channel in team.channels.values() if channel.name == name.removeprefix("#"))
    channel = team.channels.get(name) or next(named, None)
    if channel is None or (channel.private and not channel.joined):
        raise RefusedError.of("channel_not_found")
    if channel.archived:
        raise RefusedError.of("is_archived")
    if not channel.joined and "chat:write.public" not in token.scopes:
        raise RefusedError.of("not_in_channel")
    return channel


def _content(arguments: Arguments) -> tuple[str, list[dict[str, Any]]]:
    text = arguments.get("text") or ""
    try:
        blocks = parsed(arguments.get("blocks") or [])
    except ValueError:
        raise RefusedError.of("invalid_blocks_format") from None
    if not text and not blocks:
        raise RefusedError.of("no_text")
    wrong = blockkit.problems(blocks)
    if wrong:
        messages = [f"[ERROR] {message}" for message in wrong]
        raise RefusedError.of("invalid_blocks", errors=wrong, response_metadata={"messages": messages})
    return text, blocks


def _needed(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise RefusedError.of(
            "invalid_arguments",
            response_metadata={"messages": [f"[ERROR] missing required field: {name}"]},
        )
    return value


def edit(message: Message, text: str, blocks: list[dict[str, Any]]) -> None:
    """Replace what a message says."""
    message.before.append((message.text, message.blocks))
    message.text, message.blocks = text, blocks
    message.edits += 1


def shown(slack: Slack, bot_user: str, message: Message) -> Answer:
    """A message as answers and payloads show it."""
    return {
        "type": "message",
        "user": bot_user,
        "bot_id": "B0DEPLITE",
        "app_id": slack.app.id,
        "ts": message.ts,
        "text": message.text,
        "blocks": message.blocks,
        **({"thread_ts": message.thread_ts} if message.thread_ts else {}),
    }


METHODS: dict[str, tuple[str, Callable[[Slack, Token, Arguments], Answer]]] = {
    "auth.test": ("", _auth_test),
    "auth.revoke": ("", _auth_revoke),
    "apps.uninstall": ("", _uninstall),
    "chat.postMessage": ("chat:write", _post),
    "chat.update": ("chat:write", _update),
    "chat.postEphemeral": ("chat:write", _ephemeral),
    "views.publish": ("", _publish),
}
