"""A loop whose clock jumps to the next thing to do: an hour of waiting takes no time, in the order it would have."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """Only for work that waits for nothing but its own timers."""

    def __init__(self) -> None:
        self._jumped = 0.0
        super().__init__()

    def time(self) -> float:
        return super().time() + self._jumped

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready and scheduled:
            self._jumped += max(0.0, scheduled[0].when() - self.time())
        super()._run_once()  # type: ignore[misc]


def run_virtually(work: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)
