"""Tokens and enrolment codes: their form, their checksum, and that they are not shown by accident."""

import hashlib
import random
import re
import string
import zlib

import pytest

from deplite.resources.credentials import CredentialKind, describe, mint, well_formed

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KINDS: list[CredentialKind] = ["tk", "enr"]


def checksum(text: str) -> str:
    """Return CRC32 in six base62 digits: the tests' own spelling."""
    number = zlib.crc32(text.encode())
    return "".join(ALPHABET[number // 62**place % 62] for place in range(5, -1, -1))


@pytest.mark.parametrize("kind", KINDS)
def test_the_form_of_a_credential(kind: CredentialKind) -> None:
    minted = mint(kind)
    assert re.fullmatch(rf"{kind}_[0-9A-Za-z]{{36}}", minted.plain)
    assert minted.plain[-6:] == checksum(minted.plain[:-6])
    assert minted.sha256 == hashlib.sha256(minted.plain.encode()).hexdigest()
    assert minted.plain.startswith(minted.prefix)
    assert len(minted.prefix) == len(kind) + 7
    assert well_formed(minted.plain, kind)


def test_a_fixed_one() -> None:
    plain = "tk_" + "0" * 30 + checksum("tk_" + "0" * 30)
    assert well_formed(plain, "tk")
    assert (describe(plain).prefix, describe(plain).plain) == ("tk_000000", plain)


@pytest.mark.parametrize("kind", KINDS)
def test_no_random_text_of_the_right_shape_passes(kind: CredentialKind) -> None:
    chance = random.Random(20260601)
    texts = (f"{kind}_" + "".join(chance.choices(ALPHABET, k=36)) for _ in range(100_000))
    assert [text for text in texts if well_formed(text, kind)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_slip_of_one_letter_is_noticed(kind: CredentialKind) -> None:
    plain = mint(kind).plain
    start = len(kind) + 1
    slips = (
        plain[:at] + letter + plain[at + 1 :]
        for at in range(start, len(plain))
        for letter in ALPHABET
        if letter != plain[at]
    )
    assert [slip for slip in slips if well_formed(slip, kind)] == []


def test_two_swapped_letters_are_noticed() -> None:
    plain = mint("tk").plain
    swapped = [
        plain[:at] + plain[at + 1] + plain[at] + plain[at + 2 :]
        for at in range(3, len(plain) - 1)
        if plain[at] != plain[at + 1]
    ]
    assert swapped
    assert [text for text in swapped if well_formed(text, "tk")] == []


def bad_forms() -> list[str]:
    plain = mint("tk").plain
    return ["", "tk_", plain[:-1], plain + "0", f" {plain}", f"{plain}\n", plain.upper(), plain[3:], "enr_" + plain[3:]]


@pytest.mark.parametrize("text", bad_forms(), ids=range(9))
def test_another_form_is_refused(text: str) -> None:
    assert not well_formed(text, "tk")


def test_letters_that_only_look_like_digits_are_refused() -> None:
    assert not well_formed("tk_" + "\N{ARABIC-INDIC DIGIT ONE}" * 36, "tk")
    assert not well_formed("tk_" + "é" * 36, "tk")


def test_one_kind_is_not_the_other() -> None:
    assert not well_formed(mint("tk").plain, "enr")
    assert not well_formed(mint("enr").plain, "tk")


def test_a_credential_is_not_shown_by_accident() -> None:
    minted = mint("tk")
    assert minted.plain not in repr(minted)
    assert minted.plain not in str(minted)


def test_every_credential_is_new_and_uses_the_whole_alphabet() -> None:
    minted = [mint("tk").plain for _ in range(1000)]
    assert len(set(minted)) == 1000
    assert set("".join(plain[3:33] for plain in minted)) == set(ALPHABET)
