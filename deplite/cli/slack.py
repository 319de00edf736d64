"""`deplite slack link`: prints what to type in Slack, so that Deplite knows there who one is."""

import argparse

from rich.console import Console

from deplite.cli.transfers import shown
from deplite.client.api import Api
from deplite.client.caller import load_person
from deplite.client.slack import Workspaces

_DESCRIPTION = """\
Who calls is said by the environment: DEPLITE_URL, DEPLITE_JWT and DEPLITE_ORG_ID, as `deplite up` writes them."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("slack", help="say in Slack who you are", description=_DESCRIPTION)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    link = actions.add_parser(
        "link",
        help="print what to type in Slack to be known there",
        description="Print a line to paste in Slack: it ties your Slack user to you. It works once, for ten minutes.",
    )
    link.add_argument("--team", metavar="T…", help="the workspace, where the organization has more than one")
    link.set_defaults(run=run_link)


def run_link(options: argparse.Namespace) -> int:
    """Make a code, and print the line that uses it."""
    api = Api(load_person())
    try:
        workspace, command = Workspaces(api).link(options.team)
    finally:
        api.close()
    name = shown(str(workspace.get("teamName") or workspace["teamId"]))
    Console(stderr=True).print(f"Paste this in Slack, in {name}, within ten minutes:", highlight=False, markup=False)
    print(shown(command))
    return 0
