"""What is kept of a StoredFile."""

from datetime import UTC, datetime

from deplite.resources.identifiers import object_id
from deplite_apiserver.files.view import INDEXES
from tests.unit.apiserver.files.builders import NAMESPACE, view


def test_a_key_holds_ids_only() -> None:
    file = view(filename="../../etc/passwd", bindingId="../x", job="j-a")
    assert file.key == f"files/{NAMESPACE}/{object_id('f', NAMESPACE, 'file-a')}-0a1b2c3d"


def test_the_size_is_what_is_stored_and_before_that_what_was_declared() -> None:
    assert view().size is None
    assert view(size=7).size == 7
    assert view(size=7, status={"phase": "Stored", "size": 8}).size == 8
    assert view(size=7, status={"phase": "Pending", "size": 8}).size == 7


def test_what_lists_sort_by_and_find() -> None:
    file = view(job="j-a")
    assert file.order == (datetime(2026, 1, 1, tzinfo=UTC).timestamp(), "file-a")
    found = {name: function(file) for name, function in INDEXES.items()}
    assert found == {"id": file.id, "namespace": NAMESPACE, "job": (NAMESPACE, "j-a")}
    assert INDEXES["job"](view()) is None
