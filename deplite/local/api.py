"""The few REST calls that `deplite up` makes as the owner: what a person would do with curl, in the same order."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from deplite.local.errors import LocalError
from deplite.protocol.refusal import retry_after, temporary

_TIMEOUT = 10.0
_FINAL = {"success", "failed"}
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 30.0
"""For how long a call that may be repeated is, where the apiserver says that it cannot answer for the moment."""
_KEY = "Idempotency-Key"


@dataclass(frozen=True)
class LogLine:
    """One item of a job's log."""

    stream: str
    step: str
    content: str


class Api:
    """Calls the apiserver of this machine."""

    def __init__(
        self,
        url: str,
        organization: str,
        jwt: Callable[[], str],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Make a caller.

        Args:
            url: the apiserver.
            organization: whose owner it speaks for.
            jwt: gives a valid token at each call: this process may outlive any of them.
            transport: another way to send.
        """
        # Environment proxies must not see calls to the loopback address.
        self._client = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, trust_env=False, transport=transport)
        self._organization = organization
        self._jwt = jwt

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def enrollment_code(self, label: str) -> str:
        """Return a fresh enrolment code, shown once."""
        answer = await self._owner("POST", "/agents/enroll-tokens", {"label": label})
        return str(answer["token"])

    async def agents(self) -> list[dict[str, Any]]:
        """Return the agents of the organization, newest first."""
        return list(await self._owner("GET", "/agents"))

    async def workflows(self, agent_id: str) -> set[str]:
        """Return the names of the workflows that an agent reported."""
        answer = await self._call("GET", f"/agents/{agent_id}/workflows", self._jwt())
        return {workflow["name"] for workflow in answer}

    async def create_trigger(self, name: str, agent_id: str, workflow: str) -> str:
        """Return the id of a new webhook trigger for one workflow of an agent, for main and release branches."""
        body = {
            "agentId": agent_id,
            "name": name,
            "workflowName": workflow,
            "scopeType": "workflow",
            "type": "webhook",
            "responseMode": "async",
            "allowedRefs": ["main", "release/*"],
        }
        return str((await self._owner("POST", "/triggers", body))["id"])

    async def has_trigger(self, trigger_id: str) -> bool:
        """Return whether the trigger is still there."""
        return await self._holds(f"/triggers/{trigger_id}", self._jwt(), gone=404)

    async def create_token(self, name: str, trigger_id: str, per_minute: int) -> str:
        """Return a new API token that may fire one trigger, shown once."""
        body = {
            "name": name,
            "scopeType": "trigger",
            "triggerIds": [trigger_id],
            "rateLimitPerMinute": per_minute,
        }
        return str((await self._owner("POST", "/api-tokens", body))["plainToken"])

    async def accepts(self, token: str) -> bool:
        """Return whether an API token is still good."""
        return await self._holds("/token", token, gone=401)

    async def run(self, trigger_id: str, token: str, ref: str, params: Mapping[str, str]) -> str:
        """Fire a trigger as CI would and return the job's id."""
        headers = {_KEY: str(uuid.uuid4())}
        body = {"ref": ref, "params": dict(params)}
        return str((await self._call("POST", f"/triggers/{trigger_id}/run", token, body, headers))["jobId"])

    async def follow(self, job_id: str, token: str) -> AsyncIterator[LogLine]:
        """Yield the job's log lines as they come, until the job has ended and all of them are there."""
        next_seq = 0
        ended = False
        while True:
            logs = await self._call("GET", f"/jobs/{job_id}/logs?fromSeq={next_seq}", token)
            for item in logs["items"]:
                yield LogLine(item["stream"], item["stepName"], item["content"])
            next_seq = logs["nextSeq"]
            if ended and not logs["items"]:
                return
            ended = (await self.job(job_id, token))["status"] in _FINAL
            if not ended:
                await asyncio.sleep(_POLL_SECONDS)

    async def job(self, job_id: str, token: str) -> dict[str, Any]:
        """Return the job's detail."""
        return dict(await self._call("GET", f"/jobs/{job_id}", token))

    async def _owner(self, method: str, path: str, body: Any = None) -> Any:
        return await self._call(method, f"/orgs/{self._organization}{path}", self._jwt(), body)

    async def _call(
        self, method: str, path: str, credential: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        response = await self._send(method, path, credential, body, headers)
        if response.is_success:
            return response.json() if response.content else None
        raise LocalError(_refusal(response, method, path))

    async def _holds(self, path: str, credential: str, *, gone: int) -> bool:
        """Return whether something is still there, or good; only one answer says that it is not."""
        response = await self._send("GET", path, credential)
        if response.is_success or response.status_code == gone:
            return response.is_success
        raise LocalError(_refusal(response, "GET", path))

    async def _send(
        self, method: str, path: str, credential: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Call; what may be repeated is, as long as the apiserver asks for it."""
        authorized = {"Authorization": f"Bearer {credential}", **(headers or {})}
        left = _PATIENCE_SECONDS if method == "GET" or _KEY in authorized else 0.0
        while True:
            try:
                response = await self._client.request(method, f"/api{path}", json=body, headers=authorized)
            except httpx.HTTPError as error:
                message = f"the apiserver did not answer {method} {path.partition('?')[0]}; see its log"
                raise LocalError(message) from error
            pause = max(retry_after(response.headers.get("Retry-After")), _POLL_SECONDS)
            if not temporary(response.status_code) or pause > left:
                return response
            left -= pause
            await asyncio.sleep(pause)


def _refusal(response: httpx.Response, method: str, path: str) -> str:
    return f"the apiserver refused {method} {path.partition('?')[0]}: {_reason(response)}"


def _reason(response: httpx.Response) -> str:
    try:
        answer = response.json()
    except ValueError:
        return f"HTTP {response.status_code}"
    return f"{answer.get('message')} ({response.status_code} {answer.get('code')})"
