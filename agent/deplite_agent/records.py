"""Files of records, one a line: a checksum, then JSON. What a crash tore or a disk changed is seen and left out."""

import contextlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deplite_agent.files import write_all

Record = dict[str, Any]


def encode_record(record: Record) -> bytes:
    """Return one line."""
    data = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(data), data)


def decode_record(line: bytes) -> Record | None:
    """Return what a whole line says (without its end), or None where it is torn or changed."""
    if len(line) < 10 or line[8:9] != b" ":
        return None
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            return None
        record = json.loads(line[9:])
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


class RecordFile:
    """An append-only file of records. Opening it drops a torn end: what is appended begins a line of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = self._drop_torn_end()
        """Bytes of whole records."""

    def append(self, records: Iterable[Record]) -> None:
        """Append records; they survive the end of this process, and after `sync` that of the machine.

        Raises:
            OSError: the disk is full or broken; nothing of these records is in the file.
        """
        data = b"".join(map(encode_record, records))
        try:
            write_all(self._descriptor, data)
        except OSError:
            with contextlib.suppress(OSError):  # else the torn line is seen for one when the file is read
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def sync(self) -> None:
        """Put it all on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _drop_torn_end(self) -> int:
        size = os.fstat(self._descriptor).st_size
        whole = size
        while whole > 0:
            start = max(0, whole - 4096)
            newline = os.pread(self._descriptor, whole - start, start).rfind(b"\n")
            if newline >= 0:
                whole = start + newline + 1
                break
            whole = start
        if whole < size:
            os.ftruncate(self._descriptor, whole)
        return whole


def read_records(path: Path, offset: int = 0, *, most: int | None = None) -> Iterator[tuple[Record | None, int]]:
    """Yield each record from an offset on, with the offset after it; None for a line that is damaged.

    Args:
        path: the file; one that is not there has no records.
        offset: where a line begins.
        most: bytes to read at most, but one line at least.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        position = offset
        for line in file:
            if not line.endswith(b"\n"):
                return  # torn, or being written just now
            if most is not None and position > offset and position + len(line) - offset > most:
                return
            position += len(line)
            yield decode_record(line[:-1]), position
