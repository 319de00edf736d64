"""Secrets, looked at by name only: no part may list or watch them."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deplite.resources.resource import API_VERSION, Resource


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A Secret of type Opaque, its data decoded and never shown in a representation."""

    namespace: str
    name: str
    uid: str
    version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, bytes] = field(repr=False)
    original: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The object as it was read: a replacement keeps what we know nothing of (owners, type)."""

    @property
    def immutable(self) -> bool:
        """Whether Kubernetes refuses each change of its data."""
        return self.original.get("immutable") is True

    def owned_by(self, owner: Resource) -> bool:
        """Whether it goes when that object goes."""
        references = self.original.get("metadata", {}).get("ownerReferences") or ()
        return any(reference.get("uid") == owner.metadata.uid for reference in references)


def secret_from(body: Mapping[str, Any]) -> Secret:
    """Return the Secret that the API server sent."""
    metadata = body["metadata"]
    return Secret(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        data={key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()},
        original=body,
    )


def secret_body(
    name: str,
    data: Mapping[str, bytes],
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owner: Resource | None = None,
) -> dict[str, Any]:
    """Return the body that creates a Secret; the garbage collector takes it away when its owner is gone."""
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels or {})}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if owner is not None:
        # No `blockOwnerDeletion`: that would ask for rights on the owner's finalizers.
        reference = {"apiVersion": API_VERSION, "kind": owner.KIND, "name": owner.name, "uid": owner.metadata.uid}
        metadata["ownerReferences"] = [reference]
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": _encoded(data)}


def replacement_body(
    secret: Secret,
    data: Mapping[str, bytes],
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the body that replaces data, labels and annotations (None: those stay) of a Secret that nobody changed."""
    metadata = dict(secret.original["metadata"])
    metadata |= {} if labels is None else {"labels": dict(labels)}
    metadata |= {} if annotations is None else {"annotations": dict(annotations)}
    return dict(secret.original) | {"metadata": metadata, "data": _encoded(data)}


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}
