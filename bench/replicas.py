"""The apiservers' processes: what memory and time they take, which of them holds the agent's stream."""

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from deplite.local.layout import Layout
from deplite.local.status import look

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One apiserver's process."""

    name: str
    pid: int
    log: Path

    def memory(self) -> int:
        """Return the bytes of its memory that are in RAM."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def sent(self, job: str) -> bool:
        """Whether it was the one that sent a job to its agent."""
        return f"{job} sent to agent" in self.log.read_text()

    def kill(self) -> None:
        """Have it end without a last word; its supervisor starts another one."""
        os.kill(self.pid, signal.SIGKILL)


def replicas(data: Path) -> list[Replica]:
    """Return those of a running installation."""
    parts = [part for part in look(Layout(data)) if part.name.startswith("apiserver")]
    return [Replica(name=part.name, pid=part.pid, log=Path(part.log)) for part in parts if part.pid is not None]
