"""Names of downloads: whatever a name holds, the header is one line with one name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.storage.disposition import attachment


@pytest.mark.parametrize(
    ("filename", "plain", "whole"),
    [
        ("report.txt", "report.txt", "report.txt"),
        ("한글 보고서.pdf", "__ ___.pdf", "%ED%95%9C%EA%B8%80%20%EB%B3%B4%EA%B3%A0%EC%84%9C.pdf"),
        ('a"b\\c.txt', "a_b_c.txt", "a%22b%5Cc.txt"),
        ("a\r\nSet-Cookie: x", "a__Set-Cookie_ x", "a%0D%0ASet-Cookie%3A%20x"),
        ("it's (1); 50%.txt", "it_s _1__ 50_.txt", "it%27s%20%281%29%3B%2050%25.txt"),
    ],
)
def test_table(filename: str, plain: str, whole: str) -> None:
    assert attachment(filename) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"


@pytest.mark.parametrize("filename", [None, ""])
def test_no_name_is_still_no_page(filename: str | None) -> None:
    assert attachment(filename) == "attachment"


@given(st.text(min_size=1))
def test_any_name_makes_one_well_formed_header(filename: str) -> None:
    assert re.fullmatch(
        r"attachment; filename=\"[A-Za-z0-9._ -]+\"; filename\*=UTF-8''[A-Za-z0-9!#$&+^`|~._%-]+", attachment(filename)
    )


def test_half_a_character_does_no_harm() -> None:
    assert attachment("a\ud800") == "attachment; filename=\"a_\"; filename*=UTF-8''a%3F"
