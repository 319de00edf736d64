"""JWTs of people: a fixed list of algorithms, keys that we were configured with, and every claim demanded."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import jwt
from jwt import PyJWK

from deplite import base64url
from deplite_apiserver.auth.callers import UserCaller
from deplite_apiserver.auth.jwks import KeySet
from deplite_apiserver.errors import InvalidTokenError
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.settings import IssuerSettings

ALGORITHMS = ("RS256", "ES256", "EdDSA")
LEEWAY_SECONDS = 30
MAX_TOKEN = 8 * 1024
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


class JwtVerifier:
    """Believes the issuers of the settings, and nobody else."""

    def __init__(self, issuers: Sequence[IssuerSettings], metrics: Metrics) -> None:
        self._issuers = {settings.issuer: (settings, _keys_of(settings, metrics)) for settings in issuers}

    async def begin(self) -> None:
        """Fetch the keys of all issuers."""
        await asyncio.gather(*(keys.begin() for _, keys in self._issuers.values()))

    async def verify(self, token: str) -> UserCaller:
        """Return the person that a JWT speaks for.

        Raises:
            InvalidTokenError: for whatever is wrong with it; key URLs in its header are never followed.
            UnavailableError: its issuer could not be asked for its keys yet.
        """
        if len(token) > MAX_TOKEN:
            raise InvalidTokenError
        try:
            header = jwt.get_unverified_header(token)
            known = self._issuers.get(_issuer(token))
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise InvalidTokenError from None
        if known is None or header.get("alg") not in ALGORITHMS:
            raise InvalidTokenError
        settings, keys = known
        key_id = header.get("kid")
        key = await keys.find(key_id if isinstance(key_id, str) else None)
        if key is None or key.algorithm_name != header["alg"]:
            raise InvalidTokenError
        return _caller(_claims(token, key, settings))


def _keys_of(settings: IssuerSettings, metrics: Metrics) -> KeySet:
    return KeySet(settings.jwks, metrics, ca_file=settings.ca_file, token_file=settings.token_file)


def _issuer(token: str) -> str:
    """Return the issuer that an unverified token names: only to choose the keys that it must verify with."""
    payload = token.split(".")[1]
    claims = json.loads(base64url.decode(payload))
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else ""


def _claims(token: str, key: PyJWK, settings: IssuerSettings) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key,
            algorithms=[key.algorithm_name],
            issuer=settings.issuer,
            audience=settings.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED, "verify_iat": True, "strict_aud": False},
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError, TypeError):
        raise InvalidTokenError from None
    return claims


def _caller(claims: dict[str, Any]) -> UserCaller:
    subject, name = claims["sub"], claims.get("name") or claims.get("email") or ""
    if not isinstance(subject, str) or not subject:
        raise InvalidTokenError
    return UserCaller(
        issuer=claims["iss"],
        subject=subject,
        name=name[:128] if isinstance(name, str) else "",
        expires_at=float(claims["exp"]),
    )
