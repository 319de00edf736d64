"""Reads and writes our kinds, typed, and the few built-in objects the parts need."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from deplite.fence import Left
from deplite.kube.connection import MERGE_PATCH, Connection
from deplite.kube.errors import UnavailableError, error_from
from deplite.kube.event import Event
from deplite.kube.observing import Observer
from deplite.kube.secret import Secret, replacement_body, secret_body, secret_from
from deplite.kube.tokenreview import PATH as TOKEN_REVIEWS
from deplite.kube.tokenreview import TokenReview, answer_from, question
from deplite.resources.resource import GROUP, VERSION, Resource

Kind = TypeVar("Kind", bound=Resource)

METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
WATCH_SECONDS = 20
"""How long the API server keeps one watch open; it sends a bookmark before it ends it, so going on costs nothing."""
SILENCE_SECONDS = 25
"""A watch without a byte for so long is dead, whatever TCP says."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a list: raw objects, and the resourceVersion of the whole list."""

    items: list[dict[str, Any]]
    version: int


@dataclass(frozen=True, kw_only=True)
class WatchEvent:
    """One event: `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`, with the raw object."""

    type: str
    object: dict[str, Any]

    @property
    def version(self) -> int:
        """The resourceVersion that the event carries."""
        return int(self.object["metadata"]["resourceVersion"])


def path_of(kind: type[Resource], namespace: str | None, name: str | None = None, subresource: str = "") -> str:
    """Return the URL path of a collection or an object."""
    parts = [f"/apis/{GROUP}/{VERSION}"]
    parts += [f"namespaces/{namespace}"] if namespace else []
    parts += [kind.PLURAL] + [part for part in (name, subresource) if part]
    return "/".join(parts)


