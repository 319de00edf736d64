"""How much memory a process has had at most, as the kernel tells it (Linux)."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.conftest import DEPLITE, ROOT

_KIB = 1024


@dataclass
class Peak:
    """The most memory that a running process has from now on."""

    pid: int
    before: int = field(init=False)
    """Bytes that it has now."""

    def __post_init__(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the mark of the most begins anew (proc(5))
        self.before = _status(self.pid, "VmRSS")

    @property
    def grown(self) -> int:
        """Bytes by which the most was more than at the beginning."""
        return _status(self.pid, "VmHWM") - self.before


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    output: str
    peak: int
    """Bytes."""


def measured(folder: Path, environment: dict[str, str], *arguments: str) -> Ended:
    """Run the `deplite` command to its end."""
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(
            [DEPLITE, *arguments], stdout=output, stderr=output, cwd=ROOT, env=os.environ | environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return Ended(code=process.returncode, output=output.read(), peak=usage.ru_maxrss * _KIB)


def _status(pid: int, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * _KIB
