"""A machine with an agent, outside of the cluster of a release."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deplite.local.process import Process, Program, clean_environment


@asynccontextmanager
async def machine(folder: Path, url: str, code: str, workflow: str, **more: str) -> AsyncIterator[None]:
    """Our agent runs.

    Args:
        folder: where its state and its log (`agent.log`) are.
        url: of its apiserver.
        code: that it enrols with.
        workflow: the text of its workflow file.
        more: more variables.
    """
    workflows = folder / "workflows"
    workflows.mkdir()
    (workflows / "workflow.yaml").write_text(workflow)
    given = {"DEPLITE_URL": url, "DEPLITE_TOKEN": code, "DEPLITE_WORKFLOWS_DIR": str(workflows)} | more
    env = clean_environment(DEPLITE_STATE_DIR=str(folder / "state"), **given)
    argv = (sys.executable, "-P", "-m", "deplite_agent.main")
    process = await Process.start(Program(name="agent", argv=argv, cwd=folder, env=env, log=folder / "agent.log"))
    try:
        yield
    finally:
        await process.stop()
