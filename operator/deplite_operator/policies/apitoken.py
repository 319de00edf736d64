"""What is true of an ApiToken: minted or not, its grants, its time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from deplite.resources import ApiToken
from deplite.resources.identifiers import object_id
from deplite.resources.reasons import AVAILABLE, EXPIRED, GRANT_NOT_FOUND, MINTED
from deplite.resources.resource import utc
from deplite_operator.conditions import Finding, few, not_ready, ready, stalled
from deplite_operator.policies.deposit import Deposit
from deplite_operator.policies.minting import Order, not_minted
from deplite_operator.verdict import Verdict


def order_of(token: ApiToken, url: str, now: datetime) -> Order | None:
    """Return what the token wants of its Secret; None where it has none, or is past minting."""
    spec, status = token.spec, token.status
    if spec.secret_name is None or spec.minted_by != "operator" or _expired(token, now):
        return None
    return Order(
        owner=object_id("tok", token.namespace, token.name),
        kind="tk",
        url=url,
        known_sha256=status.hashes[0].sha256 if status.hashes else None,
        rotate=spec.rotation > (status.rotation or 0),
        template=spec.secret_template,
    )


def judge_api_token(token: ApiToken, missing: Sequence[str], deposit: Deposit | None, now: datetime) -> Verdict:
    """Say id, hash and Ready.

    Args:
        token: the token.
        missing: the objects that its grants name and that do not exist, e.g. `Trigger deploy`.
        deposit: what came of the look at its Secret; None where none was due.
        now: the present moment, UTC.
    """
    fields: dict[str, Any] = {"id": object_id("tok", token.namespace, token.name)}
    if deposit is not None and deposit.credential is not None:
        fields |= _minted_fields(token, deposit.credential.sha256, deposit.credential.prefix)
    secret = () if deposit is None else (deposit.finding,)
    lacking = not_minted("token", token.spec, deposit, known=bool(token.status.hashes))
    return Verdict(findings=(_ready(token, missing, lacking, now), *secret), fields=fields)


def _minted_fields(token: ApiToken, sha256: str, prefix: str) -> dict[str, Any]:
    # A credential taken from the Secret ends all earlier ones: whoever rotates by Git wants the old one dead.
    return {"hashes": [{"sha256": sha256, "prefix": prefix}], "rotation": token.spec.rotation}


def _ready(token: ApiToken, missing: Sequence[str], lacking: Finding | None, now: datetime) -> Finding:
    if token.spec.expires_at is not None and _expired(token, now):
        return stalled(EXPIRED, f"The token ended at {utc(token.spec.expires_at)}; set a later spec.expiresAt.")
    if lacking is not None:
        return lacking
    if missing:
        message = f"The grants name what does not exist: {few(missing)}; create it or remove it."
        return not_ready(GRANT_NOT_FOUND, message)
    if token.spec.secret_name is not None:
        return ready(MINTED, f"The token is in Secret {token.spec.secret_name}.")
    return ready(AVAILABLE, "The token can be used.")


def _expired(token: ApiToken, now: datetime) -> bool:
    return token.spec.expires_at is not None and token.spec.expires_at <= now
