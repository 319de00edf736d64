"""The grammar of refs against a second reading of git's own page, and patterns against regular expressions."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.protocol.errors import InvalidRefError
from deplite.protocol.refs import MAX_REF_LENGTH, check_ref, ref_allowed

GOOD = [
    "main",
    "v1.2.3",
    "release/1.0",
    "refs/heads/main",
    "refs/tags/v1",
    "feature/añadir-ñ",
    "a@b",
    "a-",
    "{",
    "a.lockb",
    "lock",
    "7f3a9b",
    "日本",
    "a" * MAX_REF_LENGTH,
    "HEAD",
    "a/@",
    "=;$(rm)`\"'&|<>",
]
BAD = [
    "",
    "-rf",
    "--upload-pack=x",
    "a..b",
    "x~1",
    "x^",
    "a:b",
    "a?b",
    "a*b",
    "a[b",
    "a\\b",
    "a b",
    "a\tb",
    "a\nb",
    "a\0b",
    "a\x7fb",
    "a\x1fb",
    "main.lock",
    "a.lock/b",
    "refs/../x",
    "/a",
    "a/",
    "a//b",
    ".a",
    "a/.b",
    "a.",
    "@",
    "a@{1}",
    "\ud800",
    "a\udfffb",
    "a" * (MAX_REF_LENGTH + 1),
    "..",
    ".",
]


@pytest.mark.parametrize("ref", GOOD, ids=lambda ref: ref[:20])
def test_a_ref(ref: str) -> None:
    assert check_ref(ref) == ref


@pytest.mark.parametrize("ref", BAD, ids=lambda ref: ascii(ref[:20]))
def test_no_ref(ref: str) -> None:
    with pytest.raises(InvalidRefError) as caught:
        check_ref(ref)
    assert caught.value.code == "invalid_ref"


def git_says(ref: str) -> bool:
    """Return what git-check-ref-format(1) says, rule by rule, with one level allowed; ours are the last three."""
    parts = ref.split("/")
    return not (
        any(part.startswith(".") or part.endswith(".lock") for part in parts)
        or ".." in ref
        or any(ord(letter) < 0o40 or letter in "\x7f ~^:?*[\\" for letter in ref)
        or "" in parts
        or ref.endswith(".")
        or "@{" in ref
        or ref == "@"
        or ref.startswith("-")
        or len(ref) > 255
        or any("\ud800" <= letter <= "\udfff" for letter in ref)
    )


PIECES = st.sampled_from(["a", "b", ".", "..", "/", "@", "{", "@{", ".lock", "lock", "-", "~", " ", "\x7f", "é", "*"])


@given(st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=8))
def test_both_readings_agree(ref: str) -> None:
    try:
        check_ref(ref)
    except InvalidRefError:
        assert not git_says(ref)
    else:
        assert git_says(ref)


@pytest.mark.parametrize(
    ("ref", "allowed", "expected"),
    [
        ("main", [], True),
        (None, [], True),
        (None, ["**"], False),
        ("main", ["main"], True),
        ("refs/heads/main", ["main"], True),
        ("main", ["refs/heads/main"], True),
        ("refs/heads/main", ["refs/heads/main"], True),
        ("refs/tags/main", ["main"], False),
        ("refs/tags/v1", ["refs/tags/*"], True),
        ("refs/heads/refs/heads/x", ["x"], False),
        ("maine", ["main"], False),
        ("xmain", ["main"], False),
        ("Main", ["main"], False),
        ("release/1", ["release/*"], True),
        ("release/1/2", ["release/*"], False),
        ("release/", ["release/*"], True),
        ("release", ["release/*"], False),
        ("release/1/2", ["release/**"], True),
        ("release/1/2", ["**"], True),
        ("a/b", ["*"], False),
        ("a/b", ["*/*"], True),
        ("a/b/c", ["*/*"], False),
        ("a/b/c", ["a/**/c"], True),
        ("a/c", ["a/**/c"], False),
        ("a/x/y/c", ["a/**/c"], True),
        ("xa/ab", ["**a*b"], True),
        ("a/b", ["***"], True),
        ("v1.2", ["v1?2"], False),
        ("v1.2", ["v1.2"], True),
        ("v1x2", ["v1.2"], False),
        ("a+b", ["a+b"], True),
        ("x", ["[a-z]"], False),
        ("x", ["y", "x"], True),
        ("hotfix-1", ["hotfix-*", "main"], True),
        ("", ["*"], True),
        ("", [""], True),
        ("a", [""], False),
    ],
)
def test_patterns(ref: str | None, allowed: list[str], expected: bool) -> None:
    assert ref_allowed(ref, allowed) is expected


def as_expression(pattern: str) -> str:
    """Return the pattern as a regular expression: short, and exponential in the number of stars."""
    parts = re.split(r"(\*+)", pattern)
    return "".join("[^/]*" if part == "*" else ".*" if part[:1] == "*" else re.escape(part) for part in parts)


@given(
    st.text("ab/", max_size=10),
    st.lists(st.sampled_from(["*", "**", "a", "b", "/", "ab"]), max_size=6).map("".join),
)
def test_patterns_are_what_the_expression_says(ref: str, pattern: str) -> None:
    expected = re.fullmatch(as_expression(pattern), ref, re.DOTALL) is not None
    assert ref_allowed(ref, [pattern]) is expected


@pytest.mark.parametrize("pattern", ["*a" * 126 + "b", "**a" * 84 + "b", "*/" * 127, "**" * 127])
def test_no_pattern_is_slow(pattern: str) -> None:
    started = time.process_time()
    ref_allowed("a" * 255, [pattern] * 100)
    ref_allowed("a/" * 127, [pattern] * 100)
    assert time.process_time() - started < 2  # as a regular expression, six stars took 18 s
