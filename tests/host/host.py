"""A machine with the agent on it: what its administrator types and sees."""

import asyncio
from dataclasses import dataclass

from tests.host.machine import Machine, Said
from tests.host.packages import README
from tests.host.site import TRY, Site
from tests.kube.serving import PATIENCE, until
from tests.pages import blocks

UNIT = "deplite-agent.service"
DROP_INS = f"/etc/systemd/system/{UNIT}.d"
PIP = "[global]\nno-index = true\nfind-links = /mnt/shared/wheels /mnt/shared/next\n"
EXAMPLE = "https://deplite.example.com"


def typed(heading: str, language: str = "sh", number: int = 0) -> str:
    """Return what the README has its reader type or write, under a heading."""
    return blocks(README, heading, language)[number]


def typed_there(heading: str) -> str:
    """Return the same for a shell of the machine, which has the checkout at another place."""
    return typed(heading).replace("examples/", "/mnt/shared/clone/examples/")


@dataclass(frozen=True, kw_only=True)
class Host:
    """The machine, and the server that its agent is enrolled at."""

    machine: Machine
    site: Site

    async def set_up(self) -> None:
        """Install as the README says; pip finds everything in a folder, as its configuration says."""
        await self.write("/etc/pip.conf", PIP)
        await self.write("/etc/deplite/agent.env", "DEPLITE_SCAN_SECONDS=1\n", mode="0600")
        await self.write("/etc/deplite/workflows/try.yaml", TRY)
        await self.write("/root/web-1.code", await self.site.shown(typed("Install"), "web-1.code"), mode="0600")
        lines = typed("Install", number=1).replace(EXAMPLE, self.site.url)
        await self.machine.run(f"cd /root\n{lines.replace('examples/host', '/mnt/shared/clone/examples/host')}")

    async def write(self, path: str, text: str, *, mode: str = "0644") -> None:
        """Write a file of root's, and the folders that it is in."""
        await self.machine.run(f"install -D -m {mode} /dev/stdin {path}", given=text)

    async def install(self, arguments: str = "", given: str | None = None) -> Said:
        """Run the install script of the checkout."""
        return await self.machine.ask(f"/mnt/shared/clone/examples/host/install.sh {arguments}", given)

    async def show(self, name: str) -> str:
        """Return a property of the unit."""
        return await self.machine.run(f"systemctl show -P {name} {UNIT}")

    async def journal(self) -> str:
        """Return all that the agent, and systemd about it, have said."""
        return await self.machine.run(f"journalctl -q -o cat -u {UNIT}")

    async def version(self) -> str:
        """Return the version that runs."""
        pid = await self.show("MainPID")
        program = await self.machine.run(f"tr '\\0' ' ' < /proc/{pid}/cmdline")
        return program.split("/")[3].rpartition("-")[0]

    async def ready(self) -> None:
        """Have the agent run, and wait until it is connected."""
        await self.machine.run(f"systemctl start {UNIT}")
        await self.connected()

    async def connected(self) -> None:
        """Wait until the present process has said that it is."""

        async def said() -> bool:
            run = await self.show("InvocationID")
            return " as agent ag-" in await self.machine.run(f"journalctl -q -o cat _SYSTEMD_INVOCATION_ID={run}")

        await until(said, True)

    async def drop_in(self, name: str, text: str) -> None:
        """Do what `systemctl edit` does, and restart; an empty text takes the drop-in away."""
        if text:
            await self.write(f"{DROP_INS}/{name}.conf", text)
        else:
            await self.machine.run(f"rm -r {DROP_INS}")
        await self.machine.run(f"systemctl daemon-reload && systemctl restart {UNIT}")
        await self.connected()

    async def state(self, wanted: str, *, seconds: float = PATIENCE) -> None:
        """Wait until the unit is in a state, e.g. `inactive`."""
        await until(lambda: self.show("ActiveState"), wanted, seconds=seconds)

    async def draining(self, *, seconds: float = PATIENCE) -> None:
        """Wait until the agent has heard that it shall end: `deactivating` says only that it was told."""
        await self.state("deactivating", seconds=seconds)
        said = f"journalctl -q -o cat _SYSTEMD_INVOCATION_ID={await self.show('InvocationID')}"

        async def heard() -> bool:
            return "takes no new job" in await self.machine.run(said)

        await until(heard, True)


async def ended(child: asyncio.subprocess.Process) -> Said:
    """Return what a command said, once it has ended."""
    out, err = await child.communicate()
    assert child.returncode is not None
    return Said(code=child.returncode, out=out.decode(), err=err.decode())
