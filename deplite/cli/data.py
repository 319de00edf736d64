"""The option that every subcommand has: where the data is."""

import argparse
from pathlib import Path

from deplite.local.layout import DEFAULT_DATA, Layout


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add `--data DIR`."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=DEFAULT_DATA,
        help=f"folder that holds everything (default: {DEFAULT_DATA})",
    )


def layout_of(options: argparse.Namespace) -> Layout:
    """Return the layout of the folder that was asked for."""
    return Layout.at(options.data)
