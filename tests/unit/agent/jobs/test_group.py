"""Process groups that a killed agent left behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from deplite_agent.jobs.environment import JOB_VARIABLE
from deplite_agent.jobs.group import group_lives, kill_leftovers, signal_group, stop_group
from tests.unit.agent.builders import until


async def sleeper(job_id: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        "sleep 600 & wait",
        start_new_session=True,
        env={JOB_VARIABLE: job_id, "PATH": os.environ["PATH"]},
    )
    if sys.platform == "linux":  # its environment can be read a moment after it was started
        await until(lambda: job_id.encode() in Path(f"/proc/{process.pid}/environ").read_bytes())
    return process


async def test_the_group_of_the_job_is_killed_whole() -> None:
    process = await sleeper("j-1")
    assert group_lives(process.pid)
    assert kill_leftovers(process.pid, "j-1")
    assert await process.wait() == -signal.SIGKILL
    await until(lambda: not group_lives(process.pid))
    assert not kill_leftovers(process.pid, "j-1")


async def test_a_group_whose_number_is_somebody_elses_by_now_is_left_alone() -> None:
    process = await sleeper("j-2")
    assert not kill_leftovers(process.pid, "j-1")
    assert not kill_leftovers(process.pid, "j-")
    assert group_lives(process.pid)
    await stop_group(process.pid, grace=60)
    assert await process.wait() == -signal.SIGTERM


@pytest.mark.parametrize("group", [2**22 + 3, os.getpgrp()])
def test_a_group_that_is_none_of_ours_is_left_alone(group: int) -> None:
    assert not kill_leftovers(group, "j-1")


async def test_a_group_that_is_gone_is_stopped_at_once() -> None:
    await stop_group(2**22 + 3, grace=600)
    assert not signal_group(2**22 + 3, 0)
    assert not group_lives(2**22 + 3)
