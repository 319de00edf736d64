"""Whether a code may be spent by a key. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from deplite.resources import EnrollmentToken
from deplite.resources.enrollmenttoken import Use

REPEAT_WINDOW = timedelta(minutes=10)
"""The same code with the same key gets the same agent again: an answer that was lost costs nothing."""


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
    if len(code.status.used_by) >= code.spec.uses or now >= code.dies_at:
        return Refuse()
    return Spend()
