"""What is to be said to Slack after a request has its answer: in memory, bounded, by a few workers.

Nothing of a deploy hangs on any of it. What finds no room, or cannot be said, is a line in the log.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from deplite.kube.errors import KubeError
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.slack.errors import SlackError, SlackLimitedError, SlackUnavailableError

log = logging.getLogger(__name__)

MAX_WAITING = 1000
WORKERS = 8
MAX_TRIES = 3
LONGEST_PAUSE_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 1.0
CLOSE_SECONDS = 1.0

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Chore:
    """Something to do."""

    what: str
    """For the log."""
    work: Work
    once: str | None
    tries: int = 1


class Chores:
    """Does chores; each one up to three times where Slack asks to wait or does not answer."""

    def __init__(self, first_pause: float = FIRST_PAUSE_SECONDS) -> None:
        """Make it; `run` does what it is given.

        Args:
            first_pause: seconds until something that found nobody is tried again; twice as many the next time.
        """
        self._first_pause = first_pause
        self._waiting: asyncio.Queue[Chore] = asyncio.Queue(MAX_WAITING)
        self._once: set[str] = set()
        self._resting: set[asyncio.TimerHandle] = set()

    def add(self, what: str, work: Work, *, once: str | None = None) -> bool:
        """Take a chore; never waits, never fails.

        Args:
            what: what it is, for the log.
            work: does it.
            once: while another chore of this name waits, this one is left out: that one will do.

        Returns:
            Whether it is going to be done.
        """
        if once is not None and once in self._once:
            return True
        return self._put(Chore(what=what, work=work, once=once))

    async def run(self) -> None:
        """Work, for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())

    async def close(self) -> None:
        """Do what waits, if that takes no longer than a second."""
        for handle in self._resting:
            handle.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._waiting.join()
        left = self._waiting.qsize() + len(self._resting)
        if left:
            log.warning("%s things not said to Slack at the end", left, extra={"action": "slack_chores_left"})

    def _put(self, chore: Chore) -> bool:
        try:
            self._waiting.put_nowait(chore)
        except asyncio.QueueFull:
            log.warning("not said to Slack, too much waits: %s", chore.what, extra={"action": "slack_chore_dropped"})
            return False
        if chore.once is not None:
            self._once.add(chore.once)
        return True

    async def _work(self) -> None:
        while True:
            chore = await self._waiting.get()
            if chore.once is not None:
                self._once.discard(chore.once)  # what changes from now on is a chore of its own
            try:
                await self._do(chore)
            finally:
                self._waiting.task_done()

    async def _do(self, chore: Chore) -> None:
        try:
            await chore.work()
        except (SlackError, KubeError, UnavailableError) as error:
            pause = self._pause(error, chore.tries)
            if pause is None or chore.tries == MAX_TRIES:
                log.warning("not said to Slack: %s: %s", chore.what, error, extra={"action": "slack_chore_failed"})
            else:
                self._rest(replace(chore, tries=chore.tries + 1), pause)
        except Exception:  # nobody foresaw it; the next one may fare better
            log.exception("not said to Slack: %s", chore.what, extra={"action": "slack_chore_failed"})

    def _rest(self, chore: Chore, seconds: float) -> None:
        """Try again later; nobody waits for it here."""
        if len(self._resting) >= MAX_WAITING:
            log.warning("not said to Slack, too much waits: %s", chore.what, extra={"action": "slack_chore_dropped"})
            return

        def again() -> None:
            self._resting.discard(handle)
            self._put(chore)

        handle = asyncio.get_running_loop().call_later(seconds, again)
        self._resting.add(handle)

    def _pause(self, error: SlackError | KubeError | UnavailableError, tries: int) -> float | None:
        """Return how many seconds later to try again; None: never."""
        if isinstance(error, SlackLimitedError):
            return error.retry_after if error.retry_after <= LONGEST_PAUSE_SECONDS else None
        # What Slack may have done already is not done twice: better unsaid than said again.
        away = isinstance(error, KubeError | UnavailableError) or (
            isinstance(error, SlackUnavailableError) and not error.maybe_done
        )
        return self._first_pause * 2 ** (tries - 1) if away else None
