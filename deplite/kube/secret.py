"""Secrets, looked at by name only: no part may list or watch them."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A Secret of type Opaque, its data decoded and never shown in a representation."""

    namespace: str
    name: str
    uid: str
    version: str
    labels: Mapping[str, str]
    data: Mapping[str, bytes] = field(repr=False)


def secret_from(body: Mapping[str, Any]) -> Secret:
    """Return the Secret that the API server sent."""
    metadata = body["metadata"]
    return Secret(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        labels=metadata.get("labels") or {},
        data={key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()},
    )


def secret_body(
    name: str, data: Mapping[str, bytes], *, labels: Mapping[str, str] | None = None, version: str | None = None
) -> dict[str, Any]:
    """Return the body that creates or replaces a Secret."""
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels or {})}
    if version is not None:
        metadata["resourceVersion"] = version
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}
