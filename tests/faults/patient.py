"""An agent of somebody else's that lives through the ends of its streams."""

import asyncio
import contextlib
import time

import httpx

from tests.faults.heard import heard
from tests.published.agent import PublishedAgent


class Patient:
    """An agent of somebody else's that connects again whenever its stream ends, and does at once what it is sent."""

    def __init__(self, agent: PublishedAgent) -> None:
        self.agent = agent
        self.done: list[str] = []
        self.away: list[float] = []
        """Seconds from the end of a stream to the next one."""
        self._living: asyncio.Task[None] | None = None

    async def begin(self, code: str) -> None:
        """Enrol, say what it offers, and open the stream."""
        assert (await heard(lambda: self.agent.enroll(code))).is_success
        reported = {"workflows": [{"name": "ledger"}]}
        assert (await heard(lambda: self.agent.call("POST", "/agent/workflows/report", reported))).is_success
        self._living = asyncio.create_task(self._live())

    async def close(self) -> None:
        assert self._living is not None
        self._living.cancel()
        await asyncio.gather(self._living, return_exceptions=True)
        await self.agent.close()

    async def _live(self) -> None:
        ended_at: float | None = None
        while True:
            with contextlib.suppress(httpx.TransportError, AssertionError):  # refused, or 503: once more
                async with self.agent.stream() as stream:
                    if ended_at is not None:
                        self.away.append(time.monotonic() - ended_at)
                        ended_at = None
                    async for event, data in stream:
                        if event == "deploy":
                            await self._do(self.agent.verify(data)["job_id"])
            ended_at = ended_at or time.monotonic()
            await asyncio.sleep(0.05)

    async def _do(self, job: str) -> None:
        """Do a job, and say so until it is heard: nobody sends it again while the stream goes on."""
        result = {"status": "success", "exitCode": 0}
        while (answer := await self.agent.call("POST", f"/agent/jobs/{job}/result", result)).status_code >= 500:
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
        if answer.is_success and job not in self.done:
            self.done.append(job)
