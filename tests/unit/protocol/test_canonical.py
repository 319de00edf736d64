"""Canonical JSON against the tests' own second implementation, the standard's vectors, and what must be refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.protocol.canonical import MAX_SAFE_INTEGER, canonical_json
from deplite.protocol.errors import UnsignableError
from tests.published.canonical import canonical

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(VALUES)
def test_both_implementations_write_the_same(value: Any) -> None:
    assert canonical_json(value) == canonical(value).encode()


@given(VALUES)
def test_it_is_json_and_says_the_same(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(TEXT, st.integers(0, 9), min_size=2), st.randoms(use_true_random=False))
def test_the_order_of_keys_in_memory_does_not_matter(value: dict[str, int], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(dict(items)) == canonical_json(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-7, "-7"),
        (2**53 - 1, "9007199254740991"),
        (-(2**53) + 1, "-9007199254740991"),
        ("", '""'),
        ([], "[]"),
        ({}, "{}"),
        ((1, "a"), '[1,"a"]'),
        ({"b": 1, "a": [None, {"d": 1, "c": 2}]}, '{"a":[null,{"c":2,"d":1}],"b":1}'),
        ("a&b<c>d", '"a\\u0026b\\u003cc\\u003ed"'),
        ("\u2028\u2029", '"\\u2028\\u2029"'),
        ('\b\f\n\r\t"\\', '"\\b\\f\\n\\r\\t\\"\\\\"'),
        ("\x00\x01\x1f", '"\\u0000\\u0001\\u001f"'),
        ("\x7f\x80/", '"\x7f\x80/"'),
        ("é\N{GRINNING FACE}", '"é\N{GRINNING FACE}"'),
        ({"<": "&"}, '{"\\u003c":"\\u0026"}'),
    ],
)
def test_spelling(value: Any, expected: str) -> None:
    assert canonical_json(value) == expected.encode()


def test_keys_are_sorted_by_utf_16_code_units() -> None:
    # U+1F600 is D83D DE00 in UTF-16: before U+FB33, though its code point is greater. The keys are RFC 8785's.
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]
    text = canonical_json(dict.fromkeys(keys, 0)).decode()
    assert list(json.loads(text)) == ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert sorted(keys).index("\U0001f600") > sorted(keys).index("\ufb33")


def test_a_shorter_key_comes_before_the_one_it_begins() -> None:
    assert canonical_json({"ab": 1, "a": 2, "": 3}) == b'{"":3,"a":2,"ab":1}'


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        1e-7,
        float("nan"),
        float("inf"),
        float("-inf"),
        2**53,
        -(2**53),
        float(2**53),
        1e300,
        "\ud800",
        {"\udfff": 1},
        b"bytes",
        bytearray(b"a"),
        memoryview(b"a"),
        {1: 2},
        {None: 1},
        {1, 2},
        object(),
        1j,
    ],
    ids=repr,
)
@pytest.mark.parametrize("deep", [False, True])
def test_what_has_no_agreed_spelling_is_refused(value: Any, deep: bool) -> None:
    with pytest.raises(UnsignableError) as caught:
        canonical_json({"a": [value]} if deep else value)
    assert caught.value.code == "unsignable"


def test_endless_nesting_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(UnsignableError, match="deep"):
        canonical_json(value)
