"""What happens to the agent and to its jobs without anybody asking."""

from tests.host.host import UNIT, Host

HOME = "/var/lib/deplite-agent/home"
STAYS = f"echo $$ > {HOME}/pid; setsid sleep 3600 & echo $! >> {HOME}/pid; while :; do sleep 0.1; done"


async def test_a_killed_agent_is_back_tells_the_truth_and_leaves_no_process(host: Host) -> None:
    job = await host.site.begin(STAYS)
    await host.machine.run(f"until grep -sq '[0-9]' {HOME}/pid && [ $(wc -l < {HOME}/pid) = 2 ]; do sleep 0.1; done")
    before, restarts = await host.show("MainPID"), int(await host.show("NRestarts"))
    await host.machine.run(f"kill -9 {before}")
    ended = await host.site.end(job)
    assert (ended.status, ended.reason) == ("failed", "agent_crashed")
    await host.connected()
    assert int(await host.show("NRestarts")) == restarts + 1
    await host.machine.run(f"for pid in $(cat {HOME}/pid); do while [ -e /proc/$pid ]; do sleep 0.1; done; done")
    await host.machine.run(f"rm {HOME}/pid")
    assert (await host.site.run("true")).status == "success"


async def test_what_a_step_left_running_ends_with_the_agent(host: Host) -> None:
    daemon = f"setsid sh -c 'echo $$ > {HOME}/left; exec sleep 3600' > /dev/null 2>&1 &"
    ended = await host.site.run(f"{daemon} until [ -s {HOME}/left ]; do sleep 0.1; done")
    assert ended.status == "success"
    left = await host.machine.run(f"cat {HOME}/left; rm {HOME}/left")
    await host.machine.run(
        f"[ -e /proc/{left} ]; systemctl restart {UNIT}; while [ -e /proc/{left} ]; do sleep 0.1; done"
    )


async def test_a_stop_waits_for_the_job_and_what_comes_meanwhile_runs_after_the_start(host: Host) -> None:
    job = await host.site.begin(f"until [ -e {HOME}/go ]; do sleep 0.1; done; rm {HOME}/go; echo done")
    await host.site.running(job)
    await host.machine.run(f"systemctl --no-block stop {UNIT}")
    await host.draining()
    queued = await host.site.begin("echo later")
    assert await host.site.status(job) == "running"
    await host.machine.run(f"touch {HOME}/go")
    await host.state("inactive")
    assert (await host.site.end(job)).log.splitlines()[1] == "done"  # delivered by the agent that was stopped
    assert await host.site.status(queued) == "queued"
    await host.machine.run(f"systemctl start {UNIT}")
    assert (await host.site.end(queued)).status == "success"


async def test_a_job_that_is_too_slow_for_the_stop_ends_as_it_is(host: Host) -> None:
    await host.machine.run("echo DEPLITE_DRAIN_SECONDS=1 >> /etc/deplite/agent.env")
    try:
        await host.machine.run(f"systemctl restart {UNIT}")
        await host.connected()
        job = await host.site.begin("sleep 3600")
        await host.site.running(job)
        await host.machine.run(f"systemctl stop {UNIT}")
        assert await host.show("Result") == "success"
        await host.machine.run(f"systemctl start {UNIT}")  # which delivers what the stop had no time for
        ended = await host.site.end(job)
        assert (ended.status, ended.reason) == ("failed", "agent_crashed")
        assert ended.detail["errorMessage"] == "The agent was stopped while the job ran."
    finally:
        await host.machine.run("sed -i /DRAIN/d /etc/deplite/agent.env && systemctl restart " + UNIT)


async def test_a_wrong_setting_is_not_tried_again_and_again(host: Host) -> None:
    await host.machine.run("echo DEPLITE_CONCURRENCY=none >> /etc/deplite/agent.env")
    try:
        await host.machine.run(f"systemctl restart {UNIT}")
        await host.state("failed")
        assert (await host.show("ExecMainStatus"), await host.show("NRestarts")) == ("78", "0")
        assert "DEPLITE_CONCURRENCY must be a whole number" in await host.journal()
    finally:
        await host.machine.run("sed -i /CONCURRENCY/d /etc/deplite/agent.env && systemctl restart " + UNIT)
