"""`python -m tests.chart.helm`: gets Helm, so that the tests of the chart need seconds."""

import asyncio

from rich.console import Console

from deplite.local.progress import Steps
from tests.chart.helm import find_or_build
from tests.chart.helm.foreign import find_or_fetch

steps = Steps(Console())
with steps.shown(), steps.step("Helm, for the tests of the chart") as step:
    asyncio.run(find_or_fetch())
    step.note = str(asyncio.run(find_or_build(step.advance)))
