"""`deplite setup`: gets the programs of the control plane, so that a later `deplite up` needs seconds."""

import argparse
import asyncio

from rich.console import Console

from deplite.local.controlplane import find_or_build
from deplite.local.progress import Steps


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "setup",
        help="get the programs that `deplite up` needs",
        description="Build the control plane from source unless it is there; `deplite up` does the same when needed.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Find or build the programs."""
    steps = Steps(Console())
    with steps.shown(), steps.step("Programs of the control plane") as step:
        binaries = asyncio.run(find_or_build(step.advance))
        step.note = str(binaries.kube_apiserver.parent)
    return 0
