"""`$DEPLITE_OUTPUT`: keys and values, types, bounds, and no secret in any of it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.output import MAX_BYTES, MAX_FILE, MAX_KEYS, fit, parse_output, read_output
from deplite_agent.workflows.model import Output
from tests.unit.agent.jobs.encodings import ENCODINGS

SECRET = b"P&ss'w/rd=+1"


def read(tmp_path: Path, content: bytes, *declared: Output, secrets: tuple[bytes, ...] = ()) -> dict[str, Any]:
    (tmp_path / "output").write_bytes(content)
    return read_output(tmp_path / "output", declared, Masker(secrets))[0]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("a=1\nb=2", {"a": "1", "b": "2"}),
        ("a=1\r\nb=\r\n", {"a": "1", "b": ""}),
        ("a=1\na=2\n", {"a": "2"}),
        ("a=b=c<<d", {"a": "b=c<<d"}),
        ("a<<END\none\n\ntwo=2\nEND\nb=3", {"a": "one\n\ntwo=2", "b": "3"}),
        ("a<<E=F\nx\nE=F", {"a": "x"}),
        ("a<<END\nEND", {"a": ""}),
        ("  \n\n a b =1", {" a b ": "1"}),
        ("k\u2028x=1", {"k\u2028x": "1"}),
    ],
)
def test_what_lines_mean(text: str, values: dict[str, str]) -> None:
    assert parse_output(text) == (values, [])


@pytest.mark.parametrize("line", ["nothing", "=x", "<<END", "a<b=c", "k\x01=1", "k" * 129 + "=1"])
def test_a_line_that_is_none_is_named_and_costs_no_other(line: str) -> None:
    values, problems = parse_output(f"a=1\n{line}\nb=2")
    assert values == {"a": "1", "b": "2"}
    assert problems == ["$DEPLITE_OUTPUT, line 2: write key=value, or key<<WORD with lines up to WORD."]


def test_a_value_whose_end_never_comes_is_named_and_not_taken() -> None:
    values, problems = parse_output("a=1\nb<<END\nx=2")
    assert values == {"a": "1"}
    assert problems == ["$DEPLITE_OUTPUT, line 2: the word that ends its lines never comes."]


def test_a_key_too_many_is_named() -> None:
    values, problems = parse_output("".join(f"k{number}=1\n" for number in range(MAX_KEYS + 1)) + "k0=2")
    assert len(values) == MAX_KEYS
    assert values["k0"] == "2"
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "3", 3),
        ("number", " -3.50 ", -3.5),
        ("number", "1e5", "1e5"),
        ("number", "NaN", "NaN"),
        ("number", "9" * 20, "9" * 20),
        ("boolean", "TRUE", True),
        ("boolean", "false ", False),
        ("boolean", "yes", "yes"),
        ("string", "3", "3"),
    ],
)
def test_declared_types_are_converted_where_that_is_possible(tmp_path: Path, kind: Any, text: str, value: Any) -> None:
    found = read(tmp_path, f"k={text}".encode(), Output(name="k", type=kind))["k"]
    assert (found, type(found)) == (value, type(value))


def test_what_is_not_declared_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, b"k=3") == {"k": "3"}


@pytest.mark.parametrize("name", ENCODINGS)
def test_secrets_are_masked_in_values_and_keys(tmp_path: Path, name: str) -> None:
    form = ENCODINGS[name](SECRET)
    found = json.dumps(read(tmp_path, b"url=<" + form + b">\nx<<END\n1\n" + form + b"\nEND\n", secrets=(SECRET,)))
    assert found == '{"url": "<***>", "x": "1\\n***"}'


def test_a_secret_that_holds_what_separates_is_masked_as_a_whole(tmp_path: Path) -> None:
    assert read(tmp_path, b"user=pa55\nb=1\n", secrets=(b"user=pa55",)) == {"b": "1"}
    assert read(tmp_path, b"a<<END\nuser=\npa55\nEND\n", secrets=(b"user=\npa55",)) == {"a": "***"}
    assert read(tmp_path, b"a<<END\r\nab\r\ncd\r\nEND\r\n", secrets=(b"ab\ncd",)) == {"a": "***"}


def test_a_secret_that_is_no_text_is_masked_too(tmp_path: Path) -> None:
    assert read(tmp_path, b"a=key\xff\xferest\n", secrets=(b"key\xff\xferest",)) == {"a": "***"}


def test_a_file_that_is_too_long_ends_with_a_whole_line(tmp_path: Path) -> None:
    """Half of a secret would not be known for one."""
    beginning = b"a=1\n" + b"#" * (MAX_FILE - 16) + b"\n"
    content = beginning + b"k=topsecret\n"
    (tmp_path / "output").write_bytes(content)
    values, problems = read_output(tmp_path / "output", (), Masker([b"topsecret"]))
    assert values == {"a": "1"}
    assert problems[-1] == f"$DEPLITE_OUTPUT is longer than {MAX_FILE} bytes: the rest is left out."


def test_whatever_a_step_puts_in_its_place_is_no_output_and_no_hang(tmp_path: Path) -> None:
    path = tmp_path / "output"
    assert read_output(path, (), Masker()) == ({}, [])
    path.mkdir()
    assert read_output(path, (), Masker()) == ({}, [])
    path.rmdir()
    os.mkfifo(path)
    assert read_output(path, (), Masker()) == ({}, [])
    path.unlink()
    for target in ("/etc/passwd", "/dev/zero"):
        path.symlink_to(target)
        assert read_output(path, (), Masker()) == ({}, [])
        path.unlink()


LONG = st.tuples(st.text(min_size=1, max_size=9), st.integers(1, 5000)).map(lambda one: one[0] * one[1])
VALUES = st.text(max_size=30) | st.integers(0, 99) | st.booleans()


@given(st.dictionaries(st.text(min_size=1, max_size=128), VALUES | LONG, max_size=30))
def test_it_fits_and_what_fitted_is_unchanged(output: dict[str, Any]) -> None:
    fitted = fit(output)
    size = len(json.dumps(output, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
    assert len(json.dumps(fitted, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")) <= MAX_BYTES
    if size <= MAX_BYTES:
        assert fitted == output
    for key, value in fitted.items():
        assert value == output[key] or (str(value).endswith("… (truncated)"))


@pytest.mark.parametrize("letter", ["x", "日", "\x01", '"'])
def test_a_long_text_is_cut_and_marked_and_the_others_stay(letter: str) -> None:
    fitted = fit({"long": letter * 40_000, "url": "https://x"})
    assert fitted["url"] == "https://x"
    assert fitted["long"].endswith("… (truncated)")
    size = len(json.dumps(fitted, ensure_ascii=False, separators=(",", ":")).encode())
    assert MAX_BYTES // 2 < size <= MAX_BYTES
