"""An event loop whose clock jumps to the next timer whenever nothing else is to be done: an hour takes a second."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while something runs, in a thread too, and is skipped while all wait."""

    _virtual = 0.0
    _in_threads = 0

    def time(self) -> float:
        return self._virtual

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        self._in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._out_of_thread)
        return future

    def _out_of_thread(self, _: "asyncio.Future[Any] | Future[Any]") -> None:
        self._in_threads -= 1

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready and scheduled and not self._in_threads:
            self._virtual = max(self._virtual, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


async def in_virtual_time(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run work on such a loop, in a thread of its own, and return what it returns."""

    def run() -> T:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(work())

    return await asyncio.to_thread(run)
