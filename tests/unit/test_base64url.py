"""Base64 without padding: there and back, and nothing but `ValueError` for what is none."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.base64url import decode, encode


@given(st.binary(max_size=40))
def test_there_and_back(data: bytes) -> None:
    assert encode(data) == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert decode(encode(data)) == data


@pytest.mark.parametrize("text", ["A", "A=", "é", "AAAAA", "AA!A", "AA A", "AAAA\n"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)
