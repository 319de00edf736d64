"""Enrolment codes: checksum first, then the hash in the cache; whether uses are left, enrolment itself decides."""

import hashlib

from deplite.resources import EnrollmentToken
from deplite.resources.credentials import well_formed
from deplite_apiserver.auth.callers import EnrollmentCaller
from deplite_apiserver.caches import Caches
from deplite_apiserver.errors import InvalidEnrollTokenError


async def verify_code(caches: Caches, text: str) -> EnrollmentCaller:
    """Return the caller that shows an enrolment code.

    Raises:
        InvalidEnrollTokenError: no code of that text was ever minted, or it was revoked.
    """
    if not well_formed(text, "enr"):
        raise InvalidEnrollTokenError
    sha256 = hashlib.sha256(text.encode()).hexdigest()

    def look() -> EnrollmentToken | None:
        return next(iter(caches.enrollments.by("hash", sha256)), None)

    found = await caches.find(caches.enrollments, look)
    if found is None or found.metadata.deletion_timestamp is not None:
        raise InvalidEnrollTokenError
    return EnrollmentCaller(enrollment=found, sha256=sha256)
