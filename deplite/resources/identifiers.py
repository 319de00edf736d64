"""Ids as REST shows them: a prefix and lowercase base32 of a hash. Ids are names, not secrets."""

import base64
import hashlib
import re
import secrets
import unicodedata
from functools import lru_cache

ID_PATTERN = re.compile(r"^(tr|ag|tok|f|wf|enr)-[a-z2-7]{16}$")
JOB_ID_PATTERN = re.compile(r"^j-[a-z2-7]{26}$")


def _base32(digest: bytes, length: int) -> str:
    return base64.b32encode(digest).decode().lower()[:length]


@lru_cache(maxsize=65_536)  # a list of jobs asks for the same few again and again
def object_id(prefix: str, namespace: str, name: str) -> str:
    """Return the id of a named object, e.g. `tr-…` for a Trigger: the same through delete and apply.

    Args:
        prefix: `tr`, `ag`, `tok`, `f`, `wf` or `enr`; for `wf` the name is `<agent>/<workflow>`.
        namespace: the organization.
        name: the object's name.
    """
    return f"{prefix}-{_base32(hashlib.sha256(f'{namespace}/{name}'.encode()).digest(), 16)}"


def keyed_job_id(trigger_id: str, caller_id: str, idempotency_key: str) -> str:
    """Return the job id that a (trigger, caller, key) always gets; it is the job's object name."""
    parts = "\0".join((trigger_id, caller_id, idempotency_key))
    return f"j-{_base32(hashlib.sha256(parts.encode()).digest(), 26)}"


def random_job_id() -> str:
    """Return a fresh job id of 130 random bits."""
    return f"j-{_base32(secrets.token_bytes(20), 26)}"


def upload_name(agent_id: str, nonce: str) -> str:
    """Return the object name of the file that a signed request announces: the same request, the same object."""
    return f"file-{_base32(hashlib.sha256(f'{agent_id} {nonce}'.encode()).digest(), 26)}"


def random_file_name() -> str:
    """Return a fresh object name of a file."""
    return f"file-{_base32(secrets.token_bytes(20), 26)}"


def slug_name(display_name: str) -> str:
    """Return a fresh object name `<slug>-<8 random>`: `Deploy Prod` is no DNS name, and a name is never reused."""
    ascii_text = unicodedata.normalize("NFKD", display_name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:40].strip("-")
    return f"{slug or 'x'}-{_base32(secrets.token_bytes(5), 8)}"
