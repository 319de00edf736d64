"""The same script with another version: it waits for jobs, and goes back where the new one does not connect."""

import asyncio
import re

from tests.host.host import UNIT, Host, ended

HOME = "/var/lib/deplite-agent/home"
INSTALLING_SECONDS = 400
GATED = f"until [ -e {HOME}/go ]; do sleep 0.1; done; rm {HOME}/go; echo done"
SCRIPT = "/mnt/shared/clone/examples/host/install.sh"


async def versions(host: Host) -> list[str]:
    """Return which versions lie on the machine."""
    listed = (await host.machine.run("ls -d /opt/deplite-agent/[0-9]*")).splitlines()
    return sorted(path.rpartition("/")[2].partition("-")[0] for path in listed)


async def test_an_upgrade_waits_for_the_running_deploy(host: Host) -> None:
    job = await host.site.begin(GATED)
    await host.site.running(job)
    upgrade = await host.machine.start(f"{SCRIPT} --from deplite==0.1.1")
    await host.draining(seconds=INSTALLING_SECONDS)
    queued = await host.site.begin("echo later")
    assert await host.site.status(job) == "running"
    await host.machine.run(f"touch {HOME}/go")
    said = await ended(upgrade)
    assert said.code == 0, said
    assert "Restarting the agent; running jobs have 5min 30s to end" in said.out
    assert re.search(r"^Connected as agent ag-\w+$", said.out, re.MULTILINE)
    first, second = await host.site.end(job), await host.site.end(queued)
    assert (first.status, second.status) == ("success", "success")
    assert await host.version() == "0.1.1"
    assert await versions(host) == ["0.1.0", "0.1.1"]
    status = (await host.site.agent())["status"]
    assert status["agentVersion"] == "0.1.1"


async def test_a_version_that_does_not_work_is_taken_back(host: Host) -> None:
    unit = await host.machine.run(f"systemctl cat {UNIT}")
    before = await host.version()
    said = await host.install("--from /mnt/shared/broken")
    assert said.code == 1
    assert "OSError: no way" in said.err
    assert said.err.splitlines()[-1].startswith("install.sh: deplite 0.1.2 did not connect; ")
    await host.connected()
    assert await host.version() == before
    assert await host.machine.run(f"systemctl cat {UNIT}") == unit
    assert await versions(host) == ["0.1.0", "0.1.1"]
    assert (await host.site.run("true")).status == "success"


async def test_where_the_system_has_another_python_the_same_version_is_made_anew(host: Host) -> None:
    before = await host.version()
    source = {"0.1.0": "wheels", "0.1.1": "next"}[before]
    await host.machine.run("ln -sf /usr/bin/python3.0 /opt/deplite-agent/current/bin/python3")
    said = await host.install(f"--from /mnt/shared/{source}")
    assert said.code == 0, said
    assert await host.version() == before
    assert (await host.site.run("true")).status == "success"


async def test_a_server_that_is_another_one_is_taken_back_too(host: Host) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if asked.startswith(b"GET /livez ") else b"503 Service Unavailable"
        writer.write(b"HTTP/1.1 " + status + b'\r\nConnection: close\r\n\r\n{"status": "ok"}')
        writer.close()

    before, settings = await host.version(), await host.machine.run("cat /etc/deplite/agent.env")
    source = f"/mnt/shared/{'next' if before == '0.1.1' else 'wheels'}"  # the same version: only the address is wrong
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        said = await host.install(f"--url {url} --from {source} --wait 3")
    assert said.code == 1
    assert "runs again with its settings" in said.err.splitlines()[-1]
    await host.connected()
    assert await host.version() == before
    assert await host.machine.run("cat /etc/deplite/agent.env") == settings


async def test_an_upgrade_that_was_cut_off_is_finished_by_the_next_run(host: Host) -> None:
    other = "0.1.0" if await host.version() == "0.1.1" else "0.1.1"
    source = {"0.1.0": "/mnt/shared/wheels", "0.1.1": "/mnt/shared/next"}[other]
    job = await host.site.begin(GATED)
    await host.site.running(job)
    cut = await host.machine.start(f"echo $$ > /run/cut; exec {SCRIPT} --from {source}")
    await host.state("deactivating")
    await host.machine.run("kill -9 $(cat /run/cut)")
    await host.machine.run(f"touch {HOME}/go")
    await ended(cut)
    await host.machine.run("flock /run/deplite-agent-install.lock true")  # the restart that it began
    assert (await host.site.end(job)).status == "success"
    said = await host.install(f"--from {source}")
    assert said.code == 0, said
    assert await host.version() == other
    assert await host.machine.run("ls -A /opt/deplite-agent | grep '^\\.' || :") == ""
