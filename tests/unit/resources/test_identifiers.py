"""Ids: stable through delete and apply, wide enough never to meet, and fit to be object names."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.resources.identifiers import (
    ID_PATTERN,
    JOB_ID_PATTERN,
    keyed_job_id,
    object_id,
    random_file_name,
    random_job_id,
    slug_name,
    upload_name,
)
from deplite.resources.limits import NAME_PATTERN


def by_hand(text: str, length: int) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:length]


@pytest.mark.parametrize("prefix", ["tr", "ag", "tok", "f", "wf", "enr"])
def test_an_objects_id_is_a_hash_of_its_name(prefix: str) -> None:
    found = object_id(prefix, "org-acme", "deploy-prod")
    assert found == f"{prefix}-{by_hand('org-acme/deploy-prod', 16)}"
    assert ID_PATTERN.fullmatch(found)


def test_ids_never_change_between_releases() -> None:
    assert object_id("tr", "org-acme", "deploy-prod") == "tr-axbeexbrcfy7ulds"
    assert keyed_job_id("tr-a", "tok-b", "key") == "j-ugrwpzqpdaqrcetly35conpo7y"


def test_a_keyed_job_id_has_130_bits_of_the_hash() -> None:
    found = keyed_job_id("tr-a", "tok-b", "key")
    assert found == f"j-{by_hand(chr(0).join(('tr-a', 'tok-b', 'key')), 26)}"
    assert JOB_ID_PATTERN.fullmatch(found)
    assert len(found) - 2 == 26 == 130 // 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("tr-a", "tok-b", "key"), ("tr-a", "tok-b", "key2")),
        (("tr-a", "tok-b", "key"), ("tr-a", "tok-c", "key")),
        (("tr-a", "tok-b", "key"), ("tr-b", "tok-b", "key")),
        (("tr-a", "tok-b", "key"), ("tr-a", "tok-bkey", "")),
        (("a", "bc", "d"), ("ab", "c", "d")),
    ],
)
def test_other_parts_make_another_job(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert keyed_job_id(*one) != keyed_job_id(*other)
    assert keyed_job_id(*one) == keyed_job_id(*one)


def test_random_job_ids_never_meet_and_use_every_letter() -> None:
    found = [random_job_id() for _ in range(5000)]
    assert len(set(found)) == 5000
    assert all(JOB_ID_PATTERN.fullmatch(one) for one in found)
    for place in range(2, 28):  # each of the 26 letters carries five random bits
        assert len({one[place] for one in found}) == 32


@pytest.mark.parametrize(
    ("display_name", "slug"),
    [
        ("Deploy Prod", "deploy-prod"),
        ("  --Déploy__Prod!!  ", "deploy-prod"),
        ("日本", "x"),
        ("", "x"),
        ("-", "x"),
        ("A" * 100, "a" * 40),
        ("a" * 39 + " b", "a" * 39),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_a_slug(display_name: str, slug: str) -> None:
    found = slug_name(display_name)
    assert re.fullmatch(rf"{re.escape(slug)}-[a-z2-7]{{8}}", found)
    assert slug_name(display_name) != found


@given(st.text(max_size=200))
def test_every_slug_is_an_object_name(display_name: str) -> None:
    found = slug_name(display_name)
    assert re.fullmatch(NAME_PATTERN, found)
    assert len(found) <= 63


@pytest.mark.parametrize(
    "text", ["tr-" + "a" * 15, "tr-" + "a" * 17, "tr-" + "A" * 16, "tr-" + "1" * 16, "xx-" + "a" * 16, "tr-a\n"]
)
def test_what_is_no_id(text: str) -> None:
    assert ID_PATTERN.fullmatch(text) is None


def test_an_upload_is_named_by_who_announces_it_and_the_nonce_of_that() -> None:
    assert upload_name("ag-a", "0" * 32) == f"file-{by_hand('ag-a ' + '0' * 32, 26)}"
    names = {upload_name(agent, nonce * 32) for agent in ("ag-a", "ag-b") for nonce in "01"}
    names |= {random_file_name() for _ in range(100)}
    assert len(names) == 104
    assert all(re.fullmatch(NAME_PATTERN, name) for name in names)
