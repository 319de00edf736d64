"""Lines as they are stored, and sets of sequence numbers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.errors import ValidationFailedError
from deplite_apiserver.logs.intake import page
from deplite_apiserver.logs.lines import SeqSet, decode, encode, line, merge
from deplite_apiserver.logs.schemas import MAX_LINE_BYTES, LogBatch


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_text_is_stored_as_one_line_and_comes_back(text: str) -> None:
    stored = encode([line(seq=0, stream="raw", content=text)])
    assert stored.count(b"\n") == 1
    [back] = decode(stored)
    assert (
        back["content"].encode("utf-8") == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    )


def test_halves_of_a_pair_that_found_each_other_are_the_character() -> None:
    assert line(seq=0, stream="raw", content="\ud83d\ude00 \ud83d")["content"] == "😀 �"


def test_a_line_has_a_step_always_and_a_level_only_where_it_was_said() -> None:
    assert line(seq=7, stream="raw", content="a") == {"seq": 7, "stream": "raw", "stepName": "", "content": "a"}
    full = line(seq=7, stream="summary", content="a", step_name="build", level="warn")
    assert list(full) == ["seq", "stream", "stepName", "level", "content"]


def test_of_two_lines_with_one_seq_that_of_the_earlier_part_is_kept() -> None:
    parts = [[{"seq": 2, "content": "a"}], [{"seq": 1, "content": "b"}, {"seq": 2, "content": "c"}]]
    assert merge(parts) == [{"seq": 1, "content": "b"}, {"seq": 2, "content": "a"}]


@given(st.lists(st.integers(0, 60), max_size=80))
def test_a_set_of_seqs_is_a_set(numbers: list[int]) -> None:
    found, model = SeqSet(), set[int]()
    for number in numbers:
        found.add(number)
        model.add(number)
    assert [number in found for number in range(-1, 63)] == [number in model for number in range(-1, 63)]
    assert found.last == max(model, default=None)
    assert [n for first, last in found.ranges for n in range(first, last + 1)] == sorted(model)
    assert all(first > end + 1 for (_, end), (first, _) in zip(found.ranges, found.ranges[1:], strict=False))


def test_a_whole_log_is_one_range_however_it_came() -> None:
    assert SeqSet(range(10_000)).ranges == [(0, 9_999)]
    assert SeqSet([*range(1, 100, 2), *range(0, 100, 2)]).ranges == [(0, 99)]


@pytest.mark.parametrize(("content", "good"), [("x" * MAX_LINE_BYTES, True), ("x" * (MAX_LINE_BYTES + 1), False)])
def test_a_line_has_at_most_a_mebibyte(content: str, good: bool) -> None:
    _check(content, good)
    _check("é" * (len(content) // 2) + "x" * (len(content) % 2), good)


def _check(content: str, good: bool) -> None:
    batch = LogBatch.model_validate({"items": [{"seq": 0, "stream": "raw", "content": content}]})
    if good:
        batch.check()
    else:
        with pytest.raises(ValidationFailedError, match=r"items\.0\.content"):
            batch.check()


@pytest.mark.parametrize(
    ("items", "asked", "following"), [([], 5, 5), ([{"seq": 5}], 5, 6), ([{"seq": 7}, {"seq": 9}], 5, 10)]
)
def test_a_page_says_where_the_next_one_begins(items: list[Any], asked: int, following: int) -> None:
    assert page(items, asked) == {"items": items, "nextSeq": following}


def test_lines_are_spelled_for_people_who_look_into_the_bucket() -> None:
    assert json.loads(encode([line(seq=0, stream="raw", content="größe")])) == line(
        seq=0, stream="raw", content="größe"
    )
    assert "größe".encode() in encode([line(seq=0, stream="raw", content="größe")])
