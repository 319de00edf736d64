"""What was found in the bucket counts until it is counted otherwise, or is too old."""

import json
from typing import Any, cast

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.resources import StoredFile
from deplite_apiserver.files.measured import GOOD_SECONDS, MARGIN_SECONDS, MOST_TOLD, Measured
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


def telling() -> tuple[Measured, list[str]]:
    """Return a measurement, and what it rings, as it goes over the wire."""
    _, _, measured = measuring()
    told: list[str] = []
    measured.attach(lambda found: told.append(json.dumps(found)))
    return measured, told


def test_what_one_replica_measured_counts_at_another_until_it_is_old() -> None:
    measured, told = telling()
    files, clock, other = measuring()
    measured.take({NAMESPACE: 5, "org-b": 3}, {view("a"): 7, view("b"): 30})
    files.note(stored_file("b", status=STORED))  # this replica knows already that it is completed
    other.hear(json.loads(told[0]))
    assert (other.of(NAMESPACE), other.of("org-b")) == (12, 3)
    files.note(stored_file("a", version=2, status=STORED))
    assert other.of(NAMESPACE) == 5
    clock.advance(GOOD_SECONDS)
    assert other.of("org-b") == 0


def test_it_is_told_again_as_long_as_it_counts_and_keeps_its_age() -> None:
    _, clock, measured = measuring()
    told: list[Any] = []
    measured.attach(told.append)
    measured.tell()
    assert told == []
    measured.take({NAMESPACE: 5}, {})
    clock.advance(100)
    measured.tell()
    assert [one["age"] for one in told] == [0, 100]
    clock.advance(GOOD_SECONDS)
    measured.tell()
    assert len(told) == 2
    _, late, other = measuring()
    other.hear(told[1])
    late.advance(GOOD_SECONDS - 101)
    assert other.of(NAMESPACE) == 5
    late.advance(1)
    assert other.of(NAMESPACE) == 0


def test_an_older_measurement_replaces_no_later_one() -> None:
    _, clock, measured = measuring()
    clock.advance(MARGIN_SECONDS * 2)
    measured.take({NAMESPACE: 5}, {})
    measured.hear({"age": MARGIN_SECONDS, "bytes": {NAMESPACE: 1}, "pending": []})
    assert measured.of(NAMESPACE) == 5
    measured.hear({"age": 0.0, "bytes": {NAMESPACE: 2}, "pending": []})
    assert measured.of(NAMESPACE) == 2


def test_of_very_many_the_largest_are_told() -> None:
    measured, told = telling()
    many = range(1, MOST_TOLD + 11)
    measured.take({f"org-{number}": number for number in many}, {view(f"f-{number}"): number for number in many})
    [found] = map(json.loads, told)
    assert (len(found["bytes"]), len(found["pending"])) == (MOST_TOLD, MOST_TOLD)
    assert min(size for *_, size in found["pending"]) == 11
