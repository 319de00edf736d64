"""Stops a running `deplite up` from outside, and what a killed one left behind."""

import signal
import time

from deplite.local import liveness
from deplite.local.errors import LocalError
from deplite.local.layout import Layout
from deplite.local.progress import Steps
from deplite.local.state import PartState, State, read_state, write_state

MOST_REPLICAS = 8
"""Apiservers on one machine."""
STOP_ORDER = (
    "agent",
    "apiserver",
    *(f"apiserver-{number}" for number in range(1, MOST_REPLICAS + 1)),
    "valkey",
    "operator",
    "seaweedfs",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
)
"""Who needs somebody else stops before it; a kube-apiserver without its etcd would wait a minute."""
SUPERVISOR_SECONDS = 90.0
PART_SECONDS = 5.0


def stop(layout: Layout, steps: Steps) -> bool:
    """Stop everything that runs on a data folder; False if nothing did.

    Raises:
        LocalError: the supervisor does not end.
    """
    state = read_state(layout)
    found = False
    if _runs(state.supervisor):
        found = True
        with steps.step("Stopping all parts"):
            _stop_supervisor(state)
        state = read_state(layout)
    return stop_leftovers(layout, state, steps) or found


def stop_leftovers(layout: Layout, state: State, steps: Steps) -> bool:
    """Stop the parts that outlived their supervisor; False if there are none."""
    left = [part for part in state.parts if _runs(part)]
    left.sort(key=lambda part: STOP_ORDER.index(part.name) if part.name in STOP_ORDER else -1)
    for part in left:
        with steps.step(f"Stopping {part.name}, left by a run that was killed"):
            _end(part)
    if state.supervisor is not None or state.parts:
        write_state(layout, state.model_copy(update={"supervisor": None, "parts": ()}))
    return bool(left)


def _runs(part: PartState | None) -> bool:
    return part is not None and liveness.is_alive(part.pid, part.birth)


def _stop_supervisor(state: State) -> None:
    supervisor = state.supervisor
    if supervisor is None or supervisor.pid is None:
        return
    liveness.send(supervisor.pid, supervisor.birth, signal.SIGTERM)
    if not _gone(supervisor, SUPERVISOR_SECONDS):
        raise LocalError(
            f"the supervisor (pid {supervisor.pid}) has not ended after {SUPERVISOR_SECONDS:.0f} s; "
            f"see {supervisor.log}, end it with `kill -9 {supervisor.pid}` and call `deplite down` again"
        )


def _end(part: PartState) -> None:
    if part.pid is None:
        return
    liveness.send(part.pid, part.birth, signal.SIGTERM)
    if not _gone(part, PART_SECONDS):
        liveness.send(part.pid, part.birth, signal.SIGKILL)
        _gone(part, PART_SECONDS)


def _gone(part: PartState, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _runs(part):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True
