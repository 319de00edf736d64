"""The objects of Kubernetes' own that a pool is made of and judged by: read by name or label, never watched."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from deplite.kube.client import KubeClient
from deplite.kube.errors import ConflictError, NotFoundError
from deplite.resources.agentpool import POOL_LABEL

Body = dict[str, Any]

_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PAGE = 100
"""Pods that are in memory whole at once: each is some tens of kilobytes there."""
_RECENT = 100
"""Events that are looked through for the newest."""


def accounts(namespace: str) -> str:
    """Return the path of the ServiceAccounts of a namespace."""
    return f"/api/v1/namespaces/{namespace}/serviceaccounts"


def daemon_sets(namespace: str) -> str:
    """Return the path of the DaemonSets of a namespace."""
    return f"/apis/apps/v1/namespaces/{namespace}/daemonsets"


class Workloads:
    """What is asked of them; each call raises the errors of `deplite.kube.errors`."""

    def __init__(self, kube: KubeClient) -> None:
        self._connection = kube.connection

    async def find(self, path: str, name: str) -> Body | None:
        """Return an object of a collection, or None."""
        try:
            return await self._connection.request("GET", f"{path}/{quote(name)}")
        except NotFoundError:
            return None

    async def exists(self, namespace: str, plural: str, name: str) -> bool:
        """Tell whether there is a ConfigMap or a Secret of that name; what is in it is not asked for."""
        path = f"/api/v1/namespaces/{namespace}/{plural}/{quote(name)}"
        try:
            await self._connection.request("GET", path, accept=_METADATA)
        except NotFoundError:
            return False
        return True

    async def create(self, path: str, body: Body) -> Body:
        """Create an object: one that is there already is never changed by it."""
        return await self._connection.request("POST", path, body=body)

    async def replace(self, path: str, live: Mapping[str, Any], wanted: Body) -> Body:
        """Replace the spec of an object, and add our labels and annotations.

        Raises:
            ConflictError: somebody has changed or deleted it since it was read.
        """
        metadata = dict(live["metadata"])
        for field in ("labels", "annotations"):
            metadata[field] = (metadata.get(field) or {}) | wanted["metadata"].get(field, {})
        metadata.pop("managedFields", None)
        body = {
            "apiVersion": wanted["apiVersion"],
            "kind": wanted["kind"],
            "metadata": metadata,
            "spec": wanted["spec"],
        }
        try:
            return await self._connection.request("PUT", f"{path}/{metadata['name']}", body=body)
        except NotFoundError as error:
            raise ConflictError(str(error), status=error.status, reason=error.reason) from error

    async def pods(self, namespace: str, pool: str, page: int = PAGE) -> AsyncIterator[Body]:
        """Yield the pods with the label of a pool, and hold no more than a page of them."""
        query: dict[str, Any] = {"labelSelector": f"{POOL_LABEL}={pool}", "limit": page}
        while True:
            answer = await self._connection.request("GET", f"/api/v1/namespaces/{namespace}/pods", query=query)
            items = answer.pop("items") or []
            while items:
                yield items.pop()
            if not (token := answer["metadata"].get("continue")):
                return
            query["continue"] = token

    async def warning(self, namespace: str, uid: str) -> str:
        """Return what the newest warning about an object says; empty where there is none."""
        query = {"fieldSelector": f"involvedObject.uid={uid},type=Warning", "limit": _RECENT}
        answer = await self._connection.request("GET", f"/api/v1/namespaces/{namespace}/events", query=query)
        newest = max(answer["items"] or [], key=_moment, default=None)
        return "" if newest is None else sentence(newest.get("message", ""))


def sentence(text: str) -> str:
    """Return a message without what differs from try to try: the made-up end of a pod's name."""
    return re.sub(r'(pods? "[^"]*-)[a-z0-9]{5}"', r'\1…"', " ".join(text.split()))


def _moment(event: Body) -> str:
    series = event.get("series") or {}
    found = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(found or event["metadata"]["creationTimestamp"])
