"""A careful CI: repeats a call with the same key until it is answered, and remembers every 2xx."""

import asyncio
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from tests.faults.fleet import Fleet, FleetAgent
from tests.faults.ledger import Counters, Ledger, Seen
from tests.faults.site import Site
from tests.plain import PLAIN

_numbers = itertools.count(1)


@dataclass(kw_only=True, eq=False)
class Caller:
    """Fires one trigger."""

    site: Site
    trigger: str
    http: httpx.AsyncClient
    token_id: str = ""
    acknowledged: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The params of every job that a 2xx named."""

    @classmethod
    async def for_agent(cls, site: Site, agent: FleetAgent, per_minute: int | None = None, **trigger: Any) -> "Caller":
        """Make a trigger on an agent's ledger workflow, and a token for it, which may have a limit."""
        made = await cls.for_id(site, agent.agent_id, per_minute, **trigger)
        agent.clients.append(made.http)
        return made

    def at(self, door: str, timeout: httpx.Timeout | float = 20) -> "Caller":
        """Return the same caller, with the same memory, who knocks at one replica's own door."""
        http = httpx.AsyncClient(
            base_url=door, headers=self.http.headers, verify=PLAIN, timeout=timeout, trust_env=False
        )
        return replace(self, http=http)

    @classmethod
    async def for_id(cls, site: Site, agent_id: str, per_minute: int | None = None, **trigger: Any) -> "Caller":
        """Make a trigger on the ledger workflow of whatever agent has that id."""
        body = {"agentId": agent_id, "name": f"t{next(_numbers)}", "workflowName": "ledger"}
        body |= {"scopeType": "workflow", "type": "webhook", "responseMode": "async"} | trigger
        made = (await site.ask("POST", "/triggers", body))["id"]
        wish = {"name": "ci", "scopeType": "trigger", "triggerIds": [made], "rateLimitPerMinute": per_minute}
        token = await site.ask("POST", "/api-tokens", wish)
        http = httpx.AsyncClient(
            base_url=site.url,
            headers={"Authorization": f"Bearer {token['plainToken']}"},
            verify=PLAIN,
            timeout=10,
            trust_env=False,
            limits=httpx.Limits(max_connections=64),
        )
        return cls(site=site, trigger=made, http=http, token_id=token["id"])

    async def run(self, key: str | None = None, **params: Any) -> str:
        """Fire, until it is acknowledged; return the job's id."""
        key = key or f"key-{next(_numbers)}"
        answer = await self.ask("POST", f"/triggers/{self.trigger}/run", key, {"ref": "main", "params": params})
        assert answer.status_code == 202, answer.text
        job_id = str(answer.json()["jobId"])
        self.acknowledged[job_id] = params
        return job_id

    async def run_many(self, count: int, *, at_once: int = 16, **params: Any) -> list[str]:
        """Fire that many, some of them at once."""
        room = asyncio.Semaphore(at_once)

        async def one() -> str:
            async with room:
                return await self.run(**params)

        return await asyncio.gather(*(one() for _ in range(count)))

    async def read(self, path: str) -> httpx.Response:
        """Read as the owner, whom no limit of reads concerns."""
        return await self.ask("GET", path, jwt=self.site.jwt)

    async def ask(
        self, method: str, path: str, key: str | None = None, body: Any = None, *, jwt: str | None = None
    ) -> httpx.Response:
        """Call, and again after no answer, 429 and 5xx; a server that asks for patience gets some."""
        headers = {"Idempotency-Key": key} if key else {}
        headers |= {"Authorization": f"Bearer {jwt}"} if jwt else {}
        async with asyncio.timeout(150):
            while True:
                try:
                    answer = await self.http.request(method, path, json=body, headers=headers)
                except httpx.TransportError:
                    await asyncio.sleep(0.2)
                    continue
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                await asyncio.sleep(min(float(answer.headers.get("Retry-After", "0.2")), 2))

    async def job(self, job_id: str) -> dict[str, Any] | None:
        """Return what the server says of a job."""
        answer = await self.read(f"/jobs/{job_id}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until(self, job_id: str, *statuses: str, seconds: float = 120) -> dict[str, Any]:
        """Wait until a job has one of these statuses."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.job(job_id)
                if found is not None and found["status"] in statuses:
                    return found
                await asyncio.sleep(0.25)

    async def in_flight(self, ledger: Ledger, count: int, seconds: float = 120) -> None:
        """Wait until that many jobs have been started and have not ended: fewer prove nothing."""
        async with asyncio.timeout(seconds):
            while True:
                started, ended = ledger.starts(), ledger.ends()
                if sum(1 for job in self.acknowledged if job in started and job not in ended) >= count:
                    return
                await asyncio.sleep(0.02)

    async def settle(
        self,
        ledger: Ledger,
        *,
        may_crash: bool = False,
        excused: Collection[str] = (),
        lossy: bool = False,
        seconds: float = 120,
    ) -> Counters:
        """Wait for the end of every acknowledged job, and compare both ends.

        Args:
            ledger: what happened.
            may_crash: as `Ledger.compare`.
            excused: as `Ledger.compare`.
            lossy: lines are lost by design: do not wait for them.
            seconds: how long each end, and then each line, may take.
        """
        room = asyncio.Semaphore(16)

        async def look(job_id: str, params: Mapping[str, Any]) -> tuple[str, Seen]:
            async with room:
                try:
                    detail = await self.until(job_id, "success", "failed", seconds=seconds)
                except TimeoutError:
                    return job_id, Seen(detail=await self.job(job_id), raw=await self.raw(job_id), params=params)
                late = 0 if lossy or detail["reason"] == "agent_crashed" or job_id not in ledger.ends() else seconds
                raw = await self._raw_of(job_id, int(params.get("lines", 20)), late)
                return job_id, Seen(detail=detail, raw=raw, params=params)

        seen = dict(await asyncio.gather(*(look(*one) for one in self.acknowledged.items())))
        return ledger.compare(seen, may_crash=may_crash, excused=excused)

    async def _raw_of(self, job_id: str, lines: int, seconds: float) -> list[str]:
        """Return a job's raw lines; its result may have come before the last of them."""
        deadline = asyncio.get_running_loop().time() + seconds
        while len(found := await self.raw(job_id)) < lines and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.5)
        return found

    async def raw(self, job_id: str) -> list[str]:
        """Return a job's raw lines by seq; a seq that is there twice shows."""
        return [item["content"] for item in await self.items(job_id) if item["stream"] == "raw"]

    async def seqs(self, job_id: str) -> list[int]:
        """Return the seqs of a job's lines, in the order in which they are shown."""
        return [item["seq"] for item in await self.items(job_id)]

    async def items(self, job_id: str) -> list[dict[str, Any]]:
        """Return a job's lines by seq."""
        found: list[dict[str, Any]] = []
        start = 0
        while True:
            answer = await self.read(f"/jobs/{job_id}/logs?fromSeq={start}&limit=1000")
            if answer.status_code != 200:
                return found
            page = answer.json()
            found += page["items"]
            if len(page["items"]) < 1000:
                return found
            start = page["nextSeq"]

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()


async def two_with_jobs_in_flight(at: Site, crew: Fleet, ledger: Ledger) -> list[Caller]:
    """Return two callers, each with an agent of its own and ten jobs that stay in flight until the gates open."""
    callers = [await Caller.for_agent(at, await crew.add()) for _ in range(2)]
    await asyncio.gather(*(caller.run_many(10, gated=True) for caller in callers))
    await asyncio.gather(*(caller.in_flight(ledger, 10) for caller in callers))
    return callers


async def all_settle(callers: Sequence[Caller], ledger: Ledger, runs: int) -> None:
    """Let callers fire what is left of so many runs, open the gates, and see that all of it came out right."""
    each = runs // len(callers)
    for caller in callers:
        await caller.run_many(each - len(caller.acknowledged))
    ledger.open("print")
    ledger.open("end")
    for caller in callers:
        assert await caller.settle(ledger) == Counters()
        assert len(caller.acknowledged) == each
        await caller.close()
    assert len(ledger.starts()) == runs
