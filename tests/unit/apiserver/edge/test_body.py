"""Bytes to JSON to a closed model."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from deplite_apiserver.edge.body import MAX_DEPTH, Closed, json_value, printable, validated
from deplite_apiserver.errors import ValidationFailedError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**390), max_value=10**390)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


CODES = (None, "invalid_json", "duplicate_key", "validation_error")


def code_of(body: bytes) -> str | None:
    try:
        json_value(body)
    except ValidationFailedError as error:
        return error.code
    return None


@given(VALUES)
def test_what_json_can_say_comes_through(value: Any) -> None:
    assert json_value(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_anything_else(data: bytes) -> None:
    assert code_of(data) in CODES


@given(st.text(alphabet='{}[]":,0123456789eE.+-nultrfasNIy \\', max_size=60))
def test_no_text_like_json_raises_anything_else(text: str) -> None:
    assert code_of(text.encode()) in CODES


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("body", [b"", b"{}", b"\n\t {} "])
def test_nothing_is_an_empty_object(body: bytes) -> None:
    assert json_value(body) == {}


@pytest.mark.parametrize("body", [b" ", b"\n", b" \r\n\t", b"\x0b", b"\x00", "\u00a0".encode()])
def test_blanks_are_no_json(body: bytes) -> None:
    assert code_of(body) == "invalid_json"


def test_the_depth_is_bounded_exactly() -> None:
    json_value(nested(MAX_DEPTH))
    with pytest.raises(ValidationFailedError, match="32 levels"):
        json_value(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("levels", [1_000, 100_000, 400_000])
def test_any_depth_is_one_error(levels: int) -> None:
    with pytest.raises(ValidationFailedError):
        json_value(nested(levels))


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"NaN", "body"),
        (b'{"a":NaN}', "a"),
        (b'{"a":{"b":[1,-Infinity]}}', "a.b.1"),
        (b'{"a":1e400}', "a"),
        (b'{"a":' + b"1" * 401 + b"}", "a"),
        (b'{"a":-' + b"1" * 100_000 + b"}", "a"),
    ],
)
def test_a_number_that_is_none_is_named(body: bytes, where: str) -> None:
    with pytest.raises(ValidationFailedError, match=f"^{where}: not a number"):
        json_value(body)


class Model(Closed):
    """A closed model."""

    first_name: str = Field(max_length=5)
    count: int | None = None


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({}, "firstName"),
        ({"firstName": "long name"}, "firstName"),
        ({"first_name": "x"}, "firstName"),
        ({"firstName": "x", "other": 1}, "other"),
        ({"firstName": "x", "count": "y"}, "count"),
        ([], "body"),
        (None, "body"),
        ({"firstName": "\ud800"}, "firstName"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(value: Any, where: str) -> None:
    with pytest.raises(ValidationFailedError) as caught:
        validated(Model, value)
    assert caught.value.message.startswith(f"{where}: ")
    assert "long name" not in caught.value.message


def test_a_right_value_is_a_model() -> None:
    assert validated(Model, {"firstName": "x"}) == Model.model_validate({"firstName": "x"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("a\nb\x1b[2J\x00", "a?b?[2J?"), ("x" * 500, "x" * 100), ("\u202e", "?"), ("\ud800", "?")],
)
def test_a_callers_text_is_printable_in_a_message(text: str, shown: str) -> None:
    assert printable(text) == shown
