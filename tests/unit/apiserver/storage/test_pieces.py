"""Where the lines of a log lie."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deplite_apiserver.logs.lines import encode, line
from deplite_apiserver.storage.objects import StorageUnavailableError, Stored
from deplite_apiserver.storage.pieces import CHUNK_BYTES, LogName, chunks_of, pack, part_key, parts_of

NAME = LogName(organization="org-a", storage_key="j-x-0a1b2c3d")
AT = datetime(2026, 5, 31, 12, tzinfo=UTC)
MOST = 2**63 - 1


def lines(*seqs: int, content: str = "x") -> list[dict[str, Any]]:
    return [line(seq=seq, stream="raw", content=content) for seq in seqs]


def stored(key: str) -> Stored:
    return Stored(key=key, size=1, modified_at=AT)


def test_the_same_bytes_have_the_same_key_and_others_another() -> None:
    key = part_key(NAME, 0, 9, b"one")
    assert key == part_key(NAME, 0, 9, b"one") == f"{NAME.prefix}p/{0:019d}-{9:019d}-7692c3ad3540bb80"
    assert key != part_key(NAME, 0, 9, b"two")


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, MOST), (MOST, MOST), (7, 123_456_789)])
def test_a_key_tells_which_seqs_it_holds_and_keys_sort_as_they_do(first: int, last: int) -> None:
    [piece] = parts_of([stored(part_key(NAME, first, last, b"x"))])
    assert (piece.first, piece.last, piece.length) == (first, last, 0)
    assert part_key(NAME, 99, 99, b"x") < part_key(NAME, 100, 100, b"x")


@pytest.mark.parametrize(
    "key",
    ["index.json", "m/0123456789abcdef.ndjson.gz", "p/1-2-0123456789abcdef", f"p/{0:019d}-{9:019d}-xyz", "p/", "x"],
)
def test_what_is_no_part_is_none(key: str) -> None:
    assert parts_of([stored(NAME.prefix + key)]) == []


def test_a_packed_log_is_read_back_chunk_by_chunk() -> None:
    whole = lines(*range(0, 3000, 3), content="y" * 1000)
    packed = pack(NAME, whole)
    chunks = chunks_of(packed.index)
    assert len(chunks) > 2
    assert [one for chunk in chunks for one in chunk.decode(packed.data[chunk.offset :][: chunk.length])] == whole
    assert (chunks[0].first, chunks[0].last) == (0, chunks[1].first - 3)
    assert all(len(gzip.decompress(packed.data[c.offset :][: c.length])) < 2 * CHUNK_BYTES for c in chunks)
    assert {chunk.key for chunk in chunks} == {packed.key}
    assert gzip.decompress(packed.data) == encode(whole)  # one tool of every machine reads the whole object


def test_the_same_log_packs_to_the_same_bytes() -> None:
    assert pack(NAME, lines(1, 2)) == pack(NAME, lines(1, 2))
    assert pack(NAME, lines(1, 2)).key != pack(NAME, lines(1, 3)).key


def test_a_line_larger_than_a_chunk_is_a_chunk_of_its_own() -> None:
    packed = pack(NAME, lines(0, content="z" * 3 * CHUNK_BYTES) + lines(1))
    assert [(chunk.first, chunk.last) for chunk in chunks_of(packed.index)] == [(0, 0), (1, 1)]


def test_chunks_rank_before_every_part() -> None:
    [part] = parts_of([stored(part_key(NAME, 0, 0, b"x"))])
    [chunk] = chunks_of(pack(NAME, lines(0)).index)
    assert chunk.rank < part.rank


@pytest.mark.parametrize(
    "index",
    [b"", b"{", b"[]", b"null", b"{}", b'{"object":"x"}', b'{"object":"x","chunks":[[1,2]]}', b"\xff", b"3"],
)
def test_a_damaged_index_is_no_empty_log(index: bytes) -> None:
    with pytest.raises(StorageUnavailableError):
        chunks_of(index)
    assert chunks_of(None) == []


def test_an_index_names_the_object_beside_it() -> None:
    packed = pack(NAME, lines(0))
    assert json.loads(packed.index)["object"] == packed.key
    assert packed.key.startswith(f"{NAME.prefix}m/")
    assert NAME.index == f"{NAME.prefix}index.json"
