"""Jobs with artifacts, as tests of their uploads make them."""

from pathlib import Path
from typing import Any

from tests.unit.agent.builders import order, write_workflow
from tests.unit.agent.jobs.conftest import Desks
from tests.unit.agent.jobs.test_desk import over
from tests.unit.agent.server import Server

KEY = ("j-1", "u1234567")


def workflow(tmp_path: Path, script: str, artifacts: str = "[dist/*]", *, more: str = "") -> Path:
    """A workflow that works in a folder of its own; returns that folder."""
    home = tmp_path / "home"
    home.mkdir()
    indented = "\n".join(f"      {line}" for line in script.splitlines())
    text = (
        f"working-directory: {home}\nartifacts: {artifacts}\n{more}\nsteps:\n  - name: work\n    run: |\n{indented}\n"
    )
    write_workflow(tmp_path, text)
    return home


MAKE = "mkdir dist; echo one > dist/one.txt; echo two > dist/two.html"


def of(server: Server, stream: str) -> list[dict[str, Any]]:
    kept = server.stored[KEY]
    return [kept[seq] for seq in sorted(kept) if kept[seq]["stream"] == stream]


async def ran(desks: Desks) -> None:
    desk = desks()
    desk.take(order())
    await over(desk)
