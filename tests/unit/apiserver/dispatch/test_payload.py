"""Signed events, checked by a second opinion on what is signed."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.dispatch.payload import cancel, deploy, revoke, sync_workflows
from tests.published.canonical import canonical
from tests.unit.apiserver.jobs.builders import UID, live

KEY = Ed25519PrivateKey.generate()
AT = 1_780_000_000


def opened(envelope: Any) -> dict[str, Any]:
    payload: dict[str, Any] = envelope["payload"]
    KEY.public_key().verify(base64.b64decode(envelope["signature"], validate=True), canonical(payload).encode())
    return payload


def test_a_deploy_says_what_the_protocol_says() -> None:
    job = live(spec={"debug": True})
    payload = opened(deploy(KEY, job, {"replicas": 3, "ok": True, "half": 0.5, "name": "x"}, "ag-x", AT).data)
    nonce = payload.pop("nonce")
    assert payload == {
        "job_id": job.name,
        "job_uid": UID,
        "agent_id": "ag-x",
        "workflow_name": "deploy-prod",
        "debug": True,
        "job_seconds": 3600,
        "params": {"replicas": 3, "ok": True, "half": "0.5", "name": "x"},
        "force": False,
        "issued_at": AT,
        "ref": "main",
        "trigger": "deploy",
    }
    assert len(nonce) == 32
    again = deploy(KEY, job, {}, "ag-x", AT).data
    assert again["payload"]["nonce"] != nonce


def test_what_is_absent_is_not_there() -> None:
    payload = opened(deploy(KEY, live(spec={"ref": None, "trigger": None}), {}, "ag-x", AT).data)
    assert not {"ref", "trigger", "force_reason"} & set(payload)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
        st.one_of(
            st.text(st.characters(codec="utf-8")),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        max_size=8,
    )
)
def test_every_param_has_a_spelling_that_verifies(params: dict[str, Any]) -> None:
    payload = opened(deploy(KEY, live(), params, "ag-x", AT).data)
    assert set(payload["params"]) == set(params)
    for name, value in params.items():
        shown = payload["params"][name]
        assert shown == value or (isinstance(shown, str) and float(shown) == float(value))
        assert not isinstance(shown, float)


@pytest.mark.parametrize(("reason", "superseded"), [("cancelled", False), ("superseded", True), ("timeout", False)])
@pytest.mark.parametrize("actor", [None, "ops"])
def test_a_cancel_says_it_plainly_and_signed(reason: str, superseded: bool, actor: str | None) -> None:
    event = cancel(KEY, job_id="j-x", job_uid=UID, reason=reason, actor=actor, agent_id="ag-x", issued_at=AT)
    data = dict(event.data)
    payload = opened(data.pop("signed"))
    plain = {"job_id": "j-x", "reason": reason, "superseded": superseded} | ({"actor": actor} if actor else {})
    assert (event.event, data) == ("cancel", plain)
    payload.pop("nonce")
    assert payload == plain | {"event": "cancel", "job_uid": UID, "agent_id": "ag-x", "issued_at": AT}


def test_a_revoke_is_signed_for_one_agent_and_a_sync_is_empty() -> None:
    event = revoke(KEY, "ag-x", AT)
    payload = opened(event.data["signed"])
    assert (event.event, payload["event"], payload["agent_id"]) == ("revoke", "revoke", "ag-x")
    assert (sync_workflows().event, sync_workflows().data) == ("sync_workflows", {})


def test_an_event_is_one_line_of_ascii() -> None:
    text = deploy(KEY, live(), {"a": "\n\r\u2028\u0085😀\x00"}, "ag-x", AT).text()
    assert text.isascii()
    assert text.isprintable()
