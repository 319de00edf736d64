"""Base64 without padding: there and back, and nothing but `ValueError` for what is none."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.base64url import packed, unpacked


@given(st.binary(max_size=40))
def test_there_and_back(data: bytes) -> None:
    assert packed(data) == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert unpacked(packed(data)) == data


@pytest.mark.parametrize("text", ["A", "A=", "é", "AAAAA"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked(text)
