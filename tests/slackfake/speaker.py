"""How Slack speaks to the app: signed requests with the bodies that it sends."""

import hashlib
import hmac
import itertools
import json
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from tests.plain import PLAIN
from tests.slackfake.hooks import Hook
from tests.slackfake.methods import shown
from tests.slackfake.workspace import Message, Slack, Team, Whisper, direct_channel


@dataclass(frozen=True)
class Reply:
    """What the app answered."""

    status: int
    headers: httpx.Headers
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def text(self) -> str:
        """What a person reads: `text` of the JSON, or the body as it is."""
        try:
            value = self.json
        except ValueError:
            return self.raw.decode()
        return str(value.get("text", "")) if isinstance(value, dict) else self.raw.decode()


class Speaker:
    """The half of the fake that calls the app. Slack waits three seconds; a test waits as long as it takes."""

    url: str
    slack: Slack
    team: Team
    hooks: dict[str, Hook]
    lock: threading.RLock

    def __init__(self) -> None:
        self.app_url = ""
        self.http = httpx.Client(verify=PLAIN, timeout=60, trust_env=False)
        self._triggers = itertools.count(10**9)
        self._last_event: bytes = b""

    def post(
        self,
        path: str,
        raw: bytes,
        *,
        kind: str = "application/x-www-form-urlencoded",
        timestamp: str | None = None,
        signature: str | None = None,
        headers: dict[str, str] | None = None,
        base: str | None = None,
    ) -> Reply:
        """Send these bytes, with the right signature and the present time unless others are given; "" sends none.

        They go to `app_url`, or to the `base` of one of several processes of the app.
        """
        stamp = str(int(time.time())) if timestamp is None else timestamp
        mark = self.sign(stamp, raw) if signature is None else signature
        sent = {"Content-Type": kind, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": mark}
        answer = self.http.post(
            (base or self.app_url) + path,
            content=raw,
            headers={name: value for name, value in sent.items() if value} | (headers or {}),
        )
        return Reply(answer.status_code, answer.headers, answer.content)

    def sign(self, timestamp: str, raw: bytes) -> str:
        """The v0 signature over a body."""
        covered = f"v0:{timestamp}:".encode() + raw
        return "v0=" + hmac.new(self.slack.app.signing_secret.encode(), covered, hashlib.sha256).hexdigest()

    def command(
        self,
        text: str,
        *,
        user: str = "U0ANN",
        channel: str = "C0GENERAL",
        team: Team | None = None,
        trigger_id: str | None = None,
        command: str = "/deplite",
        **options: Any,
    ) -> Reply:
        """Type a slash command; the answer is shown to the person. The same `trigger_id` again is a repeat."""
        team = team or self.team
        raw = urlencode(self.command_form(text, user, channel, team, trigger_id, command)).encode()
        reply = self.post("/slack/commands", raw, **options)
        if reply.status == 200 and reply.raw:
            self._show(team, user, channel, reply)
        return reply

    def command_form(
        self, text: str, user: str, channel: str, team: Team, trigger_id: str | None = None, command: str = "/deplite"
    ) -> dict[str, str]:
        """The fields of a slash command."""
        return {
            "token": "unused",
            "team_id": team.id,
            "team_domain": team.name.lower(),
            "channel_id": channel,
            "channel_name": team.channels[channel].name if channel in team.channels else "directmessage",
            "user_id": user,
            "user_name": team.users.get(user, user.lower()),
            "command": command,
            "text": escaped(text),
            "api_app_id": self.slack.app.id,
            "is_enterprise_install": "false",
            "response_url": self.hook(team, user, channel),
            "trigger_id": trigger_id or self.fresh_trigger_id(),
        }

    def press(
        self,
        message: Message,
        action_id: str,
        *,
        user: str = "U0ANN",
        team: Team | None = None,
        value: str | None = None,
        trigger_id: str | None = None,
    ) -> Reply:
        """Press a button of a message. What the app answers in the body is shown to nobody, as in Slack."""
        team = team or self.team
        payload = self.press_payload(message, action_id, user, team, value=value, trigger_id=trigger_id)
        return self.post("/slack/commands", urlencode({"payload": json.dumps(payload)}).encode())

    def press_payload(
        self,
        message: Message,
        action_id: str,
        user: str,
        team: Team,
        *,
        value: str | None = None,
        trigger_id: str | None = None,
    ) -> dict[str, Any]:
        """The payload `block_actions`."""
        button = message.button(action_id)
        assert button is not None, f"no button {action_id} in {message}"
        pressed = {**button, "action_ts": f"{time.time():.6f}"} | ({"value": value} if value is not None else {})
        return {
            "type": "block_actions",
            "user": {"id": user, "username": team.users.get(user, user), "team_id": team.id},
            "api_app_id": self.slack.app.id,
            "token": "unused",
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                "is_ephemeral": False,
            },
            "trigger_id": trigger_id or self.fresh_trigger_id(),
            "team": {"id": team.id, "domain": team.name.lower()},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": message.channel, "name": team.channels[message.channel].name},
            "message": shown(self.slack, team.bot_user, message),
            "state": {"values": {}},
            "response_url": self.hook(team, user, message.channel, message),
            "actions": [{name: item for name, item in pressed.items() if name not in ("confirm", "url")}],
        }

    def event(
        self,
        event: dict[str, Any],
        *,
        team: Team | None = None,
        event_id: str | None = None,
        time_of: int | None = None,
    ) -> Reply:
        """Send an event."""
        envelope = {
            "token": "unused",
            "team_id": (team or self.team).id,
            "api_app_id": self.slack.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": event_id or f"Ev{secrets.token_hex(5).upper()}",
            "event_time": int(time.time()) if time_of is None else time_of,
            "authorizations": [{"team_id": (team or self.team).id, "user_id": self.team.bot_user, "is_bot": True}],
            "is_ext_shared_channel": False,
        }
        self._last_event = json.dumps(envelope).encode()
        return self.post("/slack/events", self._last_event, kind="application/json")

    def again(self, number: int = 1, reason: str = "http_timeout") -> Reply:
        """Send the last event once more, as Slack does when it heard no 200 in time."""
        headers = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        return self.post("/slack/events", self._last_event, kind="application/json", headers=headers)

    def verify_url(self) -> Reply:
        """Ask the app whether the address of its events is its own."""
        body = {"token": "unused", "challenge": "3eZbrw1aB", "type": "url_verification"}
        return self.post("/slack/events", json.dumps(body).encode(), kind="application/json")

    def mention(
        self,
        text: str,
        *,
        user: str = "U0ANN",
        channel: str = "C0GENERAL",
        team: Team | None = None,
        thread_ts: str | None = None,
        event_id: str | None = None,
    ) -> Reply:
        """Write a message that begins with the bot's name."""
        team = team or self.team
        said = f"<@{team.bot_user}> {escaped(text)}"
        event = {"type": "app_mention", "user": user, "text": said, "ts": self.slack.next_ts(), "channel": channel}
        thread = {"thread_ts": thread_ts} if thread_ts else {}
        return self.event({**event, **thread, "event_ts": event["ts"]}, team=team, event_id=event_id)

    def open_home(self, user: str = "U0ANN", *, team: Team | None = None) -> Reply:
        """Open the app's home tab."""
        event = {"type": "app_home_opened", "user": user, "channel": direct_channel(user), "tab": "home"}
        return self.event({**event, "event_ts": self.slack.next_ts()}, team=team)

    def uninstall(self, *, team: Team | None = None) -> list[Reply]:
        """Remove the app in Slack: its token is dead, and both events tell."""
        team = team or self.team
        with self.lock:
            self.slack.spoil(team, "account_inactive")
        revoked = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [team.bot_user]}}
        return [self.event({"type": "app_uninstalled"}, team=team), self.event(revoked, team=team)]

    def revoke(self, *, team: Team | None = None) -> Reply:
        """Revoke the bot's token in Slack."""
        team = team or self.team
        with self.lock:
            self.slack.spoil(team, "token_revoked")
        return self.event({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [team.bot_user]}}, team=team)

    def hook(self, team: Team, user: str, channel: str, message: Message | None = None) -> str:
        """Make a response_url."""
        made = f"{self.url}/hooks/{team.id}/{secrets.token_hex(12)}"
        with self.lock:
            self.hooks[urlsplit(made).path] = Hook(
                team=team, user=user, channel=channel, message=message, made=time.monotonic()
            )
        return made

    def _show(self, team: Team, user: str, channel: str, reply: Reply) -> None:
        try:
            body = reply.json
        except ValueError:
            body = {"text": reply.text}
        blocks = body.get("blocks") or []
        with self.lock:
            if body.get("response_type") == "in_channel":
                posted = Message(channel=channel, ts=self.slack.next_ts(), text=reply.text, blocks=blocks)
                team.channels[channel].posted.append(posted)
            else:
                whisper = Whisper(user=user, channel=channel, text=reply.text, blocks=blocks, how="command")
                team.whispers.append(whisper)

    def fresh_trigger_id(self) -> str:
        """An id that Slack gives each command and press."""
        return f"{next(self._triggers)}.{secrets.randbelow(10**9)}.{secrets.token_hex(16)}"


def escaped(text: str) -> str:
    """Text as Slack writes it in what it sends: three characters are entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
