"""Agents whose calls are written down, each made at several replicas at once: one of these calls is the original."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.caller import Caller
from tests.faults.heard import heard
from tests.faults.pair import Pair
from tests.faults.wire import Answer, Message, Wire
from tests.published.agent import PublishedAgent


@dataclass(kw_only=True, eq=False)
class Call:
    """One call that was signed, and how often it was accepted."""

    message: Message
    route: tuple[str, str]
    """Method and path template."""
    accepted: list[tuple[float, float]] = field(default_factory=list)
    """When each request that was accepted was under way, in unix seconds."""


@dataclass(kw_only=True, eq=False)
class Author:
    """A published agent; its clock is ahead, or behind."""

    pair: Pair
    agent: PublishedAgent
    caller: Caller
    chance: random.Random
    calls: list[Call] = field(default_factory=list)
    refused: int = 0
    """Copies of originals that were."""

    @classmethod
    async def enrolled(cls, pair: Pair, ahead: int, chance: random.Random) -> "Author":
        """Enrol one whose clock is ahead by seconds."""
        agent = PublishedAgent(pair.url)
        true = agent.time
        agent.time = lambda: true() + ahead
        code = (await pair.ask("POST", "/agents/enroll-tokens", {"label": "replay"}))["token"]
        assert (await heard(lambda: agent.enroll(code))).is_success
        reported = {"workflows": [{"name": "ledger"}]}
        assert (await heard(lambda: agent.call("POST", "/agent/workflows/report", reported))).is_success
        return cls(pair=pair, agent=agent, caller=await Caller.for_id(pair, agent.agent_id), chance=chance)

    async def work(self) -> None:
        """Make every call that an agent can, in the life of one job."""
        job = await self.caller.run()
        of_job = {"job_id": job}
        await self.call("POST", "/agent/heartbeat")
        await self.call("PATCH", "/agent/identity", {"hostname": f"h{len(self.calls)}"})
        await self.call("POST", "/agent/workflows/report", {"workflows": [{"name": "ledger"}]})
        await self.call("GET", "/agent/stream")
        await self.call("POST", "/agent/jobs/{job_id}/result", {"status": "running"}, **of_job)
        for seq in range(2):
            items = [{"seq": seq, "stream": "raw", "content": f"{self.chance.random()}\n"}]
            await self.call("POST", "/agent/jobs/{job_id}/logs", {"items": items}, **of_job)
        announced = await self.call("POST", "/agent/jobs/{job_id}/files/presign-upload", {}, **of_job)
        stored = await self.agent.http.put(
            announced["uploadUrl"], content=b"bytes", headers=announced.get("uploadHeaders")
        )
        assert stored.is_success, stored.text
        of_file = {"file_id": announced["fileId"]}
        await self.call("POST", "/agent/files/{file_id}/complete", **of_file)
        await self.call("GET", "/agent/files/{file_id}", **of_file)
        await self.call("GET", "/agent/files/{file_id}/download-url", **of_file)
        await self.call("DELETE", "/agent/files/{file_id}", **of_file)
        await self.call("POST", "/agent/jobs/{job_id}/result", {"status": "success", "exitCode": 0}, **of_job)

    async def call(self, method: str, path: str, body: Any = None, **ids: str) -> Any:
        """Make a call at one to all doors at once, and a new one after 503; return what was said to an accepted one."""
        async with asyncio.timeout(120):
            while True:
                call = self._signed(method, path, body, **ids)
                doors = self.chance.sample(self._doors, self.chance.randint(1, len(self._doors)))
                answers = await self._at_once(call, doors)
                if (said := next((answer for answer in answers if answer.accepted), None)) is not None:
                    return said.json() if said.body else None
                assert any(answer.status == 503 for answer in answers), (call, answers)
                await asyncio.sleep(1)

    async def beat(self) -> None:
        """Send a heartbeat to all doors at once, whoever answers there."""
        await self._at_once(self._signed("POST", "/agent/heartbeat"), self._doors)

    async def close(self) -> None:
        await self.agent.close()
        await self.caller.close()

    @property
    def _doors(self) -> list[str]:
        return [*self.pair.doors, self.pair.url]

    def _signed(self, method: str, path: str, body: Any = None, **ids: str) -> Call:
        target, raw = path.format(**ids), b"" if body is None else json.dumps(body).encode()
        headers = list(self.agent.signed(method, target, raw).items())
        return Call(message=Message(method=method, target=target, headers=headers, body=raw), route=(method, path))

    async def _at_once(self, call: Call, doors: Sequence[str]) -> list[Answer]:
        """Send the same bytes over new connections; return what was answered."""
        self.calls.append(call)
        wires = [Wire(door) for door in doors]
        since = time.time()
        answers = await asyncio.gather(*(wire.ask(call.message) for wire in wires), return_exceptions=True)
        for wire in wires:
            wire.close()
        assert all(isinstance(answer, Answer | OSError) for answer in answers), answers
        said = [answer for answer in answers if isinstance(answer, Answer)]
        call.accepted += [(since, time.time()) for answer in said if answer.accepted]
        self.refused += sum(answer.code == "nonce_replayed" for answer in said)
        assert all(answer.accepted or answer.code == "nonce_replayed" or answer.status == 503 for answer in said), said
        return said
