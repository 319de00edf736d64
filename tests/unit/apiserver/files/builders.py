"""Files as these tests need them."""

from typing import Any

from deplite.resources import StoredFile
from deplite_apiserver.files.view import FileView, project

NAMESPACE = "org-a"
CREATED = "2026-01-01T00:00:00Z"


def stored_file(
    name: str = "file-a", *, namespace: str = NAMESPACE, version: int = 1, status: Any = None, **spec: Any
) -> StoredFile:
    metadata = {"name": name, "namespace": namespace, "uid": f"0a1b2c3d-{name}", "resourceVersion": str(version)}
    body = {"metadata": metadata | {"creationTimestamp": CREATED}, "spec": spec, "status": status or {}}
    return StoredFile.model_validate(body)


def view(name: str = "file-a", **said: Any) -> FileView:
    return project(stored_file(name, **said))
