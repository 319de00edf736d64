"""One run's hold on the data folder: nobody else runs on it, and the state on disk says what runs."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from filelock import FileLock, Timeout

from deplite.local import liveness, ports
from deplite.local.down import stop_leftovers
from deplite.local.errors import LocalError
from deplite.local.layout import Layout
from deplite.local.progress import Steps
from deplite.local.state import PartState, State, read_state, write_state
from deplite.resources.organization import NAMESPACE_PATTERN

DEFAULT_ORGANIZATION = "org-demo"


class Session:
    """The state of a run; saved with each change."""

    def __init__(self, layout: Layout, steps: Steps) -> None:
        self._layout = layout
        self._steps = steps
        self.state = State()

    @property
    def organization(self) -> str:
        """The organization of this data folder."""
        return self.state.organization

    @contextmanager
    def opened(self, organization: str | None, port: int | None, purposes: tuple[str, ...]) -> Iterator[None]:
        """Hold the folder as long as the block runs.

        Args:
            organization: the one asked for; None: that of the last run, else the default.
            port: the apiserver's port asked for; None: that of the last run, else a free one.
            purposes: what needs a port.

        Raises:
            LocalError: somebody runs on the folder, a port is taken, or the organization is another one.
        """
        self._layout.make()
        lock = FileLock(self._layout.lock, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise LocalError(_already_running(self._layout)) from error
        try:
            self._begin(organization, port, purposes)
            yield
        finally:
            self._end()
            lock.release()

    def save(self, **changes: Any) -> None:
        """Change some fields of the state, here and on disk."""
        self.state = self.state.model_copy(update=changes)
        write_state(self._layout, self.state)

    def _begin(self, organization: str | None, port: int | None, purposes: tuple[str, ...]) -> None:
        state = read_state(self._layout)
        chosen = choose_organization(organization, state.organization)
        stop_leftovers(self._layout, state, self._steps)
        kept = state.ports | ({"apiserver": port} if port else {})
        all_ports = ports.choose(purposes, kept)
        ports.check_free({purpose: all_ports[purpose] for purpose in purposes}, str(self._layout.state))
        pid = os.getpid()
        supervisor = PartState(
            name="supervisor", pid=pid, birth=liveness.birth(pid), log=str(self._layout.log("supervisor"))
        )
        self.state = state
        self.save(organization=chosen, ports=all_ports, supervisor=supervisor, parts=())

    def _end(self) -> None:
        if self.state.supervisor is not None:
            self.save(supervisor=None, parts=())


def choose_organization(asked: str | None, kept: str) -> str:
    """Return the organization of a run.

    Raises:
        LocalError: it is no name of an organization, or not the one this folder belongs to.
    """
    chosen = asked or kept or DEFAULT_ORGANIZATION
    if not re.fullmatch(NAMESPACE_PATTERN, chosen):
        raise LocalError(
            f"`{chosen}` is no organization: choose a name of `org-` and at most 55 of a-z, 0-9 and `-`, "
            "like `--organization org-demo`"
        )
    if kept and chosen != kept:
        raise LocalError(
            f"this data folder belongs to {kept}: leave --organization out, or choose another folder with --data"
        )
    return chosen


def _already_running(layout: Layout) -> str:
    supervisor = read_state(layout).supervisor
    who = f" (pid {supervisor.pid})" if supervisor is not None else ""
    return f"Deplite already runs on {layout.root}{who}: `deplite status` shows it, `deplite down` stops it"
