"""Params of a run: what is bounded, how each type is read, and that no pattern of a workflow can hang anybody."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.protocol.canonical import canonical_json
from deplite.protocol.params import ParamError, check_bounds, resolve, signable, storable

BAD_BOUNDS: dict[str, Any] = {
    "a list": [],
    "text": "a=b",
    "null": None,
    "a number": 1,
    "a nested object": {"a": {"b": 1}},
    "a nested list": {"a": [1]},
    "a null": {"a": None},
    "NaN": {"a": float("nan")},
    "infinity": {"a": float("inf")},
    "101 entries": {f"p{number}": 1 for number in range(101)},
    "an empty name": {"": 1},
    "a name of 65 characters": {"a" * 65: 1},
    "a name with =": {"A=B": 1},
    "a name with NUL": {"a\0": 1},
    "a name with a line break": {"a\nb": 1},
    "a name with a control of C1": {"a\x85b": 1},
    "a name with a lone surrogate": {"\ud800": 1},
    "4097 bytes": {"a": "x" * 4097},
    "4097 bytes of 2-byte letters": {"a": "é" * 2048 + "x"},
    "8193 bytes together": {"a": "x" * 4096, "b": "x" * 4095},
    "an integer of 5 000 digits": {"a": 10**4_999},
    "a value with NUL": {"a": "x\0y"},
    "a value with a lone surrogate": {"a": "\ud800"},
}


@pytest.mark.parametrize("params", BAD_BOUNDS.values(), ids=BAD_BOUNDS.keys())
def test_what_is_out_of_bounds_is_named(params: Any) -> None:
    with pytest.raises(ParamError, match=r"^params"):
        check_bounds(params)


GOOD_BOUNDS: dict[str, dict[str, Any]] = {
    "none": {},
    "each type": {"s": "x", "i": 1, "f": 1.5, "b": True, "empty": ""},
    "100 entries": {f"p{number}": 1 for number in range(100)},
    "64 characters": {"é" * 64: 1},
    "names of all kinds": {"a b": 1, "a.b-c_d": 1, "日本": 1, '"': 1, "-": 1},
    "4096 bytes": {"a": "x" * 4096},
    "8192 bytes together": {"a": "x" * 4096, "b": "x" * 4094},
    "1 000 digits": {"a": 10**1_000},
}


@pytest.mark.parametrize("params", GOOD_BOUNDS.values(), ids=GOOD_BOUNDS.keys())
def test_what_just_fits_is_returned_as_it_is(params: dict[str, Any]) -> None:
    assert check_bounds(params) == params


@pytest.mark.parametrize(
    ("entry", "value", "expected"),
    [
        ({"type": "string"}, "x", "x"),
        ({"type": "string"}, 3, "3"),
        ({"type": "string"}, 3.0, "3"),
        ({"type": "string"}, True, "true"),
        ({}, 3, "3"),
        ({"type": "unheard of"}, 3, "3"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "abc", "abc"),
        ({"type": "string", "pattern": "b"}, "abc", "abc"),
        ({"type": "string", "pattern": "(?=a)look"}, "anything", "anything"),
        ({"type": "string", "options": ["a", 1]}, "1", "1"),
        ({"type": "string", "min": 1, "max": 2}, "ab", "ab"),
        ({"type": "number"}, "3", 3),
        ({"type": "number"}, " 3 ", 3),
        ({"type": "number"}, "-3.5", -3.5),
        ({"type": "number"}, "1e3", 1000),
        ({"type": "number"}, ".5", 0.5),
        ({"type": "number"}, "9007199254740993", "9007199254740993"),
        ({"type": "number", "min": 1, "max": 20}, "20", 20),
        ({"type": "number", "options": [1, 2]}, "2", 2),
        ({"type": "boolean"}, "TRUE", True),
        ({"type": "boolean"}, "off", False),
        ({"type": "boolean"}, 1, True),
        ({"type": "boolean"}, 0, False),
        ({"type": "boolean"}, True, True),
        ({"type": "enum", "options": ["a", "b"]}, "a", "a"),
        ({"type": "enum", "options": [1, 2]}, "2", "2"),
    ],
)
def test_a_value_is_read_as_its_declared_type(entry: dict[str, Any], value: Any, expected: Any) -> None:
    found = resolve({"p": value}, [{"name": "p"} | entry])["p"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ({"type": "string", "pattern": "^[a-z]+$"}, "ABC"),
        ({"type": "string", "pattern": "^a$"}, "a\n"),
        ({"type": "string", "options": ["a"]}, "b"),
        ({"type": "string", "options": []}, "b"),
        ({"type": "string", "min": 2}, "a"),
        ({"type": "string", "max": 2}, "abc"),
        ({"type": "number"}, "x"),
        ({"type": "number"}, ""),
        ({"type": "number"}, "0x10"),
        ({"type": "number"}, "1_000"),
        ({"type": "number"}, "nan"),
        ({"type": "number"}, "1e9999"),
        ({"type": "number"}, True),
        ({"type": "number", "min": 1}, 0),
        ({"type": "number", "max": 20}, "20.5"),
        ({"type": "number", "options": [1, 2]}, 3),
        ({"type": "boolean"}, "maybe"),
        ({"type": "boolean"}, 2),
        ({"type": "enum", "options": ["a"]}, "A"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(entry: dict[str, Any], value: Any) -> None:
    with pytest.raises(ParamError, match=r"params\.p "):
        resolve({"p": value}, [{"name": "p"} | entry])


def test_defaults_fill_in_and_unknown_or_missing_ones_are_refused() -> None:
    schema: list[dict[str, Any]] = [
        {"name": "a", "type": "number", "default": "2"},
        {"name": "b", "required": True},
        {"name": "c"},
    ]
    assert resolve({"b": "x"}, schema) == {"a": 2, "b": "x"}
    with pytest.raises(ParamError, match=r"params\.b is required"):
        resolve({}, schema)
    with pytest.raises(ParamError, match=r"params\.d is not a param"):
        resolve({"b": "x", "d": 1}, schema)


def test_no_schema_passes_all_and_an_empty_one_none() -> None:
    assert resolve({"a": 1, "b": 2**60}, None) == {"a": 1, "b": str(2**60)}
    with pytest.raises(ParamError):
        resolve({"a": 1}, [])


@pytest.mark.parametrize("entry", [{"min": "1"}, {"max": True}, {"min": None}, {"pattern": "["}, {"options": None}])
def test_a_damaged_declaration_refuses_nothing(entry: dict[str, Any]) -> None:
    assert resolve({"p": "x"}, [{"name": "p", "type": "string"} | entry]) == {"p": "x"}


def test_no_pattern_of_a_workflow_is_slow() -> None:
    started = time.process_time()
    with pytest.raises(ParamError):
        resolve({"p": "a" * 4000}, [{"name": "p", "type": "string", "pattern": "^(a+)+b$"}])
    assert time.process_time() - started < 1


@given(
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
)
def test_what_is_stored_survives_json_and_what_is_signed_has_one_spelling(value: Any) -> None:
    stored = storable(value)
    assert json.loads(json.dumps(stored)) == stored
    assert storable(stored) == stored
    canonical_json(
        signable(value) if not isinstance(value, str) else signable(value.encode("utf-8", "ignore").decode())
    )
