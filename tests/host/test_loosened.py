"""Each drop-in of the README: what it opens was closed, and is open with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.host.host import UNIT, Host, typed
from tests.host.packages import README

DOCKER = """
[Unit]
Description=Docker's socket
[Socket]
ListenStream=/run/docker.sock
SocketUser=root
SocketGroup=docker
SocketMode=0660
Accept=yes
"""
PING = """python3 -c '
import socket
with socket.socket(socket.AF_UNIX) as door:
    door.connect("/run/docker.sock")
    print(door.recv(100).decode())
'"""


@asynccontextmanager
async def loosened(host: Host, heading: str) -> AsyncIterator[None]:
    """Have what the README says under a heading, for a while."""
    await host.drop_in("test", typed(heading, "ini"))
    try:
        yield
    finally:
        await host.drop_in("test", "")


async def tried(host: Host, script: str) -> bool:
    """Whether a step that runs a script succeeds."""
    ended = await host.site.run(script)
    assert ended.status in ("success", "failed"), ended
    return ended.status == "success"


async def test_a_folder_to_write_to(host: Host) -> None:
    await host.machine.run("mkdir -p /srv/app /srv/other; chown -R deplite-agent: /srv/app /srv/other")
    assert not await tried(host, "touch /srv/app/page")
    async with loosened(host, "Write to a folder"):
        assert await tried(host, "touch /srv/app/page")
        assert not await tried(host, "touch /srv/other/page")
    assert await host.machine.run("stat -c '%U %A' /srv/app/page") == "deplite-agent -rw-r--r--"


async def test_a_service_to_restart(host: Host) -> None:
    for name in ("web", "other"):
        text = "[Service]\nType=exec\nExecStart=/bin/sleep infinity\n"
        await host.write(f"/etc/systemd/system/{name}.service", text)
    await host.machine.run("systemctl daemon-reload; systemctl start web other")
    before = await host.machine.run("systemctl show -P MainPID web")
    restart = "systemctl restart --no-ask-password"
    assert not await tried(host, f"{restart} web.service")
    await host.write("/etc/polkit-1/rules.d/50-deplite-agent.rules", typed("Restart a service", "js"))
    await host.machine.run("systemctl restart polkit")
    assert await tried(host, f"{restart} web.service")
    assert await host.machine.run("systemctl show -P MainPID web") != before
    assert not await tried(host, f"{restart} other.service")
    assert not await tried(host, "systemctl stop --no-ask-password web.service")


async def test_docker(host: Host) -> None:
    await host.machine.run("groupadd --system docker")
    await host.write("/etc/systemd/system/docker.socket", DOCKER)
    await host.write("/etc/systemd/system/docker@.service", "[Service]\nExecStart=echo pong\nStandardOutput=socket\n")
    await host.machine.run("systemctl daemon-reload; systemctl start docker.socket")
    assert not await tried(host, PING)
    async with loosened(host, "Docker"):
        ended = await host.site.run(PING)
        assert "pong" in ended.log


async def test_home_folders(host: Host) -> None:
    await host.machine.run("install -D -m 0644 /dev/null /home/ada/.ssh/config")
    assert not await tried(host, "cat /home/ada/.ssh/config")
    async with loosened(host, "Read home folders"):
        assert await tried(host, "cat /home/ada/.ssh/config")
        assert not await tried(host, "touch /home/ada/.ssh/config")


async def test_namespaces(host: Host) -> None:
    script = "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs tmpfs /tmp && id -u'"
    assert not await tried(host, script)
    async with loosened(host, "Containers without root, browsers"):
        assert await tried(host, script)


async def test_sudo(host: Host) -> None:
    await host.write("/usr/local/sbin/roll-out", "#!/bin/sh\nid -u\n", mode="0755")
    await host.write("/etc/sudoers.d/deplite-agent", typed("sudo", "sudoers"), mode="0440")
    assert not await tried(host, "sudo -n /usr/local/sbin/roll-out")
    async with loosened(host, "sudo"):
        assert await tried(host, 'test "$(sudo -n /usr/local/sbin/roll-out)" = 0')
        assert not await tried(host, "sudo -n id")
        assert not await tried(host, "touch /srv/anything")


async def test_more_time(host: Host) -> None:
    async with loosened(host, "More or less time"):
        assert "DEPLITE_DRAIN_SECONDS=1800" in (await host.show("Environment")).split()
        assert await host.show("TimeoutStopUSec") == "30min 30s"
        job = await host.site.begin("while :; do sleep 0.1; done")
        await host.site.running(job)
        await host.machine.run(f"systemctl --no-block stop {UNIT}")
        await host.draining()  # two signals at once would be one
        (hurry,) = [line for line in README.splitlines() if line.startswith("`systemctl kill")]
        await host.machine.run(hurry.split("`")[1])
        await host.state("inactive")
        await host.machine.run(f"systemctl start {UNIT}")
        assert (await host.site.end(job)).reason == "agent_crashed"
