"""A step's output: `::add-mask::` however it arrives, and no secret in any line of the spool."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deplite_agent.jobs.lines import MAX_LINE
from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.masking import Masker
from deplite_agent.records import read_records
from tests.unit.agent.jobs.encodings import ENCODINGS
from tests.unit.agent.jobs.test_masking import split


def spooled(writes: list[bytes], *secrets: bytes) -> str:
    """What of these writes gets into the spool."""
    with TemporaryDirectory() as folder:
        log = JobLog(Path(folder, "log"), Masker(secrets), lambda: None)
        raw = log.raw("s", shown=True)
        for write in writes:
            raw.feed(write)
        raw.close()
        log.close()
        return "".join(record["content"] for record, _ in read_records(Path(folder, "log")) if record is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a topsecret\n::add-mask::topsecret\nb topsecret\n", "a topsecret\nb ***\n"),
        (b"::add-mask::topsecret\r\nb topsecret", "b ***"),
        (b"::add-mask::one two\n::add-mask::three\none two three", "*** ***"),
        (b"::add-mask::first%0Asecond%25%0D\n|first\nsecond%\r|", "|***|"),
        (b"::add-mask::topsecret", ""),
        (b"x ::add-mask::shown\n", "x ::add-mask::shown\n"),
        (b"::add-mask::\n", "::add-mask::\n"),
        (b"::add-mas\n::add-mask\n", "::add-mas\n::add-mask\n"),
        (b"::other::topsecret\n", "::other::topsecret\n"),
    ],
)
def test_masks_that_a_step_adds_at_every_split(text: bytes, expected: str) -> None:
    assert spooled([text]) == expected
    for at in range(len(text)):
        assert spooled([text[:at], text[at:]]) == expected
    assert spooled([text[at : at + 1] for at in range(len(text))]) == expected


def test_a_command_that_is_longer_than_any_line_shows_nothing_of_its_value() -> None:
    value = b"v" * (2 * MAX_LINE)
    shown = spooled([b"a\n::add-", b"mask::" + value[:MAX_LINE], value[MAX_LINE:], b"tail\nb\n"])
    assert shown == "a\nb\n"


def test_masks_of_one_step_count_in_the_next(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log", Masker(), lambda: None)
    for text in (b"::add-mask::topsecret\n", b"it is topsecret"):
        raw = log.raw("s", shown=True)
        raw.feed(text)
        raw.close()
    log.close()
    assert [record["content"] for record, _ in read_records(tmp_path / "log") if record] == ["it is ***"]


PARTS = st.lists(
    st.sampled_from(["secret", "added", "several", "command", "\n", "\r\n", "~", "::add-mas", "日"]), max_size=12
)
SHOWN = [name for name in ENCODINGS if name not in ("printf %q", "set -x")]
SECRET, ADDED, SEVERAL = b"P&ss'w/rd+\"1", "zugang-ß=2".encode(), b"-- BEGIN\nline of key\n-- END"


@settings(max_examples=150, deadline=None)
@given(parts=PARTS, form=st.sampled_from(SHOWN), seed=st.integers(0, 2**32))
def test_nothing_secret_is_in_the_spool_whatever_is_printed_in_whatever_pieces(
    parts: list[str], form: str, seed: int
) -> None:
    encode = ENCODINGS[form]
    words = {"secret": encode(SECRET), "added": encode(ADDED), "several": SEVERAL}
    command = b"\n::add-mask::" + ADDED + b"\n"
    text = command + b"".join(command if part == "command" else words.get(part, part.encode()) for part in parts)
    chance = random.Random(seed)
    for _ in range(4):
        shown = spooled(split(text, chance), SECRET, SEVERAL).encode()
        for hidden in (encode(SECRET), encode(ADDED), SECRET, ADDED, b"line of key"):
            assert hidden not in shown
        assert shown.count(b"~") == parts.count("~")
        assert shown.count("日".encode()) == parts.count("日")
