"""The signed events that agents get. Pure, but for the nonce."""

import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.envelope import seal
from deplite.protocol.params import ParamValue, signable
from deplite_apiserver.dispatch.streams import StreamEvent
from deplite_apiserver.jobs.view import LiveJob


def deploy(
    key: Ed25519PrivateKey, job: LiveJob, params: Mapping[str, ParamValue], agent_id: str, issued_at: int
) -> StreamEvent:
    """Return the event that starts a job; signed anew at each sending.

    Args:
        key: the server key that the agent pinned.
        job: the job.
        params: its params, checked against the workflow's schema.
        agent_id: the one agent that may obey.
        issued_at: unix seconds.
    """
    payload: dict[str, Any] = {
        "job_id": job.name,
        "job_uid": job.uid,
        "agent_id": agent_id,
        "workflow_name": job.workflow,
        "debug": job.debug,
        "job_seconds": job.job_seconds,
        "params": {name: signable(value) for name, value in params.items()},
        "force": False,
        **_freshness(issued_at),
    }
    if job.ref is not None:
        payload["ref"] = job.ref
    if job.trigger is not None:
        payload["trigger"] = job.trigger
    return StreamEvent(event="deploy", data=dict(seal(key, payload)))


def cancel(
    key: Ed25519PrivateKey, *, job_id: str, job_uid: str, reason: str, actor: str | None, agent_id: str, issued_at: int
) -> StreamEvent:
    """Return the event that stops a job; `signed` is for agents that demand it."""
    plain: dict[str, Any] = {"job_id": job_id, "reason": reason, "superseded": reason == "superseded"}
    if actor is not None:
        plain["actor"] = actor
    payload = plain | {"event": "cancel", "job_uid": job_uid, "agent_id": agent_id, **_freshness(issued_at)}
    return StreamEvent(event="cancel", data=plain | {"signed": seal(key, payload)})


def revoke(key: Ed25519PrivateKey, agent_id: str, issued_at: int) -> StreamEvent:
    """Return the event after which the agent forgets its key."""
    payload = {"event": "revoke", "agent_id": agent_id, **_freshness(issued_at)}
    return StreamEvent(event="revoke", data={"signed": seal(key, payload)})


def sync_workflows() -> StreamEvent:
    """Return the event that asks for a rescan and a report."""
    return StreamEvent(event="sync_workflows", data={})


def _freshness(issued_at: int) -> dict[str, Any]:
    return {"issued_at": issued_at, "nonce": secrets.token_hex(16)}
