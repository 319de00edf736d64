"""Where to upload and download; what a real store makes of it is asked in `tests/kube/storage`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deplite_apiserver.storage.presign import Presigner
from deplite_apiserver.storage.settings import S3Settings

AT = datetime(2026, 5, 31, 12, 30, 1, tzinfo=UTC)
SHA256 = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"


@pytest.fixture
def place(tmp_path: Path) -> S3Settings:
    (tmp_path / "access").write_text("someone\n")
    (tmp_path / "secret").write_text("sesame\n")
    return S3Settings(
        endpoint="http://10.0.0.1:8333",
        bucket="deplite",
        access_key_file=tmp_path / "access",
        secret_key_file=tmp_path / "secret",
    )


def upload(place: S3Settings, key: str = "files/a", **declared: Any) -> tuple[str, dict[str, str]]:
    made = Presigner(place, lambda: AT).upload(key, expires_seconds=900, content_type="text/plain", **declared)
    return made.url, dict(made.headers)


def said(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_an_upload_says_who_when_and_how_long(place: S3Settings) -> None:
    url, _ = upload(place)
    query = said(url)
    assert query["X-Amz-Credential"] == "someone/20260531/us-east-1/s3/aws4_request"
    assert (query["X-Amz-Date"], query["X-Amz-Expires"]) == ("20260531T123001Z", "900")


@pytest.mark.parametrize(
    ("declared", "bound", "sent"),
    [
        ({}, "content-type;host;if-none-match", {}),
        ({"size": 11}, "content-length;content-type;host;if-none-match", {}),
        (
            {"sha256_hex": SHA256},
            "content-type;host;if-none-match;x-amz-checksum-sha256",
            {"x-amz-checksum-sha256": "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="},
        ),
    ],
)
def test_what_was_declared_is_bound(
    place: S3Settings, declared: dict[str, Any], bound: str, sent: dict[str, str]
) -> None:
    url, headers = upload(place, **declared)
    assert said(url)["X-Amz-SignedHeaders"] == bound
    assert headers == {"Content-Type": "text/plain", "If-None-Match": "*", **sent}


@pytest.mark.parametrize(
    ("changed", "begins"),
    [
        ({}, "http://10.0.0.1:8333/deplite/files/a?"),
        ({"style": "host"}, "http://deplite.10.0.0.1:8333/files/a?"),
        ({"public_endpoint": "https://s3.example.org"}, "https://s3.example.org/deplite/files/a?"),
        (
            {"public_endpoint": "https://s3.eu-central-1.amazonaws.com", "style": "host"},
            "https://deplite.s3.eu-central-1.amazonaws.com/files/a?",
        ),
    ],
)
def test_the_address_is_the_one_for_callers(place: S3Settings, changed: dict[str, Any], begins: str) -> None:
    changed_place = S3Settings.model_validate(place.model_dump() | changed)
    assert upload(changed_place)[0].startswith(begins)


def test_a_download_says_what_the_answer_shall_be(place: S3Settings) -> None:
    url = Presigner(place, lambda: AT).download("k", expires_seconds=60, filename="ü.txt", content_type="text/html")
    query = said(url)
    assert query["response-content-type"] == "text/html"
    assert query["response-content-disposition"] == "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"
    assert query["X-Amz-SignedHeaders"] == "host"


def test_a_key_is_encoded(place: S3Settings) -> None:
    assert "/deplite/a%20b%3F%23%25/%C3%BC~?" in upload(place, "a b?#%/ü~")[0]


def test_a_rotated_credential_is_used_at_once_and_a_lost_one_kept(place: S3Settings) -> None:
    signer = Presigner(place, lambda: AT)

    def credential() -> str:
        made = signer.upload("a", expires_seconds=900, content_type="text/plain")
        return said(made.url)["X-Amz-Credential"].partition("/")[0]

    before = signer.upload("a", expires_seconds=900, content_type="text/plain").url
    place.secret_key_file.write_text("other")
    assert signer.upload("a", expires_seconds=900, content_type="text/plain").url != before
    place.access_key_file.write_text("another")
    assert credential() == "another"
    place.access_key_file.write_text("")
    assert credential() == "another"
    place.access_key_file.unlink()
    assert credential() == "another"


def test_keys_that_are_not_there_are_told_at_once(place: S3Settings) -> None:
    place.secret_key_file.write_text(" \n")
    with pytest.raises(ValueError, match="empty"):
        Presigner(place, lambda: AT)
    place.secret_key_file.unlink()
    with pytest.raises(FileNotFoundError):
        Presigner(place, lambda: AT)


def test_an_address_is_in_no_text_of_a_record(place: S3Settings) -> None:
    made = Presigner(place, lambda: AT).upload("a", expires_seconds=900, content_type="text/plain")
    assert "Signature" not in repr(made)
