"""A pool as the operator leaves it, its nodes and pods, and the tokens that a kubelet would ask for."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import jwt

from deplite.kube.client import KubeClient
from deplite.local.controlplane import ControlPlane
from deplite.resources import Agent, AgentPool
from deplite.resources.agentpool import AUDIENCE, account_of, pool_agent_name
from tests.kube.serving import PATIENCE, told
from tests.published.agent import PublishedAgent


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod that is there, as an object."""

    name: str
    uid: str
    node: str
    account: str


@dataclass(kw_only=True)
class Pool:
    """A pool, and what belongs to it."""

    kube: KubeClient
    namespace: str
    name: str
    agents: list[PublishedAgent] = field(default_factory=list)

    @property
    def account(self) -> str:
        return account_of(self.name)

    async def declare(self) -> AgentPool:
        """Make the pool and its ServiceAccount, and say so in its status."""
        metadata = {"name": self.name, "namespace": self.namespace}
        await self.kube.create(AgentPool.model_validate({"metadata": metadata}))
        return await self.adopt(await make_account(self.kube, self.namespace, self.account))

    async def adopt(self, account_uid: str) -> AgentPool:
        """Say which ServiceAccount is the pool's."""
        status = {"serviceAccount": {"name": self.account, "uid": account_uid}}
        found = await self.kube.patch_status(AgentPool, self.namespace, self.name, status)
        await told(AgentPool)
        return found

    async def pod(self, node: str, **spec: Any) -> Pod:
        """Make a pod of the pool on a node; keyword arguments change its spec."""
        return await make_pod(self.kube, self.namespace, node, serviceAccountName=self.account, **spec)

    async def token(self, pod: Pod, audience: str = AUDIENCE) -> str:
        """Return the token that a kubelet would put into a pod."""
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        return await token_of(self.kube, self.namespace, pod.account, audience, bound)

    async def is_good(self, token: str) -> bool:
        """Whether the API takes a token; it hears a little later of pods and accounts that come and go."""
        return (await self.kube.review_token(token, AUDIENCE)).authenticated

    async def delete(self, pod: Pod) -> None:
        """Delete a pod at once, as one whose node is gone."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod.name}"
        await self.kube.connection.request("DELETE", path, query={"gracePeriodSeconds": 0})

    async def enrolled(self, base: str, pod: Pod, instance: str | None = None) -> "PodAgent":
        """Enrol an agent from a pod; it is closed with the pool."""
        agent = PodAgent(base, instance)
        self.agents.append(agent)
        token = await self.token(pod)
        async with asyncio.timeout(PATIENCE):
            while (answer := await agent.enroll(token)).status_code == 503:  # all pods here have one address
                await asyncio.sleep(0.1)
        assert answer.status_code == 201, answer.text
        await told(Agent)
        return agent

    async def agent_on(self, node: str) -> Agent:
        """Return the Agent of a node."""
        return await self.kube.get(Agent, self.namespace, pool_agent_name(self.name, node))

    async def remove(self) -> None:
        """Delete the pool and its ServiceAccount; what it owns goes in the background."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.account}"
        await self.kube.connection.request("DELETE", path)
        await self.kube.delete(AgentPool, self.namespace, self.name)

    async def close(self) -> None:
        """Let go of its agents."""
        for agent in self.agents:
            await agent.close()


class PodAgent(PublishedAgent):
    """An agent in a pod; like ours it says which process it is, unless it has no instance."""

    def __init__(self, base: str, instance: str | None = None) -> None:
        super().__init__(base)
        self.instance = instance

    async def call(self, method: str, path: str, body: Any = None, **rest: Any) -> Any:
        extra = ({"X-Deplite-Instance": self.instance} if self.instance else {}) | (rest.pop("extra", None) or {})
        return await super().call(method, path, body, extra=extra, **rest)

    async def report(self, job_id: str, status: str, **body: Any) -> Any:
        """Post a claim (`running`) or a result."""
        return await self.call("POST", f"/agent/jobs/{job_id}/result", {"status": status} | body)

    async def ship(self, job_id: str, *lines: str) -> Any:
        """Post log lines."""
        items = [{"seq": seq, "stream": "raw", "content": line, "stepName": ""} for seq, line in enumerate(lines)]
        return await self.call("POST", f"/agent/jobs/{job_id}/logs", {"items": items})


async def make_node(kube: KubeClient) -> str:
    """Make a node of the cluster, which is an object and no more; return its name."""
    name = f"node-{secrets.token_hex(4)}"
    await kube.connection.request("POST", "/api/v1/nodes", body={"metadata": {"name": name}})
    return name


async def make_account(kube: KubeClient, namespace: str, name: str) -> str:
    """Make a ServiceAccount, and return its uid."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    made = await kube.connection.request("POST", path, body={"metadata": {"name": name}})
    return str(made["metadata"]["uid"])


async def make_pod(kube: KubeClient, namespace: str, node: str, **spec: Any) -> Pod:
    """Make a pod; of a node that is empty it is one that waits to be scheduled."""
    container = {"name": "agent", "image": "deplite/agent"}
    full = {"containers": [container]} | ({"nodeName": node} if node else {}) | spec
    body = {"metadata": {"name": f"pod-{secrets.token_hex(4)}"}, "spec": full}
    made = await kube.connection.request("POST", f"/api/v1/namespaces/{namespace}/pods", body=body)
    meta = made["metadata"]
    return Pod(name=meta["name"], uid=meta["uid"], node=node, account=made["spec"]["serviceAccountName"])


async def token_of(
    kube: KubeClient, namespace: str, account: str, audience: str | None, bound: dict[str, str] | None = None
) -> str:
    """Return a token of a ServiceAccount, bound to an object or to none."""
    spec: dict[str, Any] = {"expirationSeconds": 3600} | ({"boundObjectRef": bound} if bound else {})
    spec |= {"audiences": [audience]} if audience is not None else {}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    answer = await kube.connection.request("POST", path, body={"spec": spec})
    return str(answer["status"]["token"])


def signed_anew(token: str, plane: ControlPlane, **claims: Any) -> str:
    """Return a token that says something else, signed by the cluster's own key."""
    header = jwt.get_unverified_header(token)
    payload = jwt.decode(token, options={"verify_signature": False}) | claims
    key = plane.credentials.account_key.read_bytes()
    return jwt.encode(payload, key, algorithm=header["alg"], headers={"kid": header["kid"]})


def long_ago(seconds: int) -> dict[str, int]:
    """Claims of a token whose time was over so long ago."""
    now = int(time.time())
    return {"iat": now - 7200, "nbf": now - 7200, "exp": now - seconds}
