"""What was found in the bucket counts until it is counted otherwise, or is too old."""

from typing import cast

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.resources import StoredFile
from deplite_apiserver.files.measured import GOOD_SECONDS, Measured
from deplite_apiserver.files.view import FileView, project
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.files.builders import NAMESPACE, stored_file, view

STORED = {"phase": "Stored", "size": 7}


def measuring() -> tuple[Cache[FileView], StillClock, Measured]:
    files: Cache[FileView] = Cache(cast(KubeClient, None), StoredFile, project)
    clock = StillClock()
    return files, clock, Measured(files, clock.monotonic)


def test_a_measurement_replaces_the_last_one_and_grows_old() -> None:
    _, clock, measured = measuring()
    assert measured.of(NAMESPACE) == 0
    measured.take({NAMESPACE: 5, "org-b": 3}, {view("a"): 7})
    assert (measured.of(NAMESPACE), measured.of("org-b"), measured.of("org-c")) == (12, 3, 0)
    measured.take({NAMESPACE: 2}, {})
    assert (measured.of(NAMESPACE), measured.of("org-b")) == (2, 0)
    clock.advance(GOOD_SECONDS - 1)
    assert measured.of(NAMESPACE) == 2
    clock.advance(1)
    assert measured.of(NAMESPACE) == 0


def test_a_file_that_is_completed_counts_elsewhere_and_one_that_is_deleted_until_the_next_round() -> None:
    files, _, measured = measuring()
    for name in ("a", "b"):
        files.note(stored_file(name))
    measured.take({NAMESPACE: 1}, {view("a"): 7, view("b"): 30})
    for version in (2, 3):
        files.note(stored_file("a", version=version, status=STORED))
        assert measured.of(NAMESPACE) == 31
    files.forget(NAMESPACE, "b")
    assert measured.of(NAMESPACE) == 31


def test_a_file_that_was_completed_while_the_round_went_on_does_not_count() -> None:
    files, _, measured = measuring()
    files.note(stored_file("a", status=STORED))
    measured.take({}, {view("a"): 7})
    assert measured.of(NAMESPACE) == 0
