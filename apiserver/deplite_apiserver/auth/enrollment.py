"""Enrolment codes: checksum first, then the hash in the cache; whether uses are left, enrolment itself decides."""

import hashlib

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
    found = await caches.find(caches.enrollments, lambda: caches.code_holders.oldest(sha256))
    if found is None or found.metadata.deletion_timestamp is not None:
        raise InvalidEnrollTokenError
    return EnrollmentCaller(enrollment=found, sha256=sha256)
