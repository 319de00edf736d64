"""Which answers are worth another try, and when."""

import pytest

from deplite.protocol.refusal import retry_after, store_code, store_temporary, temporary


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 599])
def test_what_passes(status: int) -> None:
    assert temporary(status)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 410, 412, 416, 422])
def test_what_does_not(status: int) -> None:
    assert not temporary(status)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("7", 7),
        ("300", 300),
        ("999999999", 300),
        ("9999999999", 0),
        ("-1", 0),
        ("1.5", 0),
        ("٣", 0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0),
    ],
)
def test_when(value: str | None, seconds: float) -> None:
    assert retry_after(value) == seconds


def test_a_store_says_409_while_another_upload_is_under_way() -> None:
    assert store_temporary(409)
    assert store_temporary(503)
    assert not store_temporary(412)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<Error><Code>SlowDown</Code></Error>", "SlowDown"),
        (b"<Error><Code>a b</Code></Error>", "storage_refused"),
        (b"", "storage_refused"),
    ],
)
def test_the_code_of_a_store(body: bytes, code: str) -> None:
    assert store_code(body) == code
