"""The Kubernetes API as it was at some moment: every read is answered from then, every write meets the present."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from deplite.kube.client import KubeClient, path_of
from tests.faults.httpproxy import Answer, Exchange
from tests.kube.operating.declared import KINDS

_JSON = {"Content-Type": "application/json"}
_MISSING = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound"}


@dataclass(kw_only=True)
class Past:
    """A fault for the operator's proxy."""

    answers: Mapping[str, Any]
    """By path; what is not there did not exist."""
    listed: Counter[str] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: its watches end, so that they can be begun anew in the present."""

    @classmethod
    async def now(cls, kube: KubeClient, namespaces: Iterable[str]) -> "Past":
        """Keep all objects of the kinds, and the Secrets of some namespaces."""
        answers: dict[str, Any] = {}
        for kind in KINDS:
            listed = await kube.connection.request("GET", path_of(kind, None))
            answers[path_of(kind, None)] = listed
            for one in listed["items"]:
                answers[path_of(kind, one["metadata"]["namespace"], one["metadata"]["name"])] = one
        for namespace in namespaces:
            path = f"/api/v1/namespaces/{namespace}/secrets"
            for one in (await kube.connection.request("GET", path))["items"]:
                answers[f"{path}/{one['metadata']['name']}"] = one | {"apiVersion": "v1", "kind": "Secret"}
        return cls(answers=answers)

    async def __call__(self, exchange: Exchange) -> web.StreamResponse | None:
        ours = exchange.path.startswith("/apis/deplite.io/v1alpha1/") or "/secrets/" in exchange.path
        if exchange.method != "GET" or not ours:
            return None
        if exchange.watches:
            return await self._nothing_new(exchange)
        self.listed[exchange.path] += 1
        found = self.answers.get(exchange.path)
        return await exchange.say(
            Answer(status=404 if found is None else 200, body=json.dumps(found or _MISSING).encode(), headers=_JSON)
        )

    async def _nothing_new(self, exchange: Exchange) -> web.StreamResponse:
        response = web.StreamResponse(headers=_JSON)
        await response.prepare(exchange.request)
        await self.over.wait()
        return response
