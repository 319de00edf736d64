"""The log of a job: numbered without a break, masked, honest about what the disk did not take."""

from pathlib import Path
from typing import Any

from deplite_agent.jobs.log import JobLog, next_seq
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.shipping import MAX_BATCH_ITEMS
from deplite_agent.records import encode_record, read_records
from tests.unit.agent.disks import cut, flip, full_disk, last_lines


def open_log(path: Path, *secrets: bytes, **rest: Any) -> JobLog:
    return JobLog(path, Masker(secrets), lambda: None, **rest)


def items(path: Path) -> list[dict[str, Any]]:
    return [record for record, _ in read_records(path) if record is not None]


def contents(path: Path) -> list[str]:
    return [item["content"] for item in items(path)]


def test_lines_are_numbered_from_0_and_say_where_they_are_from(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    log.summary("Build started", step="build")
    raw = log.raw("build", shown=True)
    raw.feed(b"one\ntw")
    raw.feed(b"o\nthree")
    raw.close()
    log.completed("success")
    log.close()
    assert items(tmp_path / "log") == [
        {"seq": 0, "stream": "summary", "level": "info", "stepName": "build", "content": "Build started"},
        {"seq": 1, "stream": "raw", "stepName": "build", "content": "one\n"},
        {"seq": 2, "stream": "raw", "stepName": "build", "content": "two\n"},
        {"seq": 3, "stream": "raw", "stepName": "build", "content": "three"},
        {"seq": 4, "stream": "summary", "level": "info", "stepName": "", "content": "Workflow completed: success"},
    ]


def test_each_write_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    log = JobLog(tmp_path / "log", Masker(), lambda: told.append(1))
    log.summary("a")
    log.write_raw("s", [])
    log.summary("b")
    log.close()
    assert len(told) == 2


def test_what_is_not_shown_is_not_written_but_its_masks_count(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    raw = log.raw("quiet", shown=False)
    raw.feed(b"hidden\n::add-mask::topsecret\nhidden\n")
    raw.close()
    log.summary("it was topsecret")
    log.close()
    assert contents(tmp_path / "log") == ["it was ***"]


def test_step_names_and_levels_are_masked_as_well(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", b"topsecret")
    log.summary("x", step="for topsecret")
    log.write_raw("topsecret", [b"y"])
    log.close()
    assert [item["stepName"] for item in items(tmp_path / "log")] == ["for ***", "***"]


def test_a_full_disk_leaves_a_gap_that_is_declared_exactly(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    log.summary("before")
    with full_disk((tmp_path / "log").stat().st_size + 10):
        log.write_raw("s", [b"lost 1\n", b"lost 2\n"])
        log.write_raw("s", [b"lost 3\n"])
    log.write_raw("s", [b"after\n"])
    log.close()
    found = items(tmp_path / "log")
    assert [(item["seq"], item["stream"]) for item in found] == [(0, "summary"), (1, "system"), (4, "raw")]
    assert found[1]["content"] == "The lines 1 to 3 are lost: the disk of the agent was full."
    assert found[1]["level"] == "warn"


def test_the_last_words_of_a_full_disk_are_written_into_the_room_that_was_kept(tmp_path: Path) -> None:
    room: list[str] = []
    log = open_log(tmp_path / "log", make_room=lambda: room.append("made"))
    with full_disk(0):
        log.summary("lost")
    log.completed("failed")
    log.close()
    assert room == ["made"]
    assert [(item["seq"], item["stream"]) for item in items(tmp_path / "log")] == [(0, "system"), (1, "summary")]


def test_the_last_words_get_room_also_when_nothing_was_lost_before(tmp_path: Path) -> None:
    """The very first write that the disk refuses may be the last one."""
    made: list[str] = []
    log = open_log(tmp_path / "log", make_room=lambda: made.append("made"))
    log.completed("success")
    log.close()
    assert made == ["made"]


def test_numbering_goes_on_after_what_is_there_and_after_what_the_server_has(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    log.summary("0")
    log.close()
    for least, expected in ((0, 1), (1, 1), (9, 9)):
        assert next_seq(tmp_path / "log", least) == expected
    assert next_seq(tmp_path / "missing", 5) == 5


def test_f15_no_number_that_may_have_been_sent_is_used_again(tmp_path: Path) -> None:
    """All ten lines were sent; whatever the disk then does to the last three, a new line gets a new number."""
    sound = b"".join(encode_record({"seq": seq, "content": f"line {seq}"}) for seq in range(10))
    path = tmp_path / "log"
    path.write_bytes(sound)
    for at in last_lines(path):
        for harm in ("cut", "flip"):
            path.write_bytes(sound)
            cut(path, at) if harm == "cut" else flip(path, at, at % 8)
            boundary = harm == "cut" and sound[at - 1 : at] == b"\n"
            assert next_seq(path, 10 if boundary else 0) >= 10
            log = open_log(path, least=10)
            log.summary("new")
            log.close()
            assert next(item["seq"] for item in items(path) if item["content"] == "new") in (10, *range(1000, 1011))


def test_a_damaged_spool_skips_as_many_numbers_as_may_be_on_their_way(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(encode_record({"seq": 4, "content": "x"}) + b"torn")
    assert next_seq(tmp_path / "log") == 5 + MAX_BATCH_ITEMS
