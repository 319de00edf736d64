"""What all kinds share: moments, manifests, unknown fields, conditions."""

from datetime import UTC, datetime

import pydantic
import pytest

from deplite.resources import Agent, DeployJob, EnrollmentToken, StoredFile, Trigger
from deplite.resources.resource import utc


def ending(moment: str) -> datetime | None:
    return EnrollmentToken.model_validate({"spec": {"expiresAt": moment}}).spec.expires_at


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-01-01T00:00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T02:00:00+02:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T00:00:00.123456789Z", datetime(2027, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2027-01-01T00:00:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("1000-01-01T00:00:00+23:59", datetime(999, 12, 31, 0, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59-14:00", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_utc(text: str, expected: datetime) -> None:
    assert ending(text) == expected


def test_a_moment_is_written_in_whole_seconds_of_utc() -> None:
    token = EnrollmentToken.model_validate({"spec": {"expiresAt": "2027-01-01T02:00:00.9+02:00"}})
    assert token.manifest()["spec"]["expiresAt"] == "2027-01-01T00:00:00Z"
    assert utc(datetime.max.replace(tzinfo=UTC)) == "9999-12-31T23:59:59Z"


def test_a_manifest_has_no_status_and_only_metadata_that_may_be_set() -> None:
    body = {
        "metadata": {"name": "deploy", "namespace": "org-a", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}},
        "spec": {"agent": "web", "workflow": "deploy"},
        "status": {"id": "tr-x"},
    }
    manifest = Trigger.model_validate(body).manifest()
    assert manifest["metadata"] == {"name": "deploy", "namespace": "org-a", "labels": {"a": "b"}}
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert (manifest["apiVersion"], manifest["kind"]) == ("deplite.io/v1alpha1", "Trigger")


def test_fields_that_a_newer_schema_added_are_ignored_everywhere() -> None:
    body = {
        "apiVersion": "deplite.io/v1alpha1",
        "metadata": {"name": "a", "managedFields": [], "new": 1},
        "spec": {"agent": "web", "workflow": "deploy", "new": 1, "requestedBy": {"kind": "user", "new": 1}},
        "status": {"phase": "Running", "new": 1},
    }
    job = DeployJob.model_validate(body)
    assert (job.spec.requested_by.kind, job.status.phase) == ("user", "Running")


def test_records_are_frozen() -> None:
    agent = Agent.model_validate({"spec": {"displayName": "web"}})
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        agent.spec.display_name = "other"


@pytest.mark.parametrize("spec", [{}, {"cleanupRule": "ttl"}])
def test_a_status_that_is_not_there_yet_has_its_first_value(spec: dict[str, str]) -> None:
    assert StoredFile.model_validate({"spec": spec}).status.phase == "Pending"
    assert Agent.model_validate({}).status.state == "Pending"


def test_a_condition_is_found_by_its_type() -> None:
    condition = {"type": "Ready", "status": "True", "reason": "Connected", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    agent = Agent.model_validate({"status": {"conditions": [condition]}})
    found = agent.status.condition("Ready")
    assert found is not None
    assert found.reason == "Connected"
    assert agent.status.condition("SecretsReady") is None


@pytest.mark.parametrize(
    ("label", "by_api"),
    [({"deplite.io/created-by": "api"}, True), ({"deplite.io/created-by": "x"}, False), ({}, False)],
)
def test_only_the_label_says_that_rest_made_an_object(label: dict[str, str], by_api: bool) -> None:
    assert Agent.model_validate({"metadata": {"labels": label}}).managed_by_api is by_api


def test_params_that_are_no_scalars_are_read_as_their_json() -> None:
    job = DeployJob.model_validate(
        {"spec": {"agent": "a", "workflow": "w", "params": {"a": [1], "b": None, "c": {"d": 1}, "e": 1.5, "f": True}}}
    )
    assert job.spec.params == {"a": "[1]", "b": "null", "c": '{"d": 1}', "e": 1.5, "f": True}


def test_what_lies_outside_the_cluster_is_keyed_by_name_and_uid() -> None:
    job = DeployJob.model_validate(
        {"metadata": {"name": "j-a", "uid": "0123456789-x"}, "spec": {"agent": "a", "workflow": "w"}}
    )
    assert job.storage_key == "j-a-01234567"
