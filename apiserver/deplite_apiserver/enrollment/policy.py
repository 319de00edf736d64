"""Whether a code may be spent by a key. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from deplite.resources import EnrollmentToken
from deplite.resources.enrollmenttoken import Use

REPEAT_WINDOW = timedelta(minutes=10)
"""The same code with the same key gets the same agent again: an answer that was lost costs nothing."""
DEFAULT_LIFE = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """This key has spent the code already, a moment ago."""

    use: Use


@dataclass(frozen=True, kw_only=True)
class Spend:
    """The code has a use left."""


@dataclass(frozen=True, kw_only=True)
class Refuse:
    """The code is spent or expired."""


def judge(code: EnrollmentToken, public_key_sha256: str, now: datetime) -> Repeat | Spend | Refuse:
    """Return what a code is good for."""
    for use in code.status.used_by:
        if use.public_key_sha256 == public_key_sha256:
            return Repeat(use=use) if now - use.at <= REPEAT_WINDOW else Refuse()
    if len(code.status.used_by) >= code.spec.uses or now >= dies_at(code):
        return Refuse()
    return Spend()


def dies_at(code: EnrollmentToken) -> datetime:
    """Return when the code stops working: as asked for, else an hour after it was made."""
    created = code.metadata.creation_timestamp
    assert created is not None
    return code.status.expires_at or code.spec.expires_at or created + DEFAULT_LIFE
