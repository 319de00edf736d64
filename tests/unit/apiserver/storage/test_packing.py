"""A whole log as merged objects and the index of them."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from deplite_apiserver.logs.bounds import Extent
from deplite_apiserver.logs.lines import encode, line
from deplite_apiserver.storage import packing
from deplite_apiserver.storage.packing import CHUNK_BYTES, Packer
from deplite_apiserver.storage.pieces import Index, LogName, index_of, parts_of
from tests.unit.apiserver.storage.test_pieces import NAME, part


def lines(*seqs: int, content: str = "x") -> list[dict[str, Any]]:
    return [line(seq=seq, stream="raw", content=content) for seq in seqs]


def pack(whole: Sequence[dict[str, Any]], page: int = 100, name: LogName = NAME) -> tuple[dict[str, bytes], Index]:
    """Return the objects by key, and the index, of lines that come page by page."""
    packer = Packer(name)
    merged = [one for start in range(0, len(whole), page) for one in packer.add(whole[start : start + page])]
    merged += packer.rest()
    assert [one.key for one in merged] == packer.keys == json.loads(packer.index())["objects"]
    return {one.key: one.data for one in merged}, index_of(packer.index())


def unpack(objects: dict[str, bytes], index: Index) -> list[dict[str, Any]]:
    return [
        one
        for chunk in index.chunks
        for one in chunk.decode(objects[chunk.key][chunk.offset : chunk.offset + chunk.length])
    ]


def test_a_packed_log_is_read_back_chunk_by_chunk() -> None:
    whole = lines(*range(0, 3000, 3), content="y" * 1000)
    objects, index = pack(whole)
    chunks = index.chunks
    assert len(chunks) > 2
    assert unpack(objects, index) == whole
    assert (chunks[0].first, chunks[0].last) == (0, chunks[1].first - 3)
    [(key, data)] = objects.items()
    assert all(len(gzip.decompress(data[c.offset :][: c.length])) < 2 * CHUNK_BYTES for c in chunks)
    assert key.startswith(f"{NAME.prefix}m/")
    assert gzip.decompress(data) == encode(whole)  # one tool of every machine reads the whole object
    assert index.extent == Extent(size=len(encode(whole)), lines=1000)


def test_a_long_log_is_several_objects_none_of_them_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "OBJECT_BYTES", 1000)
    whole = lines(*range(1000), content="y" * 1000)
    objects, index = pack(whole)
    assert len(objects) > 2
    assert max(map(len, objects.values())) < 2 * 1000 + CHUNK_BYTES // 100
    assert unpack(objects, index) == whole


def test_the_same_log_packs_to_the_same_bytes_whatever_its_pages() -> None:
    whole = lines(*range(900), content="z" * 1000)
    assert pack(whole, page=7) == pack(whole, page=900)
    assert pack(lines(1, 2)) == pack(lines(1, 2)) != pack(lines(1, 3))


def test_a_line_larger_than_a_chunk_is_a_chunk_of_its_own() -> None:
    _, index = pack(lines(0, content="z" * 3 * CHUNK_BYTES) + lines(1))
    assert [(chunk.first, chunk.last) for chunk in index.chunks] == [(0, 0), (1, 1)]


def test_chunks_rank_before_every_part() -> None:
    assert pack(lines(0))[1].chunks[0].rank < parts_of([part(0, 0, 1)])[0].rank
