"""`deplite status`: which parts run, where they answer and where their logs are."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from deplite.cli.data import add_data_option, layout_of
from deplite.local.status import PartStatus, look

_NOT_RUNNING = 1
_WIDTH = 1000


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "status",
        help="show the parts that run on this machine",
        description="Show the parts that run on this machine. Exits with 1 when nothing runs.",
    )
    add_data_option(parser)
    parser.add_argument("--output", choices=("text", "json"), default="text", help="form of the answer")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the status and return 0 if something runs, else 1."""
    layout = layout_of(options)
    parts = look(layout)
    if options.output == "json":
        print(json.dumps({"parts": [_wire(part) for part in parts]}, indent=2))
    elif parts:
        # A narrow terminal, or none, cuts nothing off: addresses and paths are there to be copied.
        Console(width=_WIDTH).print(_table(parts), crop=False, no_wrap=True)
    else:
        print(f"Deplite does not run on {layout.root}: `deplite up` with the same --data starts it.")
    return 0 if parts else _NOT_RUNNING


def _wire(part: PartStatus) -> dict[str, Any]:
    return {
        "name": part.name,
        "pid": part.pid,
        "address": part.address,
        "log": part.log,
        "restarts": part.restarts,
    }


def _table(parts: tuple[PartStatus, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("PART", "PID", "ADDRESS", "RESTARTS", "LOG"):
        table.add_column(heading, no_wrap=True)
    for part in parts:
        pid = str(part.pid) if part.pid else "starting"
        table.add_row(part.name, pid, part.address or "-", str(part.restarts), part.log)
    return table
