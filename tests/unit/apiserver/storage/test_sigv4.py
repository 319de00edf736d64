"""Signatures in the query; the first one is the example that AWS publishes."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from deplite_apiserver.storage.credentials import Keys
from deplite_apiserver.storage.sigv4 import signed_url

KEYS = Keys(access_key="AKIAIOSFODNN7EXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AT = datetime(2013, 5, 24, tzinfo=UTC)


def sign(address: str, headers: dict[str, str] | None = None, parameters: dict[str, str] | None = None) -> str:
    return signed_url(
        "GET",
        address,
        keys=KEYS,
        region="us-east-1",
        at=AT,
        seconds=86_400,
        headers=headers or {},
        parameters=parameters or {},
    )


def test_the_published_example() -> None:
    assert sign("https://examplebucket.s3.amazonaws.com/test.txt") == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_headers_are_named_in_order_whatever_their_case() -> None:
    first = sign("https://a.example/b", {"X-B": "  1   2 ", "Content-Type": "text/plain"})
    assert first == sign("https://a.example/b", {"content-type": "text/plain", "x-b": "1 2"})
    assert parse_qs(urlsplit(first).query)["X-Amz-SignedHeaders"] == ["content-type;host;x-b"]


def test_every_header_and_parameter_changes_the_signature() -> None:
    signatures = [
        parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]
        for url in (
            sign("https://a.example/b"),
            sign("https://a.example/c"),
            sign("https://b.example/b"),
            sign("https://a.example/b", {"x": "1"}),
            sign("https://a.example/b", {"x": "2"}),
            sign("https://a.example/b", parameters={"x": "1"}),
        )
    ]
    assert len(set(signatures)) == len(signatures)


def test_parameters_are_encoded_whole() -> None:
    url = sign("https://a.example/b", parameters={"says": "a b/ü&+~"})
    assert "&says=a%20b%2F%C3%BC%26%2B~&X-Amz-Signature=" in url


def test_the_secret_is_in_no_address_and_no_text() -> None:
    assert KEYS.secret_key not in sign("https://a.example/b") + repr(KEYS)
