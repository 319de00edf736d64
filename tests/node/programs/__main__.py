"""`python -m tests.node.programs`: gets the programs of a node, so that it starts in seconds."""

import asyncio

from rich.console import Console

from deplite.local.progress import Steps
from tests.node.programs import find_or_build

steps = Steps(Console())
with steps.shown(), steps.step("The programs of a Kubernetes node") as step:
    asyncio.run(find_or_build(report=step.advance))
