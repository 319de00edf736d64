"""The real API server, asked what it thinks of objects: applied for show, so that nothing stays."""

from typing import Any

from deplite.kube.client import KubeClient
from tests.chart.chart import Object


class Dryrun:
    """Applies and creates objects without keeping them."""

    def __init__(self, kube: KubeClient) -> None:
        self._request = kube.connection.request
        self._places: dict[tuple[str, str], tuple[str, bool]] = {}

    async def apply(self, found: Object) -> Object:
        """Return what the server would store of an object; unknown fields are errors.

        Raises:
            KubeError: it would refuse it.
        """
        plural, namespaced = await self._place(found["apiVersion"], found["kind"])
        root = f"/api/{found['apiVersion']}" if "/" not in found["apiVersion"] else f"/apis/{found['apiVersion']}"
        where = f"/namespaces/{found['metadata']['namespace']}" if namespaced else ""
        return await self._request(
            "PATCH",
            f"{root}{where}/{plural}/{found['metadata']['name']}",
            query={"dryRun": "All", "fieldManager": "helm", "force": "true", "fieldValidation": "Strict"},
            body=found,
            content_type="application/apply-patch+yaml",
        )

    async def pod(self, namespace: str, template: Object) -> Any:
        """Have a pod of this template judged in a namespace.

        Raises:
            KubeError: it would be refused; Pod Security says why.
        """
        body = {"apiVersion": "v1", "kind": "Pod", **template}
        body["metadata"] = {**template["metadata"], "generateName": "judged-"}
        return await self._request(
            "POST",
            f"/api/v1/namespaces/{namespace}/pods",
            query={"dryRun": "All", "fieldValidation": "Strict"},
            body=body,
        )

    async def _place(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._places:
            answer = await self._request("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
            for entry in answer["resources"]:
                if "/" not in entry["name"]:
                    self._places[version, entry["kind"]] = entry["name"], entry["namespaced"]
        return self._places[version, kind]
