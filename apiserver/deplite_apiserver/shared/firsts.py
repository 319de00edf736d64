"""When a job was first sent, or its agent first told to stop it, by any replica.

The replica that holds the agent's stream notes it; the one that sweeps asks before it decides anything on it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from deplite_apiserver.dispatch.sent import Key, Sent, key_of
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.jobs.view import LiveJob
from deplite_apiserver.shared.link import Link

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
KEPT_SECONDS = 2 * 86_400
"""Beyond the time that the job itself may take."""
_A_CALL = 500

_NOTE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.3f', now - ARGV[2 * i - 1]), 'NX', 'EX', ARGV[2 * i])
end
"""
_AGES = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local ages = {}
for i, at in ipairs(redis.call('MGET', unpack(KEYS))) do ages[i] = at and string.format('%.3f', now - at) or '' end
return ages
"""


class RedisSent(Sent):
    """As `Sent`; what is noted here all replicas may learn."""

    def __init__(self, link: Link, kind: str, monotonic: Callable[[], float]) -> None:
        """Make an empty memory.

        Args:
            link: Redis.
            kind: a word for what happened.
            monotonic: seconds of a clock that never goes back.
        """
        super().__init__(monotonic)
        self._link, self._kind = link, kind
        self._lives: dict[Key, int] = {}
        self._untold: set[Key] = set()
        self._over: list[Key] = []
        self._wake = asyncio.Event()

    def note(self, job: LiveJob) -> None:
        """As `Sent.note`."""
        if self.age(job) is None:
            self._lives[key_of(job)] = job.job_seconds + KEPT_SECONDS
            self._untold.add(key_of(job))
            self._wake.set()
        super().note(job)

    def forget(self, job: LiveJob) -> None:
        """As `Sent.forget`; the replica that noted it takes it from Redis as well."""
        key = key_of(job)
        self._untold.discard(key)
        if self._lives.pop(key, None) is not None:
            self._over.append(key)
            self._wake.set()
        super().forget(job)

    async def learn(self, jobs: Sequence[LiveJob]) -> None:
        """As `Sent.learn`."""
        for first in range(0, len(jobs), _A_CALL):
            some = jobs[first : first + _A_CALL]
            ages = await self._link.run(_AGES, [self._key(key_of(job)) for job in some], repeatable=True)
            for job, age in zip(some, ages, strict=True):
                if age:
                    self._first.setdefault(key_of(job), self._monotonic() - max(0.0, float(age)))

    async def returned(self) -> None:
        """Have Redis told once more what this replica has noted: it may have forgotten that."""
        self._untold = set(self._lives)
        self._wake.set()

    async def run(self) -> None:
        """Tell Redis what is noted, for ever; what it could not be told it is told when it is back."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._tell()
            except UnavailableError as error:
                log.debug("%s not told: %s", self._kind, error)
            except Exception:
                log.exception("%s not told", self._kind, extra={"action": "firsts_not_told"})
            else:
                continue
            self._wake.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _tell(self) -> None:
        while some := list(self._untold)[:_A_CALL]:
            said: list[Any] = []
            for key in some:
                said += [round(self._monotonic() - self._first[key], 3), self._lives[key]]
            await self._link.run(_NOTE, [self._key(key) for key in some], said, repeatable=True)
            self._untold.difference_update(some)
        while some := self._over[:_A_CALL]:
            names = [self._key(key) for key in some]
            await self._link.ask(lambda names=names: self._link.client.delete(*names), repeatable=True)  # type: ignore[misc]
            del self._over[: len(some)]

    def _key(self, key: Key) -> str:
        return self._link.key(self._kind, key[2])
