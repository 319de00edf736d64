"""Compare and swap: decided anew on what is there now, and not for ever."""

import pytest

from deplite.kube.errors import ConflictError
from deplite.kube.swap import TRIES, swap


class Shelf:
    """An object whose version somebody else raises some times, right after it was read."""

    def __init__(self, disturbances: int) -> None:
        self.version, self._left = 0, disturbances

    async def read(self) -> int:
        read = self.version
        if self._left:
            self._left -= 1
            self.version += 1
        return read

    async def write(self, version: int) -> str:
        if version != self.version:
            raise ConflictError("stale", status=409)
        return f"written on {version}"


async def test_what_others_wrote_in_between_is_read_first() -> None:
    shelf = Shelf(TRIES - 1)
    assert await swap(shelf.read, shelf.write) == f"written on {TRIES - 1}"


async def test_it_ends_when_somebody_writes_each_time() -> None:
    shelf = Shelf(TRIES)
    with pytest.raises(ConflictError):
        await swap(shelf.read, shelf.write)
    assert shelf.version == TRIES
