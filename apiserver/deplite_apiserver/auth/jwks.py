"""The keys of one issuer: from a file or by https, cached, and kept while the issuer is away."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.secretfiles import read_secret

log = logging.getLogger(__name__)

REFETCH_SECONDS = 10.0
"""An unknown key id may ask again only so often, however many requests show one."""
FIRST_SECONDS = 1.0
"""The same, until the keys were read for the first time."""
FRESH_SECONDS = 300.0
_MAX_DOCUMENT = 256 * 1024


class KeySet:
    """The JWKS of one issuer."""

    def __init__(
        self,
        source: str,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        ca_file: Path | None = None,
        token_file: Path | None = None,
    ) -> None:
        """Make a set that is fetched when first needed, or by `begin`.

        Args:
            source: a path or an https URL.
            metrics: counts how often the keys are asked for, and how often in vain.
            monotonic: seconds of a clock that never goes back.
            ca_file: the only authorities believed about the URL; None: those of the machine.
            token_file: holds a bearer token for the URL; None: it asks for none.
        """
        self._source, self._metrics, self._monotonic = source, metrics, monotonic
        self._ca_file, self._token_file = ca_file, token_file
        self._keys: Mapping[str, PyJWK] | None = None
        """None until they were read once: until then, nobody can say of a token that it is not good."""
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def begin(self) -> None:
        """Fetch the keys before anybody needs them, however often the issuer must be asked for that."""
        pause = FIRST_SECONDS
        while self._keys is None:
            await self._refetch()
            if self._keys is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, REFETCH_SECONDS)

    async def find(self, key_id: str | None) -> PyJWK | None:
        """Return the key of that id (the only key where a token names none), asking the issuer if it is unknown.

        Raises:
            UnavailableError: the issuer has never told its keys to this process yet.
        """
        if self._monotonic() - self._tried_at > FRESH_SECONDS or self._pick(key_id) is None:
            await self._refetch()
        if self._keys is None:
            raise UnavailableError(retry_after=1)
        return self._pick(key_id)

    def _pick(self, key_id: str | None) -> PyJWK | None:
        keys = self._keys or {}
        if key_id is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(key_id)

    async def _refetch(self) -> None:
        async with self._lock:
            pause = FIRST_SECONDS if self._keys is None else REFETCH_SECONDS
            if self._monotonic() - self._tried_at < pause:
                return
            self._tried_at = self._monotonic()
            self._metrics.jwks_fetches.inc()
            try:
                self._keys = _parse(await self._read())
            except Exception as error:  # whatever an issuer says, or its address is, must end nobody else's work
                self._tried_at = self._monotonic()  # who waited for this try makes none of his own
                self._metrics.jwks_failures.inc()
                # Old keys go on being good while the issuer is away.
                log.warning("keys of %s: %s", self._source, type(error).__name__, extra={"action": "jwks_failed"})

    async def _read(self) -> bytes:
        if not self._source.startswith("https://"):
            return await asyncio.to_thread(Path(self._source).read_bytes)
        # Both files are read anew each time: whoever put them there may have renewed them.
        verify = ssl.create_default_context(cafile=self._ca_file) if self._ca_file else True
        headers = {"Authorization": f"Bearer {read_secret(self._token_file)}"} if self._token_file else {}
        async with httpx.AsyncClient(timeout=5, follow_redirects=False, verify=verify, headers=headers) as client:
            answer = await client.get(self._source)
            answer.raise_for_status()
            return answer.content


def _parse(document: bytes) -> dict[str, PyJWK]:
    if len(document) > _MAX_DOCUMENT:
        raise ValueError("the key set is too long")
    found: Any = json.loads(document)
    members = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise ValueError("this is no key set")
    keys: dict[str, PyJWK] = {}
    for number, member in enumerate(members):
        try:
            keys[str(member.get("kid", f"#{number}"))] = PyJWK.from_dict(member)
        except (PyJWTError, ValueError, TypeError, KeyError):
            continue  # a key that is damaged, or of a kind that we do not know, is no reason to refuse the others
    return keys
