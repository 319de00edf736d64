"""One namespace for all of these tests, and a door to the Kubernetes API that is as strict as kubectl."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient, path_of
from deplite.kube.connection import MERGE_PATCH
from deplite.kube.errors import InvalidError
from deplite.resources import KINDS, Resource
from deplite.resources.resource import API_VERSION
from tests.organizations import create_organization, delete_namespace

STRICT = {"fieldValidation": "Strict"}
"""What kubectl asks for: an unknown field is refused, not dropped."""
OF_KIND = {kind.KIND: kind for kind in KINDS}


@dataclass(frozen=True)
class Door:
    """Raw requests in one namespace."""

    kube: KubeClient
    namespace: str

    async def create(
        self, kind: str, spec: Any, *, name: str | None = None, strict: bool = True, **more: Any
    ) -> dict[str, Any]:
        """Create an object as kubectl does."""
        wanted = "organization" if kind == "Organization" else f"x-{secrets.token_hex(8)}"
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name or wanted}, "spec": spec} | more
        query = STRICT if strict else {}
        path = path_of(OF_KIND[kind], self.namespace)
        return await self.kube.connection.request("POST", path, body=body, query=query)

    async def patch(self, kind: str, name: str, patch: Any, *, status: bool = False) -> dict[str, Any]:
        """Merge a patch into an object or its status."""
        path = path_of(OF_KIND[kind], self.namespace, name, "status" if status else "")
        return await self.kube.connection.request("PATCH", path, body=patch, query=STRICT, content_type=MERGE_PATCH)

    async def load(self, kind: str, name: str) -> Resource:
        """Read an object through its model."""
        return await self.kube.get(OF_KIND[kind], self.namespace, name)

    async def remove(self, kind: str, name: str) -> None:
        """Delete an object."""
        await self.kube.delete(OF_KIND[kind], self.namespace, name)


@pytest_asyncio.fixture(scope="session")
async def door(kube: KubeClient) -> AsyncIterator[Door]:
    """All of these tests' objects live in one namespace."""
    name = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, name)
    yield Door(kube, name)
    await delete_namespace(kube, name)


def refusal(caught: pytest.ExceptionInfo[InvalidError]) -> str:
    """Return what the API server said."""
    assert caught.value.status == 422 or caught.value.status == 400
    return str(caught.value)
