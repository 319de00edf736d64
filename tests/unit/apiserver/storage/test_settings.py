"""Where the store may be: what is signed is what clients say in `Host`."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from deplite_apiserver.storage.settings import S3Settings

FILES = {"access_key_file": Path("a"), "secret_key_file": Path("b")}


@pytest.mark.parametrize(
    ("endpoint", "read"),
    [
        ("http://127.0.0.1:8333", "http://127.0.0.1:8333"),
        ("https://S3.Example.org/", "https://s3.example.org"),
        ("https://s3.example.org:443", "https://s3.example.org"),
        ("http://s3.example.org:80", "http://s3.example.org"),
        ("http://s3.example.org:443", "http://s3.example.org:443"),
        ("http://[::1]:8333", "http://[::1]:8333"),
    ],
)
def test_an_endpoint_is_read_as_clients_say_it(endpoint: str, read: str) -> None:
    assert S3Settings(endpoint=endpoint, bucket="deplite", **FILES).endpoint == read


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "s3.example.org",
        "ftp://s3.example.org",
        "https://",
        "https://s3.example.org/prefix",
        "https://s3.example.org?x=1",
        "https://s3.example.org#x",
        "https://me:secret@s3.example.org",
        "https://s3.example.org:port",
        "https://s3 example.org",
    ],
)
def test_an_endpoint_is_an_origin_and_nothing_more(endpoint: str) -> None:
    for names in ({"endpoint": endpoint}, {"endpoint": "http://a", "public_endpoint": endpoint}):
        with pytest.raises(ValidationError, match="must be http"):
            S3Settings.model_validate({"bucket": "deplite", **FILES, **names})


@pytest.mark.parametrize("bucket", ["", "ab", "Upper", "a/b", "-ab", "a" * 64])
def test_a_bucket_has_a_name_of_s3(bucket: str) -> None:
    with pytest.raises(ValidationError, match="bucket"):
        S3Settings(endpoint="http://a", bucket=bucket, **FILES)
