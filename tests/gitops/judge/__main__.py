"""`python -m tests.gitops.judge`: gets the judge, so that the tests of GitOps need seconds."""

import asyncio

from rich.console import Console

from deplite.local.progress import Steps
from tests.gitops.judge import find_or_build

steps = Steps(Console())
with steps.shown(), steps.step("Flux's and Argo CD's view of objects, for the tests of GitOps") as step:
    step.note = str(asyncio.run(find_or_build(step.advance)))
