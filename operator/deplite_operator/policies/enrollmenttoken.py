"""What is true of an EnrollmentToken: minted or not, its uses, its time."""

from datetime import datetime
from typing import Any

from deplite.resources import EnrollmentToken
from deplite.resources.identifiers import object_id
from deplite.resources.reasons import AGENT_NOT_FOUND, AVAILABLE, EXPIRED, MINTED, SPENT
from deplite.resources.resource import utc
from deplite_operator.conditions import Finding, not_ready, ready, stalled
from deplite_operator.policies.deposit import Deposit
from deplite_operator.policies.minting import Order, not_minted
from deplite_operator.verdict import Verdict


def order_of(token: EnrollmentToken, url: str, now: datetime) -> Order | None:
    """Return what the code wants of its Secret; None where it has none, or is past minting."""
    spec = token.spec
    if spec.secret_name is None or spec.minted_by != "operator" or _spent(token) or token.dies_at <= now:
        return None
    return Order(
        owner=object_id("enr", token.namespace, token.name),
        kind="enr",
        url=url,
        known_sha256=token.status.hash,
        rotate=False,
        owner_uid=token.metadata.uid,
        template=spec.secret_template,
    )


def judge_enrollment_token(
    token: EnrollmentToken, *, agent_exists: bool, deposit: Deposit | None, now: datetime
) -> Verdict:
    """Say hash, expiry and Ready.

    Args:
        token: the code.
        agent_exists: whether the Agent that it is for exists; true where it is for none.
        deposit: what came of the look at its Secret; None where none was due.
        now: the present moment, UTC.
    """
    fields: dict[str, Any] = {} if token.spec.minted_by == "api" else {"expiresAt": utc(token.dies_at)}
    if deposit is not None and deposit.credential is not None:
        fields |= {"hash": deposit.credential.sha256, "prefix": deposit.credential.prefix}
    secret = () if deposit is None else (deposit.finding,)
    lacking = not_minted("code", token.spec, deposit, known=token.status.hash is not None)
    return Verdict(findings=(_ready(token, lacking, agent_exists, now), *secret), fields=fields)


def _ready(token: EnrollmentToken, lacking: Finding | None, agent_exists: bool, now: datetime) -> Finding:
    if _spent(token):
        return ready(SPENT, f"All uses of the code are taken ({token.spec.uses}): it has done its work.")
    if (end := token.dies_at) <= now:
        return stalled(EXPIRED, f"The code ended at {utc(end)}; create another one.")
    if lacking is not None:
        return lacking
    if not agent_exists:
        return not_ready(
            AGENT_NOT_FOUND, f"There is no Agent {token.spec.agent} in this namespace; create it or name another."
        )
    if token.spec.secret_name is not None:
        return ready(MINTED, f"The code is in Secret {token.spec.secret_name}.")
    return ready(AVAILABLE, "The code can be used.")


def _spent(token: EnrollmentToken) -> bool:
    return len(token.status.used_by) >= token.spec.uses
