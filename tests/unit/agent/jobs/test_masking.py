"""No secret leaves: in no form that programs print, however it is split, whatever it overlaps with (G11, G12)."""

import random
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deplite_agent.jobs.masking import MASK, Masker, forms
from tests.unit.agent.jobs.encodings import ENCODINGS

SECRETS = [b"hunter2!", b'p&ss\'w/rd "x" <y>+?=', "pässwörd-日本語".encode(), b"a\\b$c`d!e", b"user:pa55@host/db?x=1"]
MAX_WRITES = 8
FILLER = b"\x1c"
"""In no secret of these tests, and in no encoding of one."""


def masked(masker: Masker, *writes: bytes) -> bytes:
    return b"".join(map(masker.feed, writes)) + masker.flush()


def split(text: bytes, chance: random.Random) -> list[bytes]:
    """Cut a text into up to eight writes."""
    cuts = sorted(chance.randint(0, len(text)) for _ in range(chance.randint(0, MAX_WRITES - 1)))
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_every_form_is_found_at_every_split(secret: bytes, name: str) -> None:
    form = ENCODINGS[name](secret)
    text = b"before %s after" % form
    assert masked(Masker([secret]), text) == b"before *** after"
    for at in range(len(text) + 1):
        assert masked(Masker([secret]), text[:at], text[at:]) == b"before *** after"
    assert masked(Masker([secret]), *(text[at : at + 1] for at in range(len(text)))) == b"before *** after"


def test_there_are_more_than_twelve_forms() -> None:
    assert len(ENCODINGS) >= 12
    assert len({encode(SECRETS[1]) for encode in ENCODINGS.values()}) >= 12


@pytest.mark.parametrize("name", ENCODINGS)
def test_each_line_of_a_secret_of_several_is_a_secret(name: str) -> None:
    key = b"-----BEGIN KEY-----\nMIIEpAIB/+x'y AKCAQEA\r\n\tshort7\nabc\n-----END KEY-----\n"
    for line in (b"-----BEGIN KEY-----", b"MIIEpAIB/+x'y AKCAQEA", b"short7", b"-----END KEY-----"):
        shown = masked(Masker([key]), b"<" + ENCODINGS[name](line) + b">")
        assert shown.replace(b"'***'", b"***") == b"<***>"  # quotes around what needs none are no part of it
    assert masked(Masker([key]), b"<abc>") == b"<abc>"


def test_white_space_around_a_secret_is_no_part_of_it() -> None:
    assert masked(Masker([b"  topsecret \n"]), b"<topsecret> <  topsecret \n>") == b"<***> <***>"


@pytest.mark.parametrize("secret", [b"", b" ", b"\n \t"])
def test_a_secret_of_nothing_masks_nothing(secret: bytes) -> None:
    assert forms(secret) == set()
    assert masked(Masker([secret]), b"a b\n c") == b"a b\n c"


def test_secrets_that_overlap_or_touch_become_one_mask() -> None:
    masker = Masker([b"abcdef", b"defghi", b"zzzz"])
    assert masker.mask("x abcdefghi y") == "x *** y"
    assert masker.mask("x abcdefdefghizzzz y") == "x *** y"
    assert masker.mask("x zzzzz y zzzzzz") == "x *** y ***"


def test_bytes_that_are_no_text_are_masked_too() -> None:
    secret = b"key\xff\xfe\x00rest"
    assert masked(Masker([secret]), b"<" + secret + b"|" + secret.hex().encode() + b">") == b"<***|***>"


def test_a_secret_that_is_added_counts_for_what_follows_also_for_what_is_held() -> None:
    masker = Masker([b"abcdef"])
    out = masker.feed(b"1 ghijkl 2 abc")
    masker.add(b"ghijkl", b"abcxyz")
    assert out + masker.feed(b"xyz 3 ghijkl") + masker.flush() == b"1 ghijkl 2 *** 3 ***"


def test_a_text_is_masked_beside_the_stream() -> None:
    masker = Masker([b"topsecret"])
    assert masker.feed(b"a tops") == b"a "
    assert masker.mask("a topsecret tops") == "a *** tops"
    assert masker.mask("lone \ud800 topsecret") == "lone ? ***"
    assert masker.feed(b"ecret b") == b"*** b"


def covered(text: bytes, patterns: set[bytes]) -> list[bool]:
    """Say of each byte whether it is part of a secret; the slow and plain way."""
    hidden = [False] * len(text)
    for pattern in patterns:
        at = text.find(pattern)
        while at >= 0:
            hidden[at : at + len(pattern)] = [True] * len(pattern)
            at = text.find(pattern, at + 1)
    return hidden


def by_hand(text: bytes, patterns: set[bytes]) -> bytes:
    out, before = bytearray(), False
    for byte, hidden in zip(text, covered(text, patterns), strict=True):
        if not hidden:
            out.append(byte)
        elif not before:
            out += MASK
        before = hidden
    return bytes(out)


NARROW = st.lists(st.sampled_from(b"ab\n'"), min_size=1, max_size=12).map(bytes)
WIDE = st.text(st.characters(codec="utf-8", exclude_characters="\x1c*"), min_size=2, max_size=16).map(str.encode)
SAYINGS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 3)), max_size=6)


@settings(max_examples=1000, deadline=None)
@given(secrets=st.lists(NARROW | WIDE, min_size=1, max_size=3), sayings=SAYINGS, seed=st.integers(0, 2**32))
@example(secrets=[b"aab", b"abaa"], sayings=[(0, 0, 0), (1, 0, 0), (0, 0, 0)], seed=1)
def test_streams_in_any_pieces_leak_nothing_and_lose_nothing(
    secrets: list[bytes], sayings: list[tuple[int, int, int]], seed: int
) -> None:
    """Twenty splits an example: 20 000 cases."""
    patterns = set().union(*map(forms, secrets))
    ordered = sorted(patterns) or [b""]
    text = b"".join(
        secrets[which % len(secrets)][cut:] + ordered[form % len(ordered)] + FILLER * cut
        for which, form, cut in sayings
    )
    expected = by_hand(text, patterns)
    assert not any(pattern in expected.replace(MASK, FILLER) for pattern in patterns)
    chance, masker = random.Random(seed), Masker(secrets)
    for _ in range(20):
        assert masked(masker, *split(text, chance)) == expected


@settings(max_examples=300, deadline=None)
@given(
    secrets=st.lists(NARROW, min_size=1, max_size=3), text=st.lists(st.sampled_from(b"ab\n'x"), max_size=40).map(bytes)
)
def test_nothing_is_held_back_but_what_may_be_the_beginning_of_a_secret(secrets: list[bytes], text: bytes) -> None:
    patterns = set().union(*map(forms, secrets))
    masker = Masker(secrets)
    for at in range(len(text)):
        masker.feed(text[at : at + 1])
        so_far = text[: at + 1]
        longest = max(
            (
                size
                for pattern in patterns
                for size in range(1, min(len(pattern), len(so_far) + 1))
                if so_far.endswith(pattern[:size])
            ),
            default=0,
        )
        assert len(masker._held) == longest
