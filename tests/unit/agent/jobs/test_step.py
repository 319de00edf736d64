"""One try of one step with real processes: the gate, the group, exit codes, time limits."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from deplite_agent.jobs.step import CannotStartError, Command, Ended, run_try
from deplite_agent.workflows.model import Step
from tests.unit.agent.builders import runs, text_of, until


def command(folder: Path, script: str, *, timeout: float = 120.0, shell: Any = "sh", **environment: str) -> Command:
    return Command(
        step=Step(name="work", run=script, shell=shell),
        environment={"PATH": os.environ["PATH"], **environment},
        folder=folder,
        timeout=timeout,
    )


async def tried(one: Command, *, grace: float = 10.0, starting: Any = lambda _: None) -> tuple[Ended, bytes]:
    out: list[bytes] = []
    ended = await run_try(one, starting=starting, output=out.append, grace=grace)
    return ended, b"".join(out)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("true", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("false; exit 0", 1),  # -e
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("no-such-program-here", 127),
    ],
)
async def test_exit_codes_are_as_shells_say_them(tmp_path: Path, script: str, code: int) -> None:
    assert (await tried(command(tmp_path, script)))[0] == Ended(exit_code=code)


async def test_what_both_outputs_get_comes_in_order_and_nothing_comes_in(tmp_path: Path) -> None:
    ended, out = await tried(command(tmp_path, 'echo 1; echo 2 >&2; cat; echo "$0 in $(pwd) as $X"', X="a b"))
    assert ended.exit_code == 0
    assert out.decode() == f"1\n2\nwork in {tmp_path} as a b\n"


async def test_bash_where_it_is_asked_for(tmp_path: Path) -> None:
    assert (await tried(command(tmp_path, "x=(1 2); echo ${#x[@]}", shell="bash")))[1] == b"2\n"


async def test_a_lot_of_output_arrives_whole(tmp_path: Path) -> None:
    assert len((await tried(command(tmp_path, "head -c 3000000 /dev/zero")))[1]) == 3_000_000


async def test_values_are_never_part_of_the_script(tmp_path: Path) -> None:
    evil = '";touch injected;$(touch injected)`touch injected`'
    _, out = await tried(command(tmp_path, 'echo "$REF"', REF=evil))
    assert out.decode() == evil + "\n"
    assert os.listdir(tmp_path) == []


async def test_nothing_of_the_step_runs_before_its_group_is_written_down(tmp_path: Path) -> None:
    groups: list[int] = []

    def starting(group: int) -> None:
        groups.append(group)
        assert os.getpgid(group) == group
        assert not (tmp_path / "ran").exists()

    ended, out = await tried(command(tmp_path, "touch ran; echo $$"), starting=starting)
    assert ended.exit_code == 0
    assert groups == [int(out)]


async def test_a_start_that_cannot_be_written_down_runs_nothing(tmp_path: Path) -> None:
    groups: list[int] = []

    def broken(group: int) -> None:
        groups.append(group)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await tried(command(tmp_path, "touch ran"), starting=broken)
    assert not (tmp_path / "ran").exists()
    assert not runs(str(groups[0]))


@pytest.mark.parametrize("kind", ["missing", "a file"])
async def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "x"
    if kind == "a file":
        folder.touch()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(
        CannotStartError, match=r"^The step work could not be started in .*: (No such|Not a dir)[a-z ]+\.$"
    ):
        await tried(command(folder, "true"))
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_no_descriptor_is_left(tmp_path: Path) -> None:
    await tried(command(tmp_path, "true"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await tried(command(tmp_path, "echo x; exit 1"))
    await asyncio.sleep(0)  # the loop closes its end of the pipe
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_time_that_is_over_ends_the_step(tmp_path: Path) -> None:
    ended, out = await tried(command(tmp_path, "trap 'echo told; exit 7' TERM; sleep 600 & wait", timeout=10.0))
    assert ended.timed_out
    assert b"told" in out


GRANDCHILD = """
(trap '' TERM; echo $BASHPID > grandchild; while :; do sleep 0.1; done) &
trap '' TERM
while ! test -s grandchild; do sleep 0.02; done
echo $$ > child
while :; do sleep 0.1; done
"""


async def test_a_group_that_ignores_being_told_is_killed_whole_after_the_grace(tmp_path: Path) -> None:
    ended, _ = await tried(command(tmp_path, GRANDCHILD, timeout=5.0, shell="bash"), grace=0.3)
    assert ended == Ended(exit_code=128 + signal.SIGKILL, timed_out=True)
    for name in ("child", "grandchild"):
        assert text_of(tmp_path / name)
        assert not runs(text_of(tmp_path / name))


async def test_what_a_step_leaves_in_its_group_is_killed_when_it_ends(tmp_path: Path) -> None:
    script = "(trap '' TERM HUP; echo $BASHPID > left; while :; do sleep 0.1; done) & while ! test -s left; do :; done"
    ended, _ = await tried(command(tmp_path, script, shell="bash"))
    assert ended.exit_code == 0
    await until(lambda: not runs(text_of(tmp_path / "left")))


async def test_what_left_the_group_and_holds_the_output_does_not_hold_the_job(tmp_path: Path) -> None:
    script = "setsid sh -c 'echo $$ > away; exec sleep 600' & while ! test -s away; do sleep 0.02; done; echo done"
    ended, out = await tried(command(tmp_path, script))
    away = int(text_of(tmp_path / "away"))
    os.kill(away, signal.SIGKILL)
    assert (ended.exit_code, out) == (0, b"done\n")


async def test_cancelling_tells_waits_and_kills_and_a_second_time_kills_at_once(tmp_path: Path) -> None:
    for times, grace in ((1, 0.3), (2, 600.0)):
        (tmp_path / "child").unlink(missing_ok=True)
        (tmp_path / "grandchild").unlink(missing_ok=True)
        task = asyncio.create_task(tried(command(tmp_path, GRANDCHILD, shell="bash"), grace=grace))
        await until(lambda: text_of(tmp_path / "child"))
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(task), 60)
        await until(lambda: not runs(text_of(tmp_path / "child")) and not runs(text_of(tmp_path / "grandchild")))


async def test_one_that_is_cancelled_while_it_is_started_leaves_nobody_at_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    started: list[str] = []
    create = asyncio.create_subprocess_exec

    async def noted(*argv: Any, **more: Any) -> Any:
        process = await create(*argv, **more)
        started.append(str(process.pid))
        return process

    async def cancelled(_: Any, pipe: Any) -> Any:
        pipe.close()
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    monkeypatch.setattr(loop, "connect_read_pipe", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await tried(command(tmp_path, "true"))
    assert [runs(pid) for pid in started] == [False]
