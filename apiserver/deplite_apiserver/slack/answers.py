"""What an answer of Slack's means, and what keeps one away: both become errors of `deplite_apiserver.slack.errors`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from deplite.kube.gate import refusals_told
from deplite.patience import patience
from deplite_apiserver.slack.errors import (
    TOKEN_CODES,
    SlackError,
    SlackLimitedError,
    SlackRefusedError,
    SlackTokenError,
    SlackUnavailableError,
)

CALL_SECONDS = 10.0
"""How long one call may take; callers over HTTP have less patience."""
MAX_RETRY_AFTER = 300.0
_OUTAGES = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
"""Codes of Slack (with `ok: false`) that mean that it is in trouble."""


@asynccontextmanager
async def told_apart() -> AsyncIterator[None]:
    """Turn whatever keeps an answer away into `SlackUnavailableError`, which says whether the request was sent.

    Raises:
        NotHeldError: there is a fence around the call, and the Lease is over.
    """
    try:
        with refusals_told():
            async with asyncio.timeout(patience(CALL_SECONDS)):
                yield
    except SlackApiError:
        raise
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise SlackUnavailableError(_silence(error), maybe_done=False) from None
    except (aiohttp.ClientError, TimeoutError, OSError, SlackClientError, ValueError, AttributeError) as error:
        # The last two come from a body that is no JSON object.
        raise SlackUnavailableError(_silence(error), maybe_done=True) from None


def _silence(error: Exception) -> str:
    return f"Slack does not answer: {type(error).__name__}."  # an error's own text may hold an address


def refused(response: Any) -> SlackError:
    """Return what an answer without `ok: true` means; it is the library's, or aiohttp's where no JSON came."""
    status: int = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    data = getattr(response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    if status == 429 or code in ("ratelimited", "rate_limited"):
        return SlackLimitedError(retry_after(response.headers))
    if not isinstance(code, str) or status >= 500 or code in _OUTAGES:
        return SlackUnavailableError(f"Slack answers {status} {_printable(code)}".strip() + ".", maybe_done=True)
    return (SlackTokenError if code in TOKEN_CODES else SlackRefusedError)(_printable(code))


def _printable(code: Any) -> str:
    return "".join(one for one in str(code or "")[:128] if one.isascii() and one.isprintable())


def retry_after(headers: Mapping[str, str]) -> float:
    """Return how many seconds Slack asks to wait."""
    text = headers.get("Retry-After", "")
    return min(max(float(text), 1.0), MAX_RETRY_AFTER) if text.isdecimal() else 1.0
