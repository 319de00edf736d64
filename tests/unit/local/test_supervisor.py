"""The supervisor over processes that end when the test says so."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from deplite.local.errors import StartError
from deplite.local.process import Program
from deplite.local.supervisor import FIRST_DELAY, LAST_DELAY, STEADY_SECONDS, Supervisor, exit_words


class FakeProcess:
    def __init__(self, pid: int, *, starts: bool = True) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.starts = starts
        self._ended = asyncio.Event()

    def end(self, code: int) -> None:
        if self.returncode is None:
            self.returncode = code
            self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def wait_ready(self, timeout: float) -> None:
        if not self.starts:
            raise StartError("it was not ready")

    async def stop(self) -> int:
        self.end(-15)
        return -15

    def kill(self) -> None:
        self.end(-9)


class Bench:
    """A supervisor, a clock, and everything that it started, said and waited for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.started: list[tuple[Program, FakeProcess]] = []
        self.said: list[str] = []
        self.slept: list[float] = []
        self.changes = 0
        self.refuse = 0
        self.again = asyncio.Event()
        self.supervisor = Supervisor(
            self.said.append, self.change, launch=self.launch, monotonic=lambda: self.now, sleep=self.sleep
        )

    def change(self) -> None:
        self.changes += 1

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def launch(self, program: Program) -> FakeProcess:
        process = FakeProcess(2**22 + len(self.started), starts=self.refuse == 0)
        self.refuse = max(0, self.refuse - 1)
        self.started.append((program, process))
        return process

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


def program(name: str, env: dict[str, str] | None = None) -> Program:
    return Program(name=name, argv=("/bin/true",), cwd=Path("/"), env=env or {}, log=Path(f"/logs/{name}.log"))


async def test_a_program_that_ends_is_started_again_and_that_is_said() -> None:
    bench = Bench()
    await bench.supervisor.start(program("operator"))
    bench.started[0][1].end(-9)
    await bench.settle()
    assert len(bench.started) == 2
    assert bench.slept == [FIRST_DELAY]
    assert "operator ended (SIGKILL)" in bench.said[0]
    assert "/logs/operator.log" in bench.said[0]
    assert "operator runs again" in bench.said[1]
    (state,) = bench.supervisor.states()
    assert (state.restarts, state.pid) == (1, bench.started[1][1].pid)
    await bench.supervisor.stop((), nullcontext)


async def test_the_back_off_doubles_and_begins_anew_after_a_steady_life() -> None:
    bench = Bench()
    await bench.supervisor.start(program("agent"))
    for _ in range(12):
        bench.started[-1][1].end(1)
        await bench.settle()
    assert bench.slept[:3] == [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4]
    assert bench.slept[-1] == LAST_DELAY
    bench.now += STEADY_SECONDS
    bench.started[-1][1].end(1)
    await bench.settle()
    assert bench.slept[-1] == FIRST_DELAY
    await bench.supervisor.stop((), nullcontext)


async def test_a_restart_that_fails_is_tried_again() -> None:
    bench = Bench()
    await bench.supervisor.start(program("apiserver"))
    bench.refuse = 2
    bench.started[0][1].end(1)
    await bench.settle()
    assert len(bench.started) == 4
    assert bench.started[1][1].returncode == -9
    assert sum("not ready" in sentence for sentence in bench.said) == 2
    assert bench.supervisor.states()[0].pid == bench.started[3][1].pid
    await bench.supervisor.stop((), nullcontext)


async def test_a_first_start_that_fails_is_an_error() -> None:
    bench = Bench()
    bench.refuse = 1
    with pytest.raises(StartError):
        await bench.supervisor.start(program("apiserver"))


async def test_the_second_start_may_differ() -> None:
    bench = Bench()
    first = program("agent", {"DEPLITE_TOKEN": "a code"})
    await bench.supervisor.start(first, again=program("agent"))
    bench.started[0][1].end(0)
    await bench.settle()
    assert [dict(started.env) for started, _ in bench.started] == [{"DEPLITE_TOKEN": "a code"}, {}]
    await bench.supervisor.stop((), nullcontext)


async def test_all_stop_in_the_given_order_and_stay_stopped() -> None:
    bench = Bench()
    for name in ("etcd", "apiserver", "agent", "other"):
        await bench.supervisor.start(program(name))
    stopped: list[str] = []

    @contextmanager
    def stopping(name: str) -> Iterator[None]:
        stopped.append(name)
        yield

    await bench.supervisor.stop(("agent", "apiserver", "etcd"), stopping)
    await bench.settle()
    assert stopped == ["other", "agent", "apiserver", "etcd"]
    assert len(bench.started) == 4
    assert all(state.pid is None for state in bench.supervisor.states())


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "SIGKILL"), (-250, "signal 250")]
)
def test_an_exit_code_in_words(code: int, words: str) -> None:
    assert exit_words(code) == words
