"""Calls of the REST API: one answer, or one error that says what to do."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import httpx

from deplite import __version__
from deplite.client.caller import Caller
from deplite.client.errors import AwayError, RefusedError
from deplite.protocol.backoff import Backoff
from deplite.protocol.refusal import retry_after, temporary

TRIES = 6
"""How often something is tried that finds nobody: with the waits in between about half a minute."""
_CALL_SECONDS = 30.0
_MOST_WAIT = 60.0
_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="next"')
_ADVICE: Mapping[str, str] = {
    "invalid_token": "To go on, get a new one for DEPLITE_JWT or DEPLITE_API_TOKEN.",
    "unauthorized": "To go on, get a new one for DEPLITE_JWT or DEPLITE_API_TOKEN.",
    "wrong_credential": "The wrong kind of credential: DEPLITE_JWT takes a person's, DEPLITE_API_TOKEN a token's.",
    "token_scope": "The API token's grants do not allow this: it needs a `storage` grant with that permission.",
    "not_found": "There is no such file; `deplite files list` shows what there is.",
    "not_uploaded": "Its upload never ended; upload it again.",
    "file_too_large": "The file is larger than the server takes.",
    "quota_exceeded": "The organization's storage is full: delete files, or ask for more room.",
}
_Answer = TypeVar("_Answer")


class Api:
    """One caller's server."""

    def __init__(
        self, caller: Caller, *, http: httpx.Client | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Make it.

        Args:
            caller: who and where.
            http: another HTTP client.
            sleep: waits between tries.
        """
        self.caller = caller
        self.sleep = sleep
        self._http = http or httpx.Client(timeout=httpx.Timeout(_CALL_SECONDS, connect=5.0))
        self._headers = {"Authorization": f"Bearer {caller.credential}", "User-Agent": f"deplite/{__version__}"}

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, *, tries: int = TRIES) -> Any:
        """Return the JSON answer of one call, tried again while nobody answers.

        Raises:
            RefusedError: a 4xx answer.
            AwayError: it did not get through.
        """
        return _json(self.tried(partial(self._once, method, self.caller.url + path, body, None), tries=tries))

    def pages(self, path: str, query: Mapping[str, str]) -> Iterator[Any]:
        """Yield the entries of a list, page by page; errors as `call`."""
        url, rest = self.caller.url + path, dict(query)
        while True:
            answer = self.tried(partial(self._once, "GET", url, None, rest))
            yield from _json(answer) or ()
            found = _NEXT.search(answer.headers.get("Link", ""))
            if found is None:
                return
            # Only what comes after the `?` counts: the server may know itself by another address than we do.
            rest = dict(httpx.URL(found[1]).params)

    def tried(self, work: Callable[[], _Answer], *, tries: int = TRIES) -> _Answer:
        """Return what some work brings, trying again as long as it finds nobody.

        Raises:
            AwayError: the last try found nobody either.
        """
        backoff = Backoff(first=1.0, most=16.0)
        for left in reversed(range(tries)):
            try:
                return work()
            except AwayError as error:
                if not left:
                    raise
                self.sleep(min(max(backoff.next(), error.retry_after), _MOST_WAIT))
        raise AssertionError("unreachable")

    def _once(self, method: str, url: str, body: Any, query: Mapping[str, str] | None) -> httpx.Response:
        try:
            answer = self._http.request(method, url, json=body, params=query or None, headers=self._headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            server = self.caller.url
            message = f"Nobody answers at {server} ({type(error).__name__}): is DEPLITE_URL right, and the server up?"
            raise AwayError(message) from None
        if not answer.is_success:
            raise failure(answer.status_code, answer.headers, _json(answer))
        return answer


def failure(status: int, headers: Mapping[str, str], body: Any) -> RefusedError | AwayError:
    """Return what an answer that is no success means."""
    said = body if isinstance(body, dict) else {}
    code, message = str(said.get("code", "error")), str(said.get("message", ""))[:300]
    if temporary(status) and code != "quota_exceeded":
        seconds = retry_after(headers.get("Retry-After"))
        return AwayError(f"The server cannot do it now ({status} {code}): try again later.", seconds)
    said_so = "" if code == "not_found" else message
    advice = " ".join(filter(None, (said_so, _ADVICE.get(code))))
    return RefusedError(status, code, advice or "The server refuses it: is DEPLITE_URL right?")


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None
