"""Entry of the `deplite` command: reads the arguments, calls the subcommand, turns our errors into one line."""

import argparse
import sys
from collections.abc import Sequence

from deplite import __version__
from deplite.cli import down, files, setup, slack, status, up
from deplite.errors import DepliteError
from deplite.proxies import spare_loopback

_SUBCOMMANDS = (up, status, down, files, slack, setup)
_INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended: 128 + SIGINT."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    root = argparse.ArgumentParser(
        prog="deplite", description="Start deploys from anywhere; run them on machines that accept no connection."
    )
    root.add_argument("--version", action="version", version=f"deplite {__version__}")
    subparsers = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for subcommand in _SUBCOMMANDS:
        subcommand.register(subparsers)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 an error that stderr names, 2 wrong usage, 130 Ctrl-C."""
    options = parser().parse_args(arguments)
    spare_loopback()
    try:
        return int(options.run(options))
    except (DepliteError, OSError) as error:
        print(f"deplite: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
