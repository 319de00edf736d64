"""Room for files: what counts, and what is reserved while a file is being made."""

from contextlib import ExitStack
from datetime import datetime
from typing import cast

import pytest

from deplite.kube.client import KubeClient
from deplite_apiserver.caches import Caches
from deplite_apiserver.errors import QuotaExceededError
from deplite_apiserver.limits.room import Room
from deplite_apiserver.settings import Waits
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.files.builders import CREATED, NAMESPACE, stored_file, view


class Counted:
    """An organization that may have three files of a hundred bytes together."""

    def __init__(self) -> None:
        self.caches = Caches(cast(KubeClient, None), Waits())
        clock = StillClock(datetime.fromisoformat(CREATED))
        self.room = Room(self.caches, clock, max_jobs=1, max_objects=1, max_files=3, max_storage_bytes=100)

    def announced(self, *sizes: int) -> int:
        """Return how many of these announcements, all at once, find room."""
        with ExitStack() as made:
            for number, size in enumerate(sizes):
                try:
                    made.enter_context(self.room.for_file(NAMESPACE, size))
                except QuotaExceededError:
                    return number
        return len(sizes)

    def completed(self, *sizes: int) -> int:
        """As `announced`, of completions."""
        with ExitStack() as made:
            for number, size in enumerate(sizes):
                try:
                    made.enter_context(self.room.for_bytes(NAMESPACE, size))
                except QuotaExceededError:
                    return number
        return len(sizes)


def test_what_is_reserved_counts_until_it_is_given_back() -> None:
    counted = Counted()
    for _ in range(2):
        assert counted.announced(90, 11) == 1
        assert counted.announced(1, 1, 1, 1) == 3
        assert counted.completed(60, 40, 1) == 2


def test_a_failure_gives_back_what_was_reserved() -> None:
    counted = Counted()
    with pytest.raises(ZeroDivisionError), counted.room.for_file(NAMESPACE, 100):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), counted.room.for_bytes(NAMESPACE, 100):
        raise ZeroDivisionError
    assert counted.announced(100) == 1


def test_another_organization_is_not_counted() -> None:
    counted = Counted()
    with counted.room.for_file("org-b", 100):
        assert counted.announced(100) == 1


def test_a_deleted_file_counts_with_both_bounds() -> None:
    counted = Counted()
    counted.caches.files.note(stored_file(size=90))
    counted.caches.files.forget(NAMESPACE, "file-a")
    assert counted.announced(10, 1) == counted.completed(10, 1) == 1
    assert counted.announced(1, 1, 1) == 2


def test_what_was_measured_counts_for_announcements_alone() -> None:
    counted = Counted()
    counted.room.measured.take({NAMESPACE: 50}, {view(): 40})
    assert counted.announced(10, 1) == 1
    assert counted.completed(50, 50, 1) == 2


def test_no_more_bytes_than_announced_always_have_room() -> None:
    counted = Counted()
    counted.caches.files.note(stored_file(size=200))
    assert counted.completed(0, -1) == 2
    assert counted.announced(0) == 0
