"""Announcements: their rules, and what becomes of them."""

from typing import Any

import pytest

from deplite.resources.storedfile import StoredFileSpec
from deplite_apiserver.edge.body import validated
from deplite_apiserver.errors import ValidationFailedError
from deplite_apiserver.files.completion import mismatch
from deplite_apiserver.files.schemas import AgentUploadRequest, UploadRequest, shape_of, short_of
from deplite_apiserver.storage.objects import Head
from tests.unit.apiserver.files.builders import view


@pytest.mark.parametrize(
    ("body", "default", "rule", "seconds"),
    [
        ({}, "ttl", "ttl", 86_400),
        ({}, "on_job_end", "on_job_end", None),
        ({"ttlSeconds": 60}, "on_job_end", "ttl", 60),
        ({"cleanupRule": "ttl"}, "on_job_end", "ttl", 86_400),
        ({"cleanupRule": "persistent"}, "ttl", "persistent", None),
    ],
)
def test_rules(body: dict[str, Any], default: Any, rule: str, seconds: int | None) -> None:
    fields = validated(AgentUploadRequest, body).fields(default)
    assert (fields["cleanup_rule"], fields["ttl_seconds"]) == (rule, seconds)
    StoredFileSpec(**fields)


def test_a_person_has_no_job_whose_end_there_could_be() -> None:
    with pytest.raises(ValidationFailedError, match="on_job_end"):
        validated(UploadRequest, {"cleanupRule": "on_job_end"})


def test_a_file_of_kubectl_is_shown_whatever_it_lacks() -> None:
    shown = shape_of(view())
    assert (shown.content_type, shown.size, shown.status) == ("application/octet-stream", None, "pending")
    assert short_of(view(filename="a")).model_dump() == {
        "id": view().id,
        "filename": "a",
        "size": None,
        "contentType": "application/octet-stream",
        "status": "pending",
    }


@pytest.mark.parametrize(
    ("spec", "size", "sha256", "problem"),
    [
        ({}, 5, None, None),
        ({"size": 5}, 5, None, None),
        ({"size": 5}, 6, None, "size"),
        ({"sha256": "a" * 64}, 5, "a" * 64, None),
        ({"sha256": "a" * 64}, 5, "b" * 64, "sha256"),
        ({"sha256": "a" * 64}, 5, None, None),
        ({}, 5, "b" * 64, None),
    ],
)
def test_an_upload_is_what_was_announced_or_it_is_said_how_not(
    spec: dict[str, Any], size: int, sha256: str | None, problem: str | None
) -> None:
    found = mismatch(view(**spec), Head(size=size, etag="e", content_type="x/y", sha256=sha256))
    assert (found or "None").partition(":")[0] == str(problem)
