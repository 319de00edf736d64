"""Which requests deserve a record, and what it says."""

from datetime import UTC, datetime

import pytest

from deplite_apiserver.audit.acts import ACTS
from deplite_apiserver.audit.entry import Entry, entry_in
from deplite_apiserver.audit.record import AuditRecord, action_of, outcome_of
from deplite_apiserver.auth.callers import UserCaller

PATCH, ENROLL = ACTS["PATCH", "/agents/{agent_id}"], ACTS["POST", "/agent/enroll"]
COMPLETE = ACTS["POST", "/agent/files/{file_id}/complete"]
WHO = {kind: {"kind": kind, "id": "x"} for kind in ("user", "token", "agent", "code", "slack")}


@pytest.mark.parametrize(
    ("act", "entry", "status", "outcome"),
    [
        (PATCH, Entry(who=WHO["user"], organization="org-a"), 200, "done"),
        (PATCH, Entry(who=WHO["user"], organization="org-a"), 204, "done"),
        (PATCH, Entry(who=WHO["user"], organization="org-a", changed=False), 202, None),
        (PATCH, Entry(who=WHO["user"], organization="org-a"), 403, None),
        (PATCH, Entry(who=WHO["user"], organization="org-a"), 503, "unknown"),
        (PATCH, Entry(who=WHO["token"], organization="org-a"), 0, "unknown"),
        (PATCH, Entry(who=WHO["user"]), 503, None),
        (PATCH, Entry(who=WHO["agent"], organization="org-a"), 503, None),
        (PATCH, Entry(), 200, None),
        (PATCH, Entry(who=WHO["slack"], organization="org-a"), 200, "done"),
        (PATCH, Entry(who=WHO["slack"], organization="org-a", unsure=True), 200, "unknown"),
        (PATCH, Entry(who=WHO["slack"], organization="org-a"), 503, "unknown"),
        (ENROLL, Entry(who=WHO["code"]), 401, "refused"),
        (ENROLL, Entry(who=WHO["code"], organization="org-a"), 422, "refused"),
        (ENROLL, Entry(who=WHO["code"]), 429, None),
        (ENROLL, Entry(), 401, None),
        (COMPLETE, Entry(who=WHO["agent"], organization="org-a"), 422, None),
        (COMPLETE, Entry(who=WHO["agent"], organization="org-a", refusal_changed=True), 422, "refused"),
        (COMPLETE, Entry(who=WHO["token"], organization="org-a", refusal_changed=True), 429, "refused"),
        (COMPLETE, Entry(who=WHO["agent"], organization="org-a", refusal_changed=True), 0, "unknown"),
    ],
)
def test_outcome(act: object, entry: Entry, status: int, outcome: str | None) -> None:
    assert outcome_of(act, entry, status) == outcome  # type: ignore[arg-type]


def test_a_refusal_that_changed_something_has_a_name_of_its_own() -> None:
    assert COMPLETE is not None
    entry = Entry()
    assert action_of(COMPLETE, entry) == "file.stored"
    entry.refused("file-1")
    assert (action_of(COMPLETE, entry), entry.object_id) == ("file.refused", "file-1")


def test_a_person_belongs_to_no_organization_until_found_to() -> None:
    scope: dict[str, object] = {}
    entry_in(scope).by(UserCaller(issuer="https://a", subject="olga"))
    assert (entry_in(scope).who, entry_in(scope).organization) == ({"kind": "user", "id": "https://a#olga"}, None)


def test_wire() -> None:
    record = AuditRecord(
        time=datetime(2026, 5, 31, 13, 42, 18, 250_000, tzinfo=UTC),
        organization="org-a",
        action="agent.changed",
        object_kind="Agent",
        object_id="ag-1",
        who=WHO["user"],
        source="192.0.2.1",
        request_id="r",
        outcome="done",
        status=200,
        code=None,
        detail={},
    )
    assert record.wire() == {
        "time": "2026-05-31T13:42:18.250Z",
        "organization": "org-a",
        "action": "agent.changed",
        "object": {"kind": "Agent", "id": "ag-1"},
        "who": {"kind": "user", "id": "x"},
        "source": "192.0.2.1",
        "requestId": "r",
        "outcome": "done",
        "status": 200,
    }
