"""Records: a line is whole, or it is seen not to be."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_agent.records import RecordFile, decode_record, encode_record, read_records

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one, max_size=3))
RECORDS = st.dictionaries(st.text(), JSON, max_size=4)


@given(record=RECORDS)
def test_a_record_is_one_line_and_comes_back(record: dict[str, object]) -> None:
    line = encode_record(record)
    assert line.count(b"\n") == 1
    assert decode_record(line[:-1]) == record


@given(record=RECORDS, data=st.data())
def test_a_flipped_bit_is_seen_or_does_not_matter(record: dict[str, object], data: st.DataObject) -> None:
    line = bytearray(encode_record(record)[:-1])
    bit = data.draw(st.integers(0, len(line) * 8 - 1))
    line[bit // 8] ^= 1 << bit % 8
    assert decode_record(bytes(line)) in (None, record)


@pytest.mark.parametrize("line", [b"", b"00000000", b"00000000 ", b"zzzzzzzz {}", encode_record({})[:-2], b"x" * 40])
def test_what_is_no_record_is_none(line: bytes) -> None:
    assert decode_record(line) is None


def test_a_list_with_a_right_checksum_is_no_record() -> None:
    assert decode_record(encode_record([1])[:-1]) is None  # type: ignore[arg-type]


def test_a_torn_end_is_dropped_when_the_file_is_opened_and_only_that(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(encode_record({"n": 1}) + encode_record({"n": 2, "x": "y" * 9000})[:-1])
    file = RecordFile(path)
    assert path.stat().st_size == file.size == len(encode_record({"n": 1}))
    file.append([{"n": 3}])
    file.close()
    file.close()
    assert [record for record, _ in read_records(path)] == [{"n": 1}, {"n": 3}]


def test_a_file_that_is_all_torn_becomes_empty(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10_000)
    file = RecordFile(tmp_path / "f")
    file.close()
    assert (tmp_path / "f").read_bytes() == b""


def test_reading_goes_on_at_an_offset_and_stops_at_a_size_but_gives_a_line_at_least(tmp_path: Path) -> None:
    lines = [encode_record({"n": number, "pad": "x" * 100}) for number in range(4)]
    (tmp_path / "f").write_bytes(b"".join(lines) + b"torn")
    size = len(lines[0])
    assert [after for _, after in read_records(tmp_path / "f", size, most=2 * size)] == [2 * size, 3 * size]
    assert [after for _, after in read_records(tmp_path / "f", most=1)] == [size]
    assert list(read_records(tmp_path / "missing")) == []


def test_a_damaged_line_in_the_middle_costs_no_other(tmp_path: Path) -> None:
    lines = [encode_record({"n": number}) for number in range(3)]
    (tmp_path / "f").write_bytes(lines[0] + b"?" + lines[1][1:] + lines[2])
    assert [record for record, _ in read_records(tmp_path / "f")] == [{"n": 0}, None, {"n": 2}]
