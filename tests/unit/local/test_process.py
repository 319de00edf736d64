"""The one runner of processes: starting, readiness, stopping, and nothing left behind."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deplite.local.errors import StartError
from deplite.local.process import Process, Program, clean_environment, tail

ROOT = Path(__file__).resolve().parents[3]


def shell(folder: Path, script: str, **rest: object) -> Program:
    return Program(
        name="shell",
        argv=("/bin/sh", "-c", script),
        cwd=folder,
        env=clean_environment(),
        log=folder / "logs" / "shell.log",
        **rest,  # type: ignore[arg-type]
    )


def runs(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state.strip() not in {"", "Z"}


def read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


async def pid_in(path: Path) -> int:
    for _ in range(3000):
        if read(path):
            return int(read(path))
        await asyncio.sleep(0.02)
    raise TimeoutError(path)


async def said(process: Process, line: str) -> None:
    for _ in range(3000):
        if tail(process.program.log, 1) == [line]:
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(line)


async def gone(pid: int) -> bool:
    for _ in range(1200):
        if not runs(pid):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_program_that_ends_tells_everybody_its_code(tmp_path: Path) -> None:
    process = await Process.start(shell(tmp_path, "exit 3"))
    assert await asyncio.gather(process.wait(), process.wait()) == [3, 3]
    assert process.returncode == 3


async def test_both_outputs_go_to_a_private_log(tmp_path: Path) -> None:
    process = await Process.start(shell(tmp_path, "echo out; echo err >&2; umask"))
    await process.wait()
    assert tail(process.program.log, 3) == ["out", "err", "0077"]
    assert stat.S_IMODE(process.program.log.stat().st_mode) == 0o600


async def test_a_large_log_is_put_aside(tmp_path: Path) -> None:
    program = shell(tmp_path, "echo new")
    program.log.parent.mkdir()
    with program.log.open("wb") as file:
        file.truncate(17 << 20)
    await (await Process.start(program)).wait()
    assert program.log.read_text() == "new\n"
    assert program.log.with_name("shell.log.1").stat().st_size == 17 << 20


async def test_stop_is_polite_first(tmp_path: Path) -> None:
    process = await Process.start(
        shell(tmp_path, "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done")
    )
    await said(process, "up")
    await process.stop()
    assert process.returncode == 7
    assert tail(process.program.log, 1) == ["bye"]


async def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    process = await Process.start(shell(tmp_path, "trap '' TERM; echo up; while :; do sleep 0.02; done", grace=0.2))
    await said(process, "up")
    await process.stop()
    assert process.returncode == -signal.SIGKILL
    await process.stop()  # a second time does nothing


async def test_what_a_program_leaves_in_its_group_ends_with_it(tmp_path: Path) -> None:
    process = await Process.start(shell(tmp_path, "sleep 60 & echo $! > child; exit 0"))
    assert await process.wait() == 0
    assert await gone(await pid_in(tmp_path / "child"))


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    program = Program(name="etcd", argv=("/no/etcd",), cwd=tmp_path, env={}, log=tmp_path / "log")
    with pytest.raises(StartError, match=r"etcd cannot be started: .*No such file"):
        await Process.start(program)


async def test_ending_instead_of_starting_shows_the_end_of_the_log(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    process = await Process.start(shell(tmp_path, "echo port is taken; exit 1", ready=never))
    with pytest.raises(StartError, match=r"shell ended with 1 instead of starting; read .*shell\.log.*\nport is taken"):
        await process.wait_ready(60)


async def test_readiness_has_a_time_limit(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    process = await Process.start(shell(tmp_path, "exec sleep 60", ready=never))
    with pytest.raises(StartError, match=r"was not ready after 0\.2 s"):
        await process.wait_ready(0.2)
    process.kill()
    await process.wait()


def test_the_environment_of_programs_holds_no_proxy_and_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "all_proxy", "ETCD_LISTEN_CLIENT_URLS", "WEED_JWT_SIGNING_KEY", "KUBECONFIG"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PATH", "/bin")
    made = clean_environment(GOGC="50")
    assert (made["PATH"], made["GOGC"]) == ("/bin", "50")
    assert "x" not in made.values()


def test_a_program_shows_no_environment_in_its_repr(tmp_path: Path) -> None:
    program = Program(name="x", argv=(), cwd=tmp_path, env={"TOKEN": "hidden"}, log=tmp_path / "log")
    assert "hidden" not in repr(program)


PARENT = """
import asyncio, sys
from pathlib import Path
from deplite.local.process import Process, Program, clean_environment

async def main():
    folder = Path(sys.argv[1])
    for number in range(2):
        script = f"sleep 60 & echo $! > grandchild{number}; echo $$ > child{number}; wait"
        argv = ("/bin/sh", "-c", script)
        await Process.start(Program(name="x", argv=argv, cwd=folder, env=clean_environment(), log=folder / "log"))
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("guard_killed", [False, True])
async def test_nobody_outlives_a_parent_that_is_killed(tmp_path: Path, guard_killed: bool) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, str(tmp_path), cwd=ROOT)
    family = [await pid_in(tmp_path / f"{kind}{number}") for kind in ("child", "grandchild") for number in (0, 1)]
    assert all(runs(pid) for pid in family)
    if guard_killed:
        first = await guard_of(parent.pid)
        os.kill(first, signal.SIGKILL)
        await guard_of(parent.pid, after=first)
    parent.kill()
    await parent.wait()
    assert [await gone(pid) for pid in family] == [True] * 4


async def guard_of(parent: int, after: int | None = None) -> int:
    for _ in range(400):
        if found := [pid for pid in guards_of(parent) if pid != after]:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError("there is no guard")


def guards_of(parent: int) -> list[int]:
    shown = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in shown.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == parent and "guard.py" in row[2]]
