"""`deplite up`: everything on this machine, here in the terminal or detached from it."""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from deplite.cli.data import add_data_option, layout_of
from deplite.cli.nextsteps import show
from deplite.local.down import MOST_REPLICAS
from deplite.local.layout import Layout
from deplite.local.progress import Steps
from deplite.local.up import Options, Summary, Up

_DESCRIPTION = """\
Start everything that Deplite needs on this machine, run one deploy, and stay up until Ctrl-C. What was there before
goes on: the data is in one folder. The first time ever the control plane is built from source, which takes minutes."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "up", help="start everything on this machine and run a deploy", description=_DESCRIPTION
    )
    add_data_option(parser)
    parser.add_argument("--detach", action="store_true", help="return once all is ready; `deplite down` stops it")
    parser.add_argument(
        "--kubeconfig", metavar="FILE", type=Path, help="use this cluster in place of one of our own (needs its admin)"
    )
    parser.add_argument("--organization", metavar="NAME", help="the organization to make (default: org-demo)")
    parser.add_argument("--port", metavar="N", type=_port, help="the apiserver's port (default: a free one, kept)")
    parser.add_argument(
        "--replicas",
        metavar="N",
        type=_replicas,
        default=1,
        help=f"apiservers behind the one port, sharing a Valkey (1 to {MOST_REPLICAS}; default: 1, without Valkey)",
    )
    # The detached process writes to this descriptor once it is ready.
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError(text)
    return port


def _replicas(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MOST_REPLICAS:
        return int(text)
    raise argparse.ArgumentTypeError(f"choose a number from 1 to {MOST_REPLICAS}")


def run(options: argparse.Namespace) -> int:
    """Start everything; return when it was stopped, or once it is ready if detached."""
    layout = layout_of(options)
    if options.detach:
        return _detach(options, layout)
    return asyncio.run(_stay(options, layout))


async def _stay(options: argparse.Namespace, layout: Layout) -> int:
    steps = Steps(Console())
    wanted = Options(
        layout=layout,
        organization=options.organization,
        kubeconfig=options.kubeconfig.expanduser().resolve() if options.kubeconfig else None,
        port=options.port,
        replicas=options.replicas,
    )
    up = Up(wanted, steps)
    ready = False

    def announce(summary: Summary) -> None:
        nonlocal ready
        ready = True
        steps.hide()
        show(steps.console, summary, detached=options.ready_fd is not None)
        if options.ready_fd is not None:
            _let_go(steps, layout, options.ready_fd)

    main = asyncio.ensure_future(up.run(announce))
    _on_signals(main.cancel, up.hurry)
    with steps.shown(), contextlib.suppress(asyncio.CancelledError):
        await main
    # Stopping what runs is how it is meant to end; stopping what did not get ready is an interruption.
    return 0 if ready else 128 + signal.SIGINT


def _on_signals(first: Callable[[], object], later: Callable[[], object]) -> None:
    """Stop in order on the first signal, at once on the next."""
    told = False

    def handle() -> None:
        nonlocal told
        (later if told else first)()
        told = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, handle)


def _let_go(steps: Steps, layout: Layout, ready_fd: int) -> None:
    """Leave the terminal: what is said from now on goes to a log file; then tell the waiting command."""
    log = os.open(layout.log("supervisor"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
    os.close(log)
    steps.console = Console(no_color=True, width=200)
    steps.stamped = True
    with contextlib.suppress(BrokenPipeError):  # the waiting command was ended; what runs is stopped by `deplite down`
        os.write(ready_fd, b"1")
    os.close(ready_fd)


def _detach(options: argparse.Namespace, layout: Layout) -> int:
    """Start the same command in a session of its own and wait until it says that it is ready."""
    told, tell = os.pipe()
    command = [sys.executable, "-P", "-m", "deplite.cli.main", "up", "--data", str(layout.root)]
    for name in ("kubeconfig", "organization", "port", "replicas"):
        if (value := getattr(options, name)) is not None:
            command += [f"--{name}", str(value)]
    child = subprocess.Popen(  # noqa: S603 (our own command and checked arguments)
        [*command, "--ready-fd", str(tell)], pass_fds=(tell,), stdin=subprocess.DEVNULL, start_new_session=True
    )
    os.close(tell)
    try:
        if os.read(told, 1):
            child.returncode = 0  # it lives on by itself: nothing to wait for, nothing to warn of
            return 0
        return child.wait()
    except KeyboardInterrupt:
        child.send_signal(signal.SIGINT)
        return child.wait()
    finally:
        os.close(told)