class KubeClient:
    """Everything the parts ask of the Kubernetes API. Safe for many tasks of one event loop.

    Every method raises the errors of `deplite.kube.errors`.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @classmethod
    async def connect(
        cls, kubeconfig: Path | None = None, name: str = "deplite", observer: Observer | None = None
    ) -> "KubeClient":
        """Connect with a kubeconfig, else `$KUBECONFIG`, else as a pod.

        Args:
            kubeconfig: its path.
            name: what the cluster shows as who wrote.
            observer: is told of each request; None: nobody is.
        """
        return cls(await Connection.open(kubeconfig, name, observer))

    def fenced(self, left: Left) -> "KubeClient":
        """Return this client for somebody who may write only while a Lease is his.

        Args:
            left: for how many seconds from now it is; beyond that writes raise `NotHeldError`, and reads go on.
        """
        return KubeClient(self.connection.fenced(left))

    async def close(self) -> None:
        """Close the connection pool."""
        await self.connection.close()

    async def get(self, kind: type[Kind], namespace: str, name: str) -> Kind:
        """Return one object."""
        return kind.model_validate(await self.connection.request("GET", path_of(kind, namespace, name)))

    async def list(
        self,
        kind: type[Kind],
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Kind]:
        """Return all objects of a kind, in one namespace or in all."""
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        pages = self.pages(kind, namespace, selectors={key: value for key, value in selectors.items() if value})
        return [kind.model_validate(item) async for page in pages for item in page.items]

    async def pages(
        self,
        kind: type[Resource],
        namespace: str | None = None,
        *,
        limit: int = 500,
        selectors: Mapping[str, str] | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        """Yield a list page by page, as of one resourceVersion; with `metadata_only`, objects have nothing else."""
        accept = METADATA_LIST if metadata_only else "application/json"
        query: dict[str, Any] = {"limit": limit} | dict(selectors or {})
        while True:
            answer = await self.connection.request("GET", path_of(kind, namespace), query=query, accept=accept)
            # An empty list of metadata has `items: null`.
            yield Page(items=answer["items"] or [], version=int(answer["metadata"]["resourceVersion"]))
            if not (token := answer["metadata"].get("continue")):
                return
            query = {"limit": limit, "continue": token} | dict(selectors or {})

    async def version(self, kind: type[Resource]) -> int:
        """Return the present resourceVersion, read from etcd and not from a cache."""
        answer = await self.connection.request("GET", path_of(kind, None), query={"limit": 1})
        return int(answer["metadata"]["resourceVersion"])

    async def create(self, resource: Kind) -> Kind:
        """Create the object; its status is not sent."""
        path = path_of(type(resource), resource.namespace)
        return type(resource).model_validate(await self.connection.request("POST", path, body=resource.manifest()))

    async def patch(
        self, kind: type[Kind], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Kind:
        """Merge `body` into the object.

        Args:
            kind: the kind.
            namespace: the namespace.
            name: the object's name.
            body: a merge patch; null removes.
            version: the resourceVersion that the decision was made on; stale raises `ConflictError`.
        """
        return await self._merge(kind, path_of(kind, namespace, name), dict(body), version)

    async def patch_status(
        self, kind: type[Kind], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Kind:
        """Merge `body` into the object's status; `version` as in `patch`."""
        return await self._merge(kind, path_of(kind, namespace, name, "status"), {"status": dict(body)}, version)

    async def _merge(self, kind: type[Kind], path: str, body: dict[str, Any], version: str | None) -> Kind:
        if version is not None:
            body["metadata"] = dict(body.get("metadata", {})) | {"resourceVersion": version}
        return kind.model_validate(await self.connection.request("PATCH", path, body=body, content_type=MERGE_PATCH))

    async def delete(
        self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None, version: str | None = None
    ) -> None:
        """Delete the object; if `uid` is given only that very one, if `version` is given only as it was then.

        Raises:
            ConflictError: it is another one, or was changed since.
        """
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        wanted = {"uid": uid, "resourceVersion": version}
        if preconditions := {key: value for key, value in wanted.items() if value is not None}:
            body["preconditions"] = preconditions
        await self.connection.request("DELETE", path_of(kind, namespace, name), body=body)

    async def watch(
        self,
        kind: type[Resource],
        version: int,
        *,
        namespace: str | None = None,
        silence: float = SILENCE_SECONDS,
        opened: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[WatchEvent]:
        """Yield what happens after `version`, until the server ends the watch.

        Args:
            kind: the kind.
            version: a resourceVersion of a list or an event.
            namespace: one namespace; None for all.
            silence: seconds without a byte after which the watch is given up.
            opened: is called once the server has accepted the watch: what happened since `version` follows at once.

        Raises:
            GoneError: the version is too old: list again.
            UnavailableError: the connection broke or fell silent.
        """
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": WATCH_SECONDS,
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=silence)
        path = path_of(kind, namespace)
        async with self.connection.open_response("GET", path, query=query, timeout=timeout) as response:
            opened()
            try:
                async for line in response.response.content:
                    yield _event(json.loads(line))
            except (TimeoutError, aiohttp.ClientError, ValueError) as error:
                raise UnavailableError(f"The watch broke: {type(error).__name__} {error}".strip()) from error

    async def tell(self, about: Resource, event: Event) -> None:
        """Create an Event about an object."""
        path = f"/api/v1/namespaces/{about.namespace}/events"
        await self.connection.request("POST", path, body=event.body(about))

    async def review_token(self, token: str, audience: str) -> TokenReview:
        """Ask whether a token is good for an audience, and whose it is."""
        answer = await self.connection.request("POST", TOKEN_REVIEWS, body=question(token, audience))
        return answer_from(answer, audience)

    async def get_secret(self, namespace: str, name: str) -> Secret:
        """Return one Secret."""
        return secret_from(await self.connection.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}"))

    async def create_secret(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, bytes],
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        owner: Resource | None = None,
    ) -> Secret:
        """Create a Secret of type Opaque, which goes when its owner (of the same namespace) goes."""
        body = secret_body(name, data, labels=labels, annotations=annotations, owner=owner)
        return secret_from(await self.connection.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body=body))

    async def replace_secret(
        self,
        secret: Secret,
        data: Mapping[str, bytes],
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Secret:
        """Replace the data (and labels and annotations, if given) of a Secret that nobody changed since it was read."""
        body = replacement_body(secret, data, labels, annotations)
        path = f"/api/v1/namespaces/{secret.namespace}/secrets/{secret.name}"
        return secret_from(await self.connection.request("PUT", path, body=body))

    async def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret."""
        await self.connection.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{name}")


def _event(line: dict[str, Any]) -> WatchEvent:
    if line["type"] == "ERROR":
        raise error_from(int(line["object"].get("code", 500)), line["object"])
    return WatchEvent(type=line["type"], object=line["object"])
