"""The Kubernetes API as it was at some moment: every read is answered from then, every write meets the present."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from deplite.kube.client import KubeClient, path_of
from tests.faults.httpproxy import Answer, Exchange
from tests.kube.operating.declared import KINDS

_JSON = {"Content-Type": "application/json"}
_CORE = "/api/v1/namespaces/{}"
_BUILT_IN = {
    "Secret": f"{_CORE}/secrets",
    "ConfigMap": f"{_CORE}/configmaps",
    "ServiceAccount": f"{_CORE}/serviceaccounts",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Pod": f"{_CORE}/pods",
}
_LOOKED_AT = re.compile(
    "/namespaces/[^/]+/(" + "|".join(one.rpartition("/")[2] for one in _BUILT_IN.values()) + ")(/|$)"
)
_NONE = {"metadata": {"resourceVersion": "1"}, "items": []}
"""What a list of a namespace says that did not exist."""
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
        """Keep all objects of the kinds, and the built-in ones of some namespaces that the operator looks at."""
        answers: dict[str, Any] = {}
        for kind in KINDS:
            listed = await kube.connection.request("GET", path_of(kind, None))
            answers[path_of(kind, None)] = listed
            for one in listed["items"]:
                answers[path_of(kind, one["metadata"]["namespace"], one["metadata"]["name"])] = one
        for namespace in namespaces:
            for kind, pattern in _BUILT_IN.items():
                path = pattern.format(namespace)
                answers[path] = listed = await kube.connection.request("GET", path)
                head = {"apiVersion": listed["apiVersion"], "kind": kind}
                answers |= {f"{path}/{one['metadata']['name']}": one | head for one in listed["items"]}
        return cls(answers=answers)

    async def __call__(self, exchange: Exchange) -> web.StreamResponse | None:
        ours = exchange.path.startswith("/apis/deplite.io/v1alpha1/") or _LOOKED_AT.search(exchange.path)
        if exchange.method != "GET" or not ours:
            return None
        if exchange.watches:
            return await self._nothing_new(exchange)
        self.listed[exchange.path] += 1
        found = self.answers.get(exchange.path) or (_NONE if exchange.path.endswith("/pods") else None)
        return await exchange.say(
            Answer(status=404 if found is None else 200, body=json.dumps(found or _MISSING).encode(), headers=_JSON)
        )

    async def _nothing_new(self, exchange: Exchange) -> web.StreamResponse:
        response = web.StreamResponse(headers=_JSON)
        await response.prepare(exchange.request)
        await self.over.wait()
        return response
