"""What runs on a data folder, as its supervisor last wrote it and as the system confirms it."""

from deplite.local import liveness
from deplite.local.layout import Layout
from deplite.local.state import PartState, read_state

PartStatus = PartState


def look(layout: Layout) -> tuple[PartStatus, ...]:
    """Return the parts of a running `deplite up`; none if it does not run.

    A part whose process is gone has no pid: the supervisor is about to start it again.
    """
    state = read_state(layout)
    supervisor = state.supervisor
    if supervisor is None or not liveness.is_alive(supervisor.pid, supervisor.birth):
        return ()
    return tuple(_confirmed(part) for part in state.parts)


def _confirmed(part: PartState) -> PartState:
    return part if liveness.is_alive(part.pid, part.birth) else part.model_copy(update={"pid": None})
