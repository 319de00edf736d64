"""Agents' streams begin one a turn of the event loop; nothing else waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from deplite_apiserver.edge.turnstile import TurnstileMiddleware


class App:
    """Notes in which turn of the loop each request began, and stays."""

    def __init__(self) -> None:
        self.turn = 0
        self.began: list[tuple[str, int]] = []
        self.over = asyncio.Event()
        self.served = TurnstileMiddleware(self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began.append((scope["name"], self.turn))
        await self.over.wait()

    def request(self, name: str, path: str = "/agent/stream") -> asyncio.Task[None]:
        async def nothing(*_: Any) -> Any: ...

        scope = {"type": "http", "path": path, "name": name}
        return asyncio.create_task(self.served(scope, nothing, nothing))

    async def until(self, number: int) -> None:
        async with asyncio.timeout(60):
            while len(self.began) < number:
                await asyncio.sleep(0)


@asynccontextmanager
async def turning() -> AsyncIterator[App]:
    app = App()

    async def turn() -> None:
        while True:
            app.turn += 1
            await asyncio.sleep(0)

    turns = asyncio.create_task(turn())
    yield app
    app.over.set()
    turns.cancel()


async def test_streams_begin_one_a_turn_in_the_order_in_which_they_came() -> None:
    async with turning() as app:
        tasks = [app.request(str(number), prefix + "/agent/stream") for number in range(50) for prefix in ("", "/api")]
        await app.until(100)
        assert [name for name, _ in app.began] == [str(number // 2) for number in range(100)]
        assert all(one < other for (_, one), (_, other) in pairwise(app.began))
        app.over.set()
        await asyncio.gather(*tasks)


async def test_other_requests_wait_for_no_stream() -> None:
    async with turning() as app:
        tasks = [app.request(str(number)) for number in range(50)]
        tasks.append(app.request("run", "/triggers/tr-x/run"))
        await app.until(2)
        assert "run" in [name for name, _ in app.began[:2]]
        app.over.set()
        await asyncio.gather(*tasks)


async def test_who_hangs_up_while_waiting_holds_up_nobody() -> None:
    async with turning() as app:
        tasks = [app.request(str(number)) for number in range(10)]
        for task in tasks[1:9]:
            task.cancel()
        await app.until(2)
        assert [name for name, _ in app.began] == ["0", "9"]
        app.over.set()
        await asyncio.gather(*tasks, return_exceptions=True)
