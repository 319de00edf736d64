"""The cluster as its administrator sees it: applies the few kinds that `deplite up` sets up, and asks for tokens.

The parts never use this: they hold their own rights and go through `deplite.kube`.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config

from deplite.local.errors import LocalError

FIELD_MANAGER = "deplite-up"
_TIMEOUT = 15.0
_RETRIED = {409, 429, 500, 503, 504}
"""Answers that a moment changes: a CRD whose storage starts, a namespace whose creation another request is at."""

_PLACES: Mapping[str, tuple[str, str]] = {
    "Namespace": ("api/v1", "namespaces"),
    "Secret": ("api/v1", "secrets"),
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

    token: str
    expires: datetime

    def __repr__(self) -> str:
        """Leave the token out: a repr ends in logs."""
        return f"AccountToken(expires={self.expires:%Y-%m-%dT%H:%M:%SZ})"


class Cluster:
    """One connection with the rights of a kubeconfig's user."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    @classmethod
    async def connect(cls, kubeconfig: Path) -> "Cluster":
        """Return a connection with the current context of a kubeconfig.

        Raises:
            LocalError: the file names no usable cluster.
        """
        configuration = client.Configuration()
        try:
            await config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
        except (config.ConfigException, OSError, ValueError) as error:
            raise LocalError(f"{kubeconfig} is no usable kubeconfig: {error}") from error
        return cls(client.ApiClient(configuration))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a manifest on the server's side and return the object.

        Raises:
            LocalError: the cluster refused it; the sentence holds its reason.
        """
        path = f"{_collection(manifest)}/{manifest['metadata']['name']}?fieldManager={FIELD_MANAGER}&force=true"
        return await self._call("PATCH", path, dict(manifest), "application/apply-patch+yaml")

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
        status = (await self._call("POST", path, body))["status"]
        return AccountToken(status["token"], datetime.fromisoformat(status["expirationTimestamp"]))

    async def wait_established(self, definitions: Iterable[str], timeout: float = 20) -> None:
        """Wait until the API server serves these CustomResourceDefinitions.

        Args:
            definitions: their names.
            timeout: seconds.

        Raises:
            LocalError: one of them is not served in time.
        """
        async with asyncio.timeout(timeout):
            await asyncio.gather(*(self._established(name) for name in definitions))

    async def _established(self, name: str) -> None:
        collection, plural = _PLACES["CustomResourceDefinition"]
        while True:
            found = await self._call("GET", f"/{collection}/{plural}/{name}")
            conditions = found.get("status", {}).get("conditions", [])
            if any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions):
                return
            await asyncio.sleep(0.05)

    async def _call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        for attempt in range(40):
            status, answer = await self._request(method, path, body, content_type)
            if status < 300:
                return answer
            if status not in _RETRIED:
                break
            await asyncio.sleep(min(0.05 * 2**attempt, 0.5))
        raise LocalError(f"the cluster refused {method} {path.partition('?')[0]}: {answer.get('message', status)}")

    async def _request(self, method: str, path: str, body: Any, content_type: str) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path
        try:
            # The generated client's own request() re-encodes bodies by content type and knows no apply patch.
            response = await self._session().request(
                method,
                url,
                headers=headers,
                data=None if body is None else json.dumps(body),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
            )
            async with response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return 503, {"message": str(error) or "no answer"}
        try:
            answer = json.loads(text) if text else {}
        except ValueError:
            answer = {"message": text.strip()[:200]}
        return response.status, answer

    def _session(self) -> aiohttp.ClientSession:
        rest = self._api.rest_client
        if rest.pool_manager is None:
            rest.pool_manager = rest._create_pool_manager()
        return rest.pool_manager


def _collection(manifest: Mapping[str, Any]) -> str:
    prefix, plural = _PLACES[manifest["kind"]]
    namespace = manifest["metadata"].get("namespace")
    return f"/{prefix}/namespaces/{namespace}/{plural}" if namespace else f"/{prefix}/{plural}"
