"""`deplite down`: stops what `deplite up` started, whichever terminal or detached process it runs in."""

import argparse

from rich.console import Console

from deplite.cli.data import add_data_option, layout_of
from deplite.local.down import stop
from deplite.local.progress import Steps


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "down",
        help="stop what `deplite up` started",
        description="Stop every part. The data stays: the next `deplite up` goes on with it.",
    )
    add_data_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Stop everything; that nothing runs is no error."""
    layout = layout_of(options)
    steps = Steps(Console())
    with steps.shown():
        stopped = stop(layout, steps)
    if not stopped:
        steps.say(f"Deplite does not run on {layout.root}: nothing to stop.")
    return 0
