"""Slack's signature over a request: `v0=` and an HMAC of the time and the raw body. Verified before anything is read.

What is wrong is not told: Slack makes no mistakes here, and nobody else should learn from theirs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request
from pydantic import BaseModel
from slack_sdk.signature import Clock, SignatureVerifier

from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import RawBody, ReadBody
from deplite_apiserver.edge.query import check_query
from deplite_apiserver.errors import SlackSignatureError

SIGNATURE_HEADER, TIMESTAMP_HEADER = "X-Slack-Signature", "X-Slack-Request-Timestamp"
_SECONDS = re.compile(r"[1-9][0-9]{0,10}")
_HMAC = re.compile(r"v0=[0-9a-f]{64}")


class Headers(Protocol):
    """The headers of a request."""

    def getlist(self, key: str) -> Sequence[str]:
        """Return all values of a header."""


@dataclass(frozen=True, kw_only=True)
class SlackRequest:
    """A request of Slack's own."""

    raw: bytes


class _Clock(Clock):
    """Our clock, in the form that the library asks for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return self._seconds


def verify(headers: Headers, raw: bytes, *, secret: str, now: float) -> None:
    """Check that Slack signed these bytes within the last (or next) 300 seconds.

    Args:
        headers: of the request.
        raw: its body.
        secret: the app's signing secret.
        now: unix seconds.

    Raises:
        SlackSignatureError: it did not.
    """
    timestamp, signature = _only(headers, TIMESTAMP_HEADER, _SECONDS), _only(headers, SIGNATURE_HEADER, _HMAC)
    try:
        good = SignatureVerifier(secret, _Clock(now)).is_valid(raw, timestamp, signature)
    except UnicodeDecodeError:  # the library reads the body as text
        good = False
    if not good:
        raise SlackSignatureError


async def slack_request(request: Request, context: Ctx, raw: RawBody) -> SlackRequest:
    """Return a request once its signature holds; where Slack is off, none does."""
    if not context.slack.on:
        raise SlackSignatureError
    now = context.clock.now().timestamp()
    verify(request.headers, raw, secret=context.slack.app.signing_secret, now=now)
    check_query(request, request.method, request.scope["route"].path)
    return SlackRequest(raw=raw)


class SignedBody(ReadBody[BaseModel]):
    """A dependency that returns a request of Slack's, once its signature holds."""

    def __init__(self, model: type[BaseModel], media: str) -> None:
        """Make it.

        Args:
            model: what a body looks like; nothing is held against it here.
            media: its media type.
        """
        super().__init__(model)
        self.media = media

    async def __call__(self, signed: Annotated[SlackRequest, Depends(slack_request)]) -> SlackRequest:
        """Return the request."""
        return signed


def _only(headers: Headers, name: str, shape: re.Pattern[str]) -> str:
    values = headers.getlist(name)
    if len(values) != 1 or not shape.fullmatch(values[0]):
        raise SlackSignatureError
    return values[0]
