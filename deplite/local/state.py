"""What `deplite up` remembers between runs, and what `deplite status` and `deplite down` read: DIR/state.json."""

import json
from pathlib import Path

from pydantic import Field, ValidationError

from deplite.local.errors import LocalError
from deplite.local.layout import Layout, write_private
from deplite.resources.resource import Record


class PartState(Record):
    """One running process."""

    name: str
    pid: int | None = None
    """None while it waits to be started again."""
    birth: str = ""
    """When the process began, as the system says it: a pid alone may belong to somebody else by now."""
    address: str | None = None
    log: str
    restarts: int = 0


class State(Record):
    """All of state.json. It holds no secret."""

    organization: str = ""
    agent_id: str | None = None
    """The enrolled agent; None until the first enrolment."""
    trigger_id: str | None = None
    """The trigger that the first run made; None until then."""
    ports: dict[str, int] = Field(default_factory=dict)
    """Loopback ports by purpose, chosen once."""
    supervisor: PartState | None = None
    parts: tuple[PartState, ...] = ()
    """In the order in which they were started."""


def read_state(layout: Layout) -> State:
    """Return the state of a data folder; an empty one where there is none yet.

    Raises:
        LocalError: the file is not what we wrote.
    """
    return _parse(layout.state) if layout.state.exists() else State()


def _parse(path: Path) -> State:
    try:
        return State.model_validate(json.loads(path.read_text()))
    except (ValueError, ValidationError) as error:
        raise LocalError(f"{path} is damaged; remove it, and ports and example trigger are chosen anew") from error


def write_state(layout: Layout, state: State) -> None:
    """Replace the state at once."""
    write_private(layout.state, json.dumps(state.wire(), indent=2) + "\n")
