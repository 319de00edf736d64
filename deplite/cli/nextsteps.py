"""What `deplite up` prints once everything runs: where it is, who you are, and what to type next."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deplite.local.issuer import OWNER_LIFETIME
from deplite.local.up import Summary


def show(console: Console, summary: Summary, *, detached: bool) -> None:
    """Print the summary; long lines are left whole, to be copied."""
    for line in _lines(summary, detached=detached):
        console.print(line, highlight=False, soft_wrap=True)


def _lines(summary: Summary, *, detached: bool) -> list[str]:
    layout = summary.layout
    env = _typed(layout.env)
    data = "" if layout.root == (Path.cwd() / ".deplite") else f" --data {_typed(layout.root)}"
    deplite = "deplite" if shutil.which("deplite") else _typed(Path(sys.executable).with_name("deplite"))
    lines = [
        "",
        "[bold green]Deplite is up.[/bold green]",
        "",
        f"  API           {summary.url}",
        f"  organization  {summary.organization}",
        f"  kubeconfig    {escape(_short(summary.kubeconfig))}",
        f"  workflows     {escape(_short(layout.workflows))}",
        f"  JWT           {summary.jwt}",
        f"                [dim](you, the owner, for {OWNER_LIFETIME.days} days)[/dim]",
        "",
        "Next:",
        "",
        f"  . {env}",
        f"  {_kubectl()} get triggers,agents,apitokens,deployjobs -n $DEPLITE_ORG_ID",
        '  curl -s $DEPLITE_URL/api/orgs/$DEPLITE_ORG_ID/agents -H "Authorization: Bearer $DEPLITE_JWT"',
    ]
    if summary.webhook is not None:
        token = _typed(layout.token)
        lines.append(
            f"  curl -s -X POST $DEPLITE_URL/triggers/{summary.webhook.trigger_id}/run "
            f"""-H "Authorization: Bearer $(cat {token})" -d '{{"ref": "main", "params": {{"replicas": "3"}}}}'"""
        )
    lines.append(f"  {deplite} status{data}")
    lines += [f"  {deplite} down{data}"] if detached else ["", "Ctrl-C stops everything; the data stays."]
    return [*lines, ""]


def _typed(path: Path) -> str:
    """Return a path as it is typed into a shell here."""
    return escape(shlex.quote(_short(path)))


def _short(path: Path) -> str:
    """Return a path as one would name it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return os.fspath(path)


def _kubectl() -> str:
    """Return how to call kubectl: the one on the PATH, else the one that came with us."""
    return "kubectl" if shutil.which("kubectl") else _typed(Path(sys.executable).with_name("kubectl"))
