"""What a pod's token says of itself, before anybody asks whether it is true: cheap reasons to refuse it. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Any

from deplite import base64url
from deplite.resources.agentpool import AUDIENCE, account_of

MAX_TOKEN = 8 * 1024
_LEEWAY_SECONDS = 60
"""As the Kubernetes API allows it."""
_JWT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_SUBJECT = re.compile(r"system:serviceaccount:(org-[a-z0-9-]{1,55}):([a-z0-9][-a-z0-9]{0,39})" + account_of(""))
_NODE = re.compile(r"[a-z0-9][-a-z0-9.]{0,252}")


@dataclass(frozen=True, kw_only=True)
class PodClaims:
    """Whose token it says it is."""

    namespace: str
    pool: str
    account_uid: str
    pod_uid: str
    node: str


def is_for_agents(token: str) -> bool:
    """Whether it is a token at all, and made to be shown here; people's tokens are not."""
    audience = _claims(token).get("aud")
    return AUDIENCE in audience if isinstance(audience, list) else audience == AUDIENCE


def claims_of(token: str, now: float) -> PodClaims | None:
    """Return whose token it says it is; None where it cannot be one of a pod of a pool, or has expired.

    Args:
        token: as it was shown.
        now: unix seconds.
    """
    claims = _claims(token)
    expires_at, subject = claims.get("exp"), claims.get("sub")
    if not isinstance(expires_at, int | float) or expires_at + _LEEWAY_SECONDS < now:
        return None
    named = _SUBJECT.fullmatch(subject) if isinstance(subject, str) else None
    match claims.get("kubernetes.io"):
        case {"serviceaccount": {"uid": str(uid)}, "pod": {"uid": str(pod)}, "node": {"name": str(node)}} if (
            named and _NODE.fullmatch(node)
        ):
            return PodClaims(namespace=named[1], pool=named[2], account_uid=uid, pod_uid=pod, node=node)
    return None


def _claims(token: str) -> dict[str, Any]:
    shape = _JWT.fullmatch(token) if len(token) <= MAX_TOKEN else None
    try:
        claims = json.loads(base64url.decode(shape[1])) if shape else None
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
