"""The cluster as its administrator sees it: applies what `deplite up` sets up, and asks for tokens.

The parts never use this: they hold their own rights and go through `deplite.kube.client`.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from deplite.kube.connection import Connection
from deplite.kube.errors import KubeError, NotFoundError, UnavailableError
from deplite.local.errors import LocalError

FIELD_MANAGER = "deplite-up"
_PATIENCE = 20.0
_PAUSE = 0.1
"""In seconds, in all and between tries: a CRD's storage needs about a second after it is established."""

_PLACES: Mapping[str, tuple[str, str]] = {
    "Namespace": ("api/v1", "namespaces"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "Organization": ("apis/deplite.io/v1alpha1", "organizations"),
}


@dataclass(frozen=True)
class AccountToken:
    """A ServiceAccount's token from TokenRequest."""

    token: str = field(repr=False)
    expires: datetime


class Cluster:
    """One connection with the rights of a kubeconfig's user."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, kubeconfig: Path) -> "Cluster":
        """Return a connection with the current context of a kubeconfig.

        Raises:
            KubeError: the file is no usable kubeconfig.
        """
        return cls(await Connection.open(kubeconfig))

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a manifest on the server's side and return the object.

        Raises:
            KubeError: the cluster refused it.
        """
        return await self._patiently(
            "PATCH",
            f"{_collection(manifest)}/{manifest['metadata']['name']}",
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=dict(manifest),
            content_type="application/apply-patch+yaml",
        )

    async def apply_all(self, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Apply manifests side by side; none may need another one of them to be there."""
        await asyncio.gather(*(self.apply(manifest) for manifest in manifests))

    async def create_token(self, namespace: str, account: str, seconds: int) -> AccountToken:
        """Return a fresh token of a ServiceAccount; the server may grant another lifetime than asked for."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        status = (await self._patiently("POST", path, body=body))["status"]
        return AccountToken(status["token"], datetime.fromisoformat(status["expirationTimestamp"]))

    async def wait_established(self, definitions: Iterable[str], timeout: float = 30) -> None:
        """Wait until the API server serves these CustomResourceDefinitions.

        Args:
            definitions: their names.
            timeout: seconds.

        Raises:
            LocalError: one of them is not served in time.
        """
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(*(self._established(name) for name in definitions))
        except TimeoutError as error:
            raise LocalError(f"the cluster does not serve our kinds after {timeout:g} s; see its own log") from error

    async def _established(self, name: str) -> None:
        collection, plural = _PLACES["CustomResourceDefinition"]
        while True:
            found = await self._patiently("GET", f"/{collection}/{plural}/{name}")
            conditions = (found.get("status") or {}).get("conditions") or []  # null at first
            if any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions):
                return
            await asyncio.sleep(0.05)

    async def _patiently(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return await self._connection.request(method, path, **arguments)
            except KubeError as error:
                if not _passes(error) or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PAUSE)


def _passes(error: KubeError) -> bool:
    """Return whether a moment later the answer may be another one."""
    if isinstance(error, NotFoundError):
        return error.reason != "NotFound"  # a plain 404: this kind is not served yet
    return isinstance(error, UnavailableError) or error.status == 409


def _collection(manifest: Mapping[str, Any]) -> str:
    prefix, plural = _PLACES[manifest["kind"]]
    namespace = manifest["metadata"].get("namespace")
    return f"/{prefix}/namespaces/{namespace}/{plural}" if namespace else f"/{prefix}/{plural}"
