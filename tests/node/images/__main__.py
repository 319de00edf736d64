"""`python -m tests.node.images [system|application]`: makes the images that are missing, and prints where they are.

Where this machine cannot make any, it says why in one line; in CI (DEPLITE_REQUIRE_ALL) that is an error.
"""

import asyncio
import os
import sys

from rich.console import Console

from deplite.local.errors import LocalError
from deplite.local.progress import Steps
from tests.node.images import GROUPS, archives, missing

TITLES = {"system": "Images: pause, CoreDNS", "application": "Images: ours and what the chart bundles"}


def main(groups: list[str]) -> int:
    """Make the images of these groups, or of all."""
    steps = Steps(Console())
    if problem := missing():
        print(problem, file=sys.stderr)
        return int("DEPLITE_REQUIRE_ALL" in os.environ)
    try:
        with steps.shown():
            for group in groups or GROUPS:
                with steps.step(TITLES[group]) as step:
                    found = asyncio.run(archives([group], step.advance))
                    step.note = str(next(iter(found.values())))
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
