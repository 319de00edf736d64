"""The OAuth state: who began to connect a workspace, and for which organization. Signed, ten minutes, good once.

It names the member by a hash, so that no address in a browser's history says who that is.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from deplite.resources.organization import Member
from deplite_apiserver.errors import InvalidStateError, UnavailableError
from deplite_apiserver.shared.once import Once

PURPOSE = "slack oauth state"
"""What the key is derived for."""
LIFETIME = timedelta(minutes=10)
_AUDIENCE = "deplite-slack-install"
_KIND = "slack-state"
_KEEP_SECONDS = int(2 * LIFETIME.total_seconds())
"""Longer than a state is good for: the clocks of replicas differ."""
_AGAIN = "Begin again: ask Deplite for a new link to install the app."


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a good state says."""

    organization: str
    member: str
    """As `member_hash` makes it."""
    sha256: str
    """Of its number: what is kept of one that was used."""

    def member_of(self, members: Iterable[Member]) -> Member | None:
        """Return who began, if they are still among the members."""
        return next((one for one in members if member_hash(one.issuer, one.subject) == self.member), None)


class States:
    """Issues states, and knows which were used, at whichever replica."""

    def __init__(self, key: bytes, now: Callable[[], datetime], once: Once) -> None:
        """Make it.

        Args:
            key: the same on every replica, and known to nobody else.
            now: the present moment, UTC.
            once: what all replicas remember together.
        """
        self._key, self._now, self._once = key, now, once

    def issue(self, organization: str, issuer: str, subject: str) -> tuple[str, datetime]:
        """Return a state for a member, and when it ends."""
        ends = self._now().replace(microsecond=0) + LIFETIME
        claims = {
            "aud": _AUDIENCE,
            "exp": ends,
            "jti": secrets.token_urlsafe(16),
            "org": organization,
            "member": member_hash(issuer, subject),
        }
        return jwt.encode(claims, self._key, algorithm="HS256"), ends

    def read(self, state: str) -> Claim:
        """Return what a state says.

        Raises:
            InvalidStateError: it is none of ours, or its ten minutes are over.
        """
        try:
            # Its time is judged by our clock, and not by the library's.
            options: jwt.types.Options = {"verify_exp": False, "require": ["exp", "jti", "aud"]}
            claims = jwt.decode(state, self._key, algorithms=["HS256"], audience=_AUDIENCE, options=options)
            ends = datetime.fromtimestamp(claims["exp"], UTC)
            organization, member, number = str(claims["org"]), str(claims["member"]), str(claims["jti"])
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError):
            raise refused("This link is not one of ours.") from None
        if ends <= self._now():
            raise refused("This link is older than ten minutes.")
        # Not of its text: base64 spells the same signature in more than one way.
        return Claim(organization=organization, member=member, sha256=hashlib.sha256(number.encode()).hexdigest())

    async def spend(self, claim: Claim) -> None:
        """Use a state up.

        Raises:
            InvalidStateError: it was used before.
            UnavailableError: nobody can say whether it was.
        """
        if not await self._once.first(_KIND, claim.sha256, _KEEP_SECONDS):
            raise used()

    async def give_back(self, claim: Claim) -> None:
        """Let a state be used after all, for nothing came of it; where that cannot be noted, a new one is needed."""
        with contextlib.suppress(UnavailableError):
            await self._once.forget(_KIND, claim.sha256)


def member_hash(issuer: str, subject: str) -> str:
    """Return what stands for a member."""
    return hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()


def refused(why: str) -> InvalidStateError:
    """Return the refusal of a state, which says what to do."""
    return InvalidStateError(f"{why} {_AGAIN}")


def used() -> InvalidStateError:
    """Return the refusal of a state that was used before."""
    return refused("This link was used already.")
